"""Draws the faces of frames that follow each other: as `annotate`, but quickly, and so that nothing jumps.

A panel keeps its size and its side of the face. It goes to another side only where it would stand over a face for a
while, and is not shown until then. What is painted once, such as a full bar, is kept and used again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mien.core.labels import UNSURE
from mien.core.types import Image, Predictions
from mien.faces.track import Ids
from mien.pipeline.layout import Rect, around, clamped, inside, overlap
from mien.pipeline.marks import (
    SEE_THROUGH,
    Bar,
    bar_ends,
    bars_of,
    color_of,
    draw_box,
    enlarged,
    panel_rows,
    panel_sheet,
    panel_size,
    percent_sheet,
    tag_row,
    tag_sheet,
    tag_size,
    tag_spots,
    visible,
)
from mien.pipeline.paint import Color, Opacity, Sheet, blend

# A panel goes after its face within about this time, and stays behind by no more than this part of the face's height:
# so it does not tremble as the box does, and keeps up with one that moves.
_FOLLOW_S, _BEHIND = 0.15, 0.03
_BLOCKED_S = 0.5  # a panel that found no room on its side for so long may go to another one
_RESIZE = 1.35  # a panel is drawn anew for a face that has grown or shrunk by this factor
_FORGET_S = 5.0
# How many small pictures are kept: of the shares in per cent, and of each other kind; some 20 MB in all.
_PERCENTS, _KEPT = 1000, 100


@dataclass
class _Mark:
    """How a face is drawn.

    Attributes:
        box: smoothed, (4,). sized: height that the rows below suit. row, tag: heights of lines.
        side, spot: number of the place of the panel and of the tag, see `around` and `tag_spots`.
        free_s: when there was room for the panel on its side. seen_s: when it was drawn last.
    """

    box: npt.NDArray[np.float64]
    seen_s: float
    sized: float = 0.0
    row: int = 0
    tag: int = 0
    side: int | None = None
    spot: int = 0
    free_s: float = 0.0


@dataclass
class SteadyAnnotator:
    """Draws one clip or camera, frame by frame. Not safe to share between threads.

    >>> from mien import Recognizer, sample
    >>> from mien.core.images import read_image
    >>> image = read_image(sample("astronaut"))
    >>> drawn = SteadyAnnotator().draw(image, Recognizer().predict(image), np.array([0]), time_s=0.0)
    >>> image.shape, drawn.shape
    ((512, 512, 3), (1024, 1024, 3))
    """

    _marks: dict[int, _Mark] = field(default_factory=dict)
    _grounds: dict[tuple[tuple[str, ...], int, int, bool], Image] = field(default_factory=dict)
    _percents: dict[tuple[int, bool, int, int], Image] = field(default_factory=dict)
    _tags: dict[tuple[str, int, Color], tuple[Image, Opacity]] = field(default_factory=dict)
    _masks: dict[tuple[int, int], Opacity] = field(default_factory=dict)

    def draw(
        self,
        image: Image,
        predictions: Predictions,
        ids: Ids,
        *,
        time_s: float,
        labels: Sequence[str | None] | None = None,
        copy: bool = True,
    ) -> Image:
        """A copy of a frame with its faces and their emotions drawn on it.

        Args:
            image: RGB uint8 (H, W, 3).
            predictions: its n faces.
            ids: (n,) whose they are. Where there are several, their tags say it.
            time_s: of the frame; never before that of the frame before.
            labels: what each face's tag says; the most probable emotion if None; `UNSURE` where one is None.
            copy: if not, a picture that is large enough is drawn on itself.

        Returns:
            RGB uint8, of the same size, or a whole multiple of it where the picture is small.
        """
        canvas, factor = enlarged(image, copy=copy)
        size = (canvas.shape[1], canvas.shape[0])
        names = list(predictions.top) if labels is None else [label or UNSURE for label in labels]
        boxes = [visible(box * factor, size) for box in predictions.boxes]
        order = np.argsort(ids).tolist()  # the same face chooses first in every frame
        for i in order:
            draw_box(canvas, boxes[i], color_of(names[i]))
        taken: list[Rect] = list(boxes)
        several = len(ids) > 1
        marks = {i: self._mark(int(ids[i]), boxes[i], size, len(predictions.labels), time_s) for i in order}
        for i in order:
            number = f"{ids[i]} " if several else ""
            words = f"{number}{names[i]} {predictions.probabilities[i].max():.0%}"
            taken.append(self._draw_tag(canvas, marks[i], boxes[i], words, color_of(names[i]), taken))
        for i in order:
            others = taken[:i] + taken[i + 1 :]
            place = self._place_panel(marks[i], boxes[i], predictions.labels, size, others, time_s)
            if place:
                taken.append(place)
                self._draw_panel(canvas, place, predictions[i], marks[i].row, color_of(names[i]))
        self._forget(time_s)
        return canvas

    def _mark(self, face: int, box: Rect, size: tuple[int, int], classes: int, time_s: float) -> _Mark:
        """The mark of a face, brought up to date."""
        now = np.array(box)
        mark = self._marks.get(face)
        if mark is None or time_s - mark.seen_s > 2 * _BLOCKED_S:
            mark = self._marks[face] = _Mark(now, time_s)
        mark.box += (1 - np.exp(-(time_s - mark.seen_s) / _FOLLOW_S)) * (now - mark.box)
        behind = _BEHIND * (now[3] - now[1])
        mark.box = np.clip(mark.box, now - behind, now + behind)
        mark.seen_s = time_s
        height = mark.box[3] - mark.box[1]
        if not 1 / _RESIZE < height / max(mark.sized, 1e-6) < _RESIZE:
            mark.sized, mark.row, mark.tag = height, panel_rows(box, classes, size)[0], tag_row(box, size)
        return mark

    def _draw_tag(self, canvas: Image, mark: _Mark, box: Rect, words: str, color: Color, taken: Sequence[Rect]) -> Rect:
        size = tag_size(words, mark.tag)
        spots = tag_spots(box, size, (canvas.shape[1], canvas.shape[0]))
        free = [not any(overlap(spot, other) for other in taken) for spot in spots[:-1]]
        if not (mark.spot < len(free) and free[mark.spot]):
            mark.spot = free.index(True) if any(free) else len(spots) - 1
        key = (words, mark.tag, color)
        if key not in self._tags:
            self._tags[key] = tag_sheet(words, mark.tag, color).shrunk()
        blend(canvas, *self._tags[key], spots[mark.spot])
        return spots[mark.spot]

    def _place_panel(
        self,
        mark: _Mark,
        box: Rect,
        labels: tuple[str, ...],
        size: tuple[int, int],
        taken: Sequence[Rect],
        time_s: float,
    ) -> Rect | None:
        """Where a panel stands: on the side that it has, or on another one after a while; None where it is hidden."""

        def spots(row: int) -> list[Rect | None]:
            panel = panel_size([Bar(label, 1.0, True) for label in labels], row)
            x1, y1, x2, y2 = mark.box.tolist()
            places = [clamped(spot, size) for spot in around((x1, y1, x2, y2), panel, max(4, row // 2))]
            own = 0.02 * panel[0] * panel[1]  # the box may run ahead of the panel
            return [
                p if inside(p, size) and overlap(p, box) <= own and not any(overlap(p, o) for o in taken) else None
                for p in places
            ]

        first = mark.side is None
        if mark.side is not None and (place := spots(mark.row)[mark.side]):
            mark.free_s = time_s
            return place
        if not first and time_s - mark.free_s < _BLOCKED_S:
            return None
        wish, least = panel_rows(box, len(labels), size)
        for row in dict.fromkeys((wish, (wish + least) // 2, least)):
            for side, place in enumerate(spots(row)):
                if place:
                    mark.side, mark.row, mark.free_s = side, row, time_s
                    return place
        return None

    def _draw_panel(self, canvas: Image, place: Rect, face: Predictions, row: int, edge: Color) -> None:
        """Put a panel together from parts that are painted already."""
        bars = bars_of(face, None)
        plain = self._ground(face.labels, row, 0, False)
        paint = plain.copy()
        start, stop = bar_ends(bars, row)
        for k, bar in enumerate(bars):
            line = slice(row // 2 + k * row, row // 2 + (k + 1) * row)
            end = start + round((stop - start) * bar.share)
            if bar.top:
                paint[line] = self._ground(face.labels, row, 0, True)[line]
            paint[line, start:end] = self._ground(face.labels, row, 1, False)[line, start:end]
            paint[line, stop:] = self._percent(round(100 * bar.share), bar.top, row, paint.shape[1] - stop)
        paint[:, : row // 5] = edge
        key = (paint.shape[1], paint.shape[0])
        if key not in self._masks:
            self._masks[key] = Sheet(key, row=row, ground=edge, radius=0.5).shrunk()[1] * np.float32(SEE_THROUGH)
        blend(canvas, paint, self._masks[key], place)

    def _ground(self, labels: tuple[str, ...], row: int, share: int, top: bool) -> Image:
        """A panel without figures whose bars are all empty (0) or all full (1)."""
        key = (labels, row, share, top)
        if key not in self._grounds:
            bars = [Bar(label, share, top) for label in labels]
            self._grounds[key] = panel_sheet(bars, row, (0, 0, 0), percents=False).shrunk()[0]
        return self._grounds[key]

    def _percent(self, percent: int, top: bool, row: int, width: int) -> Image:
        key = (percent, top, row, width)
        if key not in self._percents:
            self._percents[key] = percent_sheet(Bar("", percent / 100, top), row, width).shrunk()[0]
        return self._percents[key]

    def _forget(self, time_s: float) -> None:
        """Let go of faces that have gone, and of small pictures where they have become many."""
        for face in [face for face, mark in self._marks.items() if time_s - mark.seen_s > _FORGET_S]:
            del self._marks[face]
        if len(self._percents) > _PERCENTS:
            self._percents.clear()
        for kept in (self._grounds, self._tags, self._masks):
            if len(kept) > _KEPT:
                kept.clear()
