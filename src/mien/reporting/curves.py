"""The curves of a training: loss and accuracy an epoch, in training and in validation."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mien.reporting.drawing import Drawing, render
from mien.reporting.style import INK, MUTED, SPLIT_COLORS, is_narrow, new_figure

_STROKES = ("-", "--", ":", "-.")  # heads of a model


def draw_curves(rows: Sequence[Mapping[str, str]]) -> Drawing:
    """Loss at the left, accuracy at the right; a line marks the selected epoch.

    Args:
        rows: of a run's `metrics.csv`.
    """
    return render("curves", lambda width: training_curves(rows, width))


def training_curves(rows: Sequence[Mapping[str, str]], width: float) -> Figure:
    """The figure of a width in inches."""
    rank = (2, 1) if is_narrow(width) else (1, 2)
    figure = new_figure(width, 2.6 * rank[0])
    loss, accuracy = figure.subplots(*rank, squeeze=False).ravel()
    _curves(loss, rows, "loss", 1.0)
    _curves(accuracy, rows, "accuracy", 100.0)
    loss.set_title("loss")
    accuracy.set_title("accuracy (%)")
    figure.supxlabel("epoch", fontsize=8, color=MUTED)
    return figure


def _curves(axis: Axes, rows: Sequence[Mapping[str, str]], what: str, unit: float) -> None:
    epochs = [int(row["epoch"]) for row in rows]
    for split in ("train", "valid"):
        names = [name for name in (rows[0] if rows else ()) if name.startswith(f"{split}_{what}")]
        for name, stroke in zip(names, _STROKES * len(names), strict=False):
            head = name.removeprefix(f"{split}_{what}").lstrip("_")
            values = [unit * float(row[name]) for row in rows]
            axis.plot(epochs, values, stroke, color=SPLIT_COLORS[split], lw=1.4, label=f"{split} {head}".strip())
    if rows:
        best = max(rows, key=lambda row: float(row["selection"]))
        axis.axvline(int(best["epoch"]), color=INK, lw=0.7, alpha=0.5, label=f"selected: epoch {best['epoch']}")
        axis.legend(frameon=False, fontsize=7.5)
    axis.grid(axis="both")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
