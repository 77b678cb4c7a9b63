import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mien.faces.boxes import overlaps
from mien.faces.pairing import LEAST_OVERLAP, pairs


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.asarray(rows, np.float32).reshape(-1, 4)


def reach(n: int, sizes: float = 0.0) -> np.ndarray:
    return np.full(n, sizes)


def test_overlap_decides_for_all_together_and_not_one_by_one():
    """The second face is nearest to the first box; but then nothing is left for the first face."""
    rows, others = pairs(
        boxes((0, 0, 10, 10), (6, 0, 16, 10)), boxes((3.2, 0, 13.2, 10), (10, 0, 20, 10)), reach=reach(2)
    )
    assert dict(zip(rows, others, strict=True)) == {0: 0, 1: 1}


def test_what_overlaps_nothing_is_paired_by_distance_within_reach():
    foreseen, found = boxes((0, 0, 10, 10), (100, 0, 110, 10)), boxes((114, 0, 124, 10), (14, 0, 24, 10))
    assert [each.tolist() for each in pairs(foreseen, found, reach=reach(2, 1.3))] == [[], []]
    rows, others = pairs(foreseen, found, reach=reach(2, 1.5))
    assert dict(zip(rows, others, strict=True)) == {0: 1, 1: 0}


def test_a_box_of_another_size_is_no_pair_by_distance():
    assert [each.tolist() for each in pairs(boxes((0, 0, 10, 10)), boxes((14, 0, 34, 20)), reach=reach(1, 5))] == [
        [],
        [],
    ]


def test_a_face_that_counts_less_gives_way():
    foreseen, found = boxes((0, 0, 10, 10), (1, 0, 11, 10)), boxes((1, 0, 11, 10))
    assert pairs(foreseen, found, reach=reach(2))[0].tolist() == [1]
    assert pairs(foreseen, found, reach=reach(2), weights=np.array([1, 0.7]))[0].tolist() == [0]


corner = st.tuples(st.floats(0, 300, width=32), st.floats(0, 300, width=32))


@given(st.lists(corner, max_size=6), st.lists(corner, max_size=6), st.floats(0, 2))
def test_pairs_are_one_to_one_and_overlap_or_lie_within_reach(some, others, far):
    first = boxes(*((x, y, x + 60, y + 60) for x, y in some))
    second = boxes(*((x, y, x + 60, y + 60) for x, y in others))
    rows, columns = pairs(first, second, reach=reach(len(first), far))
    assert len(set(rows.tolist())) == len(set(columns.tolist())) == len(rows)
    for i, j in zip(rows, columns, strict=True):
        shared = overlaps(first[i : i + 1], second[j : j + 1])[0, 0]
        apart = np.linalg.norm(first[i, :2] - second[j, :2]) / 60
        assert shared >= LEAST_OVERLAP or apart <= far + 1e-5
