"""Models against one of them: the difference in accuracy of each, with its interval."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mien.evaluation.compared import Comparison, Pair
from mien.reporting.drawing import Drawing, render
from mien.reporting.style import ACCENT, INK, MUTED, is_narrow, panels, short

NAME = "differences"

_ROW = 0.3  # inches


def draw_differences(comparisons: Mapping[str, Comparison], *, name: str = NAME) -> Drawing:
    """The figure as PNG, SVG and markup; see `differences_figure`. `name` is that of its files."""
    return render(name, lambda width: differences_figure(comparisons, width))


def differences_figure(comparisons: Mapping[str, Comparison], width: float) -> Figure:
    """A panel a comparison, a row a model: its accuracy less that of the model which all are compared with.

    The models that lose most stand at the top, by the first comparison. A filled mark: the difference is shown at 5 %,
    with Holm's correction. Small strokes: the difference in each fold or seed.

    Args:
        comparisons: title -> models compared with one of them (`against`), the same models in each.
        width: of the figure, inches.
    """
    first, *_ = comparisons.values()
    base = first.pairs[0].second
    losses = sorted(first.pairs, key=lambda pair: pair.differences["accuracy"].value)
    names = [pair.first for pair in losses]
    columns = 1 if is_narrow(width) else min(2, len(comparisons))
    figure, axes = panels(
        [f"{title}: {_basis(found)}" for title, found in comparisons.items()],
        width,
        columns=columns,
        height=_ROW * len(names) + 0.55,
        x=f"accuracy less that of {short(base, 30)}, points; filled: shown to differ at 5 % (Holm)",
    )
    most = 21 if is_narrow(width) else 30
    for axis, found in zip(axes, comparisons.values(), strict=True):
        pairs = {pair.first: pair for pair in found.pairs}
        for y, name in enumerate(names):
            _draw_row(axis, y, found, pairs[name])
        axis.axvline(0, color=INK, lw=0.9)
        axis.set_yticks(range(len(names)), [short(each, most) for each in names])
        axis.tick_params(axis="y", labelcolor=INK, labelsize=8)
        axis.set_ylim(len(names) - 0.5, -0.5)
    return figure


def _basis(found: Comparison) -> str:
    """How many images and runs stand behind a panel."""
    paired = found.paired
    several = [f"{count} {kind}" for count, kind in ((paired.folds, "folds"), (paired.repeats, "seeds")) if count > 1]
    return ", ".join([f"{len(paired):,} images", *several])


def _draw_row(axis: Axes, y: int, found: Comparison, pair: Pair) -> None:
    difference = pair.differences["accuracy"]
    color = ACCENT if pair.differ else MUTED
    runs = {score.name: np.array(score.runs["accuracy"]) for score in found.scores}
    by_run = 100 * (runs[pair.first] - runs[pair.second])
    axis.plot(by_run, np.full(len(by_run), y + 0.22), "|", color=MUTED, ms=5, mew=0.8, label="runs")
    text = f"{100 * difference.value:+.1f}"
    if np.isfinite(difference.low):
        low, high = 100 * difference.low, 100 * difference.high
        axis.plot((low, high), (y, y), color=color, lw=2.4, alpha=0.45, label="interval")
        text += f" ({low:+.1f} to {high:+.1f})"
    face = color if pair.differ else "white"
    axis.plot(100 * difference.value, y, "o", color=color, markerfacecolor=face, ms=5.5, label="difference")
    axis.text(1.01, y, text, transform=axis.get_yaxis_transform(), va="center", fontsize=7.5, color=INK)
