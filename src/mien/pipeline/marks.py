"""The marks of a face on a picture: a box, a tag, a panel with a bar an emotion. OpenCV alone."""

import colorsys
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from mien.core.labels import UNSURE
from mien.core.types import Image, Predictions
from mien.pipeline.layout import Rect, clamped
from mien.pipeline.paint import Color, Sheet, rounded_outline, rounded_rectangle, text_scale, text_width, write_text

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

SEE_THROUGH = 0.88  # opacity of a panel

_READABLE = 640  # a picture whose longer side is shorter is enlarged, so that text on it can be read
_ROW = 15  # pixels: the least height of a line of a panel
_DARK: Color = (22, 26, 32)
_LIGHT: Color = (236, 239, 244)
_FAINT: Color = (168, 176, 188)
_WHITE: Color = (255, 255, 255)
_TROUGH: Color = (52, 58, 68)  # of a bar, where it is empty


def enlarged(image: Image, *, copy: bool = True) -> tuple[Image, int]:
    """A copy to draw on, large enough that text on it can be read, and how many times as large it is.

    Without `copy`, a picture that is large enough is returned itself.
    """
    factor = max(1, -(-_READABLE // max(image.shape[:2])))
    if factor == 1:
        return image.copy() if copy else image, 1
    larger = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    return np.asarray(larger, np.uint8), factor


@dataclass(frozen=True)
class Bar:
    """A line of a panel."""

    name: str
    share: float
    top: bool


def bars_of(face: Predictions, most: int | None) -> list[Bar]:
    """One bar an emotion in the model's order, or the likeliest few, likeliest first."""
    shares = face.probabilities[0]
    which = range(len(shares)) if most is None else np.argsort(-shares, kind="stable")[:most]
    return [Bar(face.labels[k], float(shares[k]), k == shares.argmax()) for k in which]


def panel_rows(box: Rect, classes: int, size: tuple[int, int]) -> tuple[int, int]:
    """Heights in pixels of a panel's line: what suits a face in a picture of `size`, and the least."""
    least = max(_ROW, max(size) // 110)
    return int(np.clip((box[3] - box[1]) / (classes + 1), least, max(least, max(size) // 34))), least


def panel_columns(bars: list[Bar], row: int) -> tuple[int, int, int]:
    """Widths of a panel's columns: names, bars, per cent."""
    scale = text_scale(row)
    names = max(text_width(bar.name, scale) for bar in bars)
    return names, round(4.5 * row), text_width("100%", scale)


def panel_size(bars: list[Bar], row: int) -> tuple[int, int]:
    """Width and height in pixels."""
    return sum(panel_columns(bars, row)) + round(2.75 * row), row * len(bars) + row


def bar_ends(bars: list[Bar], row: int) -> tuple[int, int]:
    """Where the bars of a panel begin and end, in pixels from its left edge."""
    names, length, _ = panel_columns(bars, row)
    left = row + names + row // 2
    return left, left + length


def panel_sheet(bars: list[Bar], row: int, edge: Color, *, percents: bool = True) -> Sheet:
    """A panel with a bar for each emotion; its left edge has the colour of the face's box.

    Args:
        bars: from the top.
        row: height of each, in pixels.
        edge: the colour.
        percents: whether the shares stand beside the bars, too.
    """
    sheet = Sheet(panel_size(bars, row), row=row, ground=_DARK, radius=0.5)
    unit = row * sheet.fine
    sheet.paint[:, : unit // 5] = edge
    start, stop = (end * sheet.fine for end in bar_ends(bars, row))
    for i, bar in enumerate(bars):
        middle = unit // 2 + i * unit + unit // 2
        _draw_bar(sheet.paint, bar, (start, stop), middle, unit)
        if percents:
            _write_share(sheet.paint, bar, (stop + unit // 2, middle), unit)
    return sheet


def percent_sheet(bar: Bar, row: int, width: int) -> Sheet:
    """What stands at the right of a bar: a part of a panel, `width` pixels wide and a row high."""
    sheet = Sheet((width, row), row=row, ground=_DARK, radius=0)
    _write_share(sheet.paint, bar, (row * sheet.fine // 2, row * sheet.fine // 2), row * sheet.fine)
    return sheet


def _write_share(paint: Image, bar: Bar, at: tuple[int, int], row: int) -> None:
    write_text(paint, f"{bar.share:.0%}", at, row, _LIGHT if bar.top else _FAINT, bar.top)


def _draw_bar(paint: Image, bar: Bar, ends: tuple[int, int], middle: int, row: int) -> None:
    """A line of a panel: the name, its bar from one end to the other."""
    ink = _LIGHT if bar.top else _FAINT
    (start, stop), thick = ends, row // 4
    width = text_width(bar.name, text_scale(row), bar.top)
    write_text(paint, bar.name, (start - row // 2 - width, middle), row, ink, bar.top)
    rounded_rectangle(paint, (start, middle - thick, stop, middle + thick), _TROUGH, thick)
    line = paint[middle - row // 2 : middle + row // 2]
    full = line.copy()  # painted whole and copied in part, so that a short bar has the same round end
    rounded_rectangle(full, (start, row // 2 - thick, stop, row // 2 + thick), color_of(bar.name), thick)
    end = start + round((stop - start) * bar.share)
    line[:, start:end] = full[:, start:end]


def tag_row(box: Rect, size: tuple[int, int]) -> int:
    """Height in pixels of the line of a tag that suits a face in a picture of `size`."""
    least = max(_ROW + 3, max(size) // 90)
    return int(np.clip((box[3] - box[1]) / 7, least, max(least, max(size) // 22)))


def tag_size(words: str, row: int) -> tuple[int, int]:
    """Width and height in pixels."""
    return text_width(words, text_scale(row), True) + row, round(row * 1.35)


def tag_sheet(words: str, row: int, color: Color) -> Sheet:
    """Words on a ground of a colour."""
    size = tag_size(words, row)
    sheet = Sheet(size, row=row, ground=color, radius=0.25)
    ink = _DARK if np.dot(color, (0.299, 0.587, 0.114)) > 120 else _WHITE
    unit = row * sheet.fine
    write_text(sheet.paint, words, (unit // 2, size[1] * sheet.fine // 2), unit, ink, True)
    return sheet


def tag_spots(box: Rect, size: tuple[int, int], picture: tuple[int, int]) -> list[Rect]:
    """Where a tag of `size` may stand: above the box, below it, right and left of it, and last in it."""
    (width, height), gap = size, line_width(box, picture)
    spots = [
        (box[0], box[1] - gap - height, box[0] + width, box[1] - gap),
        (box[0], box[3] + gap, box[0] + width, box[3] + gap + height),
        (box[2] + gap, box[1], box[2] + gap + width, box[1] + height),
        (box[0] - gap - width, box[1], box[0] - gap, box[1] + height),
        (box[0] + gap, box[1] + gap, box[0] + gap + width, box[1] + gap + height),
    ]
    return [clamped(spot, picture) for spot in spots]


def draw_box(canvas: Image, box: Rect, color: Color) -> None:
    """A frame around a face."""
    line = line_width(box, (canvas.shape[1], canvas.shape[0]))
    corners = tuple(round(v) for v in box)
    for width, ink in ((line + max(2, line // 2), _DARK), (line, color)):  # a dark rim keeps it visible on any ground
        rounded_outline(canvas, corners, ink, max(line, round((box[2] - box[0]) * 0.06)), width)


def line_width(box: Rect, size: tuple[int, int]) -> int:
    """Line width of a box: follows the face, and in a large picture the picture, as far as the face allows."""
    face = max(box[2] - box[0], box[3] - box[1])
    return max(2, round(max(face / 120, min(max(size) / 1200, face / 25))))


def visible(box: npt.NDArray[np.float32], size: tuple[int, int]) -> Rect:
    """The part of a box in the picture, far enough from the edge that its line shows."""
    rim = line_width(tuple(box), size) / 2 + 1
    x1, x2 = np.clip(box[[0, 2]], min(rim, size[0] / 2), max(size[0] - rim, size[0] / 2))
    y1, y2 = np.clip(box[[1, 3]], min(rim, size[1] / 2), max(size[1] - rim, size[1] / 2))
    return (float(x1), float(y1), float(x2), float(y2))


def color_of(label: str) -> Color:
    """The colour of an emotion; another label gets one that depends on its name alone."""
    if label in COLORS:
        return COLORS[label]
    hue = sum(label.encode()) * 0.381966 % 1
    r, g, b = colorsys.hsv_to_rgb(hue, 0.55, 0.95)
    return (round(r * 255), round(g * 255), round(b * 255))
