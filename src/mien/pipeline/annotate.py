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

from mien.core.types import Image, Predictions
from mien.pipeline.layout import Rect, clamped, overlap, place_beside, place_over
from mien.pipeline.sources import ANNOTATED

Color = tuple[int, int, int]  # RGB

UNSURE = "unsure"  # what the tag of a face without a label says

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
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_CAPITAL = 21.0  # pixels: height of a capital letter of this font at scale 1
_DARK: Color = (22, 26, 32)
_LIGHT: Color = (236, 239, 244)
_FAINT: Color = (168, 176, 188)


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
            _blend(canvas, *_panel(bars, row, _color(names[i])), place)
    return np.ascontiguousarray(canvas)


class Annotations:
    """Names the annotated copies of a run in one folder; two sources never share a name."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
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
        return self.folder / f"{name}{ANNOTATED}"


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
    scale = _scale(row)
    names = max(_text_width(bar.name, scale) for bar in bars)
    return names, round(4.5 * row), _text_width("100%", scale)


def _panel_size(bars: list[_Bar], row: int) -> tuple[int, int]:
    """Width and height in pixels."""
    return sum(_panel_columns(bars, row)) + round(2.75 * row), row * len(bars) + row


def _panel(bars: list[_Bar], row: int, edge: Color) -> tuple[Image, npt.NDArray[np.float32]]:
    """A panel's colours and its opacity; its left edge has the colour of the face's box.

    It is drawn enlarged and shrunk, which makes small text smooth.
    """
    fine = 4 if row < 40 else 2
    width, height = _panel_size(bars, row)
    paint = np.full((height * fine, width * fine, 3), _DARK, np.uint8)
    mask = np.zeros((height * fine, width * fine), np.uint8)
    _rounded_rectangle(mask, (0, 0, width * fine - 1, height * fine - 1), 255, row * fine // 2)
    names, length, _ = _panel_columns(bars, row)
    unit = row * fine
    paint[:, : unit // 5] = edge
    start = row * fine + names * fine + unit // 2
    for i, bar in enumerate(bars):
        middle = unit // 2 + i * unit + unit // 2
        thick = unit // 4
        ink = _LIGHT if bar.top else _FAINT
        _text(
            paint,
            bar.name,
            (start - unit // 2 - _text_width(bar.name, _scale(unit), bar.top), middle),
            unit,
            ink,
            bar.top,
        )
        _rounded_rectangle(paint, (start, middle - thick, start + length * fine, middle + thick), (52, 58, 68), thick)
        full = paint.copy()
        _rounded_rectangle(
            full, (start, middle - thick, start + length * fine, middle + thick), _color(bar.name), thick
        )
        end = start + round(length * fine * bar.share)
        paint[:, start:end] = full[:, start:end]
        _text(paint, f"{bar.share:.0%}", (start + length * fine + unit // 2, middle), unit, ink, bar.top)
    small = cv2.resize(paint, (width, height), interpolation=cv2.INTER_AREA)
    opacity = cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) * (0.88 / 255)
    return small, opacity  # type: ignore[return-value]


def _draw_tag(canvas: Image, box: Rect, text: str, color: Color, taken: list[Rect]) -> Rect:
    """The emotion in a filled tag: above the box, or else below, beside or in it. Returns where it stands."""
    size = (canvas.shape[1], canvas.shape[0])
    least = max(_ROW + 3, max(size) // 90)
    row = int(np.clip((box[3] - box[1]) / 7, least, max(least, max(size) // 22)))
    while row > 8 and _text_width(text, _scale(row), True) + row > size[0]:
        row -= 1
    width, height = _text_width(text, _scale(row), True) + row, round(row * 1.35)
    gap = _line(box, size)
    spots = [
        (box[0], box[1] - gap - height, box[0] + width, box[1] - gap),
        (box[0], box[3] + gap, box[0] + width, box[3] + gap + height),
        (box[2] + gap, box[1], box[2] + gap + width, box[1] + height),
        (box[0] - gap - width, box[1], box[0] - gap, box[1] + height),
    ]
    free = [w for w in (clamped(spot, size) for spot in spots) if not any(overlap(w, other) for other in taken)]
    in_box = (box[0] + gap, box[1] + gap, box[0] + gap + width, box[1] + gap + height)
    place = free[0] if free else clamped(in_box, size)
    fine = 4 if row < 40 else 2
    paint = np.full((height * fine, width * fine, 3), color, np.uint8)
    mask = np.zeros(paint.shape[:2], np.uint8)
    _rounded_rectangle(mask, (0, 0, width * fine - 1, height * fine - 1), 255, row * fine // 4)
    ink = _DARK if np.dot(color, (0.299, 0.587, 0.114)) > 120 else (255, 255, 255)
    _text(paint, text, (row * fine // 2, height * fine // 2), row * fine, ink, True)
    small = cv2.resize(paint, (width, height), interpolation=cv2.INTER_AREA)
    opacity = cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    _blend(canvas, small, opacity, place)  # type: ignore[arg-type]
    return place


def _draw_box(canvas: Image, box: Rect, color: Color) -> None:
    line = _line(box, (canvas.shape[1], canvas.shape[0]))
    corners = tuple(round(v) for v in box)
    for width, ink in ((line + max(2, line // 2), _DARK), (line, color)):  # a dark rim keeps it visible on any ground
        _rounded_outline(canvas, corners, ink, max(line, round((box[2] - box[0]) * 0.06)), width)


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


def _blend(canvas: Image, paint: Image, opacity: npt.NDArray[np.float32], place: Rect) -> None:
    """Lay `paint` over the canvas at a place; what reaches past the edge is cut off."""
    x, y = round(place[0]), round(place[1])
    top, left = max(0, -y), max(0, -x)
    under = canvas[max(y, 0) : y + paint.shape[0], max(x, 0) : x + paint.shape[1]]
    over = paint[top : top + under.shape[0], left : left + under.shape[1]].astype(np.float32)
    share = opacity[top : top + under.shape[0], left : left + under.shape[1], None]
    under[...] = (over * share + under * (1 - share) + 0.5).astype(np.uint8)


def _rounded_rectangle(canvas: npt.NDArray[np.uint8], rect: Sequence[int], color: int | Color, radius: int) -> None:
    x1, y1, x2, y2 = rect
    r = max(0, min(radius, (x2 - x1) // 2, (y2 - y1) // 2))
    cv2.rectangle(canvas, (x1 + r, y1), (x2 - r, y2), color, -1)
    cv2.rectangle(canvas, (x1, y1 + r), (x2, y2 - r), color, -1)
    for center in ((x1 + r, y1 + r), (x2 - r, y1 + r), (x1 + r, y2 - r), (x2 - r, y2 - r)):
        cv2.circle(canvas, center, r, color, -1, cv2.LINE_AA)


def _rounded_outline(canvas: Image, rect: Sequence[int], color: Color, radius: int, width: int) -> None:
    x1, y1, x2, y2 = rect
    r = max(0, min(radius, (x2 - x1) // 2, (y2 - y1) // 2))
    for start, end in (
        ((x1 + r, y1), (x2 - r, y1)),
        ((x1 + r, y2), (x2 - r, y2)),
        ((x1, y1 + r), (x1, y2 - r)),
        ((x2, y1 + r), (x2, y2 - r)),
    ):
        cv2.line(canvas, start, end, color, width, cv2.LINE_AA)
    for center, angle in (
        ((x1 + r, y1 + r), 180),
        ((x2 - r, y1 + r), 270),
        ((x2 - r, y2 - r), 0),
        ((x1 + r, y2 - r), 90),
    ):
        cv2.ellipse(canvas, center, (r, r), angle, 0, 90, color, width, cv2.LINE_AA)


def _scale(row: int) -> float:
    """Font scale at which a capital fills half of a line of `row` pixels."""
    return 0.5 * row / _CAPITAL


def _thickness(scale: float, bold: bool) -> int:
    return max(1, round(scale * (2.6 if bold else 1.9)))


def _text_width(text: str, scale: float, bold: bool = False) -> int:
    # measured large, because OpenCV rounds to whole pixels, then scaled
    return round(cv2.getTextSize(text, _FONT, 10.0, 1)[0][0] * scale / 10.0 + (2 if bold else 1) * scale)


def _text(canvas: Image, text: str, at: tuple[int, int], row: int, color: Color, bold: bool) -> None:
    """Text whose left end and vertical middle are at a point."""
    scale = _scale(row)
    base = (at[0], at[1] + round(_CAPITAL * scale / 2))
    cv2.putText(canvas, text, base, _FONT, scale, color, _thickness(scale, bold), cv2.LINE_AA)


def _color(label: str) -> Color:
    """The colour of an emotion; another label gets one that depends on its name alone."""
    if label in COLORS:
        return COLORS[label]
    hue = sum(label.encode()) * 0.381966 % 1
    r, g, b = colorsys.hsv_to_rgb(hue, 0.55, 0.95)
    return (round(r * 255), round(g * 255), round(b * 255))
