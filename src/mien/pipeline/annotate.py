"""Draws faces and emotions on a copy of a picture, with OpenCV alone.

Every face gets a box in the colour of its emotion, a tag that says it, and, where there is room, a panel with a bar
for every emotion. Sizes follow the face and the picture. A panel stands beside its face, never over another one; it
shrinks to the three likeliest emotions, and in the end goes, before it would.
"""

import colorsys
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from mien.core.labels import UNSURE
from mien.core.types import Image, Predictions
from mien.pipeline.layout import Rect, clamped, overlap, place_beside, place_over
from mien.pipeline.paint import Color, Sheet, rounded_outline, rounded_rectangle, text_scale, text_width, write_text
from mien.pipeline.sources import ANNOTATED

COLORS: dict[str, Color] = {
    "neutral": (160, 172, 189),
    "happiness": (255, 200, 61),
    "surprise": (255, 138, 61),
    "sadness": (84, 148, 255),
    "anger": (240, 67, 58),
    "disgust": (96, 190, 78),
    "fear": (172, 120, 255),
    "contempt": (46, 196, 182),
    UNSURE: (205, 208, 212),
}

_READABLE = 640  # a picture whose longer side is shorter is enlarged, so that text on it can be read
_ROW = 15  # pixels: the least height of a line of a panel
_SEE_THROUGH = 0.88  # opacity of a panel
_DARK: Color = (22, 26, 32)
_LIGHT: Color = (236, 239, 244)
_FAINT: Color = (168, 176, 188)
_WHITE: Color = (255, 255, 255)
_TROUGH: Color = (52, 58, 68)  # of a bar, where it is empty


def annotate(image: Image, predictions: Predictions, *, labels: Sequence[str | None] | None = None) -> Image:
    """A copy of a picture with its faces and their emotions drawn on it.

    Args:
        image: RGB uint8 (H, W, 3).
        predictions: its faces.
        labels: what each face's tag says; the most probable emotion if None; `UNSURE` where one is None.

    Returns:
        RGB uint8, of the same size, or a whole multiple of it where the picture is small.
    """
    factor = max(1, -(-_READABLE // max(image.shape[:2])))
    enlarged = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)  # a copy if factor is 1
    canvas: Image = np.asarray(enlarged, np.uint8)
    size = (canvas.shape[1], canvas.shape[0])
    names = list(predictions.top) if labels is None else [label or UNSURE for label in labels]
    boxes = [_visible(box * factor, size) for box in predictions.boxes]
    order = np.argsort(-predictions.faces.areas)  # the largest face chooses its place first
    taken: list[Rect] = list(boxes)
    for i in order:
        _draw_box(canvas, boxes[i], _color(names[i]))
    for i in order:
        share = float(predictions.probabilities[i].max())
        taken.append(_draw_tag(canvas, boxes[i], f"{names[i]} {share:.0%}", _color(names[i]), taken))
    for i in order:
        panel = _place_panel(boxes[i], predictions[int(i)], size, taken)
        if panel:
            place, bars, row = panel
            taken.append(place)
            _panel(bars, row, _color(names[i])).laid_on(canvas, place, opacity=_SEE_THROUGH)
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


@dataclass(frozen=True)
class _Bar:
    name: str
    share: float
    top: bool


def _bars(face: Predictions, most: int | None) -> list[_Bar]:
    """One bar an emotion in the model's order, or the likeliest few, likeliest first."""
    shares = face.probabilities[0]
    which = range(len(shares)) if most is None else np.argsort(-shares, kind="stable")[:most]
    return [_Bar(face.labels[k], float(shares[k]), k == shares.argmax()) for k in which]


def _place_panel(
    box: Rect, face: Predictions, size: tuple[int, int], taken: list[Rect]
) -> tuple[Rect, list[_Bar], int] | None:
    """The largest panel that finds a place: all emotions at full size, smaller, then three; or None."""
    least = max(_ROW, max(size) // 110)
    wish = int(np.clip((box[3] - box[1]) / (len(face.labels) + 1), least, max(least, max(size) // 34)))
    tries = [(None, wish), (None, (wish + least) // 2), (None, least), (3, wish), (3, least)]
    gap = max(4, wish // 2)
    for most, row in tries:
        bars = _bars(face, most)
        place = place_beside(box, _panel_size(bars, row), size, taken=taken, gap=gap)
        if place:
            return place, bars, row
    others = [rect for rect in taken if rect != box]
    for most, row in ((None, least), (3, least)):
        bars = _bars(face, most)
        place = place_over(box, _panel_size(bars, row), size, taken=others)
        if place:
            return place, bars, row
    return None


def _panel_columns(bars: list[_Bar], row: int) -> tuple[int, int, int]:
    """Widths of a panel's columns: names, bars, per cent."""
    scale = text_scale(row)
    names = max(text_width(bar.name, scale) for bar in bars)
    return names, round(4.5 * row), text_width("100%", scale)


def _panel_size(bars: list[_Bar], row: int) -> tuple[int, int]:
    """Width and height in pixels."""
    return sum(_panel_columns(bars, row)) + round(2.75 * row), row * len(bars) + row


def _panel(bars: list[_Bar], row: int, edge: Color) -> Sheet:
    """A panel with a bar for each emotion; its left edge has the colour of the face's box."""
    sheet = Sheet(_panel_size(bars, row), row=row, ground=_DARK, radius=0.5)
    names, length, _ = _panel_columns(bars, row)
    unit = row * sheet.fine
    sheet.paint[:, : unit // 5] = edge
    left = unit + names * sheet.fine + unit // 2
    for i, bar in enumerate(bars):
        _draw_bar(sheet.paint, bar, (left, left + length * sheet.fine), unit // 2 + i * unit + unit // 2, unit)
    return sheet


def _draw_bar(paint: Image, bar: _Bar, ends: tuple[int, int], middle: int, row: int) -> None:
    """A line of a panel: the name, its bar from one end to the other, the share in per cent."""
    ink = _LIGHT if bar.top else _FAINT
    (start, stop), thick = ends, row // 4
    width = text_width(bar.name, text_scale(row), bar.top)
    write_text(paint, bar.name, (start - row // 2 - width, middle), row, ink, bar.top)
    rounded_rectangle(paint, (start, middle - thick, stop, middle + thick), _TROUGH, thick)
    full = paint.copy()  # painted whole and copied in part, so that a short bar has the same round end
    rounded_rectangle(full, (start, middle - thick, stop, middle + thick), _color(bar.name), thick)
    end = start + round((stop - start) * bar.share)
    paint[:, start:end] = full[:, start:end]
    write_text(paint, f"{bar.share:.0%}", (stop + row // 2, middle), row, ink, bar.top)


def _draw_tag(canvas: Image, box: Rect, words: str, color: Color, taken: list[Rect]) -> Rect:
    """The emotion in a filled tag. Returns where it stands."""
    picture = (canvas.shape[1], canvas.shape[0])
    least = max(_ROW + 3, max(picture) // 90)
    row = int(np.clip((box[3] - box[1]) / 7, least, max(least, max(picture) // 22)))
    while row > 8 and text_width(words, text_scale(row), True) + row > picture[0]:
        row -= 1
    size = (text_width(words, text_scale(row), True) + row, round(row * 1.35))
    place = _place_tag(box, size, picture, taken)
    sheet = Sheet(size, row=row, ground=color, radius=0.25)
    ink = _DARK if np.dot(color, (0.299, 0.587, 0.114)) > 120 else _WHITE
    unit = row * sheet.fine
    write_text(sheet.paint, words, (unit // 2, size[1] * sheet.fine // 2), unit, ink, True)
    sheet.laid_on(canvas, place)
    return place


def _place_tag(box: Rect, size: tuple[int, int], picture: tuple[int, int], taken: list[Rect]) -> Rect:
    """Above the box, or else below, beside or in it."""
    (width, height), gap = size, _line(box, picture)
    spots = [
        (box[0], box[1] - gap - height, box[0] + width, box[1] - gap),
        (box[0], box[3] + gap, box[0] + width, box[3] + gap + height),
        (box[2] + gap, box[1], box[2] + gap + width, box[1] + height),
        (box[0] - gap - width, box[1], box[0] - gap, box[1] + height),
    ]
    free = [w for w in (clamped(spot, picture) for spot in spots) if not any(overlap(w, other) for other in taken)]
    in_box = (box[0] + gap, box[1] + gap, box[0] + gap + width, box[1] + gap + height)
    return free[0] if free else clamped(in_box, picture)


def _draw_box(canvas: Image, box: Rect, color: Color) -> None:
    line = _line(box, (canvas.shape[1], canvas.shape[0]))
    corners = tuple(round(v) for v in box)
    for width, ink in ((line + max(2, line // 2), _DARK), (line, color)):  # a dark rim keeps it visible on any ground
        rounded_outline(canvas, corners, ink, max(line, round((box[2] - box[0]) * 0.06)), width)


def _line(box: Rect, size: tuple[int, int]) -> int:
    """Line width of a box: follows the face, and in a large picture the picture, as far as the face allows."""
    face = max(box[2] - box[0], box[3] - box[1])
    return max(2, round(max(face / 120, min(max(size) / 1200, face / 25))))


def _visible(box: npt.NDArray[np.float32], size: tuple[int, int]) -> Rect:
    """The part of a box in the picture, far enough from the edge that its line shows."""
    rim = _line(tuple(box), size) / 2 + 1
    x1, x2 = np.clip(box[[0, 2]], min(rim, size[0] / 2), max(size[0] - rim, size[0] / 2))
    y1, y2 = np.clip(box[[1, 3]], min(rim, size[1] / 2), max(size[1] - rim, size[1] / 2))
    return (float(x1), float(y1), float(x2), float(y2))


def _color(label: str) -> Color:
    """The colour of an emotion; another label gets one that depends on its name alone."""
    if label in COLORS:
        return COLORS[label]
    hue = sum(label.encode()) * 0.381966 % 1
    r, g, b = colorsys.hsv_to_rgb(hue, 0.55, 0.95)
    return (round(r * 255), round(g * 255), round(b * 255))
