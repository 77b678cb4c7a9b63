"""The errors of predictions on faces of a table: measured, listed, drawn."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from layouts.faces import face

from mien.core.errors import DataError, OutputError
from mien.core.images import decode
from mien.core.labels import LABEL_SETS
from mien.datasets.measures import measure
from mien.datasets.table import LabelColumn, Table
from mien.evaluation import PredictionTable
from mien.verbs.errors import analyse_errors, write_errors

pytest.importorskip("matplotlib")

FER, PLUS = LABEL_SETS["fer2013"], LABEL_SETS["ferplus"]
N = 24


@pytest.fixture(scope="module")
def table():
    ids = (np.arange(N) % 7).astype(np.int16)
    images = np.stack([face(FER.labels[k], seed=i, size=48) for i, k in enumerate(ids)])
    plus = FER.columns_in(PLUS)[ids].astype(np.int16)
    plus[:4] = PLUS.index("neutral")
    votes = np.zeros((N, 10), np.int8)
    votes[np.arange(N), plus] = 10
    votes[::2, 0] += 5
    box = np.column_stack([np.zeros((N, 2)), 20 + np.arange(N), 30 + np.arange(N)]).astype(np.float32)
    extra = {"votes": votes, "box": box}
    sources = {"fer2013": LabelColumn(FER, ids), "ferplus": LabelColumn(PLUS, plus)}
    names = np.array([f"f{k}" for k in range(N)])
    return Table(names, images, np.full(N, "valid"), sources, extra, {"name": "made"})


@pytest.fixture(scope="module")
def predictions(table):
    """Wrong on the first eight, where it says neutral; rows in another order than the table's."""
    said = table.source("fer2013").ids.copy()
    said[:8] = FER.index("neutral")
    p = np.where(np.arange(7) == said[:, None], 0.88, 0.02).astype(np.float32)
    whole = PredictionTable(
        table.ids, table.split, table.source("fer2013").ids, p, FER, meta={"label_source": "fer2013", "model": "m"}
    )
    return whole.select(np.arange(N)[::-1])


def test_all_that_the_data_know_is_measured_and_written(table, predictions, tmp_path):
    told = []
    result = write_errors(predictions, table, tmp_path / "errors", tell=lambda done, total: told.append((done, total)))
    found = result.analysis
    assert told[-1] == (N, N)
    assert set(found.bins) == {"brightness", "sharpness", "yaw", "face_size", "vote_entropy"}
    row = found.predictions.ids.tolist().index("f3")
    light = measure(table.images).brightness
    assert found.bins["brightness"][0].low == pytest.approx(light.min()) and found.names(row) == (
        "happiness",
        "neutral",
    )
    sizes = found.bins["face_size"]
    assert sizes[0].low == 30 and sizes[-1].high == 30 + N - 1  # the longer side
    assert sizes[0].accuracy.value == 0 and sizes[-1].accuracy.value == 1  # small faces come first, and are wrong
    wrong_but_neutral = {f"f{k}" for k in range(4)}
    assert set(found.predictions.ids[found.suspects].tolist()) == wrong_but_neutral
    assert found.wrong == 7 and found.judged == 7  # f6 is neutral
    names = {path.name for path in result.files}
    assert names == {
        "hardest.csv", "confident.csv", "confused.csv", "suspects.csv", "conditions.csv", "errors.json",
        "hardest.png", "confident.png", "confused.png", "suspects.png", "conditions.png",
    }  # fmt: skip
    written = json.loads((tmp_path / "errors" / "errors.json").read_text("utf-8"))
    assert written == found.to_dict() and "labels that may be wrong: by ferplus" in written["notes"]
    with open(tmp_path / "errors" / "suspects.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {each["id"] for each in rows} == wrong_but_neutral and {each["suggestion"] for each in rows} == {"neutral"}
    assert table.relabel(tmp_path / "errors" / "suspects.csv").source("fer2013").names()[:4] == ["neutral"] * 4
    picture = decode((tmp_path / "errors" / "confused.png").read_bytes())
    assert picture.shape[0] > 200 and picture.std() > 20


def test_an_earlier_analysis_is_not_replaced_unasked_and_not_mixed_with(table, predictions, tmp_path):
    write_errors(predictions, table, tmp_path, pose=False)
    with pytest.raises(OutputError, match=r"expected no errors in .*, got errors.json"):
        write_errors(predictions, table, tmp_path, pose=False)
    right = predictions.select(predictions.probabilities.argmax(1) == predictions.label_ids)
    result = write_errors(right, table, tmp_path, pose=False, overwrite=True)
    assert not (tmp_path / "suspects.png").exists() and (tmp_path / "hardest.png").exists()
    assert "yaw" not in result.analysis.bins
    with pytest.raises(OutputError, match="expected a folder for the errors, got the file"):
        write_errors(right, table, tmp_path / "errors.json")


def test_data_that_know_nothing_more(table, predictions, tmp_path):
    bare = Table(table.ids, table.images, table.split, {"fer2013": table.source("fer2013")})
    found = write_errors(predictions, bare, tmp_path, pose=False).analysis
    assert set(found.bins) == {"brightness", "sharpness"} and not len(found.suspects)
    assert any("no second label source" in line for line in found.notes)


def test_faces_that_the_data_do_not_hold(table, predictions, tmp_path):
    with pytest.raises(DataError, match=r"got 2 ids that are not there \(f1, f0\): give the data"):
        write_errors(predictions, table.select(slice(2, None)), tmp_path)
    with pytest.raises(DataError, match="expected labels of 'raf' in the data"):
        write_errors(predictions, table, tmp_path, pose=False, second="raf")
    with pytest.raises(DataError, match="expected predictions to analyse, got an empty table"):
        write_errors(predictions.select([]), table, tmp_path, pose=False)


def test_from_python_with_images_alone_or_with_nothing(table, predictions, tmp_path):
    predictions.write(tmp_path / "p.parquet")
    assert analyse_errors(tmp_path / "p.parquet").bins == {}
    images = table.images[::-1]
    landmarks = np.tile(np.float32([[0, 0], [10, 0], [5, 5], [2, 9], [8, 9]]), (N, 1, 1))
    found = analyse_errors(predictions, images, landmarks=landmarks, conditions={"row": np.arange(N)}, bins=3)
    assert set(found.bins) == {"brightness", "sharpness", "yaw", "row"} and found.bins["yaw"][0].high == 0
    with pytest.raises(DataError, match="expected an image for each of 24 rows of predictions, got 23"):
        analyse_errors(predictions, images[1:])
    unlabelled = replace(predictions, label_ids=np.full(N, -1, np.int16))
    with pytest.raises(DataError, match="got no label in 24 rows"):
        analyse_errors(unlabelled, images)
