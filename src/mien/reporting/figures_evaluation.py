"""Figures of an evaluation: intervals, classes, confusion, ROC, reliability, coverage, robustness."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mien.evaluation.metrics import Estimate
from mien.reporting.style import ACCENT, GRID, INK, MUTED, color_of, fading, is_narrow, new_figure, panels, short
from mien.runtime.card import RobustnessCell

Floats = npt.NDArray[np.float64]

# Models are told apart by colour and by mark, for those who see no colours.
RUN_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5b626c")
_MARKS = "osD^vPX"
_PALE = 0.6  # opacity of an interval: on dark paper, too, it must be seen
_DARK = 0.55  # the share of a colour from which on white words are read best on it


@dataclass(frozen=True, eq=False)
class Line:
    """A curve of one model.

    Attributes:
        name: of the model. x, y: (n,) values in 0..1. size: (n,) faces behind each point, if they have any.
    """

    name: str
    x: Floats
    y: Floats
    size: Floats | None = None


def color_of_run(number: int) -> str:
    """The colour of the model of this number, the same in every figure of a report."""
    return RUN_COLORS[number % len(RUN_COLORS)]


def intervals(figures: Mapping[str, Mapping[str, Estimate]], width: float) -> Figure:
    """A panel a metric, a line a model: its value and its interval.

    Args:
        figures: metric -> model -> figure, all shares of 1.
        width: of the figure, inches.
    """
    models = list(next(iter(figures.values())))
    columns = 1 if is_narrow(width) else min(3, len(figures))
    figure, axes = panels(list(figures), width, columns=columns, height=0.24 * len(models) + 0.45, x="percent")
    for axis, (_, by_model) in zip(axes, figures.items(), strict=True):
        for y, (k, model) in enumerate(enumerate(models)):
            found = by_model[model]
            if np.isfinite(found.low):
                axis.plot((100 * found.low, 100 * found.high), (y, y), color=color_of_run(k), lw=2.4, alpha=_PALE)
            axis.plot(100 * found.value, y, _MARKS[k % len(_MARKS)], color=color_of_run(k), ms=5)
        axis.set_yticks(range(len(models)), [short(each, 22) for each in models])
        axis.tick_params(axis="y", labelcolor=INK, labelsize=8)
    axes[0].set_ylim(len(models) - 0.5, -0.5)
    return figure


def by_class(figures: Mapping[str, Sequence[Estimate]], labels: Sequence[str], width: float) -> Figure:
    """A row a class, a mark a model: the figure of that class with its interval.

    Args:
        figures: model -> one figure a class.
        labels: of the classes.
        width: of the figure, inches.
    """
    step = 0.8 / len(figures)
    figure = new_figure(width, len(labels) * (0.16 + 0.13 * len(figures)) + 0.6)
    axis = figure.subplots()
    for k, (model, estimates) in enumerate(figures.items()):
        y = np.arange(len(labels)) + (k - (len(figures) - 1) / 2) * step
        low, value, high = (100 * np.array([getattr(e, name) for e in estimates]) for name in ("low", "value", "high"))
        axis.hlines(y, low, high, color=color_of_run(k), lw=2.2, alpha=_PALE)
        axis.plot(value, y, _MARKS[k % len(_MARKS)], color=color_of_run(k), ms=4.5, label=short(model, 30))
    axis.set_yticks(range(len(labels)), [short(each) for each in labels])
    axis.tick_params(axis="y", labelcolor=INK, labelsize=8.5)
    axis.set(ylim=(len(labels) - 0.4, -0.6), xlim=(0, 101), xlabel="percent")
    if len(figures) > 1:
        axis.legend(
            frameon=False, fontsize=7.5, loc="lower left", bbox_to_anchor=(0, 1), ncols=2 if is_narrow(width) else 4
        )
    return figure


def confusion(counts: npt.NDArray[np.int64], labels: Sequence[str], width: float) -> Figure:
    """Each row a label's faces: in how many percent each class was predicted, and in how many faces."""
    rates = 100 * counts / np.maximum(1, counts.sum(1, keepdims=True))
    k = len(labels)
    narrow = is_narrow(width)
    figure = new_figure(width, (0.3 if narrow else 0.38) * k + 0.7)
    axis = figure.subplots()
    _cells(axis, rates, 0, 100)
    for row in range(k):
        for column in range(k):
            white = rates[row, column] > 100 * _DARK
            words = f"{rates[row, column]:.0f}" if narrow else f"{rates[row, column]:.1f} %\n{counts[row, column]:,}"
            if counts[row, column]:
                axis.text(
                    column, row, words, ha="center", va="center",
                    fontsize=6.5 if narrow else 7.2, color="white" if white else INK,
                )  # fmt: skip
    names = [short(each, 9 if narrow else 12) for each in labels]
    axis.set_xticks(range(k), names, rotation=45 if narrow else 0)
    axis.set_yticks(range(k), names)
    axis.tick_params(labelcolor=INK, labelsize=7 if narrow else 8)
    axis.grid(False)
    axis.set(xlabel="predicted", ylabel="label")
    return figure


def roc(curves: Mapping[str, Sequence[Line]], width: float) -> Figure:
    """A panel a class: the share of its faces found against the share of others taken for it, a line a model.

    Args:
        curves: class -> a curve a model, x false and y true positive rate.
        width: of the figure, inches.
    """
    columns = 2 if is_narrow(width) else 4
    figure, axes = panels(
        [short(each) for each in curves], width, columns=columns, height=width / columns * 0.82,
        x="false positive rate (%)", y="true positive rate (%)",
    )  # fmt: skip
    for axis, (label, lines) in zip(axes, curves.items(), strict=True):
        axis.plot((0, 100), (0, 100), color=MUTED, lw=0.7, ls=":")
        for k, line in enumerate(lines):
            color = color_of(label) if len(lines) == 1 else color_of_run(k)
            axis.plot(100 * line.x, 100 * line.y, color=color, lw=1.4, label=short(line.name, 14))
        axis.set(xlim=(0, 100), ylim=(0, 101))
        axis.grid(axis="both")
    if len(next(iter(curves.values()))) > 1:
        axes[0].legend(frameon=False, fontsize=6.5, loc="lower right")
    return figure


def reliability(lines: Sequence[Line], width: float) -> Figure:
    """How often a model is right where it is how sure: on the diagonal it is as right as it says.

    Args:
        lines: one a model, x the mean confidence of a bin, y its accuracy, size its faces.
        width: of the figure, inches.
    """
    figure, axes = panels(
        [short(each.name, 30) for each in lines], width, columns=1 if is_narrow(width) else 3, height=2.5,
        x="confidence (%)", y="accuracy (%)",
    )  # fmt: skip
    for k, (axis, line) in enumerate(zip(axes, lines, strict=True)):
        axis.plot((0, 100), (0, 100), color=MUTED, lw=0.7, ls=":")
        if line.size is not None:
            axis.scatter(100 * line.x, 100 * line.y, 160 * line.size / max(1, line.size.max()) + 6,
                         color=color_of_run(k), alpha=0.35, lw=0)  # fmt: skip
        axis.plot(100 * line.x, 100 * line.y, _MARKS[k % len(_MARKS)] + "-", color=color_of_run(k), ms=3, lw=1.2)
        axis.set(xlim=(0, 101), ylim=(0, 102))
        axis.grid(axis="both")
    return figure


def coverage(lines: Sequence[Line], width: float) -> Figure:
    """The accuracy on those faces of which a model is surest, against their share.

    Args:
        lines: one a model, x the share of faces answered, y the accuracy on them.
        width: of the figure, inches.
    """
    figure = new_figure(width, 2.7)
    axis = figure.subplots()
    for k, line in enumerate(lines):
        axis.plot(100 * line.x, 100 * line.y, color=color_of_run(k), lw=1.6, label=short(line.name, 30))
    axis.set(xlim=(0, 101), xlabel="faces answered, the surest first (%)", ylabel="accuracy on them (%)")
    axis.grid(axis="both")
    if len(lines) > 1:
        axis.legend(frameon=False, fontsize=7.5)
    return figure


def robustness(tables: Mapping[str, Sequence[RobustnessCell]], width: float) -> Figure:
    """A panel a model, a row a kind of change: the share of the clean accuracy left at each strength.

    Args:
        tables: model -> the cells of one head.
        width: of the figure, inches.
    """
    kinds = list(dict.fromkeys(cell.corruption for cells in tables.values() for cell in cells))
    columns = max(sum(cell.corruption == kind for cell in cells) for cells in tables.values() for kind in kinds)
    across = 1 if is_narrow(width) else min(2, len(tables))
    rows = -(-len(tables) // across)
    figure = new_figure(width, rows * (0.3 * len(kinds) + 0.5))
    axes = figure.subplots(rows, across, squeeze=False).ravel()
    for axis, (name, cells) in zip(axes, tables.items(), strict=False):
        axis.set_title(short(name, 40))
        _robustness_of_one(axis, cells, kinds, columns)
    for axis in axes[len(tables) :]:
        axis.set_axis_off()
    return figure


def _robustness_of_one(axis: Axes, cells: Sequence[RobustnessCell], kinds: Sequence[str], columns: int) -> None:
    shares = np.full((len(kinds), columns), np.nan)
    for row, kind in enumerate(kinds):
        of_kind = [cell for cell in cells if cell.corruption == kind]
        for column, cell in enumerate(of_kind):
            shares[row, column] = 100 * cell.relative
            dark = cell.relative > 0.5 + _DARK / 2
            axis.text(
                column, row, f"{100 * cell.relative:.0f}\n{cell.strength:g}", ha="center", va="center",
                fontsize=6.6, color="white" if dark else INK, linespacing=1.0,
            )  # fmt: skip
    _cells(axis, shares, 50, 105)
    axis.set_yticks(range(len(kinds)), kinds)
    axis.set_xticks([])
    axis.tick_params(axis="y", labelcolor=INK, labelsize=8)


def _cells(axis: Axes, values: Floats, low: float, high: float) -> None:
    """A coloured cell a value, the first row on top; none where it is not known."""
    rows, columns = (np.arange(n + 1) - 0.5 for n in values.shape)
    axis.pcolormesh(
        columns, rows, np.ma.masked_invalid(values), cmap=fading(ACCENT), vmin=low, vmax=high, edgecolor=GRID, lw=0.6
    )
    axis.set(xlim=(columns[0], columns[-1]), ylim=(rows[-1], rows[0]))
    axis.spines[:].set_visible(False)
    axis.grid(False)


CONDITIONS = {
    "brightness": "brightness (grey levels)",
    "sharpness": "sharpness (variance of the Laplacian)",
    "face_size": "size of the face (pixels)",
    "yaw": "turn of the head (degrees)",
    "vote_entropy": "entropy of the votes (bits)",
}


def conditions(bins: Mapping[str, Mapping[str, Sequence[tuple[float, float, Estimate]]]], width: float) -> Figure:
    """A panel a condition, such as brightness: the accuracy on faces from dark to bright, with its interval.

    Bins stand side by side, however far their values reach: each holds about as many faces.

    Args:
        bins: condition -> model -> (low, high, accuracy) of each bin, from the lowest.
        width: of the figure, inches.
    """
    columns = 1 if is_narrow(width) else min(3, len(bins))
    rows = -(-len(bins) // columns)
    columns = -(-len(bins) // rows)
    figure = new_figure(width, 2.0 * rows + 0.3)
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for axis, (condition, by_model) in zip(axes, bins.items(), strict=False):
        for k, (model, found) in enumerate(by_model.items()):
            x = np.arange(len(found))
            low, value, high = (100 * np.array([getattr(e, n) for *_, e in found]) for n in ("low", "value", "high"))
            axis.vlines(x, low, high, color=color_of_run(k), lw=2.2, alpha=_PALE)
            axis.plot(
                x, value, _MARKS[k % len(_MARKS)] + "-", color=color_of_run(k), ms=4, lw=1, label=short(model, 24)
            )
        axis.set_title(CONDITIONS.get(condition, condition))
        axis.grid(axis="both")
        _edges(axis, by_model)
    for axis in axes[::columns]:
        axis.set_ylabel("accuracy (%)")
    if any(len(each) > 1 for each in bins.values()):
        axes[0].legend(frameon=False, fontsize=7)
    for axis in axes[len(bins) :]:
        axis.set_axis_off()
    return figure


def _edges(axis: Axes, by_model: Mapping[str, Sequence[tuple[float, float, Estimate]]]) -> None:
    """Where bins begin and end; of models that were asked about different faces only which end is which."""
    edges = {(*(low for low, *_ in found), found[-1][1]) for found in by_model.values()}
    most = max(map(len, edges)) - 1
    axis.set_xlim(-0.6, most - 0.4)
    if len(edges) > 1:
        axis.set_xticks((0, most - 1), ("lowest", "highest"))
        return
    (shared,) = edges
    words = [f"{each:,.0f}" if abs(each) >= 100 else f"{each:.2g}" for each in shared]
    axis.set_xticks(np.arange(len(shared)) - 0.5, words)
