"""Results are validated once, cannot be changed, and are cut like arrays."""

import dataclasses

import numpy as np
import pytest

from mien.core.errors import DataError, UsageError
from mien.core.labels import LABEL_SETS
from mien.core.types import Attribution, Faces, Predictions

FER2013 = LABEL_SETS["fer2013"]


def faces(n: int) -> Faces:
    corners = np.arange(n)[:, None] * np.array([10, 20, 10, 20]) + np.array([0, 0, 30, 40])
    return Faces(corners, np.linspace(1, 0.5, n), np.full((n, 5, 2), np.nan))


def predictions(n: int) -> Predictions:
    return Predictions(faces(n), np.eye(7, dtype=np.float32)[np.arange(n) % 7], FER2013)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"boxes": np.zeros((2, 5))}, r"expected boxes of shape \(n, 4\), got \(2, 5\)"),
        ({"boxes": np.zeros(4)}, r"expected boxes of shape \(n, 4\), got \(4,\)"),
        ({"scores": np.zeros(3)}, r"expected scores of shape \(2,\), got \(3,\)"),
        ({"landmarks": np.zeros((2, 10))}, r"expected landmarks of shape \(2, 5, 2\), got \(2, 10\)"),
    ],
)
def test_shapes_are_checked(change, message):
    with pytest.raises(DataError, match=message):
        dataclasses.replace(faces(2), **change)


def test_probabilities_have_a_column_a_label():
    with pytest.raises(DataError, match=r"expected probabilities of shape \(2, 7\), got \(2, 8\)"):
        Predictions(faces(2), np.zeros((2, 8)), FER2013)


def test_results_cannot_be_changed_and_callers_arrays_still_can():
    boxes = np.zeros((1, 4), np.float32)
    found = Faces(boxes, [1.0], np.zeros((1, 5, 2)))
    with pytest.raises(ValueError, match="read-only"):
        found.boxes[0, 0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.boxes = boxes
    boxes[0, 0] = 1  # raises nothing
    assert found.boxes.dtype == found.scores.dtype == found.landmarks.dtype == np.float32


@pytest.mark.parametrize(
    ("which", "rows"),
    [
        (1, [1]),
        (-1, [2]),
        (np.int64(0), [0]),
        (slice(1, None), [1, 2]),
        (np.array([2, 0]), [2, 0]),
        (np.array([True, False, True]), [0, 2]),
        (np.array([False] * 3), []),
    ],
)
def test_a_subset_keeps_what_belongs_together(which, rows):
    whole = predictions(3)
    part = whole[which]
    assert part.boxes.tolist() == whole.boxes[rows].tolist()
    assert part.scores.tolist() == whole.scores[rows].tolist()
    assert part.top == [whole.top[row] for row in rows]
    assert part.landmarks.shape == (len(rows), 5, 2)


def test_a_row_that_is_not_there_is_an_index_error():
    with pytest.raises(IndexError):
        predictions(3)[3]


def test_iterating_gives_one_face_at_a_time():
    assert [each.top for each in predictions(3)] == [["anger"], ["disgust"], ["fear"]]


def test_nobody_is_a_result_like_any_other():
    none = Predictions.empty(FER2013)
    assert (len(none), none.top, list(none)) == (0, [], [])
    assert none.boxes.shape == (0, 4) and none.probabilities.shape == (0, 7)
    assert set(map(len, none.to_dict().values())) == {0}


def test_probability_by_name():
    assert predictions(3).probability("disgusted").tolist() == [0, 1, 0]
    with pytest.raises(UsageError, match="got 'contempt'"):
        predictions(1).probability("contempt")


def test_areas():
    assert faces(2).areas.tolist() == [1200, 1200]
    turned = Faces([[10, 10, 0, 0]], [1.0], np.zeros((1, 5, 2)))
    assert turned.areas.tolist() == [0]


def test_columns_are_plain_values_in_order():
    columns = predictions(2).to_dict()
    assert list(columns) == ["x1", "y1", "x2", "y2", "score", *(f"p_{label}" for label in FER2013), "label"]
    assert columns["x2"] == [30.0, 40.0] and type(columns["x2"][0]) is float
    assert columns["label"] == ["anger", "disgust"]


def test_the_same_columns_in_pandas():
    pytest.importorskip("pandas")
    found = predictions(2)
    assert found.to_pandas().to_dict("list") == found.to_dict()


def test_heat_maps_are_checked_and_chosen_from():
    maps = np.stack([np.full((2, 3), k / 4, np.float32) for k in range(3)])
    found = Attribution(maps, "gradcam", ("anger", "fear", ""), "mien-s")
    assert len(found) == 3
    assert found[[True, False, True]].label == ("anger", "")
    assert found[-1].label == ("",) and found[-1].maps.max() == 0.5
    assert found[1].model == "mien-s"
    with pytest.raises(ValueError, match="read-only"):
        found.maps[0] = 0
    with pytest.raises(DataError, match="expected a label for each of 3 maps, got 1"):
        Attribution(maps, "gradcam", ("anger",))
    with pytest.raises(DataError, match=r"expected maps of shape \(n, n, n\), got \(2, 3\)"):
        Attribution(maps[0], "gradcam", ("anger",))
    for wrong in (maps * 3, maps - 1, maps * np.nan):
        with pytest.raises(DataError, match=r"expected maps in 0..1 from gradcam, got values in "):
            Attribution(wrong, "gradcam", ("a", "b", "c"))
