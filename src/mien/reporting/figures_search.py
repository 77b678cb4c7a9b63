"""Figures of a search: how it went on, which settings mattered, what good trials have in common."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from matplotlib.tri import Triangulation

from mien.reporting.style import (
    ACCENT,
    GRID,
    INK,
    MUTED,
    beside,
    fading,
    is_narrow,
    new_figure,
    short,
)

Floats = npt.NDArray[np.float64]

_MOST_AXES = 10  # of parallel coordinates: those that mattered most
_PANELS = 3  # contours
_BEST = "#d55e00"


@dataclass(frozen=True, eq=False)
class Axis:
    """A setting, and where each trial stands in it.

    Attributes:
        name: of the setting. log: whether its values are spread evenly by order of magnitude.
        choices: names of the values of a categorical setting, in the order of their places; () for numbers.
        places: (n,) the numbers, or the places of the choices; NaN where the setting counts for nothing.
    """

    name: str
    places: Floats
    log: bool = False
    choices: tuple[str, ...] = ()

    @property
    def shares(self) -> Floats:
        """(n,) the places from 0, the least, to 1."""
        places = np.log(self.places) if self.log else self.places
        low, high = self._limits
        return np.asarray((places - low) / (high - low)) if high > low else np.where(np.isnan(places), np.nan, 0.5)

    @property
    def _limits(self) -> tuple[float, float]:
        if self.choices:
            return 0.0, len(self.choices) - 1.0
        places = self.places[np.isfinite(self.places)]
        if not len(places):
            return 0.0, 1.0
        low, high = float(places.min()), float(places.max())
        return (math.log(low), math.log(high)) if self.log else (low, high)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Shares and what stands there: all choices, or the ends of a range."""
        low, high = self._limits
        if self.choices:
            return [(k / max(1.0, high), name) for k, name in enumerate(self.choices)]
        shares = (0.0, 1.0) if high > low else (0.5,)
        values = [low + share * (high - low) for share in shares]
        return [
            (share, f"{math.exp(value) if self.log else value:.3g}")
            for share, value in zip(shares, values, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class Trials:
    """The trials of a search.

    Attributes:
        figure: what was to be large. numbers: (n,) of the trials.
        values: (n,) the figure of each, NaN for those that have none. states: complete, pruned, failed and so on.
        axes: the settings, that which mattered most first.
    """

    figure: str
    numbers: Sequence[int]
    values: Floats
    states: Sequence[str]
    axes: Sequence[Axis]

    def of(self, state: str) -> npt.NDArray[np.intp]:
        """The rows of one state."""
        return np.flatnonzero(np.array(self.states) == state)

    @property
    def through(self) -> npt.NDArray[np.intp]:
        """The rows that went through, the worst first; the best is the earliest of equals, and so the last here."""
        rows = self.of("complete")[::-1]
        return rows[np.argsort(self.values[rows], kind="stable")]


def history(trials: Trials, width: float) -> Figure:
    """The figure of each trial in the order of the trials, and the best one so far."""
    figure = new_figure(width, 2.8)
    axis = figure.subplots()
    numbers = np.array(trials.numbers)
    through, pruned = np.sort(trials.through), trials.of("pruned")
    if len(through):
        best = np.maximum.accumulate(trials.values[through])
        ends = np.append(numbers[through], numbers.max())
        axis.step(ends, np.append(best, best[-1]), where="post", color=_BEST, lw=1.2, label="best so far")
    axis.plot(numbers[through], trials.values[through], "o", color=ACCENT, ms=4, alpha=0.8, label="went through")
    if len(pruned):
        axis.plot(
            numbers[pruned], trials.values[pruned], "o", color=MUTED, mfc="none", ms=4, label="ended early (last epoch)"
        )
    for number in numbers[trials.of("failed")]:
        axis.axvline(number, color=MUTED, lw=0.8, ls=":", label="failed")
    axis.set(xlabel="trial", ylabel=trials.figure)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.grid(axis="both")
    handles, labels = axis.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    columns = 2 if is_narrow(width) else 4
    axis.legend(
        once.values(), once, frameon=False, fontsize=7.5, loc="lower left", bbox_to_anchor=(0, 1), ncols=columns
    )
    return figure


def importance(shares: Sequence[tuple[str, float]], width: float) -> Figure:
    """A bar a setting: its share of the differences between trials."""
    figure = new_figure(width, 0.22 * len(shares) + 0.6)
    axis = figure.subplots()
    places = range(len(shares))
    axis.barh(places, [100 * share for _, share in shares], height=0.62, color=ACCENT)
    for place, (_, share) in zip(places, shares, strict=True):
        beside(axis, 100 * share, place, f"{share:.0%}")
    axis.set_yticks(places, [short(name, 26) for name, _ in shares])
    axis.tick_params(axis="y", labelcolor=INK, labelsize=8)
    axis.set(ylim=(len(shares) - 0.4, -0.6), xlabel="percent of the differences between trials")
    axis.margins(x=0.1)
    return figure


def parallel(trials: Trials, width: float) -> Figure:
    """A row a setting, a line a trial: where it stands in each; the better it is, the stronger the line."""
    axes = list(trials.axes[:_MOST_AXES])
    rows = trials.through
    figure = new_figure(width, 0.5 * len(axes) + 0.5)
    axis = figure.subplots()
    shares = np.stack([each.shares for each in axes], 1)  # (n, settings)
    # Ranks: one trial that went wrong would otherwise leave all others alike.
    for rank, row in enumerate(rows):
        last = rank == len(rows) - 1
        style: dict[str, Any] = {"color": _BEST, "lw": 1.8, "ms": 3} if last else {"color": ACCENT, "lw": 1.0, "ms": 2}
        alpha = 1.0 if last else 0.06 + 0.6 * ((rank + 1) / len(rows)) ** 3
        axis.plot(shares[row], range(len(axes)), marker="o", alpha=alpha, label=f"trial {trials.numbers[row]}", **style)
    for place, each in enumerate(axes):
        axis.axhline(place, color=GRID, lw=0.8, zorder=0)
        for share, words in each.ticks:
            axis.text(
                share, place + 0.16, short(words, 10 if is_narrow(width) else 16), ha="center", va="top", fontsize=6.5,
                color=INK, zorder=5,
            )  # fmt: skip
    axis.set_yticks(range(len(axes)), [short(each.name, 16 if is_narrow(width) else 26) for each in axes])
    axis.tick_params(axis="y", labelcolor=INK, labelsize=8)
    axis.set(xlim=(-0.06, 1.06), ylim=(len(axes) - 0.45, -0.35))
    axis.set_xticks([])
    axis.grid(False)
    return figure


def contours(trials: Trials, width: float) -> Figure:
    """A panel for each two of the settings that mattered most: where in their ranges the figure was large."""
    pairs = pairs_of(trials.axes)
    columns = 1 if is_narrow(width) else len(pairs)
    rows = -(-len(pairs) // columns)
    figure = new_figure(width, 2.9 * rows)
    shown = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    done = trials.through
    values = trials.values[done]
    # The lower half would take up most of the colours: what is of interest is at the top.
    levels = np.linspace(np.quantile(values, 0.25), values.max(), 9)
    for axis, (one, other) in zip(shown, pairs, strict=True):
        _contour(axis, one, other, done, values, levels)
    return figure


def pairs_of(axes: Sequence[Axis]) -> list[tuple[Axis, Axis]]:
    """Each two of the three settings that mattered most; of numbers where there are two or more of them."""
    numbers = [each for each in axes if not each.choices]
    chosen = (numbers if len(numbers) > 1 else list(axes))[:_PANELS]
    return list(combinations(chosen, 2))


def _contour(axis: Axes, one: Axis, other: Axis, rows: npt.NDArray[np.intp], values: Floats, levels: Floats) -> None:
    x, y = (np.log10(each.places[rows]) if each.log else each.places[rows] for each in (one, other))
    known = np.isfinite(x) & np.isfinite(y)
    x, y, values = x[known], y[known], values[known]
    triangles = None if one.choices or other.choices else _triangles(x, y)
    # Drawn on logarithms themselves, as triangles are to be small where points are dense; the axes say powers again.
    places = [np.power(10.0, each) if axis_.log else each for each, axis_ in ((x, one), (y, other))]
    if triangles is not None and np.all(np.diff(levels) > 0):  # of figures that are all equal there is nothing between
        spread = Triangulation(places[0], places[1], triangles)
        axis.tricontourf(spread, values, levels=levels, cmap=fading(ACCENT))
    scale = Normalize(levels[0], levels[-1])
    axis.scatter(
        places[0], places[1], c=values, norm=scale, cmap=fading(ACCENT), s=16, edgecolors=MUTED, linewidths=0.5
    )
    if len(known) and known[-1]:
        axis.plot(places[0][-1], places[1][-1], "o", mfc="none", mec=_BEST, mew=1.4, ms=8, label="best")
    axis.margins(0.05)
    for side, each in ((axis.xaxis, one), (axis.yaxis, other)):
        if each.log:
            (axis.set_xscale if side is axis.xaxis else axis.set_yscale)("log")
            side.set_major_locator(LogLocator(numticks=5))
            side.set_minor_locator(NullLocator())
            side.set_major_formatter(lambda value, _: f"{value:g}")
        if each.choices:
            side.set_ticks(range(len(each.choices)), [short(name, 12) for name in each.choices])
    axis.set(xlabel=short(one.name, 30), ylabel=short(other.name, 30))


def _triangles(x: Floats, y: Floats) -> npt.NDArray[np.int32] | None:
    """Triangles between points; None where they are too few, or all on one line."""
    if len(np.unique(np.stack([x, y], 1), axis=0)) < 4 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    try:
        return np.asarray(Triangulation((x - x.min()) / np.ptp(x), (y - y.min()) / np.ptp(y)).triangles)
    except (RuntimeError, ValueError):  # all points on one line
        return None
