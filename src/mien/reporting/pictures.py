"""Pictures in rows and columns, with captions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from mien.reporting.style import MUTED, new_figure

_LARGEST = 80  # pixels a side: a page holds hundreds of pictures
_LINE = 0.135  # inches, of a caption


@dataclass(frozen=True, eq=False)
class Tile:
    """A picture to be shown.

    Attributes:
        image: (H, W) or (H, W, 3), grey levels; None leaves the place empty.
        caption: lines under it.
    """

    image: npt.NDArray[Any] | None
    caption: tuple[str, ...] = ()


def gallery(
    rows: Sequence[Sequence[Tile]],
    width: float,
    *,
    columns: int = 1,
    labels: Sequence[str] = (),
    heads: Sequence[tuple[float, str]] = (),
    cmap: str = "gray",
    norm: Normalize | None = None,
    foot: float = 0.0,
) -> tuple[Figure, Axes]:
    """Rows of tiles of one size that fill a width.

    Args:
        rows: from the top; shorter ones end early.
        width: of the figure, inches.
        columns: the least there is room for; a row may have more.
        labels: of the rows, to their left; they may have several lines.
        heads: (column, words) to stand above it.
        cmap: colours of grey pictures.
        norm: their scale; 0..255 if None.
        foot: inches to leave free at the bottom.
    """
    columns = max(columns, *map(len, rows))
    longest = max((len(line) for label in labels for line in label.split("\n")), default=0)
    left = 0.09 + 0.078 * longest if labels else 0.0
    cell = (width - left) / columns
    lines = max(len(tile.caption) for row in rows for tile in row)
    shape = next(tile.image.shape for row in rows for tile in row if tile.image is not None)
    side = cell * 0.94
    tall = side * shape[0] / shape[1] + 0.06 * cell + lines * _LINE
    top = 0.22 if heads else 0.02
    height = top + tall * len(rows) + foot
    figure = new_figure(width, height)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    for r, row in enumerate(rows):
        y = top + r * tall
        if labels:
            axes.text(0, y + (tall - lines * _LINE) / 2, labels[r], va="center")
        for c, tile in enumerate(row):
            _place(axes, tile, left + c * cell, y, side, cmap, norm or Normalize(0, 255))
    for column, words in heads:
        axes.text(left + column * cell, 0.13, words, color=MUTED, va="center")
    return figure, axes


def _place(axes: Axes, tile: Tile, x: float, y: float, side: float, cmap: str, norm: Normalize) -> None:
    if tile.image is None:
        return
    image = _thumbnail(tile.image)
    bottom = y + side * image.shape[0] / image.shape[1]
    shown = image if image.ndim == 2 else np.clip(image, 0, 255).astype(np.uint8)
    limits = axes.get_xlim(), axes.get_ylim()
    axes.imshow(shown, cmap=cmap, norm=norm, extent=(x, x + side, bottom, y), aspect="auto")
    axes.set(xlim=limits[0], ylim=limits[1])
    for k, line in enumerate(tile.caption):
        axes.text(x, bottom + (k + 0.6) * _LINE, line, fontsize=7, va="center", color=MUTED if k else None)


def _thumbnail(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    scale = _LARGEST / max(image.shape[:2])
    if scale >= 1:
        return image
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
