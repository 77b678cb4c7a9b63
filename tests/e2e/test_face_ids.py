"""Clips in, ids out: the same person has one number, in every form of a clip."""

import numpy as np
import pytest
from clips import Clip, Shelf

from mien import Recognizer
from mien.faces.boxes import overlaps
from mien.pipeline.second_pass import ClipFrame, SecondPass
from mien.pipeline.video import Sampling, watch


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer(threads=1)


def seen(recognizer: Recognizer, clip: Clip, sampling: Sampling) -> list[ClipFrame]:
    return list(SecondPass().run(watch(recognizer, clip.path, sampling, workers=1)))


def ids_of_people(clip: Clip, frames: list[ClipFrame]) -> dict[str, list[int]]:
    """Person -> the ids that the boxes on their face had, each change of it once. Boxes on nobody count for ""."""
    given: dict[str, list[int]] = {}
    for frame in frames:
        boxes, shown = clip.boxes[frame.index], clip.visible[frame.index]
        names = [name for name in boxes if shown[name] > 0.5]
        truth = np.asarray([boxes[name] for name in names], np.float32).reshape(-1, 4)
        shared = overlaps(frame.predictions.boxes, truth)
        for row, face in enumerate(frame.ids.tolist()):
            best = shared[row].argmax() if len(names) else None
            person = names[best] if best is not None and shared[row, best] > 0.3 else ""
            before = given.setdefault(person, [])
            if not before or before[-1] != face:
                before.append(face)
    given.pop("", None)
    return given


ONE = ["motion", "scale", "occlusion", "rotated", "variable_rate", "with_sound", "leaving", "ending_early"]


@pytest.mark.parametrize("name", ONE)
def test_one_person_has_one_id(name: str, clips: Shelf, recognizer: Recognizer):
    frames = seen(recognizer, clips[name], Sampling())
    assert list(ids_of_people(clips[name], frames).values()) == [[0]]


@pytest.mark.parametrize("detect_every", [1, 5, 8])
def test_two_people_who_cross_keep_theirs(detect_every: int, clips: Shelf, recognizer: Recognizer):
    frames = seen(recognizer, clips["crossing"], Sampling(detect_every=detect_every))
    given = ids_of_people(clips["crossing"], frames)
    assert sorted(given.values()) == [[0], [1]]
    assert {int(face) for frame in frames for face in frame.ids} == {0, 1}


@pytest.mark.parametrize("name", ["motion", "occlusion", "crossing"])
def test_fewer_frames_have_the_same_ids(name: str, clips: Shelf, recognizer: Recognizer):
    frames = seen(recognizer, clips[name], Sampling(fps=10))
    assert sorted(ids_of_people(clips[name], frames).values()) == ([[0], [1]] if name == "crossing" else [[0]])


def test_a_cut_makes_new_ids(clips: Shelf, recognizer: Recognizer):
    frames = seen(recognizer, clips["cut"], Sampling())
    assert ids_of_people(clips["cut"], frames) == {"astronaut": [0], "grace_hopper": [1]}


def test_nobody_has_no_id(clips: Shelf, recognizer: Recognizer):
    assert all(len(frame.ids) == 0 for frame in seen(recognizer, clips["nobody"], Sampling()))
