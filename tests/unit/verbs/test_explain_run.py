"""The verb explain on run folders, whose nets torch opens: what an ONNX file cannot show."""

import json

import numpy as np
import pytest

from mien.core.images import read_image, write_image
from mien.verbs.explain import explain


@pytest.fixture
def run(make_run, tmp_path):
    """Of a small net with CBAM."""
    return make_run(tmp_path / "run", "resnet-cbam", {"widths": (4, 8), "blocks": (1, 1), "reduction": 2})


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
