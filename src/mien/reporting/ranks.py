"""The critical-difference diagram: models on one axis, a bar over those that are not shown to differ.

After Demsar 2006, https://www.jmlr.org/papers/v7/demsar06a.html.
"""

import math

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath

from mien.evaluation.compared import Diagram
from mien.reporting.drawing import Drawing, render
from mien.reporting.style import ACCENT, INK, MUTED, is_narrow, new_figure, short

NAME = "critical-difference"

_LINE = 0.2  # inches between names, and between bars
_BAR = 0.12


def draw_diagram(diagram: Diagram) -> Drawing:
    """The diagram as PNG, SVG and markup."""
    return render(NAME, lambda width: diagram_figure(diagram, width))


def diagram_figure(diagram: Diagram, width: float) -> Figure:
    """The figure of a width in inches: the best model at the left, names in two columns below the axis."""
    order = np.argsort(diagram.places if diagram.low_is_best else [-place for place in diagram.places], kind="stable")
    m, distance = len(order), diagram.critical_difference
    left = -(-m // 2)
    under = 0.12 + _BAR * len(diagram.bars)
    above = 0.62 if math.isfinite(distance) else 0.36
    height = above + under + _LINE * (left + 0.5) + 0.28
    figure = new_figure(width, height)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    low, high = _limits(diagram)
    most = 8 if is_narrow(width) else 26
    names = [f"{short(name, most)}  {place:.2f}" for name, place in zip(diagram.names, diagram.places, strict=True)]
    side = 0.12 + max(map(_length, names))  # inches left free for names
    at = {i: side + (width - 2 * side) * _share(diagram.places[i], low, high, diagram.low_is_best) for i in range(m)}
    _axis(axes, diagram, (low, high), side, width - side, above)
    if math.isfinite(distance):
        length = (width - 2 * side) * distance / (high - low)
        axes.plot([side, side + length], [0.24, 0.24], color=INK, lw=1.2, marker="|", ms=6, label="critical difference")
        axes.text(side, 0.12, f"critical difference {distance:.2f}", fontsize=7.5, color=MUTED, va="center")
    for number, bar in enumerate(diagram.bars):
        y = above + 0.1 + _BAR * number
        ends = [at[i] for i in bar]
        axes.plot([min(ends) - 0.04, max(ends) + 0.04], [y, y], color=ACCENT, lw=3, solid_capstyle="butt", label="bar")
    for number, i in enumerate(order.tolist()):
        row, is_left = (number, True) if number < left else (m - 1 - number, False)
        y = above + under + _LINE * (row + 0.5)
        edge = side - 0.06 if is_left else width - side + 0.06
        axes.plot([at[i], at[i], edge], [above, y, y], color=INK, lw=0.8)
        axes.text(edge + (-0.05 if is_left else 0.05), y, names[i], va="center", ha="right" if is_left else "left")
    rests = (
        f"bars: not shown to differ at 5 % ({diagram.test})" if diagram.bars else f"all differ at 5 % ({diagram.test})"
    )
    axes.text(width / 2, height - 0.12, rests, ha="center", va="center", fontsize=7.5, color=MUTED)
    return figure


def _length(text: str) -> float:
    """Inches that it takes to write it."""
    return float(TextPath((0, 0), text, size=rcParams["font.size"]).get_extents().x1 / 72)


def _limits(diagram: Diagram) -> tuple[float, float]:
    """Ranks from 1 to the number of models; other places with a little room."""
    if diagram.low_is_best:
        return 1.0, float(len(diagram.places))
    low, high = min(diagram.places), max(diagram.places)
    room = max(0.1 * (high - low), 0.5)
    return low - room, high + room


def _share(value: float, low: float, high: float, low_is_best: bool) -> float:
    share = (value - low) / (high - low)
    return share if low_is_best else 1 - share


def _axis(axes: Axes, diagram: Diagram, limits: tuple[float, float], left: float, right: float, y: float) -> None:
    low, high = limits
    axes.plot([left, right], [y, y], color=INK, lw=1)
    step = 1.0 if diagram.low_is_best else _step(high - low)
    for tick in np.arange(math.ceil(low / step - 1e-9) * step, high + 1e-9, step).tolist():
        x = left + (right - left) * _share(tick, low, high, diagram.low_is_best)
        axes.plot([x, x], [y - 0.05, y], color=INK, lw=0.8)
        axes.text(x, y - 0.11, f"{tick:g}", ha="center", va="center", fontsize=7.5, color=MUTED)
    axes.text((left + right) / 2, y - 0.25, diagram.axis, ha="center", va="center", fontsize=7.5, color=MUTED)


def _step(span: float) -> float:
    """A round distance of ticks: four to nine of them."""
    power = 10 ** math.floor(math.log10(span))
    return float(next(k * power for k in (0.1, 0.2, 0.5, 1, 2) if span / (k * power) < 9))
