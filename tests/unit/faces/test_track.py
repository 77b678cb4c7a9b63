from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.core.errors import DataError, UsageError
from mien.faces.track import Tracker

SIZE = 100.0


def boxes(*centers: tuple[float, float], size: float = SIZE) -> np.ndarray:
    middle = np.asarray(centers, np.float32).reshape(-1, 2)
    return np.hstack([middle - size / 2, middle + size / 2])


def times(fps: float, seconds: float) -> Iterator[float]:
    yield from (i / fps for i in range(round(fps * seconds)))


def test_a_moving_face_keeps_its_id_and_a_new_one_gets_the_next():
    tracker = Tracker()
    for t in times(30, 2):
        assert tracker.update(boxes((200 + 300 * t, 200)), t).tolist() == [0]
    assert tracker.update(boxes((2000, 200), (800, 200)), 2.0).tolist() == [1, 0]


@pytest.mark.parametrize("fps", [5, 25])
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), gap=st.floats(0.1, 0.5))
def test_short_occlusions_keep_the_id_at_any_frame_rate(fps, seed, gap):
    rng = np.random.default_rng(seed)
    velocity = rng.uniform(-80, 80, 2)
    tracker, ids = Tracker(), set()
    for t in times(fps, 3):
        found = boxes(500 + velocity * t + rng.normal(0, 2, 2)) if not 1.5 <= t < 1.5 + gap else boxes()
        ids |= set(tracker.update(found, t).tolist())
    assert ids == {0}


@pytest.mark.parametrize("fps", [10, 30])
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), speed=st.floats(150, 400), behind=st.booleans())
def test_two_faces_that_cross_keep_their_ids(fps, seed, speed, behind):
    """One behind the other: then the detector finds the front one alone while they overlap much. Or one lower."""
    rng = np.random.default_rng(seed)
    tracker, low = Tracker(), 300.0 + rng.uniform(40, 90) * (not behind)
    for t in times(fps, 800 / speed):
        x = speed * t
        mine, theirs = (x, 300.0), (800 - x, low)
        both = np.vstack([boxes(mine), boxes(theirs)]) + rng.normal(0, 1.5, (2, 1)).astype(np.float32)
        if behind and abs(mine[0] - theirs[0]) < 0.5 * SIZE:
            assert tracker.update(both[:1], t)[0] in (0, 1)  # whose it is where both coincide, no box can tell
            continue
        order = rng.permutation(2) if t else np.arange(2)
        assert tracker.update(both[order], t).tolist() == order.tolist()


def test_a_cut_makes_new_ids():
    tracker = Tracker()
    for t in times(25, 1):
        tracker.update(boxes((200, 200), (500, 200)), t)
    assert tracker.update(boxes((350, 350), (50, 400)), 1.0).tolist() == [2, 3]


def test_reset_makes_new_ids_even_in_the_same_place():
    tracker = Tracker()
    tracker.update(boxes((200, 200)), 0.0)
    tracker.reset()
    assert tracker.update(boxes((200, 200)), 0.04).tolist() == [1]


def test_patience_ends_with_a_new_id_and_few_frames_are_no_occlusion():
    tracker = Tracker(patience_s=1.0)
    for t in times(10, 1):
        tracker.update(boxes((200, 200)), t)
    for t in times(10, 1.2):
        tracker.update(boxes(), 1 + t)
    assert tracker.update(boxes((200, 200)), 2.2).tolist() == [1]
    assert [tracker.update(boxes((200, 200)), t).tolist() for t in (12.2, 22.2, 25.0)] == [[1]] * 3


steps = st.lists(st.tuples(st.floats(0, 3), st.lists(st.tuples(st.floats(0, 900), st.floats(0, 600)), max_size=5)))


@settings(deadline=None)
@given(steps)
def test_ids_are_distinct_new_ones_count_up_and_all_is_repeatable(run):
    first, second = Tracker(), Tracker()
    highest, now = -1, 0.0
    for step, centers in run:
        now += step
        ids = first.update(boxes(*centers), now).tolist()
        assert ids == second.update(boxes(*centers), now).tolist()
        assert len(set(ids)) == len(centers)
        new = [face for face in ids if face > highest]
        assert new == list(range(highest + 1, highest + 1 + len(new)))
        highest += len(new)


def test_memory_is_bounded():
    tracker = Tracker()
    rng = np.random.default_rng(1)
    for t in times(10, 100):
        tracker.update(boxes(*rng.uniform(0, 5000, (3, 2)).tolist()), t)
    assert len(tracker._tracks.ids) <= 3 * 11


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (np.zeros((2, 3)), r"expected boxes of shape \(n, 4\), got \(2, 3\)"),
        ([[5, 5, 5, 9]], r"expected finite boxes with x1 < x2 and y1 < y2, got \[5.0, 5.0, 5.0, 9.0\]"),
        ([[0, 0, np.nan, 9]], "expected finite boxes"),
    ],
)
def test_wrong_boxes_are_refused(wrong, said):
    with pytest.raises(DataError, match=said):
        Tracker().update(np.asarray(wrong, np.float32), 0.0)


def test_time_does_not_run_backwards():
    tracker = Tracker()
    tracker.update(boxes(), 2.0)
    with pytest.raises(DataError, match="expected a time from 2 s on for the next frame, got 1.5 s"):
        tracker.update(boxes(), 1.5)
    with pytest.raises(DataError, match="got nan s"):
        tracker.update(boxes(), np.nan)


def test_wrong_options_are_refused():
    with pytest.raises(UsageError, match="expected patience_s in seconds from 0, got -1"):
        Tracker(patience_s=-1)
    with pytest.raises(UsageError, match="expected least_overlap above 0 and up to 1, got 0"):
        Tracker(least_overlap=0)
