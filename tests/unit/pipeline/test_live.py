"""`mien.pipeline.live`: one frame after the other, with ids and steady emotions."""

import numpy as np
import pytest

from mien.core.errors import UsageError
from mien.core.images import read_image
from mien.core.types import Image
from mien.pipeline.live import LiveFrame, LiveRecognizer, live_rows
from mien.pipeline.recognizer import Recognizer
from mien.pipeline.second_pass import clip_columns
from mien.verbs.demo import sample


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer(detector="haar")


@pytest.fixture(scope="module")
def happy() -> Image:
    return read_image(sample("astronaut"))


@pytest.fixture(scope="module")
def calm(happy: Image) -> Image:
    """Another face, in a picture of the same size."""
    image = read_image(sample("grace_hopper"))[: happy.shape[0], : happy.shape[1]]
    return np.ascontiguousarray(np.pad(image, ((0, happy.shape[0] - len(image)), (0, 0), (0, 0))))


def test_a_face_keeps_its_number_and_changes_slowly(recognizer: Recognizer, happy: Image, calm: Image) -> None:
    live = LiveRecognizer(recognizer)
    first, second = live.step(happy, 0.0), live.step(happy, 0.1)
    assert first.face_ids.tolist() == second.face_ids.tolist() == [0]
    np.testing.assert_array_equal(first.faces.probabilities, first.raw)
    assert live.step(np.zeros_like(happy), 0.2).face_ids.tolist() == []
    assert live.step(happy, 0.3).face_ids.tolist() == [0]  # a short gap
    other = live.step(calm, 10.0)
    assert other.face_ids.tolist() == [1]
    np.testing.assert_array_equal(other.raw, recognizer.predict(calm).probabilities)


def test_probabilities_are_smoothed_or_left(recognizer: Recognizer, happy: Image) -> None:
    darker = (happy * 0.25).astype(np.uint8)
    frames = {name: both(LiveRecognizer(recognizer, smooth=name), happy, darker) for name in ("exponential", None)}
    steady, raw = frames["exponential"], frames[None]
    np.testing.assert_array_equal(raw.faces.probabilities, raw.raw)
    np.testing.assert_array_equal(steady.raw, raw.raw)
    before = recognizer.predict(happy).probabilities
    share = np.exp(-0.1 / 0.5)
    np.testing.assert_allclose(steady.faces.probabilities, share * before + (1 - share) * steady.raw, atol=1e-6)


def both(live: LiveRecognizer, first: Image, second: Image) -> LiveFrame:
    live.step(first, 0.0)
    return live.step(second, 0.1)


def test_an_unknown_smoothing(recognizer: Recognizer) -> None:
    with pytest.raises(UsageError, match="expected a smoothing out of exponential, bayesian, got 'median'"):
        LiveRecognizer(recognizer, smooth="median")


def test_rows_hold_what_was_seen(recognizer: Recognizer, happy: Image) -> None:
    live = LiveRecognizer(recognizer)
    frame = live.step(happy, 1.5)
    [row] = live_rows(frame, happy, source="camera:0", index=7)
    assert list(row) == list(clip_columns(recognizer.label_set))
    assert (row["source"], row["frame"], row["time_s"], row["face_id"]) == ("camera:0", 7, 1.5, 0)
    assert row["blur"] > 0 and 0 < row["brightness"] < 255
    assert row["label"] == "happiness" and row["raw_p_happiness"] == pytest.approx(frame.raw[0, 1], abs=1e-6)
    [row] = live_rows(live.step(np.zeros_like(happy), 1.6), happy, source="camera:0", index=8)
    assert row["face_id"] is None and row["raw_p_happiness"] is None and row["frame"] == 8
    assert live_rows(frame, happy, source="0", index=1, abstain=1.0)[0]["label"] is None
