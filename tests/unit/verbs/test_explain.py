"""The verb explain, on the bundled model and photographs; what it refuses, in one line each."""

import csv
import functools
import json

import decoders
import numpy as np
import pytest

import mien
from mien.cli.app import main
from mien.core.errors import InputError, OutputError, UsageError
from mien.core.images import read_image, write_image
from mien.core.labels import LABEL_SETS
from mien.datasets import LabelColumn, Table
from mien.datasets.looking import FEW
from mien.pipeline.decoding import Decoders
from mien.verbs import explain as verb
from mien.verbs.explain import AREAS, COLUMNS, explain
from mien.verbs.predict import predict


def refused(capsys, *words):
    """The one line on stderr of a command that was refused."""
    code = main([str(word) for word in words])
    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    assert said.err.count("\n") == 1 and said.err.startswith("mien: expected ")
    return said.err.strip()


@pytest.fixture
def plain(tmp_path):
    """A picture without a face."""
    write_image(tmp_path / "plain.png", np.full((80, 90, 3), 120, np.uint8))
    return tmp_path / "plain.png"


def test_both_photographs_are_explained_on_the_face(samples, tmp_path):
    found = explain("mien-s", samples, out=tmp_path / "out", detector="haar", faithfulness=True)
    assert (found.pictures, found.faces, found.failed) == (2, 2, {})
    assert [row["explained"] for row in found.rows] == ["happiness", "neutral"]
    for row in found.rows:  # at the mouth, nose and cheeks, not at the edge
        assert 0.25 < row["peak_x"] < 0.75 and 0.25 < row["peak_y"] < 0.85
        assert row["insertion"] > row["insertion_random"]
    # A neutral face stays neutral for long, whatever is taken away: what is deleted tells of the laughing one.
    assert found.rows[0]["deletion"] < 0.7 * found.rows[0]["deletion_random"]
    assert {each.name for each in found.files} == {
        "astronaut.explained.png", "grace_hopper.explained.png", "explanations.json", "explanations.csv"
    }  # fmt: skip
    drawn = read_image(tmp_path / "out" / "astronaut.explained.png")
    original = read_image(samples / "astronaut.jpg")
    changed = (drawn[:512, :512] != original).any(2)
    rows, columns = np.nonzero(changed)
    x1, y1, x2, y2 = (found.rows[0][name] for name in ("x1", "y1", "x2", "y2"))
    reach = max(x2 - x1, y2 - y1) * 0.45 + 2
    assert abs((x1 + x2) / 2 - columns).max() <= reach and abs((y1 + y2) / 2 - rows).max() <= reach
    assert changed.sum() > 1000
    with open(tmp_path / "out" / "explanations.csv", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == [*COLUMNS, *AREAS]
    numbers = json.loads((tmp_path / "out" / "explanations.json").read_text("utf-8"))
    assert (numbers["model"], numbers["method"], numbers["head"]) == ("mien-s", "gradcam", "ferplus")
    assert numbers["faces"] == [dict(row) for row in found.rows]


def test_a_label_and_a_head_are_taken(samples, tmp_path):
    found = explain("mien-s", samples / "astronaut.jpg", out=tmp_path, label="angry", head="fer2013", detector="haar")
    (row,) = found.rows
    assert (row["label"], row["explained"]) == ("happiness", "anger")
    assert row["p"] < 0.1


def test_classes_of_labelled_faces(tmp_path):
    ids = np.array([0, 0, 1, 1, 1, -1], np.int16)
    images = np.random.default_rng(0).integers(0, 256, (6, 48, 48), np.uint8)
    labels = LabelColumn(LABEL_SETS["ferplus"], ids)
    table = Table([f"f{i}" for i in range(6)], images, ["valid"] * 6, {"ferplus": labels})
    found = mien.explain("mien-s", data=table, out=tmp_path, most=2)
    assert [(row["label"], row["n"]) for row in found.classes] == [("neutral", 2), ("happiness", 2)]
    names = {each.name for each in found.files}
    assert {"class-neutral.png", "class-happiness.png", "mean-maps.png"} <= names
    assert read_image(tmp_path / "mean-maps.png").shape[1] > 2 * 176
    with pytest.raises(OutputError, match="expected no file at .*explanations.json, got one"):
        mien.explain("mien-s", data=table, out=tmp_path)


def test_a_picture_without_a_face(plain, samples, tmp_path, capsys):
    said = refused(capsys, "explain", "mien-s", plain, "--out", tmp_path / "a")
    assert f"expected a face in {plain}, got none that mtcnn finds: try another --detector" in said
    assert main(["explain", "mien-s", str(plain), str(samples / "astronaut.jpg"), "--out", str(tmp_path / "b")]) == 1
    said = capsys.readouterr()
    assert "expected a face in" in said.err and "happiness" in said.out
    with pytest.raises(InputError, match="expected a face in"):
        explain("mien-s", plain, out=tmp_path / "c")


def test_a_picture_that_brings_its_decoder_down_is_one_that_failed(tmp_path, monkeypatch):
    monkeypatch.setattr(verb, "Decoders", functools.partial(Decoders, start=decoders.fragile))
    for k in range(FEW):
        write_image(tmp_path / f"{k:02}.png", np.random.default_rng(k).integers(0, 256, (48, 48), np.uint8))
    deadly = tmp_path / "03.png"
    deadly.write_bytes(deadly.read_bytes() + decoders.DEADLY)
    found = explain("mien-s", tmp_path, out=tmp_path / "out", detector="none")
    assert found.failed == {
        str(deadly): f"expected a picture in {deadly} that can be decoded, got one that brought its decoder down: "
        "convert it"
    }
    assert (found.pictures, found.faces) == (FEW, FEW - 1)


def test_what_is_not_known_or_not_there(samples, tmp_path, capsys):
    command = ("explain", "mien-s", samples / "astronaut.jpg", "--out", tmp_path / "out")
    assert "expected a method out of gradcam, " in refused(capsys, *command, "--method", "lime")
    assert "expected a label out of neutral, happiness, " in refused(capsys, *command, "--label", "joyous")
    assert "expected a head of mien-s out of " in refused(capsys, *command, "--head", "rafdb")
    assert "expected a run folder, whose net torch can open, for the method attention, got the ONNX model mien-s" in (
        refused(capsys, *command, "--method", "attention")
    )
    assert "expected a picture or --data to explain a model on, got none" in refused(
        capsys, "explain", "mien-s", "--out", tmp_path / "out"
    )
    assert "got no such file" in refused(capsys, "explain", "mien-s", "gone.jpg", "--out", tmp_path / "out")


def test_predict_lays_heat_maps_under_its_boxes(samples, tmp_path):
    photograph, same = samples / "astronaut.jpg", {"detector": "haar"}
    predict(photograph, annotate=tmp_path / "bare", **same)
    predict(photograph, annotate=tmp_path / "heat", explain=True, **same)
    bare, heat = (read_image(tmp_path / name / "astronaut.annotated.jpg").astype(int) for name in ("bare", "heat"))
    changed = np.abs(heat - bare).sum(2) > 60
    rows, columns = np.nonzero(changed)
    factor = bare.shape[0] / 512
    assert changed.sum() > 2000
    assert 170 < columns.mean() / factor < 280 and 60 < rows.mean() / factor < 185
    with pytest.raises(UsageError, match="expected --annotate DIR beside --explain"):
        predict(photograph, explain=True)


def test_predict_explains_any_model(samples, tiny_model, tmp_path):
    predict(samples / "astronaut.jpg", model=tiny_model, detector="none", annotate=tmp_path / "a", explain=True)
    predict(samples / "astronaut.jpg", model=tiny_model, detector="none", annotate=tmp_path / "b")
    a, b = (read_image(tmp_path / name / "astronaut.annotated.jpg").astype(int) for name in "ab")
    assert (np.abs(a - b).sum(2) > 60).sum() > 2000
