"""The verb explain on run folders, whose nets torch opens: what an ONNX file cannot show."""

import json

import numpy as np
import pytest
import torch

from mien.core.images import read_image, write_image
from mien.core.labels import LABEL_SETS
from mien.core.toml import to_toml
from mien.runtime.card import Card, Head, InputSpec, WeightFile
from mien.runtime.session import file_sha256
from mien.training.config import TrainConfig, as_settings
from mien.training.export import output_name, write_onnx
from mien.training.fit import AVERAGE, BEST, build_net
from mien.training.provenance import open_run
from mien.verbs.explain import explain

LABELS = {"ferplus": LABEL_SETS["ferplus"]}
SMALL = {"widths": (4, 8), "blocks": (1, 1), "reduction": 2}


@pytest.fixture
def run(tmp_path):
    """A run folder as a finished training leaves it, of a small net with CBAM and random weights."""
    config = TrainConfig(
        name="small",
        net="resnet-cbam",
        net_options=SMALL,
        start_size=24,
        input=InputSpec(size=24, color="gray", mean=(0.5,), std=(0.25,)),
        heads=("ferplus",),
    )
    out = tmp_path / "run"
    identity = {"config": to_toml(as_settings(config)), "data": "", "labels": {"ferplus": list(LABELS["ferplus"])}}
    open_run(out, identity, {})
    torch.manual_seed(0)
    net = build_net(config, LABELS).eval()
    (out / BEST).parent.mkdir()
    state = {AVERAGE + key: each for key, each in net.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 0}, out / BEST)
    write_onnx(net, out / "model.onnx", channels=1, size=24)
    card = Card(
        name="small",
        input=config.input,
        heads={"ferplus": Head(LABELS["ferplus"], output_name("ferplus"), 0.5)},
        default_head="ferplus",
        files={"float32": WeightFile("model.onnx", file_sha256(out / "model.onnx"))},
        default_file="float32",
        features="features",
    )
    (out / "model.toml").write_text(card.dump(), "utf-8")
    return out


@pytest.fixture
def face(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    write_image(tmp_path / "face.png", picture)
    return tmp_path / "face.png"


def test_attention_is_shown_block_by_block(run, face, tmp_path):
    found = explain(run, face, method="attention", detector="none", out=tmp_path / "out")
    assert found.rows[0]["explained"] == ""
    assert [each.name for each in found.files] == [
        "face.explained.png", "face.blocks.png", "explanations.json", "explanations.csv"
    ]  # fmt: skip
    blocks = json.loads((tmp_path / "out" / "explanations.json").read_text("utf-8"))["blocks"]
    assert [each["block"] for each in blocks] == ["stages.0.0.attention", "stages.1.0.attention"]
    assert [np.shape(each["places"]) for each in blocks] == [(24, 24), (12, 12)]
    assert [len(each["channels"]) for each in blocks] == [4, 8]
    assert read_image(tmp_path / "out" / "face.blocks.png").shape[1] > 3 * 176


def test_the_net_says_what_its_exported_file_says_and_is_made_to_forget(run, face, tmp_path):
    of_run = explain(run, face, method="gradcam", detector="none", faithfulness=True, out=tmp_path / "a")
    of_file = explain(
        run / "model.onnx", face, method="gradcam", detector="none", faithfulness=True, out=tmp_path / "b"
    )
    (a,), (b,) = of_run.rows, of_file.rows
    layers = a.pop("randomised")
    assert next(iter(layers)) == "heads.ferplus" and list(layers)[-1] == "stem.0"
    assert layers["stem.0"] is None or layers["stem.0"] < 0.9
    assert "randomised" not in b
    assert a.pop("p") == pytest.approx(b.pop("p"), abs=1e-5)
    for name in ("deletion", "insertion", "deletion_random", "insertion_random"):
        assert a.pop(name) == pytest.approx(b.pop(name), abs=2e-3)
    assert a == b


def test_a_method_for_runs_alone(run, face, tmp_path):
    found = explain(run, face, method="gradcam++", detector="none", label="fear", out=tmp_path / "out")
    assert found.rows[0]["explained"] == "fear"
