from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.evaluation.behaviour import timed
from mien.evaluation.timeline import Course, Recorder, coarser

LABELS = ("neutral", "happiness", "anger")


def row(time_s: float, face: int | None, happy: float = 0.0, label: str | None = "neutral") -> dict[str, Any]:
    values = {"p_neutral": 1 - happy, "p_happiness": happy, "p_anger": 0.0}
    return {"time_s": time_s, "face_id": face, "label": label if face is not None else None} | values


def recorded(frames: list[list[dict[str, Any]]], most: int = 320) -> Course:
    recorder = Recorder(LABELS, most)
    for rows, length in timed(frames):
        recorder.add(rows, length)
    return recorder.result()


def clip(seconds: float, fps: float) -> list[list[dict[str, Any]]]:
    """Neutral in the first half, then happy; nobody in the last tenth."""
    frames = []
    for k in range(round(seconds * fps)):
        t = k / fps
        happy = t >= seconds / 2
        gone = t >= 0.9 * seconds
        frames.append([row(t, None if gone else 4, 0.9 * happy, "happiness" if happy else "neutral")])
    return frames


@pytest.mark.parametrize(("seconds", "fps"), [(2.0, 25), (60.0, 5), (600.0, 2), (40.0, 0.5)])
def test_any_length_becomes_a_few_hundred_steps(seconds, fps):
    course = recorded(clip(seconds, fps), most=100)
    steps = len(course.nobody)
    assert 50 <= steps <= 100
    assert steps * course.step_s == pytest.approx(seconds, abs=course.step_s)
    assert course.seconds == pytest.approx(seconds)
    [face] = course.faces
    assert face.seconds == pytest.approx(0.9 * seconds)
    assert course.nobody.sum() == pytest.approx(0.1 * seconds)
    middle = (np.arange(steps) + 0.5) * course.step_s / seconds
    assert (face.state[middle < 0.47] == 0).all()
    assert (face.state[(middle > 0.53) & (middle < 0.87)] == 1).all()
    assert (face.state[middle > 0.93] == -1).all()
    assert face.shares[middle < 0.47] == pytest.approx(np.tile([1.0, 0, 0], ((middle < 0.47).sum(), 1)))
    assert np.isnan(face.shares[middle > 0.93]).all()


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.floats(0.01, 4), st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_time_and_means_are_kept_at_any_coarseness(frames):
    times = np.cumsum([0, *(length for length, _, _ in frames)])
    made = [[row(t, 0 if there else None, happy)] for t, (_, happy, there) in zip(times, frames, strict=False)]
    course = recorded(made, most=50)
    seen = sum(length for rows, length in timed(made) if rows[0]["face_id"] is not None)
    mean = sum(length * rows[0]["p_happiness"] for rows, length in timed(made) if rows[0]["face_id"] is not None)
    for each in (course, coarser(course, 7)):
        if seen < 0.01:
            continue
        [face] = each.faces
        assert face.seen.sum() == pytest.approx(seen, abs=1e-4)
        assert np.nansum(face.shares[:, 1] * face.seen) == pytest.approx(mean, abs=1e-4)
        assert (face.seen + each.nobody <= each.step_s + 1e-4).all()
    assert len(coarser(course, 7).nobody) <= 7


def test_faces_come_by_how_long_they_were_seen():
    frames = [[row(k / 10, 0), *([row(k / 10, 1)] if k < 8 else [])] for k in range(5, 20)]
    assert [face.face_id for face in recorded(frames).faces] == [0, 1]
    assert recorded([[row(0.0, None)]]).faces == ()


def test_unsure_is_a_state():
    course = recorded([[row(k / 10, 0, label=None)] for k in range(10)])
    assert course.states == (*LABELS, "unsure")
    assert set(course.faces[0].state.tolist()) == {3}
