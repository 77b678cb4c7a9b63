from collections.abc import Iterator

import numpy as np
import pytest

from mien.core.errors import UsageError
from mien.core.labels import LABEL_SETS
from mien.core.types import Faces, Predictions
from mien.pipeline.second_pass import ClipFrame, SecondPass, rows, second_pass

LABELS = LABEL_SETS["ferplus"]
ANGRY = [0.3, 0.01, 0.01, 0.04, 0.6, 0.02, 0.01, 0.01]
HAPPY = [0.05, 0.9, 0.01, 0.01, 0.01, 0.01, 0.005, 0.005]


def frame(index: int, *faces: tuple[float, list[float]], cut: bool = False, fps: float = 10) -> ClipFrame:
    """Faces by the x of their centre, and what the model says of them."""
    n = len(faces)
    boxes = np.asarray([[x - 50, 100, x + 50, 200] for x, _ in faces], np.float32).reshape(n, 4)
    found = Faces(boxes, np.full(n, 0.99, np.float32), np.full((n, 5, 2), np.nan, np.float32))
    values = np.asarray([row for _, row in faces], np.float32).reshape(n, 8)
    quality = {"blur": np.full(n, 12.5, np.float32), "yaw": np.full(n, np.nan, np.float32)}
    return ClipFrame(index, index / fps, Predictions(found, values, LABELS), quality, cut)


def clip() -> Iterator[ClipFrame]:
    """A face that looks angry at rest and smiles after 3 s; it is hidden for 0.4 s; another comes at 2 s, for good."""
    for k in range(60):
        mine = [(200.0 + k, ANGRY if k < 30 else HAPPY)] if not 40 <= k < 44 else []
        yield frame(k, *mine, *([(600.0, HAPPY)] if k >= 20 else []))


def run(how: SecondPass) -> list[ClipFrame]:
    return list(second_pass(clip, LABELS, how)[0])


def test_ids_come_through_an_occlusion_and_no_row_is_invented():
    frames = run(SecondPass())
    assert [f.ids.tolist() for f in frames[38:46]] == [[0, 1]] * 2 + [[1]] * 4 + [[0, 1]] * 2
    for f in frames:
        assert (f.predictions.probabilities == f.raw).all()


def test_smoothing_keeps_the_raw_values():
    steady, plain = run(SecondPass(smooth="exponential")), run(SecondPass())
    for a, b in zip(steady, plain, strict=True):
        assert (a.raw == b.raw).all()
    first_smile = 30
    assert plain[first_smile].predictions.top[0] == "happiness"
    assert steady[first_smile].predictions.top[0] == "anger"
    assert steady[-1].predictions.probabilities[0] == pytest.approx(HAPPY, abs=0.01)


def test_a_baseline_is_taken_off_each_face_that_was_in_the_stretch():
    frames, baseline = second_pass(clip, LABELS, SecondPass(baseline=(0, 1.5)))
    frames = list(frames)
    assert set(baseline.bias) == {0}  # the other came later
    assert {f.predictions.top[0] for f in frames[:30]} == {"neutral"}
    assert frames[0].raw[0] == pytest.approx(ANGRY)
    assert frames[-1].predictions.top == ["happiness", "happiness"]
    assert frames[-1].predictions.probabilities[1] == pytest.approx(HAPPY)


def test_a_stretch_in_the_middle_has_the_same_ids():
    _, baseline = second_pass(clip, LABELS, SecondPass(baseline=(2.5, 2.9)))
    assert set(baseline.bias) == {0, 1}
    assert baseline.bias[0].max() > 1
    assert baseline.bias[1].max() > 1  # of the one who smiles all the time


def test_a_cut_makes_new_ids_in_the_same_place():
    frames = SecondPass().run(frame(k, (200, HAPPY), cut=k == 5) for k in range(10))
    assert [f.ids.tolist() for f in frames] == [[0]] * 5 + [[1]] * 5


def test_rows():
    [before, after] = SecondPass(smooth="bayesian").run([frame(0, (200, ANGRY), (600, HAPPY)), frame(1)])
    first, second = rows(before, "a.mp4", abstain=0.8)
    assert list(first) == [
        *("source", "frame", "time_s", "face_id", "x1", "y1", "x2", "y2", "score"),
        *(f"p_{label}" for label in LABELS),
        *("label", "error"),
        *(f"raw_p_{label}" for label in LABELS),
        *("blur", "brightness", "yaw"),
    ]
    assert (first["source"], first["frame"], first["time_s"], first["face_id"], first["x1"]) == ("a.mp4", 0, 0, 0, 150)
    assert (first["label"], second["label"], second["face_id"]) == (None, "happiness", 1)
    assert (first["p_anger"], first["raw_p_anger"], first["score"]) == (0.6, 0.6, 0.99)
    assert (first["blur"], first["yaw"], first["brightness"], first["error"]) == (12.5, None, None, None)
    [empty] = rows(after, "a.mp4")
    assert {name: value for name, value in empty.items() if value is not None} == {
        "source": "a.mp4",
        "frame": 1,
        "time_s": 0.1,
    }
    assert list(empty) == list(first)


def test_wrong_options_are_refused():
    with pytest.raises(UsageError, match="expected a baseline from an earlier to a later second, such as 0-5, got 5-2"):
        SecondPass(baseline=(5, 2))
    with pytest.raises(UsageError, match="expected a smoothing out of exponential, bayesian, got 'kalman'"):
        SecondPass(smooth="kalman")
