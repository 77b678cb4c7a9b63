"""Figures about pixels: grey levels, brightness, contrast, noise, sharpness, sizes."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mien.datasets.explore import Exploration
from mien.reporting.clouds import cloud, cross_hairs
from mien.reporting.ridges import ridges
from mien.reporting.style import (
    ACCENT,
    INK,
    SPLIT_COLORS,
    color_of,
    is_narrow,
    many,
    new_figure,
    panels,
    plain_logarithms,
)

Values = npt.NDArray[np.floating]

_LEVELS = 64  # bars of a histogram of 256 grey levels


def class_intensities(e: Exploration, width: float) -> Figure:
    """Grey levels of each class, beside those of all images."""
    return _intensities(e.classes.labels, e.class_levels, e, [color_of(label) for label in e.classes.labels], width)


def split_intensities(e: Exploration, width: float) -> Figure:
    """Grey levels of each split, beside those of all images."""
    return _intensities(e.table.splits, e.split_levels, e, [SPLIT_COLORS[each] for each in e.table.splits], width)


def _intensities(
    names: Sequence[str], levels: npt.NDArray[np.int64], e: Exploration, colors: Sequence[str], width: float
) -> Figure:
    columns = 2 if is_narrow(width) else 4
    figure, axes = panels(names, width, columns=columns, height=1.25, x="grey level", y="share of pixels (%)")
    edges = np.linspace(0, 256, _LEVELS + 1)
    every = _shares(e.split_levels.sum(0))
    for axis, counts, color in zip(axes, levels, colors, strict=True):
        axis.stairs(_shares(counts), edges, fill=True, color=color, alpha=0.75, linewidth=0)
        axis.stairs(every, edges, color=INK, linewidth=0.8)
    axes[0].set(xlim=(0, 256), xticks=(0, 64, 128, 192, 255), ylim=(0, None))
    axes[0].yaxis.set_major_locator(MaxNLocator(3, steps=(1, 2, 5, 10)))
    return figure


def _shares(counts: npt.NDArray[np.int64]) -> Values:
    """Per cent in each bar; what counts are of grey levels is summed up to `_LEVELS` bars."""
    bars = counts.reshape(_LEVELS, -1).sum(1)
    shares: Values = 100 * bars / max(1, bars.sum())
    return shares


def brightness_and_contrast(e: Exploration, width: float) -> Figure:
    """Where the images of each class are between dark and bright, flat and rich in contrast."""
    brightness, contrast = e.measures.brightness, e.measures.contrast
    columns = 2 if is_narrow(width) else 4
    names = [f"{label}  {many(len(rows))}" for label, rows in e.classes.rows()]
    figure, axes = panels(
        names, width, columns=columns, height=1.6, x="brightness (mean grey level)", y="contrast (SD of grey levels)"
    )
    top = float(np.ceil(max(1, contrast.max()) / 16) * 16)
    for axis, (label, rows) in zip(axes, e.classes.rows(), strict=True):
        cross_hairs(axis, float(np.median(brightness)), float(np.median(contrast)))
        cloud(axis, brightness[rows], contrast[rows], area=(0, 256, 0, top), color=color_of(label))
    axes[0].set_xticks((0, 64, 128, 192, 255))
    return figure


def noise(e: Exploration, width: float) -> Figure:
    """How much noise the images of each class carry."""
    found = e.classes.known(e.measures.noise)
    low, high = np.percentile(np.concatenate([*found.values()]), (0.3, 99.5))
    limits = (0.0 if low < high / 4 else float(0.9 * low), max(0.1, float(high)))
    return ridges(found, width, x="estimated noise (SD, grey levels)", limits=limits, digits=2)


def sharpness(e: Exploration, width: float) -> Figure:
    """How sharp the images of each class are."""
    found = e.classes.known(np.maximum(e.measures.sharpness, 1))
    low, high = np.percentile(np.concatenate([*found.values()]), (0.3, 99.7))
    limits = (max(1.0, float(low) / 1.05), max(10.0, float(high) * 1.05))  # some room where all are equally sharp
    x = "variance of the Laplacian (squared grey levels, logarithmic)"
    return ridges(found, width, x=x, limits=limits, log=True, digits=0)


def sizes(e: Exploration, width: float) -> Figure:
    """How large the faces are in the photographs that they were cut from."""
    assert e.found_sizes is not None
    found = np.maximum(1, np.round(e.found_sizes))
    figure = new_figure(width, min(4.2, width))
    axes = figure.subplots()
    places, counts = np.unique(found, axis=0, return_counts=True)
    area = 8 + 140 * counts / counts.max()
    axes.scatter(places[:, 0], places[:, 1], s=area, color=ACCENT, alpha=0.45, linewidths=0)
    height, wide = e.table.images.shape[1:3]
    axes.plot(wide, height, "s", color=INK, markersize=5)
    axes.annotate("as prepared", (wide, height), (7, -3), textcoords="offset points", fontsize=8)
    axes.set(xscale="log", yscale="log", xlabel="width (pixels)", ylabel="height (pixels)")
    axes.grid(True, axis="both")
    plain_logarithms(axes.xaxis)
    plain_logarithms(axes.yaxis)
    return figure
