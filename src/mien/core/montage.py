"""Many small pictures on one, in a grid, with a caption under each."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from mien.core.types import Image

_PAPER, _INK = 255, 0
_GAP = 6  # pixels around each picture
_LINE = 13  # height of a line of text
_FONT, _SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.36


def montage(
    images: Sequence[npt.NDArray[np.uint8]], captions: Sequence[str] = (), *, columns: int = 10, side: int = 96
) -> Image:
    """Lay pictures out in rows, each brought into a square without changing its proportions.

    Args:
        images: grey (H, W) or RGB (H, W, 3) uint8, of any sizes.
        captions: one a picture, of one line or several; what is too long for its column is cut. None at all: no text.
        columns: pictures in a row.
        side: of the squares, in pixels.

    Returns:
        RGB uint8 on white; a single white pixel where there is no picture.
    """
    if captions and len(captions) != len(images):
        raise ValueError(f"expected a caption for each of {len(images)} pictures, got {len(captions)}")
    if not len(images):
        return np.full((1, 1, 3), _PAPER, np.uint8)
    lines = [caption.split("\n") for caption in captions]
    width, height = side + _GAP, side + _GAP + _LINE * max(map(len, lines), default=0)
    columns = max(1, min(columns, len(images)))
    rows = -(-len(images) // columns)
    sheet = np.full((rows * height + _GAP, columns * width + _GAP, 3), _PAPER, np.uint8)
    for number, image in enumerate(images):
        top, left = number // columns * height + _GAP, number % columns * width + _GAP
        square = _fit(np.asarray(image), side)
        y, x = top + (side - square.shape[0]) // 2, left + (side - square.shape[1]) // 2
        sheet[y : y + square.shape[0], x : x + square.shape[1]] = square
        for line, text in enumerate(lines[number] if lines else ()):
            _write(sheet, text, left, top + side + _LINE * (line + 1) - 3, side)
    return sheet


def _fit(image: npt.NDArray[np.uint8], side: int) -> Image:
    """An image as RGB whose longer side is `side`."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    rgb: Image = np.repeat(resized[:, :, None], 3, 2) if resized.ndim == 2 else resized  # type: ignore[assignment]
    return rgb


def _write(sheet: Image, text: str, left: int, baseline: int, width: int) -> None:
    text = text.encode("ascii", "replace").decode()  # the font has no others
    while text and cv2.getTextSize(text, _FONT, _SCALE, 1)[0][0] > width:
        text = text[:-1]
    cv2.putText(sheet, text, (left, baseline), _FONT, _SCALE, (_INK, _INK, _INK), 1, cv2.LINE_AA)
