"""A picture at halved sizes, so that small versions and small crops of it are cheap and free of aliasing."""

import cv2
import numpy as np
import numpy.typing as npt

from mien.core.types import Floats, Image


class Pyramid:
    """A picture, and its halvings, made when they are first needed.

    Args:
        image: RGB uint8 (H, W, 3).
    """

    def __init__(self, image: Image) -> None:
        self._levels: list[Image] = [image]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the picture."""
        height, width = self._levels[0].shape[:2]
        return height, width

    def level(self, number: int) -> Image:
        """The picture halved `number` times: each pixel the mean of four. An odd last row or column falls away."""
        while len(self._levels) <= number:
            last = self._levels[-1]
            height, width = last.shape[0] // 2, last.shape[1] // 2
            even = last[: 2 * height, : 2 * width]
            self._levels.append(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA))  # type: ignore[arg-type]
        return self._levels[number]

    def resized(self, height: int, width: int) -> Image:
        """The whole picture at another size."""
        full_height, full_width = self._levels[0].shape[:2]
        shrink = min(full_height / height, full_width / width)
        source = self.level(max(0, int(np.log2(max(shrink, 1)))))
        if source.shape[:2] == (height, width):
            return source
        # From here it shrinks by less than two, where linear interpolation sees every pixel.
        result: Image = cv2.resize(source, (width, height), interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
        return result

    def crops(self, boxes: Floats, size: int) -> tuple[npt.NDArray[np.uint8], Floats]:
        """Squares cut out and resized; black outside of the picture.

        Args:
            boxes: (n, 4) squares, which may reach past the edge or lie outside.
            size: side of the crops.

        Returns:
            Crops (n, size, size, 3) uint8, and the boxes (n, 4) that were really cut: at whole pixels.
        """
        longest = np.maximum((boxes[:, 2:] - boxes[:, :2]).max(1), 1) if len(boxes) else np.empty(0, np.float32)
        # The smallest halving in which the box is still twice the crop: nothing is lost, and the cost is bounded.
        levels = np.maximum(np.floor(np.log2(longest / (2 * size))), 0).astype(int)
        units = np.exp2(levels)[:, None]
        low = np.rint(boxes[:, :2] / units).astype(int)
        sides = np.maximum(np.rint(longest / units[:, 0]), 1).astype(int)
        crops = np.zeros((len(boxes), size, size, 3), np.uint8)
        for crop, number, (x, y), side in zip(crops, levels.tolist(), low.tolist(), sides.tolist(), strict=True):
            _cut(self.level(number), x, y, side, crop)
        cut = np.hstack([low, low + sides[:, None]]) * units
        return crops, cut.astype(np.float32)


def _cut(image: Image, x: int, y: int, side: int, crop: npt.NDArray[np.uint8]) -> None:
    """Resize the square at x, y into `crop`."""
    height, width = image.shape[:2]
    x1, y1, x2, y2 = max(x, 0), max(y, 0), min(x + side, width), min(y + side, height)
    if x1 >= x2 or y1 >= y2:
        return
    inside = image[y1:y2, x1:x2]
    if inside.shape[:2] != (side, side):
        padded = np.zeros((side, side, 3), np.uint8)
        padded[y1 - y : y2 - y, x1 - x : x2 - x] = inside
        inside = padded
    cv2.resize(inside, crop.shape[:2], dst=crop, interpolation=cv2.INTER_AREA)
