"""Crops in which the five landmarks lie where a template has them, for research on aligned faces.

What a model of mien sees is decided by its card and cut by `mien.runtime.preprocess`, not here.
"""

import cv2
import numpy as np

from mien.core.errors import DataError
from mien.core.types import Floats, Image

# Where the landmarks of an upright frontal face lie, in units of the crop's side, in the order of `LANDMARKS`: the mean
# of MTCNN's over half a of the wild photographs (`scripts/fit_boxes.py`), made symmetric and placed in the crop.
TEMPLATE = np.asarray([(0.31, 0.37), (0.69, 0.37), (0.50, 0.58), (0.34, 0.795), (0.66, 0.795)], np.float32)


def similarity(source: Floats, target: Floats) -> Floats:
    """The scaling, rotation and shift that brings points closest to others, in the least squares sense.

    Umeyama 1991, "Least-Squares Estimation of Transformation Parameters Between Two Point Patterns",
    doi 10.1109/34.88573, in the plane, where complex numbers say it in two lines; never a reflection.

    Args:
        source: (n, 2) points, not all the same.
        target: (n, 2) where they should go.

    Returns:
        (2, 3) float32, the matrix of `cv2.warpAffine`.

    Raises:
        DataError: points are missing (NaN), or all lie in one place.
    """
    z, w = (np.asarray(points, np.float64) @ np.asarray([1, 1j]) for points in (source, target))
    centred = z - z.mean()
    spread = (np.abs(centred) ** 2).sum()
    if not spread > 0:
        raise DataError("expected landmarks in different places, got missing ones or all in one place: find them first")
    turn = (centred.conj() * (w - w.mean())).sum() / spread
    shift = w.mean() - turn * z.mean()
    return np.asarray([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]], np.float32)


def roll(landmarks: Floats) -> Floats:
    """Angle of the line from the right to the left eye, in degrees, clockwise as seen: 0 if the eyes lie level.

    Args:
        landmarks: (n, 5, 2).

    Returns:
        (n,) float32 in -180..180; NaN where an eye is not known.
    """
    x, y = (landmarks[:, 1] - landmarks[:, 0]).T
    angles: Floats = np.degrees(np.arctan2(y, x))
    return angles


def align(image: Image, landmarks: Floats, size: int, template: Floats = TEMPLATE) -> Image:
    """The face, scaled, turned and moved so that its landmarks come as close as possible to a template.

    Args:
        image: RGB uint8 (H, W, 3).
        landmarks: (5, 2), x y in pixels.
        size: side of the crop.
        template: (5, 2), in units of the crop's side.

    Returns:
        RGB uint8 (size, size, 3); the picture's edge is repeated beyond it.

    Raises:
        DataError: a landmark is missing (NaN), or all lie in one place.
    """
    # Pixel i covers i..i+1, while the warp counts from pixel centres.
    matrix = similarity(landmarks - np.float32(0.5), template * np.float32(size) - np.float32(0.5))
    shrink = 1 / max(float(np.hypot(matrix[0, 0], matrix[1, 0])), 1e-6)
    finer = int(np.clip(np.floor(shrink), 1, 16))  # warp to a finer grid, then average: no aliasing
    fine = matrix * np.float32(finer)
    fine[:, 2] += (finer - 1) / 2
    crop = cv2.warpAffine(
        image, fine, (size * finer, size * finer), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]
