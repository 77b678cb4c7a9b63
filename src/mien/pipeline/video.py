"""A clip's faces, frame by frame: the first pass, which knows nothing of who is who.

Faces are looked for in every few frames of the clip, from its first one, and lie on straight lines between them; after
the last of these, in each. What is said of a frame depends on the clip and the number of the frame alone: not on which
other frames are wanted, nor on where a broken run goes on. Decoding, detecting and classifying run beside each other;
what is held at once is the frames between a few detections, and the crops of one batch of faces.
"""

import math
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from mien.core.errors import InputError, MienError, UsageError
from mien.core.processors import available_processors
from mien.core.types import Faces, Floats, Image, Predictions
from mien.core.video import frame_rate, frames, probe
from mien.faces.between import between
from mien.faces.quality import quality_of
from mien.faces.track import Ids
from mien.pipeline.batch import ordered
from mien.pipeline.predict_table import BATCH
from mien.pipeline.recognizer import Recognizer
from mien.pipeline.second_pass import ClipFrame, SecondPass
from mien.pipeline.shots import Look, another_shot, look, nearer_to_second
from mien.runtime.preprocess import Crops

DETECT_EVERY = 5  # frames, where nothing else is said
_DETECT_S = 0.2  # seconds, if that is less
_MOST_BETWEEN = 30  # frames from one detection to the next: they are held in memory
_BLOCK = 256  # frames that are stored together
_PASSED = 256  # frames from one sign of life to the next
_FRAMES = 64  # that wait for the classifier where there are few faces


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Which frames of a clip are looked at.

    Attributes:
        every: the frames 0, `every`, 2 `every`, ...
        fps: instead, the first frame of each stretch of 1 / `fps` seconds; None for `every`.
        detect_every: faces are looked for in the frames 0, `detect_every`, 2 `detect_every`, ... of the clip. None: in
            every 5th, or more often where a clip has so few frames a second that more than 0.2 s would pass.
    """

    every: int = 1
    fps: float | None = None
    detect_every: int | None = None

    def __post_init__(self) -> None:
        if self.every < 1:
            raise UsageError(f"expected every 1st frame or fewer, got --every {self.every}: give 1 or more")
        if self.fps is not None and not 0 < self.fps < math.inf:
            raise UsageError(f"expected frames a second above 0, got --fps {self.fps:g}")
        if self.fps is not None and self.every != 1:
            raise UsageError(f"expected --every or --fps, got both ({self.every} and {self.fps:g}): leave one out")
        if self.detect_every is not None and not 1 <= self.detect_every <= _MOST_BETWEEN:
            raise UsageError(
                f"expected to look for faces in every 1st to {_MOST_BETWEEN}th frame, got --detect-every "
                f"{self.detect_every}"
            )

    def chooser(self) -> Callable[[int, float], bool]:
        """Index, time in seconds -> whether to look at a frame; to be asked of every frame of one clip, in order."""
        if self.fps is None:
            return lambda index, time_s: index % self.every == 0
        fps, last = self.fps, -1

        def chosen(index: int, time_s: float) -> bool:
            nonlocal last
            before, last = last, math.floor(time_s * fps + 1e-6)
            return last > before

        return chosen

    def step(self, clip_fps: float) -> int:
        """From one frame in which faces are looked for to the next, in a clip of so many frames a second."""
        if self.detect_every is not None:
            return self.detect_every
        return min(max(round(_DETECT_S * clip_fps), 1), DETECT_EVERY) if clip_fps else DETECT_EVERY

    def count(self, frames: int, clip_fps: float) -> int:
        """How many of so many frames are looked at, about, in a clip of so many frames a second."""
        shown = frames if self.fps is None or not clip_fps else round(frames * min(1.0, self.fps / clip_fps))
        return math.ceil(shown / self.every)

    def block(self, clip_fps: float) -> int:
        """How many frames of such a clip are stored together: 256 that are looked at, or a few more."""
        stride = self.every if self.fps is None else max(clip_fps / self.fps, 1)
        step = self.step(clip_fps)
        return step * math.ceil(_BLOCK * stride / step)


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """What was seen in a frame of a clip.

    Attributes:
        index: of the frame in the file, from 0. time_s: when it is shown.
        faces: n faces with their probabilities, steady over time where that was asked for.
        face_ids: (n,) int64, whose they are; a person keeps the number through short gaps.
        raw: (n, K) float32, the probabilities of this frame alone.
        quality: blur, brightness and yaw, (n,) float32 each, see `docs/video.md`.
    """

    index: int
    time_s: float
    faces: Predictions
    face_ids: Ids
    raw: Floats
    quality: dict[str, Floats]


def stream(
    recognizer: Recognizer, path: str | os.PathLike[str], sampling: Sampling, *, smooth: str | None = None
) -> Iterator[VideoFrame]:
    """Both passes over a clip in one go, see `Recognizer.stream`."""
    for frame in SecondPass(smooth=smooth).run(watch(recognizer, path, sampling)):
        assert frame.ids is not None and frame.raw is not None
        yield VideoFrame(frame.index, frame.time_s, frame.predictions, frame.ids, frame.raw, frame.quality)


def frames_of(path: str | os.PathLike[str], sampling: Sampling) -> int:
    """How many frames of a clip will be looked at, about; none of one that cannot be read."""
    try:
        info = probe(path)
    except InputError:
        return 0
    return sampling.count(info.frames, info.fps)


def watch(
    recognizer: Recognizer,
    path: str | os.PathLike[str],
    sampling: Sampling,
    *,
    first: int = 0,
    block: int | None = None,
    workers: int | None = None,
    passed: Callable[[], None] = lambda: None,
) -> Iterator[ClipFrame]:
    """Find and classify the faces of a clip.

    Args:
        recognizer: the detector and the classifier.
        path: of the clip.
        sampling: which frames.
        first: go on with this frame, a multiple of `block`. Those before it are decoded, for the others build on
            them, and it costs a millisecond each.
        block: frames whose faces are classified together with none of another block, so that a run that goes on at one
            is the same to the last digit; see `Sampling.block`. None: the whole clip is one.
        workers: threads that look for faces beside the caller's, which decodes, cuts out and classifies and is as busy
            as they are; None for one on each other processor.
        passed: called now and then while frames are decoded that are not yielded: a sign of life.

    Yields:
        The frames that are wanted, in order, without ids.

    Raises:
        InputError: the clip cannot be read, at its beginning or, after the frames that could be, later on.
    """
    located = _located(recognizer, path, sampling, first, workers or max(available_processors() - 1, 1), passed)
    yield from _classified(recognizer, located, block)


@dataclass(frozen=True, eq=False)
class _Picture:
    index: int
    time_s: float
    image: Image


@dataclass(frozen=True, eq=False)
class _Stretch:
    """A frame in which faces may be looked for, and the wanted ones from it (it may be one) to the next such frame.

    Attributes:
        after_wanted: whether the stretch before ends in frames that need this one's faces.
    """

    key: _Picture
    wanted: list[_Picture] = field(default_factory=list)
    after_wanted: bool = False

    @property
    def needs_next(self) -> bool:
        return any(picture is not self.key for picture in self.wanted)


@dataclass(frozen=True, eq=False)
class _Looked:
    """What a stretch's first frame shows."""

    faces: Faces
    look: Look


@dataclass(frozen=True, eq=False)
class _Placed:
    """A wanted frame whose faces are known."""

    picture: _Picture
    faces: Faces
    cut: bool


@dataclass(frozen=True, eq=False)
class _Cut:
    """A wanted frame whose faces are cut out, the picture let go."""

    index: int
    time_s: float
    cut: bool
    faces: Faces
    crops: Crops
    quality: dict[str, Floats]


def _located(
    recognizer: Recognizer,
    path: str | os.PathLike[str],
    sampling: Sampling,
    first: int,
    workers: int,
    passed: Callable[[], None],
) -> Iterator[_Cut]:
    """The wanted frames from `first` on, with their faces cut out."""

    def seen(stretch: _Stretch) -> _Looked:
        sought = bool(stretch.wanted) or stretch.after_wanted
        faces = recognizer.find(stretch.key.image) if sought else Faces.empty()
        return _Looked(faces, look(stretch.key.image))

    errors: list[MienError] = []
    step = sampling.step(frame_rate(path))
    # One stretch earlier, for whether there is a cut before `first`.
    stretches = _stretches(path, sampling, step, max(first - step, 0), errors, passed)
    looked = ordered(seen, stretches, workers=workers, ahead=max(workers - 1, 1))
    for placed in _placed(looked, recognizer.find):
        if placed.picture.index >= first:
            yield _cut_out(recognizer, placed)
    if errors:
        raise errors[0]


def _stretches(
    path: str | os.PathLike[str],
    sampling: Sampling,
    step: int,
    first: int,
    errors: list[MienError],
    passed: Callable[[], None],
) -> Iterator[_Stretch]:
    """The stretches of a clip from the one of frame `first`; what ends the clip early is put into `errors`."""
    chosen = sampling.chooser()
    is_wanted = False

    def needed(index: int, time_s: float) -> bool:
        nonlocal is_wanted
        if index % _PASSED == 0:
            passed()
        is_wanted = chosen(index, time_s)
        return index >= first and (is_wanted or index % step == 0)

    stretch: _Stretch | None = None
    try:
        for index, time_s, image in frames(path, wanted=needed):
            picture = _Picture(index, time_s, image)
            if stretch is None or index % step == 0:
                if stretch:
                    yield stretch
                stretch = _Stretch(picture, after_wanted=stretch is not None and stretch.needs_next)
            if is_wanted:
                stretch.wanted.append(picture)
    except MienError as error:
        errors.append(error)
    if stretch:
        yield stretch


def _placed(
    looked: Iterable[tuple[_Stretch, _Looked | MienError]], find: Callable[[Image], Faces]
) -> Iterator[_Placed]:
    """The wanted frames of stretches that follow each other, with their faces."""
    before: tuple[_Stretch, _Looked] | None = None
    cut_at: int | None = None  # the first frame of a shot of which no frame was yielded yet
    for stretch, result in looked:
        if isinstance(result, MienError):
            raise result
        if before:
            cut_at = _first_of_shot(*before, stretch.key, result) or cut_at
            for picture, faces in _faces_until(*before, stretch.key, result, cut_at):
                cut = cut_at is not None and picture.index >= cut_at
                cut_at = None if cut else cut_at
                yield _Placed(picture, faces, cut)
        before = stretch, result
    if before:
        yield from _last(*before, find, cut_at is not None)


def _last(stretch: _Stretch, looked: _Looked, find: Callable[[Image], Faces], cut: bool) -> Iterator[_Placed]:
    """The wanted frames of the last stretch: nothing is known of what comes after, so faces are sought in each."""
    for picture in stretch.wanted:
        if picture is stretch.key:
            yield _Placed(picture, looked.faces, cut)
            cut = False
            continue
        looked, before = _Looked(find(picture.image), look(picture.image)), looked
        yield _Placed(picture, looked.faces, cut or another_shot(before.look, looked.look))
        cut = False


def _first_of_shot(stretch: _Stretch, looked: _Looked, key: _Picture, then: _Looked) -> int | None:
    """Of the frames after the first of `stretch` up to the next `key`, which begins another shot."""
    if not another_shot(looked.look, then.look):
        return None
    later = (picture for picture in stretch.wanted if picture is not stretch.key)
    found = (picture for picture in later if nearer_to_second(look(picture.image), looked.look, then.look))
    return next(found, key).index


def _faces_until(
    stretch: _Stretch, looked: _Looked, key: _Picture, then: _Looked, cut_at: int | None
) -> Iterator[tuple[_Picture, Faces]]:
    """The wanted frames of a stretch with their faces; `key` is the first frame of the next one."""
    start, length = stretch.key.index, key.index - stretch.key.index
    cut_here = cut_at is not None and cut_at > start
    for picture in stretch.wanted:
        if picture is stretch.key:
            faces = looked.faces
        elif cut_here:
            faces = then.faces if picture.index >= cut_at else looked.faces  # type: ignore[operator]
        else:
            faces = between(looked.faces, then.faces, (picture.index - start) / length)
        yield picture, faces


def _cut_out(recognizer: Recognizer, placed: _Placed) -> _Cut:
    image, faces = placed.picture.image, placed.faces
    crops = recognizer.crops(image, faces)
    return _Cut(placed.picture.index, placed.picture.time_s, placed.cut, faces, crops, quality_of(image, faces))


def _classified(recognizer: Recognizer, cuts: Iterable[_Cut], block: int | None) -> Iterator[ClipFrame]:
    """Frames with the emotions of their faces, a batch of faces at a time."""
    held: list[_Cut] = []
    try:
        for each in cuts:
            new_block = bool(held) and block is not None and each.index // block != held[0].index // block
            if new_block or len(held) >= _FRAMES or sum(len(cut.faces) for cut in held) >= BATCH:
                yield from _classify(recognizer, held)
                held = []
            held.append(each)
    except MienError:  # of the clip: what was read before it counts
        yield from _classify(recognizer, held)
        raise
    yield from _classify(recognizer, held)


def _classify(recognizer: Recognizer, cuts: list[_Cut]) -> Iterator[ClipFrame]:
    for cut, found in zip(cuts, recognizer.classify([(cut.faces, cut.crops) for cut in cuts]), strict=True):
        yield ClipFrame(cut.index, cut.time_s, found, cut.quality, cut.cut)
