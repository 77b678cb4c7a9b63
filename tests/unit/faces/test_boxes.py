import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mien.faces.boxes import BoxFit, distinct, not_inside, overlaps, shifted, sides, squares, trimmed

corners = arrays.arrays(np.float32, (7, 2), elements=st.floats(-50, 50, width=32))
lengths = arrays.arrays(np.float32, (7, 2), elements=st.floats(1, 60, width=32))
scores = arrays.arrays(np.float32, 7, elements=st.floats(0.125, 1, width=32))


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.asarray(rows, np.float32)


def greedy(rows: np.ndarray, values: np.ndarray, limit: float) -> list[int]:
    """Non-maximum suppression as the textbook has it."""
    kept: list[int] = []
    for row in sorted(range(len(rows)), key=lambda i: -values[i]):
        if all(overlaps(rows[row : row + 1], rows[k : k + 1])[0, 0] <= limit for k in kept):
            kept.append(row)
    return kept


def test_overlaps_of_known_boxes():
    found = overlaps(boxes((0, 0, 10, 10)), boxes((0, 0, 10, 10), (5, 0, 15, 10), (20, 20, 30, 30), (2, 2, 4, 4)))
    assert found == pytest.approx(np.asarray([[1, 1 / 3, 0, 0.04]]))
    inside = overlaps(boxes((0, 0, 10, 10)), boxes((2, 2, 4, 4), (5, 0, 15, 10)), of_smaller=True)
    assert inside == pytest.approx(np.asarray([[1, 0.5]]))


def test_shifted_moves_edges_in_units_of_the_box():
    found = shifted(boxes((10, 20, 30, 60)), boxes((0.5, -0.5, 1, 0.25)))
    assert found.tolist() == [[20, 0, 50, 70]]


@given(corners, lengths)
def test_squares_keep_the_centre_and_the_longer_side(low, size):
    rows = np.hstack([low, low + size])
    found = squares(rows)
    assert np.allclose(sides(found), sides(rows).max(1, keepdims=True), atol=1e-3)
    assert np.allclose(found[:, :2] + found[:, 2:], rows[:, :2] + rows[:, 2:], atol=1e-3)


def test_trimmed_stays_inside():
    assert trimmed(boxes((-5, -6, 90, 40), (1, 2, 3, 4)), (30, 80)).tolist() == [[0, 0, 80, 30], [1, 2, 3, 4]]


def test_box_fit_scales_around_the_centre_and_shifts():
    found = BoxFit(scale=(0.5, 2.0), shift=(0.1, -0.2)).apply(boxes((0, 0, 10, 20)))
    assert found == pytest.approx(boxes((3.5, -14, 8.5, 26)))


@given(corners, lengths, scores)
def test_distinct_is_greedy_suppression(low, size, values):
    values = values + np.arange(7, dtype=np.float32) / 1024  # no ties
    if len(np.unique(values)) < 7:
        return
    rows = np.hstack([low, low + size])
    assert distinct(rows, values, overlap=0.4).tolist() == greedy(rows, values, 0.4)


def test_distinct_leaves_groups_alone():
    rows, values = boxes(*[(0, 0, 10, 10)] * 3), np.asarray([0.7, 0.9, 0.8], np.float32)
    assert distinct(rows, values, overlap=0.5).tolist() == [1]
    assert sorted(distinct(rows, values, overlap=0.5, groups=np.asarray([0, 0, 1], np.int32)).tolist()) == [1, 2]


def test_not_inside_drops_a_small_box_in_a_better_large_one():
    rows, values = boxes((0, 0, 5, 5), (0, 0, 20, 20), (18, 0, 38, 20)), np.asarray([0.8, 0.9, 0.7], np.float32)
    assert not_inside(rows, values, overlap=0.7).tolist() == [1, 2]
    assert distinct(rows, values, overlap=0.7).tolist() == [1, 0, 2]


def test_no_boxes():
    none, values = np.empty((0, 4), np.float32), np.empty(0, np.float32)
    assert distinct(none, values, overlap=0.5).shape == not_inside(none, values, overlap=0.5).shape == (0,)
    assert squares(none).shape == (0, 4)
    assert overlaps(none, boxes((0, 0, 1, 1))).shape == (0, 1)
