"""docs/bring-your-own-model.md, done as it stands there."""

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import ModelError
from mien.runtime.card import Card, CropGeometry, Figure, Head, WeightFile
from mien.zoo.store import load_card, load_classifier

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "bring-your-own-model.md").read_text("utf-8")
NO_SHA256 = "0" * 64


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}[^\n]*\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A network as the page asks for it, in the current folder, still without its card."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    weights = np.random.default_rng(0).normal(size=(16, 3)).astype(np.float32)
    nodes = [
        helper.make_node("AveragePool", ["image"], ["pooled"], kernel_shape=[12, 12], strides=[12, 12]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "mine",
        [helper.make_tensor_value_info("image", kind, ["n", 1, 48, 48])],
        [helper.make_tensor_value_info("probabilities", kind, ["n", 3])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (tmp_path / "my.onnx").write_bytes(model.SerializeToString())
    monkeypatch.chdir(tmp_path)
    return tmp_path / "my.onnx"


def write_card_of_the_page(model: Path) -> None:
    [text] = blocks("toml")
    assert text.count(NO_SHA256) == 1
    text = text.replace(NO_SHA256, hashlib.sha256(model.read_bytes()).hexdigest())
    model.with_suffix(".toml").write_text(text, "utf-8")


def test_the_card_of_the_page_loads_the_model(mine: Path) -> None:
    write_card_of_the_page(mine)
    classifier = load_classifier("my.onnx")
    assert classifier.label_set().labels == ("neutral", "happiness", "anger")
    found = classifier.predict(np.random.default_rng(0).integers(0, 256, (4, 60, 60, 3), np.uint8))
    assert found.shape == (4, 3)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)


def test_the_card_of_the_page_unchanged_is_refused(mine: Path) -> None:
    mine.with_suffix(".toml").write_text(blocks("toml")[0], "utf-8")
    with pytest.raises(ModelError, match="expected sha256 000000000000... of my.onnx as its card says"):
        load_classifier("my.onnx")


def test_every_key_of_the_smallest_card_is_needed() -> None:
    lines = [line for line in blocks("toml")[0].splitlines() if line.strip()]
    for i, line in enumerate(lines):
        with pytest.raises(ModelError):
            Card.parse("\n".join(lines[:i] + lines[i + 1 :]))
            pytest.fail(f"not needed: {line}")


def test_python_writes_the_same_card(mine: Path) -> None:
    write_card_of_the_page(mine)
    by_hand = load_card("my.onnx")
    mine.with_suffix(".toml").unlink()
    [program] = [each for each in blocks("python") if "card = Card(" in each]
    exec(program, {})
    assert load_card("my.onnx") == by_hand


def test_python_loads_it(mine: Path) -> None:
    write_card_of_the_page(mine)
    [program] = [each for each in blocks("python") if "load_classifier" in each]
    names: dict[str, object] = {}
    exec(program, names)
    assert names["recognizer"].label_set.labels == names["classifier"].label_set().labels  # type: ignore[attr-defined]


def test_the_command_line_takes_it(mine: Path, samples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from mien.cli.app import main

    write_card_of_the_page(mine)
    assert main(["models", "show", "my.onnx"]) == 0
    assert "neutral, happiness, anger" in " ".join(capsys.readouterr().out.split())
    photograph = str(samples / "grace_hopper.jpg")
    assert main(["predict", photograph, "--model", "my.onnx", "--out", "faces.json"]) == 0
    [row] = json.loads(Path("faces.json").read_text("utf-8"))
    assert row["p_neutral"] + row["p_happiness"] + row["p_anger"] == pytest.approx(1, abs=1e-4)
    assert row["label"] in ("neutral", "happiness", "anger")


def test_the_defaults_of_the_page_are_those_of_the_card() -> None:
    rows = dict(re.findall(r"^\| (`.*?) \| (.*?) \|", PAGE.partition("| key |")[2], re.MULTILINE))
    assert rows["`[crop]` `scale`"] == f"{CropGeometry().scale}"
    assert rows["`[crop]` `shift_x`, `shift_y`"] == f"{CropGeometry().shift_x}" == f"{CropGeometry().shift_y}"
    assert rows["`[crop]` `align`"] == str(CropGeometry().align).lower()
    card = Card.parse(blocks("toml")[0])
    assert rows["`[heads.NAME]` `temperature`"] == f"{card.heads['mood'].temperature}"
    assert card.heads["mood"].label_set.name == "mood"
    assert (card.title, card.license, card.data, card.version, card.features) == ("", "", "", "1", "")
    assert card.parameters == card.macs == card.files["float32"].bytes == 0


def test_the_page_names_every_key() -> None:
    for kind in (Card, Head, WeightFile, CropGeometry, Figure):
        for key in kind.__dataclass_fields__:
            assert re.search(rf"\b{key}\b", PAGE), f"{kind.__name__}.{key}"
