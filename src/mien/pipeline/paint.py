"""Strokes with which an annotated picture is drawn: round corners, smooth text, see-through panels. OpenCV alone."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from mien.core.types import Image
from mien.pipeline.layout import Rect

Color = tuple[int, int, int]  # RGB
Opacity = npt.NDArray[np.float32]  # (h, w) in 0..1

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_CAPITAL = 21.0  # pixels: height of a capital letter of this font at scale 1


class Sheet:
    """A small picture with round corners, painted several times as large as it will be: that makes small text smooth.

    Args:
        size: width and height it will have, in pixels.
        row: height of a line of text on it; where lines are small, the sheet is enlarged more.
        ground: its colour.
        radius: of its corners, in units of `row`.
    """

    def __init__(self, size: tuple[int, int], *, row: int, ground: Color, radius: float) -> None:
        self.fine = 4 if row < 40 else 2
        self._size = size
        width, height = size[0] * self.fine, size[1] * self.fine
        self.paint: Image = np.full((height, width, 3), ground, np.uint8)
        self._mask = np.zeros((height, width), np.uint8)
        rounded_rectangle(self._mask, (0, 0, width - 1, height - 1), 255, int(row * self.fine * radius))

    def shrunk(self) -> tuple[Image, Opacity]:
        """The sheet at the size that it will have, and how opaque it is."""
        small = cv2.resize(self.paint, self._size, interpolation=cv2.INTER_AREA)
        mask = cv2.resize(self._mask, self._size, interpolation=cv2.INTER_AREA).astype(np.float32)
        return small, mask / np.float32(255)  # type: ignore[return-value]

    def laid_on(self, canvas: Image, place: Rect, *, opacity: float = 1.0) -> None:
        """Shrink the sheet and lay it over the canvas."""
        small, mask = self.shrunk()
        blend(canvas, small, mask * np.float32(opacity), place)


def blend(canvas: Image, paint: Image, opacity: Opacity, place: Rect) -> None:
    """Lay `paint` over the canvas at a place; what reaches past the edge is cut off."""
    x, y = round(place[0]), round(place[1])
    top, left = max(0, -y), max(0, -x)
    under = canvas[max(y, 0) : y + paint.shape[0], max(x, 0) : x + paint.shape[1]]
    if under.size:
        over = np.ascontiguousarray(paint[top : top + under.shape[0], left : left + under.shape[1]])
        share = np.ascontiguousarray(opacity[top : top + under.shape[0], left : left + under.shape[1]])
        under[...] = cv2.blendLinear(over, np.ascontiguousarray(under), share, 1 - share)


def rounded_rectangle(canvas: npt.NDArray[np.uint8], rect: Sequence[int], color: int | Color, radius: int) -> None:
    """Fill a rectangle (x1, y1, x2, y2) with round corners."""
    x1, y1, x2, y2 = rect
    r = max(0, min(radius, (x2 - x1) // 2, (y2 - y1) // 2))
    cv2.rectangle(canvas, (x1 + r, y1), (x2 - r, y2), color, -1)
    cv2.rectangle(canvas, (x1, y1 + r), (x2, y2 - r), color, -1)
    for center in ((x1 + r, y1 + r), (x2 - r, y1 + r), (x1 + r, y2 - r), (x2 - r, y2 - r)):
        cv2.circle(canvas, center, r, color, -1, cv2.LINE_AA)


def rounded_outline(canvas: Image, rect: Sequence[int], color: Color, radius: int, width: int) -> None:
    """Draw the edge of a rectangle (x1, y1, x2, y2) with round corners, as a line of some width."""
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


def text_scale(row: int) -> float:
    """Font scale at which a capital fills half of a line of `row` pixels."""
    return 0.5 * row / _CAPITAL


def _thickness(scale: float, bold: bool) -> int:
    return max(1, round(scale * (2.6 if bold else 1.9)))


def text_width(text: str, scale: float, bold: bool = False) -> int:
    """Width of a text in pixels."""
    # Measured large, because OpenCV rounds to whole pixels, then scaled.
    return round(cv2.getTextSize(text, _FONT, 10.0, 1)[0][0] * scale / 10.0 + (2 if bold else 1) * scale)


def write_text(canvas: Image, text: str, at: tuple[int, int], row: int, color: Color, bold: bool) -> None:
    """Text whose left end and vertical middle are at a point."""
    scale = text_scale(row)
    base = (at[0], at[1] + round(_CAPITAL * scale / 2))
    cv2.putText(canvas, text, base, _FONT, scale, color, _thickness(scale, bold), cv2.LINE_AA)
