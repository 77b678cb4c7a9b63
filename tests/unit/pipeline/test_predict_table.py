from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mien.core.images import encode
from mien.core.labels import LABEL_SETS
from mien.core.types import Faces, Image, Predictions
from mien.pipeline import predict_table
from mien.pipeline.predict_table import Recognized, columns, recognize, rows
from mien.pipeline.recognizer import Recognizer
from mien.pipeline.sources import Found

FERPLUS = LABEL_SETS["ferplus"]


class Bright:
    """A detector for tests: as many faces as the picture's first pixel says."""

    def detect(self, image: Image, /, *, min_face: int = 40) -> Faces:
        n = int(image[0, 0, 0])
        boxes = np.array([[i, 0, i + 20, 20] for i in range(n)], np.float32).reshape(n, 4)
        return Faces(boxes, np.linspace(1, 0.5, n), np.full((n, 5, 2), np.nan))


@pytest.fixture
def recognizer(tiny_model: Path) -> Recognizer:
    return Recognizer(tiny_model, detector=Bright())


@pytest.fixture
def album(tmp_path: Path) -> list[Found]:
    """Pictures with 0, 1, 2, ... faces; number 3 is no picture."""
    found = []
    for n in range(6):
        path = tmp_path / f"{n}.png"
        image = np.random.default_rng(n).integers(0, 256, (24, 32, 3), np.uint8)
        image[0, 0, 0] = n
        path.write_bytes(b"no picture" if n == 3 else encode(image))
        found.append(Found(str(path)))
    return found


def test_columns_are_those_of_the_contract() -> None:
    assert ",".join(columns(LABEL_SETS["fer2013"])) == (
        "source,frame,time_s,face_id,x1,y1,x2,y2,score,p_anger,p_disgust,p_fear,p_happiness,p_sadness,p_surprise,"
        "p_neutral,label,error"
    )


def test_a_row_a_face_one_for_nobody_and_one_for_an_error(recognizer: Recognizer, album: list[Found]) -> None:
    table = [row for each in recognize(recognizer, album) for row in rows(each, FERPLUS)]
    assert [(Path(row["source"]).stem, row["face_id"]) for row in table] == [
        ("0", None), ("1", 0), ("2", 0), ("2", 1), ("3", None),
        ("4", 0), ("4", 1), ("4", 2), ("4", 3), ("5", 0), ("5", 1), ("5", 2), ("5", 3), ("5", 4),
    ]  # fmt: skip
    assert all(list(row) == list(columns(FERPLUS)) for row in table)
    nobody, face, broken = table[0], table[1], table[4]
    assert {name for name, value in nobody.items() if value is not None} == {"source"}
    assert {name for name, value in broken.items() if value is not None} == {"source", "error"}
    assert broken["error"].startswith(f"expected a picture in {album[3].source}, got 10 bytes that are not one: ")
    assert sum(face[f"p_{label}"] for label in FERPLUS) == pytest.approx(1, abs=1e-5)
    assert face["label"] == max(FERPLUS, key=lambda label: face[f"p_{label}"])
    assert (face["x1"], face["x2"], face["score"], face["error"]) == (0, 20, 1, None)
    assert all(type(value) in (str, int, float, type(None)) for row in table for value in row.values())


@pytest.mark.parametrize("batch", [1, 2, 5, 64])
def test_batches_change_nothing(recognizer: Recognizer, album: list[Found], batch: int) -> None:
    found = list(recognize(recognizer, album, batch=batch))
    assert [each.source for each in found] == [each.source for each in album]
    for each in found:
        if each.predictions is not None:
            alone = recognizer.predict(each.source)
            np.testing.assert_allclose(each.predictions.probabilities, alone.probabilities, atol=1e-6)


def test_faces_are_batched_across_pictures(
    recognizer: Recognizer, album: list[Found], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    predict = recognizer.classifier.predict
    monkeypatch.setattr(
        recognizer.classifier,
        "predict",
        lambda crops, **options: (asked.append(len(crops)), predict(crops, **options))[1],
    )
    list(recognize(recognizer, album, batch=64))
    assert asked == [12]


def test_pictures_are_read_no_further_ahead_than_a_batch(recognizer: Recognizer, album: list[Found]) -> None:
    taken = 0

    def endless() -> Iterator[Found]:
        nonlocal taken
        while True:
            taken += 1
            yield album[1]

    found = recognize(recognizer, endless(), batch=4)
    for _ in range(4):
        next(found)
    assert taken <= 4 + 2


def test_pictures_are_kept_for_drawing_but_few_at_a_time(
    recognizer: Recognizer, album: list[Found], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predict_table, "_PIXELS", 2 * 24 * 32)
    held: list[int] = []
    classify = recognizer.classify
    monkeypatch.setattr(recognizer, "classify", lambda found: (held.append(len(found)), classify(found))[1])
    found = list(recognize(recognizer, album, keep_images=True))
    assert [each.image is not None for each in found] == [True, True, True, False, True, True]
    assert held == [2, 2, 1, 0] or held == [2, 2, 1]
    assert all(each.image is None for each in recognize(recognizer, album))


def test_abstaining_leaves_the_label_empty_and_the_probabilities() -> None:
    probabilities = np.full((2, 8), 0.4 / 7, np.float32)
    probabilities[:, 1] = 0.6
    probabilities[1] = [0.3, 0.7, 0, 0, 0, 0, 0, 0]
    faces = Faces(np.zeros((2, 4)), np.ones(2), np.full((2, 5, 2), np.nan))
    found = Recognized("a.jpg", Predictions(faces, probabilities, FERPLUS))
    assert [row["label"] for row in rows(found, FERPLUS)] == ["happiness", "happiness"]
    assert [row["label"] for row in rows(found, FERPLUS, abstain=0.65)] == [None, "happiness"]
    assert rows(found, FERPLUS, abstain=0.65)[0]["p_happiness"] == 0.6


def test_a_file_name_that_is_no_utf8_can_be_written() -> None:
    name = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    (row,) = rows(Recognized(name, None, f"expected a picture at {name}"), FERPLUS)
    assert row["source"] == "caf\ufffd.jpg"
    assert row["error"] == "expected a picture at caf\ufffd.jpg"
