"""For detectors that know one size of face only: the picture at the size that fits them."""

import math

import cv2
import numpy as np
import numpy.typing as npt

from mien.core.images import to_gray
from mien.core.types import Image

SMALLEST = 12  # pixels; below it enlarging shows no face any more


def scaled_gray(
    image: Image, *, window: float, min_face: int, most_pixels: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """A grey copy in which the smallest face wanted fills a detector's window.

    Args:
        image: RGB uint8 (H, W, 3).
        window: side of the smallest face that the detector sees, in pixels, in MTCNN's convention.
        min_face: the smallest face wanted; at least `SMALLEST` is assumed.
        most_pixels: of the copy, so that memory is bounded; the smallest faces of a picture that large are missed.

    Returns:
        Grey uint8 (h, w), and what boxes x1 y1 x2 y2 found in it must be multiplied by: (4,).
    """
    height, width = image.shape[:2]
    factor = min(window / max(min_face, SMALLEST), math.sqrt(most_pixels / (height * width)))
    new_height, new_width = (max(round(side * factor), 1) for side in (height, width))
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    gray = cv2.resize(to_gray(image), (new_width, new_height), interpolation=way)
    back = np.asarray([width / new_width, height / new_height] * 2, np.float32)
    return gray, back  # type: ignore[return-value]
