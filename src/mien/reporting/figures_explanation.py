"""Figures of explanations: whether heat maps show what a model goes by."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mien.core.types import Floats
from mien.explanation.faithfulness import Curves
from mien.reporting.style import ACCENT, INK, MUTED, is_narrow, new_figure, short

_Z = 1.96  # of a 95 % interval


def deletion_and_insertion(own: Curves, random: Curves, width: float) -> Figure:
    """Two panels: the mean probability of the label while pixels go, and while they come, with its 95 % interval.

    Args:
        own: the curves of a model's maps, a row a face.
        random: of maps that know nothing.
        width: of the figure, inches.
    """
    rank = (2, 1) if is_narrow(width) else (1, 2)
    figure = new_figure(width, 2.5 * rank[0] + 0.2)
    axes = figure.subplots(*rank, sharey=True, squeeze=False).ravel()
    for axis, title in zip(axes, ("deletion", "insertion"), strict=True):
        for curves, color, stroke, name in ((own, ACCENT, "-", "its maps"), (random, MUTED, "--", "random maps")):
            _mean(axis, 100 * curves.shares, 100 * getattr(curves, title), color, stroke, name)
        axis.set(title=title, xlim=(0, 100), ylim=(0, None))
        axis.grid(axis="both")
    axes[0].legend(frameon=False, fontsize=7.5)
    figure.supxlabel("pixels changed (%)", fontsize=8, color=MUTED)
    figure.supylabel("probability of the label (%)", fontsize=8, color=MUTED)
    return figure


def _mean(axis: Axes, x: Floats, y: Floats, color: str, stroke: str, name: str) -> None:
    mean = y.mean(0)
    axis.plot(x, mean, stroke, color=color, lw=1.6, label=name)
    if len(y) > 1:
        half = _Z * y.std(0, ddof=1) / np.sqrt(len(y))
        axis.fill_between(x, np.maximum(mean - half, 0), mean + half, color=color, alpha=0.18, lw=0)


def forgetting(layers: Sequence[str], similarity: Floats, width: float) -> Figure:
    """A row a layer, from the heads down: how alike maps are to those before, once it and all above it are random.

    Args:
        layers: the one that was forgotten last in each row.
        similarity: (L, n) rank correlation; NaN where a map is flat.
        width: of the figure, inches.
    """
    figure = new_figure(width, 0.28 * (len(layers) + 1) + 0.6)
    axis = figure.subplots()
    rows = [np.ones(similarity.shape[1]), *(each[np.isfinite(each)] for each in similarity)]
    for y, values in enumerate(rows):
        if len(values):
            axis.plot(values, np.full(len(values), y), "|", color=ACCENT, ms=7, alpha=0.8)
            axis.plot(np.median(values), y, "o", color=INK, ms=5)
        else:
            axis.annotate("no map has any heat", (0, y), (4, 0), textcoords="offset points", va="center", fontsize=7.5)
    most = 20 if is_narrow(width) else 40
    axis.axvline(0, color=MUTED, lw=0.7, ls=":")
    axis.set_yticks(range(len(rows)), ["nothing forgotten", *(f"… {short(each, most)}" for each in layers)])
    axis.tick_params(axis="y", labelcolor=INK, labelsize=8)
    lowest = min((float(values.min()) for values in rows if len(values)), default=0.0)
    axis.set(xlim=(min(-0.25, lowest - 0.05), 1.05), ylim=(len(rows) - 0.5, -0.5))
    axis.set_xlabel("rank correlation with the map of the trained net")
    return figure
