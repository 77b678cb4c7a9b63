"""How every figure looks: one colour a label, quiet axes, few lines."""

import zlib
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

# Widths in inches: for a page or a screen, and for a telephone. A figure is drawn for both.
WIDE, NARROW = 9.6, 4.2

# A page exchanges these for its own in the dark.
INK, MUTED, GRID = "#1c2530", "#5b6773", "#e3e7ec"
ACCENT = "#0072b2"

# After Okabe and Ito; any two differ for eyes that lack one kind of cone, too.
LABEL_COLORS = {
    "neutral": "#5b626c",
    "happiness": "#e69f00",
    "surprise": "#56b4e9",
    "sadness": "#0072b2",
    "anger": "#d55e00",
    "disgust": "#009e73",
    "fear": "#cc79a7",
    "contempt": "#8c6239",
}
_OTHERS = ("#7a68a6", "#467821", "#a60628", "#188487", "#b3995d", "#6c7a89")
SPLIT_COLORS = {"train": "#4c6a85", "valid": "#7f9c6b", "test": "#a9786a"}

RC: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "text.color": INK,
    "text.parse_math": False,  # names of data sets and labels are text, dollar signs and all
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 8,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "x",
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "image.composite_image": False,  # each picture keeps its own pixels
    "svg.fonttype": "none",  # text stays text
}


def color_of(label: str) -> str:
    """The colour of a label, the same in every figure; also of labels that are not emotions."""
    return LABEL_COLORS.get(label) or _OTHERS[zlib.crc32(label.encode()) % len(_OTHERS)]


def fading(color: str) -> LinearSegmentedColormap:
    """A colour map from nothing at all to a colour: it suits light and dark paper."""
    red, green, blue = to_rgb(color)
    return LinearSegmentedColormap.from_list("fading", [(red, green, blue, 0.0), (red, green, blue, 1.0)])


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, of inches."""
    figure = Figure(figsize=(width, height))
    figure.set_layout_engine("constrained", w_pad=0.04, h_pad=0.05, hspace=0.04, wspace=0.03)
    return figure


def panels(
    titles: Sequence[str], width: float, *, columns: int, height: float, x: str, y: str = ""
) -> tuple[Figure, list[Axes]]:
    """Small multiples in rows of `columns`, each `height` inches, with the same axes.

    Args:
        titles: of the panels, one each.
        width: of the figure.
        columns: panels in a row at most.
        height: of a panel.
        x: what it shows, and in what unit.
        y: the same.
    """
    rows = -(-len(titles) // columns)
    columns = -(-len(titles) // rows)  # rows alike: five panels stand as three and two, not as four and one
    figure = new_figure(width, rows * height + 0.35)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    axes = [axis for row in grid for axis in row]
    for title, axis in zip(titles, axes, strict=False):
        axis.set_title(title)
    for axis in axes[len(titles) :]:
        axis.set_axis_off()
    for axis in axes[max(0, len(titles) - columns) : len(titles)]:  # those with no panel below keep their numbers
        axis.tick_params(labelbottom=True)
    figure.supxlabel(x, fontsize=8, color=MUTED)
    if y:
        figure.supylabel(y, fontsize=8, color=MUTED)
    return figure, axes[: len(titles)]


def beside(axis: Axes, x: float, y: float, text: str) -> None:
    """Words at the end of a bar."""
    axis.annotate(text, (x, y), (4, 0), textcoords="offset points", va="center", fontsize=7.5)


def plain_logarithms(axis: Axis) -> None:
    """Round numbers instead of powers on a logarithmic axis."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: f"{value:,g}")


def is_narrow(width: float) -> bool:
    """Whether a figure is drawn for a telephone."""
    return width < 0.6 * WIDE


def many(n: int) -> str:
    """A number with thousands apart."""
    return f"{n:,}"


def short(name: str, most: int = 18) -> str:
    """A name that fits into a figure, whatever it holds."""
    plain = "".join(each if each.isprintable() else "?" for each in name)
    return plain if len(plain) <= most else plain[: most - 1] + "…"
