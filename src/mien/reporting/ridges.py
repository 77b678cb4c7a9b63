"""Distributions of one number, a row a class: what can be compared at a glance."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mien.reporting.style import INK, MUTED, color_of, new_figure, plain_logarithms

_BARS = 80  # of a hill, before it is smoothed
_FEW = 1000  # images; of fewer the hill is smoothed more
_QUANTILES = (5, 25, 50, 75, 95)


def ridges(
    values: Mapping[str, npt.NDArray[Any]],
    width: float,
    *,
    x: str,
    limits: tuple[float, float],
    log: bool = False,
    digits: int,
) -> Figure:
    """A hill a class; below it a line from the 5th to the 95th percentile, thick between quartiles, a dot as median.

    Args:
        values: of each class, finite.
        width: of the figure.
        x: what is shown, and in what unit.
        limits: of the axis.
        log: whether it is logarithmic.
        digits: of the median that stands at the right.
    """
    figure = new_figure(width, 0.44 * len(values) + 0.62)
    axes = figure.subplots()
    edges = np.geomspace(*limits, _BARS + 1) if log else np.linspace(*limits, _BARS + 1)
    for y, (label, each) in enumerate(values.items()):
        _hill(axes, each, y, edges, color_of(label))
        _interval(axes, each, y)
        axes.text(1.01, y, f"{np.median(each):,.{digits}f}", transform=axes.get_yaxis_transform(), fontsize=8)
    axes.text(1.01, -0.75, "median", transform=axes.get_yaxis_transform(), fontsize=7, color=MUTED)
    axes.set(
        yticks=range(len(values)), yticklabels=list(values), xlim=limits, xlabel=x, ylim=(len(values) - 0.6, -0.95)
    )
    axes.tick_params(axis="y", labelcolor=INK, labelsize=8.5)
    if log:
        axes.set_xscale("log")
        plain_logarithms(axes.xaxis)
    return figure


def _hill(axes: Axes, values: npt.NDArray[Any], y: int, edges: npt.NDArray[Any], color: str) -> None:
    counts = np.histogram(values, edges)[0].astype(np.float64)
    kernel = np.exp(-0.5 * (np.arange(-8, 9) / (1.5 if len(values) >= _FEW else 2.5)) ** 2)
    hill = np.convolve(np.pad(counts, 8, mode="reflect"), kernel, "valid")
    top = y + 0.02 - 0.8 * hill / max(1e-9, hill.max())
    axes.fill_between((edges[:-1] + edges[1:]) / 2, top, y + 0.02, color=color, alpha=0.8, linewidth=0)


def _interval(axes: Axes, values: npt.NDArray[Any], y: int) -> None:
    low, first, middle, third, high = np.percentile(values, _QUANTILES)
    axes.plot((low, high), (y + 0.14,) * 2, color=MUTED, linewidth=0.8)
    axes.plot((first, third), (y + 0.14,) * 2, color=MUTED, linewidth=2.4, solid_capstyle="butt")
    axes.plot(middle, y + 0.14, "o", color=INK, markersize=3.4)
