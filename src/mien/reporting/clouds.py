"""Where many images are between two numbers."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from mien.reporting.style import INK, MUTED, fading

_FEW = 1000  # points that can be seen one by one
_CELLS = 64

Area = tuple[float, float, float, float]


def cloud(axis: Axes, x: npt.NDArray[Any], y: npt.NDArray[Any], *, area: Area, color: str) -> None:
    """Points where they are few, how dense they are where they are many, and a cross at the medians.

    Args:
        axis: drawn upon.
        x: of the points.
        y: of the points.
        area: least and largest x, least and largest y.
        color: of the class.
    """
    if len(x) < _FEW:
        axis.scatter(x, y, s=5, color=color, alpha=0.6, linewidths=0)
    else:
        counts, _, _ = np.histogram2d(y, x, bins=_CELLS, range=(area[2:], area[:2]))
        smooth = cv2.GaussianBlur(counts, (0, 0), 1.4)
        shown = np.sqrt(smooth / smooth.max())  # so that thin places still show
        axis.imshow(shown, cmap=fading(color), extent=area, origin="lower", aspect="auto", vmin=0, vmax=1, zorder=1)
    if len(x):
        axis.plot(np.median(x), np.median(y), "+", color=INK, markersize=8, mew=1.4)
    axis.set(xlim=area[:2], ylim=area[2:])


def cross_hairs(axis: Axes, x: float, y: float) -> None:
    """Dashed lines through a place."""
    axis.axvline(x, color=MUTED, linewidth=0.6, linestyle=(0, (3, 3)))
    axis.axhline(y, color=MUTED, linewidth=0.6, linestyle=(0, (3, 3)))
