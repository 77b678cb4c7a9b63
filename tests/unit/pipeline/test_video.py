"""The first pass, over made-up clips whose frames say their own number, and faces that follow from it."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import Shelf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.core.errors import InputError, UsageError
from mien.core.types import Faces
from mien.pipeline import video
from mien.pipeline.recognizer import Recognizer
from mien.pipeline.second_pass import ClipFrame
from mien.pipeline.video import Sampling, watch
from mien.zoo.store import load_classifier

FPS = 25.0
Watch = Callable[..., list[ClipFrame]]


class Detector:
    """Finds one face in frame i, ten pixels wide, at x = 10 + i; none where `hidden`. Notes where it looked."""

    def __init__(self) -> None:
        self.looked: list[int] = []
        self.hidden: set[int] = set()
        self._lock = threading.Lock()

    def detect(self, image: np.ndarray, /, *, min_face: int = 40) -> Faces:
        index = int(image[0, 0, 0])
        with self._lock:
            self.looked.append(index)
        if index in self.hidden:
            return Faces.empty()
        box = np.float32([[10 + index, 20, 30 + index, 40]])
        return Faces(box, np.float32([0.9]), np.zeros((1, 5, 2), np.float32))


@pytest.fixture
def detector() -> Detector:
    return Detector()


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch, tiny_model: Path, detector: Detector) -> Watch:
    """Frames of a made-up clip of `count` frames, that breaks at `broken`, with a cut to another shot at `cut`."""
    recognizer = Recognizer(load_classifier(tiny_model), detector=detector)

    def run(
        count: int, sampling: Sampling, *, broken: int | None = None, cut: int | None = None, **options: Any
    ) -> list[ClipFrame]:
        def frames(path: str, *, wanted: Callable[[int, float], bool]) -> Iterator[tuple[int, float, np.ndarray]]:
            for index in range(count):
                if index == broken:
                    raise InputError("expected a whole frame, got a damaged one")
                if wanted(index, index / FPS):
                    image = np.full((60, 300, 3), 90, np.uint8)
                    image[:30] = 140
                    if cut is not None and index >= cut:
                        image[:, :150], image[:, 150:] = 10, 240
                    image[0, 0, 0] = index
                    yield index, index / FPS, image

        monkeypatch.setattr(video, "frames", frames)
        monkeypatch.setattr(video, "frame_rate", lambda path: FPS)
        detector.looked.clear()
        found = []
        try:
            for frame in watch(recognizer, "clip.mp4", sampling, **options):
                found.append(frame)
        except InputError:
            assert broken is not None
            found.append(None)  # type: ignore[arg-type]
        return found

    return run


def left(frame: ClipFrame) -> float:
    return float(frame.predictions.boxes[0, 0])


def test_faces_are_sought_in_every_fifth_frame_and_lie_between(seen: Watch, detector: Detector) -> None:
    found = seen(12, Sampling())
    assert [frame.index for frame in found] == list(range(12))
    assert [frame.time_s for frame in found] == [i / FPS for i in range(12)]
    assert sorted(detector.looked) == [0, 5, 10, 11]  # the last frame has nothing after it
    np.testing.assert_allclose([left(frame) for frame in found], 10 + np.arange(12), atol=1e-4)
    np.testing.assert_allclose(found[3].predictions.probabilities.sum(1), 1, atol=1e-5)
    assert set(found[3].quality) == {"blur", "brightness", "yaw"}
    assert found[3].quality["brightness"].tolist() == [pytest.approx(115, abs=1)]


def test_only_wanted_frames_come_and_the_multiples_do_not_depend_on_them(seen: Watch, detector: Detector) -> None:
    found = seen(41, Sampling(every=8, detect_every=5))
    assert [frame.index for frame in found] == [0, 8, 16, 24, 32, 40]
    np.testing.assert_allclose([left(frame) for frame in found], [10, 18, 26, 34, 42, 50], atol=1e-4)
    assert sorted(detector.looked) == [0, 5, 10, 15, 20, 25, 30, 35, 40]
    seen(61, Sampling(every=20, detect_every=5))
    assert sorted(detector.looked) == [0, 20, 40, 60]


def test_frames_before_the_first_one_are_no_silence(seen: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "_PASSED", 50)
    signs = []
    found = seen(250, Sampling(every=200), first=200, passed=lambda: signs.append(1))
    assert [frame.index for frame in found] == [200]
    assert len(signs) == 5


@pytest.mark.parametrize(
    ("sampling", "fps", "step"),
    [
        (Sampling(), 25, 5),
        (Sampling(), 60, 5),
        (Sampling(), 0, 5),
        (Sampling(), 10, 2),
        (Sampling(), 1, 1),
        (Sampling(detect_every=7), 10, 7),
    ],
)
def test_slow_clips_are_looked_at_more_often(sampling: Sampling, fps: float, step: int) -> None:
    assert sampling.step(fps) == step
    assert sampling.block(fps) % step == 0 and sampling.block(fps) >= 256


def test_frames_a_second_are_the_first_of_each_stretch_of_time(seen: Watch) -> None:
    found = seen(50, Sampling(fps=10))
    assert [frame.index for frame in found] == [
        0,
        3,
        5,
        8,
        10,
        13,
        15,
        18,
        20,
        23,
        25,
        28,
        30,
        33,
        35,
        38,
        40,
        43,
        45,
        48,
    ]
    assert [frame.index for frame in seen(8, Sampling(fps=100))] == list(range(8))
    assert [frame.index for frame in seen(60, Sampling(fps=0.5))] == [0, 50]


def test_a_face_in_one_of_two_detections_is_kept_for_the_nearer_half(seen: Watch, detector: Detector) -> None:
    detector.hidden = {5}
    assert [len(frame.predictions) for frame in seen(11, Sampling())] == [1, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1]


def test_between_two_shots_nothing_is_interpolated(seen: Watch, detector: Detector) -> None:
    found = seen(16, Sampling(), cut=8)
    assert [frame.index for frame in found if frame.cut] == [8]
    assert [left(frame) for frame in found[5:11]] == [15, 15, 15, 20, 20, 20]
    assert [frame.index for frame in seen(16, Sampling(every=6), cut=8) if frame.cut] == [12]
    assert [frame.index for frame in seen(13, Sampling(), cut=12) if frame.cut] == [12]  # after the last detection
    assert [frame.index for frame in seen(16, Sampling(), cut=5) if frame.cut] == [5]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 12), st.integers(0, 60), st.integers(1, 4), st.data())
def test_a_frame_is_the_same_whatever_is_looked_at_beside_it(
    seen: Watch, detector: Detector, count: int, step: int, every: int, cut: int, workers: int, data: st.DataObject
) -> None:
    detector.hidden = set(data.draw(st.lists(st.integers(0, 60), max_size=6)))
    all_frames = seen(count, Sampling(detect_every=step), cut=cut)
    assert [frame.index for frame in all_frames] == list(range(count))
    first = step * data.draw(st.integers(0, count // step))
    some = seen(count, Sampling(every=every, detect_every=step), cut=cut, first=first, block=step * 3, workers=workers)
    assert [frame.index for frame in some] == [i for i in range(0, count, every) if i >= first]
    last = (count - 1) // step * step
    assert all(index % step == 0 or index > last for index in detector.looked)
    for frame in some:
        same = all_frames[frame.index]
        np.testing.assert_array_equal(frame.predictions.boxes, same.predictions.boxes)
        np.testing.assert_allclose(frame.predictions.probabilities, same.predictions.probabilities, atol=1e-6)
    if every == 1 and first % (step * 3) == 0:
        assert [frame.cut for frame in some] == [frame.cut for frame in all_frames[first:]]


def test_what_was_read_before_a_clip_breaks_counts(seen: Watch) -> None:
    *found, end = seen(30, Sampling(), broken=17)
    assert end is None
    assert [frame.index for frame in found] == list(range(17))
    assert [left(frame) for frame in found[-2:]] == [25, 26]
    assert seen(30, Sampling(), broken=0) == [None]


def test_faces_of_several_frames_are_classified_together_but_not_across_blocks(
    seen: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    real = Recognizer.classify
    monkeypatch.setattr(Recognizer, "classify", lambda self, found: batches.append(len(found)) or real(self, found))
    seen(150, Sampling(), block=100)
    assert batches == [64, 36, 50]


def test_few_pictures_are_held_at_once(monkeypatch: pytest.MonkeyPatch, seen: Watch) -> None:
    alive, most = 0, 0

    class Counted(video._Picture):
        def __init__(self, *values: Any) -> None:
            nonlocal alive, most
            super().__init__(*values)
            alive += 1
            most = max(most, alive)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    monkeypatch.setattr(video, "_Picture", Counted)
    seen(200, Sampling(detect_every=5), workers=2)
    assert most <= 6 * 5


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"every": 0}, "expected every 1st frame or fewer, got --every 0: give 1 or more"),
        ({"fps": 0.0}, "expected frames a second above 0, got --fps 0"),
        ({"fps": float("nan")}, "expected frames a second above 0, got --fps nan"),
        ({"fps": 5.0, "every": 2}, "expected --every or --fps, got both (2 and 5): leave one out"),
        ({"detect_every": 0}, "expected to look for faces in every 1st to 30th frame, got --detect-every 0"),
        ({"detect_every": 31}, "expected to look for faces in every 1st to 30th frame, got --detect-every 31"),
    ],
)
def test_options_out_of_range(options: dict[str, Any], line: str) -> None:
    with pytest.raises(UsageError) as error:
        Sampling(**options)
    assert str(error.value) == line


@pytest.mark.parametrize("name", ["motion", "crossing", "leaving", "rotated", "variable_rate"])
def test_real_clips_have_their_faces_where_they_are(clips: Shelf, name: str) -> None:
    clip = clips[name]
    found = list(watch(Recognizer(threads=1), clip.path, Sampling()))
    assert len(found) == len(clip)
    np.testing.assert_allclose([frame.time_s for frame in found], clip.times, atol=1e-3)
    missed = 0
    for frame, boxes, visible in zip(found, clip.boxes, clip.visible, strict=True):
        for face, box in boxes.items():
            centres = (frame.predictions.boxes[:, :2] + frame.predictions.boxes[:, 2:]) / 2
            offsets = np.abs(centres - [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]).max(1, initial=0)
            if visible[face] > 0.8 and not (offsets < 0.3 * (box[3] - box[1])).any():
                missed += 1
    people = {name for boxes in clip.boxes for name in boxes}
    assert missed <= 4 * len(people)  # each about as long as half the way between two detections


def test_stream_gives_ids_and_emotions_in_bounded_memory(clips: Shelf) -> None:
    recognizer = Recognizer(threads=1)
    frames = recognizer.stream(clips["cut"].path, every=2)
    first = next(frames)
    assert (first.index, first.time_s, first.face_ids.tolist(), first.faces.top) == (0, 0.0, [0], ["happiness"])
    rest = list(frames)
    assert [frame.index for frame in rest] == list(range(2, 75, 2))
    assert rest[-1].face_ids.tolist() == [1] and rest[-1].faces.top == ["neutral"]
    np.testing.assert_allclose([frame.time_s for frame in rest], [i / 25 for i in range(2, 75, 2)], atol=1e-3)
    assert rest[-1].raw is not None and set(rest[-1].quality) == {"blur", "brightness", "yaw"}


def test_stream_steadies_where_asked_and_keeps_the_raw_values(clips: Shelf) -> None:
    frames = list(Recognizer(threads=1).stream(clips["scale"].path, fps=8, smooth="exponential"))
    assert any(np.abs(frame.faces.probabilities - frame.raw).max(initial=0) > 1e-4 for frame in frames)
    with pytest.raises(InputError, match="expected a video at gone.mp4, got no such file"):
        next(Recognizer(threads=1).stream("gone.mp4"))
