"""Arms of experiments: a dot and an interval each, those of one experiment below each other."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from mien.reporting.drawing import Drawing, render
from mien.reporting.style import ACCENT, INK, MUTED, beside, is_narrow, new_figure, short

_LINE, _HEAD = 0.24, 0.42  # inches an arm, and a panel beside its arms


@dataclass(frozen=True)
class ArmView:
    """One arm: its name, and a share with its interval, in 0..1."""

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Panel:
    """One experiment; the first arm is the one that the others are held against."""

    title: str
    arms: tuple[ArmView, ...]


def draw_arms(name: str, panels: Sequence[Panel], *, axis: str = "accuracy (%)") -> Drawing:
    """The figure as PNG, SVG and markup.

    Args:
        name: of its files.
        panels: one below the other.
        axis: what the shares are of.
    """
    return render(name, lambda width: arms_figure(panels, width, axis=axis))


def arms_figure(panels: Sequence[Panel], width: float, *, axis: str) -> Figure:
    """The figure of a width in inches: one scale for all panels, a thin line at the first arm of each."""
    heights = [_HEAD + _LINE * len(each.arms) for each in panels]
    figure = new_figure(width, sum(heights) + 0.3)
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=heights)
    most = 16 if is_narrow(width) else 34
    for axes, panel in zip(grid.ravel(), panels, strict=True):
        axes.set_title(panel.title)
        axes.axvline(100 * panel.arms[0].value, color=INK, lw=0.7, alpha=0.5)
        for row, arm in enumerate(panel.arms):
            color = MUTED if row == 0 else ACCENT
            axes.plot([100 * arm.low, 100 * arm.high], [row, row], color=color, lw=1.6, solid_capstyle="butt")
            axes.plot([100 * arm.value], [row], "o", color=color, ms=5)
            beside(axes, 100 * arm.high, row, f"{100 * arm.value:.1f}")
        axes.set_yticks(range(len(panel.arms)), [short(arm.name, most) for arm in panel.arms])
        axes.set_ylim(len(panel.arms) - 0.4, -0.6)
    grid[-1, 0].margins(x=0.06)
    figure.supxlabel(axis, fontsize=8, color=MUTED)
    return figure
