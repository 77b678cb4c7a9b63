import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.types import Faces
from mien.faces.between import between, same_faces


def faces(*corners: tuple[float, float], score: float = 0.9, size: float = 40) -> Faces:
    boxes = np.float32([[x, y, x + size, y + size] for x, y in corners]).reshape(-1, 4)
    points = np.repeat(boxes[:, None, :2], 5, axis=1) + np.arange(10, dtype=np.float32).reshape(5, 2)
    scores = np.float32([score - 0.01 * i for i in range(len(corners))])
    return Faces(boxes, scores, points)


def test_boxes_landmarks_and_scores_lie_on_the_line_whatever_the_order() -> None:
    before, after = faces((0, 0), (200, 0), score=0.9), faces((210, 20), (10, 0), score=0.7)
    found = between(before, after, 0.25)
    np.testing.assert_allclose(found.boxes, [[2.5, 0, 42.5, 40], [202.5, 5, 242.5, 45]], atol=1e-4)
    np.testing.assert_allclose(found.scores, [0.75 * 0.9 + 0.25 * 0.69, 0.75 * 0.89 + 0.25 * 0.7], atol=1e-6)
    np.testing.assert_allclose(found.landmarks[0], before.landmarks[0] + [2.5, 0], atol=1e-4)


@pytest.mark.parametrize(("share", "count"), [(0.2, 1), (0.5, 1), (0.51, 0), (0.8, 0)])
def test_a_face_that_goes_stays_until_the_middle(share: float, count: int) -> None:
    found = between(faces((0, 0)), Faces.empty(), share)
    np.testing.assert_array_equal(found.boxes, faces((0, 0)).boxes[:count])


@pytest.mark.parametrize(("share", "count"), [(0.2, 0), (0.5, 0), (0.51, 1), (0.8, 1)])
def test_a_face_that_comes_is_there_after_the_middle(share: float, count: int) -> None:
    found = between(faces((100, 0)), faces((100, 0), (0, 0)), share)
    assert len(found) == 1 + count
    np.testing.assert_array_equal(found.boxes[1:], faces((0, 0)).boxes[:count])


def test_a_face_may_jump_by_about_its_size() -> None:
    np.testing.assert_allclose(between(faces((0, 0)), faces((44, 0)), 0.5).boxes, faces((22, 0)).boxes)


def test_boxes_that_are_far_apart_are_two_faces() -> None:
    before, after = faces((0, 0)), faces((55, 0))
    assert len(same_faces(before, after)[0]) == 0
    np.testing.assert_array_equal(between(before, after, 0.4).boxes, before.boxes)
    np.testing.assert_array_equal(between(before, after, 0.6).boxes, after.boxes)


def test_pairs_overlap_as_much_as_they_can_together() -> None:
    # The first face overlaps both, the second only the first of them: a greedy choice would leave one alone.
    before, after = faces((0, 0), (20, 0)), faces((10, 0), (-12, 0))
    rows, others = same_faces(before, after)
    assert dict(zip(rows.tolist(), others.tolist(), strict=True)) == {0: 1, 1: 0}


def test_unknown_landmarks_stay_unknown() -> None:
    before = faces((0, 0))
    unknown = Faces(before.boxes, before.scores, np.full((1, 5, 2), np.nan))
    assert np.isnan(between(before, unknown, 0.5).landmarks).all()


@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), max_size=4),
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), max_size=4),
    st.floats(0.01, 0.99),
)
def test_no_face_is_made_up_or_counted_twice(
    first: list[tuple[int, int]], second: list[tuple[int, int]], share: float
) -> None:
    before, after = faces(*first), faces(*second)
    found = between(before, after, share)
    paired = len(same_faces(before, after)[0])
    assert len(found) == len(before if share <= 0.5 else after) >= paired
    assert (np.diff(found.scores) <= 0).all()
    if len(found):
        both = np.concatenate([before.boxes, after.boxes])
        assert (found.boxes >= both.min(0) - 1e-3).all() and (found.boxes <= both.max(0) + 1e-3).all()
