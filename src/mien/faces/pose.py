"""How far a head is turned, from five landmarks."""

import numpy as np

from mien.core.errors import DataError
from mien.core.types import Floats

# How far the nose's tip stands out before the plane of eyes and mouth, over half the distance of the eyes' centres:
# about 27 mm over 32 mm in adults. People differ by a fifth or so, and angles with them.
NOSE_OVER_HALF_EYES = 0.85
# How far down from the eyes to the mouth the nose's tip is. The plane is looked at there, so that a nod, which moves
# the nose up or down in front of it, counts for little.
_DOWN = 0.55


def yaw_degrees(landmarks: Floats) -> Floats:
    """The turn of each head to its side, roughly: the nose leaves the middle of the face, and the eyes come closer.

    Seen from far away a head turned by a has its eyes at +-e cos a along their line, and its nose, d before the plane
    of eyes and mouth, at d sin a; so tan a = (offset of the nose / half the distance of the eyes) e / d. A tilt of the
    head in the picture changes nothing, a nod of 20 degrees less than 5. Beyond 60 degrees one eye is hidden, and its
    place is a guess.

    Args:
        landmarks: (n, 5, 2) float32 in the order of `mien.core.types.LANDMARKS`.

    Returns:
        (n,) float32 in -90..90, positive where the person turns to their own left (the nose moves to the right of the
        picture); NaN where a landmark is not known or the eyes are in one place.

    Raises:
        DataError: another shape.

    >>> yaw_degrees(np.float32([[[0, 0], [10, 0], [5, 5], [2, 9], [8, 9]]]))
    array([0.], dtype=float32)
    """
    points = np.asarray(landmarks, np.float64)
    if points.ndim != 3 or points.shape[1:] != (5, 2):
        raise DataError(f"expected landmarks of shape (n, 5, 2), got {points.shape}")
    right, left, nose = points[:, 0], points[:, 1], points[:, 2]
    line = left - right
    squared = (line**2).sum(1)
    middle = (1 - _DOWN) * (left + right) / 2 + _DOWN * (points[:, 3] + points[:, 4]) / 2
    offset = ((nose - middle) * line).sum(1)  # along the line of the eyes, times its length
    ratio = np.full(len(points), np.nan)
    np.divide(2 * offset, squared, out=ratio, where=squared > 0)
    angles: Floats = np.degrees(np.arctan(ratio / NOSE_OVER_HALF_EYES)).astype(np.float32) + np.float32(0)  # no -0
    return angles
