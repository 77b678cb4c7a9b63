"""Where a clip cuts from one shot to another: pictures that share neither colours nor composition."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from mien.core.types import Floats, Image

_LEVELS = 4  # of each colour
_ACROSS, _DOWN = 32, 18  # samples
_LEAST_SHARED = 0.5  # of the colours within a shot; people walk through pictures, but not all of it within a few frames
_LEAST_ALIKE = 0.5  # correlation of the compositions within a shot: a flash changes all colours, but not what is where


@dataclass(frozen=True, eq=False)
class Look:
    """What a picture looks like from far away.

    Attributes:
        colors: (64,) float32, shares of colours; they sum to 1.
        layout: (18, 32) float32, brightness over the picture; mean 0, length 1 unless it is all of one brightness.
    """

    colors: Floats
    layout: Floats


def look(image: Image) -> Look:
    """See a picture from far away; a fraction of its pixels are read."""
    height, width = image.shape[:2]
    rows = (np.arange(_DOWN * 4) + 0.5) * height / (_DOWN * 4)
    columns = (np.arange(_ACROSS * 4) + 0.5) * width / (_ACROSS * 4)
    samples: npt.NDArray[np.uint8] = np.ascontiguousarray(image[np.ix_(rows.astype(int), columns.astype(int))])
    coarse = (samples // (256 // _LEVELS)).astype(np.intp) @ np.array([_LEVELS**2, _LEVELS, 1])
    colors = np.bincount(coarse.ravel(), minlength=_LEVELS**3).astype(np.float32) / coarse.size
    small = cv2.resize(samples, (_ACROSS, _DOWN), interpolation=cv2.INTER_AREA)
    layout = small.astype(np.float32).mean(2)
    layout -= layout.mean()
    return Look(colors, layout / max(float(np.linalg.norm(layout)), 1e-6))


def another_shot(before: Look, after: Look) -> bool:
    """Whether a cut lies between two pictures that are close in time."""
    return _shared_colors(before, after) < _LEAST_SHARED and _likeness(before, after) < _LEAST_ALIKE


def nearer_to_second(picture: Look, first: Look, second: Look) -> bool:
    """Of a picture between two of different shots, whether it belongs to the second of them."""
    return _closeness(picture, second) > _closeness(picture, first)


def _closeness(picture: Look, other: Look) -> float:
    return _shared_colors(picture, other) + _likeness(picture, other)


def _shared_colors(before: Look, after: Look) -> float:
    return float(np.minimum(before.colors, after.colors).sum())


def _likeness(before: Look, after: Look) -> float:
    return float((before.layout * after.layout).sum())
