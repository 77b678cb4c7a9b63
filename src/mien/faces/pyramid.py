"""Crops of a picture at any size, cheap however large the picture is."""

import cv2
import numpy as np
import numpy.typing as npt

from mien.core.types import Floats, Image

FINE = 16  # a crop is taken from the smallest halving in which it still is at least so many times as wide as its result


class Pyramid:
    """A picture, and its halvings, made when they are first needed.

    Args:
        image: RGB uint8 (H, W, 3).
    """

    def __init__(self, image: Image) -> None:
        self._levels: list[Image] = [image]

    @property
    def image(self) -> Image:
        """The picture itself."""
        return self._levels[0]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the picture."""
        height, width = self.image.shape[:2]
        return height, width

    def level(self, number: int) -> Image:
        """The picture halved `number` times: each pixel the mean of four. An odd last row or column falls away."""
        while len(self._levels) <= number:
            last = self._levels[-1]
            height, width = last.shape[0] // 2, last.shape[1] // 2
            half = cv2.resize(last[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
            self._levels.append(half)  # type: ignore[arg-type]
        return self._levels[number]

    def crops(self, boxes: Floats, size: int) -> tuple[npt.NDArray[np.uint8], Floats]:
        """Cut boxes out and resize them to squares; black outside of the picture.

        Args:
            boxes: (n, 4), which may reach past the edge or lie outside.
            size: side of the crops.

        Returns:
            Crops (n, size, size, 3) uint8, and the boxes (n, 4) that were really cut: at whole pixels.
        """
        longest = np.maximum((boxes[:, 2:] - boxes[:, :2]).max(1, initial=1), 1)
        tallest = np.log2(max(min(self.shape), 1))
        levels = np.clip(np.floor(np.log2(longest / (FINE * size))), 0, np.floor(tallest)).astype(int)
        units = np.exp2(levels)[:, None]
        low = np.rint(boxes[:, :2] / units).astype(int)
        high = np.maximum(np.rint(boxes[:, 2:] / units).astype(int), low + 1)
        crops = np.zeros((len(boxes), size, size, 3), np.uint8)
        for crop, number, start, end in zip(crops, levels.tolist(), low.tolist(), high.tolist(), strict=True):
            _cut(self.level(number), start, end, crop)
        return crops, (np.hstack([low, high]) * units).astype(np.float32)


def _cut(image: Image, start: list[int], end: list[int], crop: npt.NDArray[np.uint8]) -> None:
    """Resize the rectangle from `start` to `end`, both (x, y), into `crop`."""
    (x, y), (right, bottom) = start, end
    height, width = image.shape[:2]
    x1, y1, x2, y2 = max(x, 0), max(y, 0), min(right, width), min(bottom, height)
    if x1 >= x2 or y1 >= y2:
        return
    inside = image[y1:y2, x1:x2]
    if (x1, y1, x2, y2) != (x, y, right, bottom):
        padded = np.zeros((bottom - y, right - x, 3), np.uint8)
        padded[y1 - y : y2 - y, x1 - x : x2 - x] = inside
        inside = padded
    cv2.resize(inside, crop.shape[:2], dst=crop, interpolation=cv2.INTER_AREA)
