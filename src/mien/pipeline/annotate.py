"""Draws faces and emotions on a copy of a picture, with OpenCV alone.

Every face gets a box in the colour of its emotion, a tag that says it, and, where there is room, a panel with a bar
for every emotion. Sizes follow the face and the picture. A panel stands beside its face, never over another one; it
shrinks to the three likeliest emotions, and in the end goes, before it would.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mien.core.labels import UNSURE
from mien.core.types import Image, Predictions
from mien.pipeline.layout import Rect, overlap, place_beside, place_over
from mien.pipeline.marks import (
    SEE_THROUGH,
    Bar,
    bars_of,
    color_of,
    draw_box,
    enlarged,
    panel_rows,
    panel_sheet,
    panel_size,
    tag_row,
    tag_sheet,
    tag_size,
    tag_spots,
    visible,
)
from mien.pipeline.paint import Color
from mien.pipeline.sources import ANNOTATED


def annotate(image: Image, predictions: Predictions, *, labels: Sequence[str | None] | None = None) -> Image:
    """A copy of a picture with its faces and their emotions drawn on it.

    Args:
        image: RGB uint8 (H, W, 3).
        predictions: its faces.
        labels: what each face's tag says; the most probable emotion if None; `UNSURE` where one is None.

    Returns:
        RGB uint8, of the same size, or a whole multiple of it where the picture is small.
    """
    canvas, factor = enlarged(image)
    size = (canvas.shape[1], canvas.shape[0])
    names = list(predictions.top) if labels is None else [label or UNSURE for label in labels]
    boxes = [visible(box * factor, size) for box in predictions.boxes]
    order = np.argsort(-predictions.faces.areas)  # the largest face chooses its place first
    taken: list[Rect] = list(boxes)
    for i in order:
        draw_box(canvas, boxes[i], color_of(names[i]))
    for i in order:
        share = float(predictions.probabilities[i].max())
        taken.append(_draw_tag(canvas, boxes[i], f"{names[i]} {share:.0%}", color_of(names[i]), taken))
    for i in order:
        panel = _place_panel(boxes[i], predictions[int(i)], size, taken)
        if panel:
            place, bars, row = panel
            taken.append(place)
            panel_sheet(bars, row, color_of(names[i])).laid_on(canvas, place, opacity=SEE_THROUGH)
    return np.ascontiguousarray(canvas)


class Annotations:
    """Names the annotated copies of a run in one folder; two sources never share a name.

    Args:
        folder: where they go.
        ending: of their names.
    """

    def __init__(self, folder: str | os.PathLike[str], ending: str = ANNOTATED) -> None:
        self.folder, self._ending = Path(folder), ending
        self._used: dict[str, int] = {}

    def path(self, source: str) -> Path:
        """Where the next copy goes: ``photo.annotated.jpg``, the next of that name ``photo-2.annotated.jpg``."""
        stem = Path(source).stem
        count = self._used.get(stem.lower(), 0)
        while True:
            count += 1
            name = stem if count == 1 else f"{stem}-{count}"
            if count == 1 or name.lower() not in self._used:
                break
        self._used[stem.lower()] = count
        self._used.setdefault(name.lower(), 1)
        return self.folder / f"{name}{self._ending}"


def _place_panel(
    box: Rect, face: Predictions, size: tuple[int, int], taken: list[Rect]
) -> tuple[Rect, list[Bar], int] | None:
    """The largest panel that finds a place: all emotions at full size, smaller, then three; or None."""
    wish, least = panel_rows(box, len(face.labels), size)
    tries = [(None, wish), (None, (wish + least) // 2), (None, least), (3, wish), (3, least)]
    gap = max(4, wish // 2)
    for most, row in tries:
        bars = bars_of(face, most)
        place = place_beside(box, panel_size(bars, row), size, taken=taken, gap=gap)
        if place:
            return place, bars, row
    others = [rect for rect in taken if rect != box]
    for most, row in ((None, least), (3, least)):
        bars = bars_of(face, most)
        place = place_over(box, panel_size(bars, row), size, taken=others)
        if place:
            return place, bars, row
    return None


def _draw_tag(canvas: Image, box: Rect, words: str, color: Color, taken: list[Rect]) -> Rect:
    """The emotion in a filled tag. Returns where it stands."""
    picture = (canvas.shape[1], canvas.shape[0])
    row = tag_row(box, picture)
    while row > 8 and tag_size(words, row)[0] > picture[0]:
        row -= 1
    *outside, in_box = tag_spots(box, tag_size(words, row), picture)
    place = next((spot for spot in outside if not any(overlap(spot, other) for other in taken)), in_box)
    tag_sheet(words, row, color).laid_on(canvas, place)
    return place
