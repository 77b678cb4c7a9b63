"""A clip with what was found in it drawn on every frame, and its own sound."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mien.core.errors import InputError
from mien.core.types import Faces, Image
from mien.core.video import frames
from mien.core.video_writer import VideoWriter
from mien.pipeline.baseline import Baseline
from mien.pipeline.clip_store import ClipStore
from mien.pipeline.marks import enlarged
from mien.pipeline.second_pass import ClipFrame, SecondPass
from mien.pipeline.steady import SteadyAnnotator

_SILENT = (".gif", ".webp")


def draw_clip(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    found: Iterable[ClipFrame],
    *,
    abstain: float | None = None,
    tell: Callable[[int], None] = lambda frames: None,
    partial: Path | None = None,
) -> None:
    """Write the drawn copy of a clip: MP4, every frame at its own time, the sound as it is.

    Where not every frame was looked at, boxes move on straight lines between those that were, and the emotions of the
    one before stay. Memory does not grow with the clip.

    Args:
        source: the clip.
        target: the copy; it is there whole or not at all.
        found: its frames after the second pass, in order.
        abstain: a face whose most probable emotion has less than this probability is called unsure.
        tell: called with 1 after each frame.
        partial: where the copy grows, see `VideoWriter`.

    A clip that breaks off, or has a damaged frame, is drawn until there.

    Raises:
        InputError: nothing of the clip can be read. OutputError: the copy cannot be written.
        MissingExtraError: PyAV is not installed.
    """
    painter = SteadyAnnotator()
    shown = _At(found)
    sound = None if Path(source).suffix.lower() in _SILENT else source
    with VideoWriter(target, sound_of=sound, partial=partial) as video:
        for index, time_s, image in _readable(source):
            frame = shown.at(index, time_s)
            drawn = enlarged(image, copy=False)[0] if frame is None else _drawn(painter, image, frame, time_s, abstain)
            video.write(drawn, time_s)
            tell(1)


@dataclass(frozen=True, eq=False)
class Drawing:
    """A drawn copy that is to be made, by this process or another.

    Attributes:
        store: the clip and what was found in it. how: the second pass over that. baseline: that was taken off.
        target, partial, abstain: see `draw_clip`.
    """

    store: ClipStore
    how: SecondPass
    baseline: Baseline
    target: Path
    partial: Path
    abstain: float | None

    def make(self, tell: Callable[[int], None]) -> None:
        """Read what was found once more, and draw; see `draw_clip`."""
        found = self.how.run(self.store.frames(), self.baseline)
        draw_clip(self.store.source, self.target, found, abstain=self.abstain, tell=tell, partial=self.partial)


def _readable(source: str | os.PathLike[str]) -> Iterator[tuple[int, float, Image]]:
    """The frames up to the first that cannot be read, of which there has to be one before."""
    any_frame = False
    try:
        for frame in frames(source):
            any_frame = True
            yield frame
    except InputError:
        if not any_frame:
            raise


def _drawn(painter: SteadyAnnotator, image: Image, frame: ClipFrame, time_s: float, abstain: float | None) -> Image:
    found = frame.predictions
    assert frame.ids is not None
    sure = found.probabilities.max(1) >= (abstain or 0)
    labels = [label if known else None for label, known in zip(found.top, sure, strict=True)]
    return painter.draw(image, found, frame.ids, time_s=time_s, labels=labels, copy=False)


class _At:
    """The faces at any frame of a clip, asked for in order."""

    def __init__(self, found: Iterable[ClipFrame]) -> None:
        self._frames: Iterator[ClipFrame] = iter(found)
        self._before: ClipFrame | None = None
        self._after: ClipFrame | None = next(self._frames, None)

    def at(self, index: int, time_s: float) -> ClipFrame | None:
        """What is seen in a frame; None before the first that was looked at."""
        while self._after is not None and self._after.index <= index:
            self._before, self._after = self._after, next(self._frames, None)
        if self._before is None or self._after is None or self._before.index == index:
            return self._before
        return _between(self._before, self._after, time_s)


def _between(before: ClipFrame, after: ClipFrame, time_s: float) -> ClipFrame:
    """The faces of `before`, on their way to where `after` has them; those that it lacks stay."""
    assert before.ids is not None and after.ids is not None
    share = (time_s - before.time_s) / max(after.time_s - before.time_s, 1e-9)
    boxes = before.predictions.boxes.copy()
    for row, face in enumerate(before.ids):
        for then in np.flatnonzero(after.ids == face):
            boxes[row] += np.float32(share) * (after.predictions.boxes[then] - boxes[row])
    old = before.predictions.faces
    faces = Faces(boxes, old.scores, old.landmarks)
    return replace(before, predictions=replace(before.predictions, faces=faces))
