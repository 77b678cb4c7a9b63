"""Models by name, by file and by run folder; and those that are missing, changed or cut off."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import ModelError, UsageError
from mien.runtime.card import Card, WeightFile
from mien.runtime.session import file_sha256
from mien.zoo import store

CROPS = np.random.default_rng(0).integers(0, 256, (3, 48, 48), np.uint8)


@pytest.fixture
def shipped(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of bundled models that holds `tiny` alone, with a second weight file `other`."""
    folder = tmp_path / "weights"
    folder.mkdir()
    shutil.copy(tiny_model, folder / "tiny.onnx")
    (folder / "tiny.other.onnx").write_bytes(warmer(tiny_model))
    card = Card.load(tiny_model.with_suffix(".toml"))
    other = WeightFile("tiny.other.onnx", file_sha256(folder / "tiny.other.onnx"))
    card = dataclasses.replace(card, files={**card.files, "other": other})
    (folder / "tiny.toml").write_text(card.dump(), "utf-8")
    monkeypatch.setattr(store, "WEIGHTS", folder)
    monkeypatch.setattr(store, "CLONE", tmp_path / "no clone")
    monkeypatch.delenv("MIEN_MODELS", raising=False)
    return folder


def warmer(path: Path) -> bytes:
    """The same net with halved weights: other answers, the same form."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load(str(path))
    for each in model.graph.initializer:
        each.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(each) / 2, each.name))
    data: bytes = model.SerializeToString()
    return data


def test_names_are_those_of_the_cards(shipped: Path) -> None:
    assert store.names() == ["tiny"]
    (shipped / "another.toml").touch()
    assert store.names() == ["another", "tiny"]


def test_by_name(shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere" / "tiny").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "elsewhere")  # a folder of the same name does not hide a bundled model
    assert store.find_card("tiny") == shipped / "tiny.toml"
    assert store.load_card("tiny").name == "tiny"
    assert store.load_classifier("tiny", threads=1).predict(CROPS).shape == (3, 8)


def test_models_of_a_clone_and_of_a_folder_of_ones_own(
    shipped: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put(folder: Path, name: str) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(tiny_model, folder / "tiny.onnx")
        shutil.copy(tiny_model.with_suffix(".toml"), folder / f"{name}.toml")
        return folder / f"{name}.toml"

    clone = tmp_path / "clone"
    larger, _ = put(clone / "models", "larger"), put(clone / "models", "tiny")
    monkeypatch.setattr(store, "CLONE", clone)
    assert store.names() == ["tiny"]  # a folder beside an installed package is none of ours
    (clone / "pyproject.toml").touch()
    assert store.names() == ["larger", "tiny"]
    assert store.find_card("larger") == larger
    assert store.find_card("tiny").parent == shipped  # those of the package come first
    mine = put(tmp_path / "mine", "own")
    monkeypatch.setenv("MIEN_MODELS", str(tmp_path / "mine"))
    assert store.names() == ["larger", "own", "tiny"] and store.find_card("own") == mine
    assert store.find_card(tmp_path / "mine") == mine  # a folder with one card
    assert store.load_classifier(tmp_path / "mine", threads=1).predict(CROPS).shape == (3, 8)
    with pytest.raises(ModelError, match="expected one model's card in .*, got larger.toml, tiny.toml: give the path"):
        store.find_card(clone / "models")


def test_by_file_by_card_and_by_run_folder(tiny_model: Path, tmp_path: Path) -> None:
    wanted = store.load_classifier(tiny_model).predict(CROPS)
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy(tiny_model, run / "tiny.onnx")
    shutil.copy(tiny_model.with_suffix(".toml"), run / "model.toml")
    for model in (str(tiny_model), tiny_model.with_suffix(".toml"), run, run / "model.toml"):
        np.testing.assert_array_equal(store.load_classifier(model).predict(CROPS), wanted)


def test_variants(shipped: Path) -> None:
    default = store.load_classifier("tiny").predict(CROPS)
    other = store.load_classifier("tiny", variant="other").predict(CROPS)
    assert np.abs(default - other).max() > 1e-3
    # A file that is named is the one that is loaded, whichever the card's default is.
    np.testing.assert_array_equal(store.load_classifier(shipped / "tiny.other.onnx").predict(CROPS), other)
    np.testing.assert_array_equal(store.load_classifier(shipped / "tiny.onnx", variant="other").predict(CROPS), other)
    with pytest.raises(
        UsageError, match="expected a weight file of tiny out of float32, other, got 'others'; did you mean"
    ):
        store.load_classifier("tiny", variant="others")


def test_an_unknown_name_lists_the_known(shipped: Path) -> None:
    with pytest.raises(UsageError, match=r"expected a model out of tiny, got 'tiyn'; did you mean 'tiny'\?"):
        store.load_classifier("tiyn")


def no_file(path: Path) -> Path:
    return path.with_name("absent.onnx")


def no_card(path: Path) -> Path:
    path.with_suffix(".toml").unlink()
    return path


def no_weights(path: Path) -> Path:
    path.unlink()
    return path.with_suffix(".toml")


def empty_run(path: Path) -> Path:
    (path.parent / "run").mkdir()
    return path.parent / "run"


def not_in_the_card(path: Path) -> Path:
    shutil.copy(path, path.with_name("tiny.copy.onnx"))
    return path.with_name("tiny.copy.onnx")


def changed(path: Path) -> Path:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    return path


def cut_off(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-1])
    return path


def emptied(path: Path) -> Path:
    path.write_bytes(b"")
    return path


def of_no_known_kind(path: Path) -> Path:
    return path.with_suffix(".pt")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (no_file, r"expected a model at .*absent.onnx, got no such file"),
        (no_card, r"expected the card tiny.toml beside .*tiny.onnx, got none: see docs/bring-your-own-model.md"),
        (no_weights, r"expected the weight file .*tiny.onnx, got none"),
        (empty_run, r"expected model.toml in the run .*run, got none"),
        (not_in_the_card, r"expected a card that names tiny.copy.onnx, got one that names tiny.onnx"),
        (changed, r"expected sha256 \w{12}... of tiny.onnx as its card says, got \w{12}...: the file is damaged or"),
        (cut_off, r"expected sha256 \w{12}... of tiny.onnx as its card says"),
        (emptied, r"expected an ONNX model in .*tiny.onnx, got an empty file"),
        (of_no_known_kind, r"expected a model's name, an .onnx file or a run folder, got '.*tiny.pt'"),
    ],
)
def test_what_is_missing_or_wrong_is_said(tiny_model: Path, spoil: Callable[[Path], Path], said: str) -> None:
    model = spoil(tiny_model)
    with pytest.raises(ModelError, match=said) as caught:
        store.load_classifier(model)
    assert "\n" not in str(caught.value)


def test_a_changed_file_never_runs(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*args: object, **kwargs: object) -> None:
        raise AssertionError("a file that was changed was loaded")

    changed(tiny_model)
    monkeypatch.setattr(store, "Session", run)
    with pytest.raises(ModelError, match="sha256"):
        store.load_classifier(tiny_model)


def test_verify_checks_every_file(shipped: Path) -> None:
    store.verify("tiny")
    changed(shipped / "tiny.other.onnx")
    store.load_classifier("tiny")  # the default file is as it was
    with pytest.raises(ModelError, match=r"sha256 .* of tiny.other.onnx"):
        store.verify("tiny")
