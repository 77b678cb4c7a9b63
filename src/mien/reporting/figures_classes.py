"""Figures about classes: how many images each has, and what they look like."""

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from mien.datasets.explore import Exploration
from mien.reporting.pictures import Tile, gallery
from mien.reporting.style import INK, MUTED, beside, color_of, is_narrow, many, new_figure

_SEED = 0


def class_distribution(e: Exploration, width: float) -> Figure:
    """A bar a class, a panel a split."""
    splits, labels = e.table.splits, (*e.classes.labels, *e.classes.absent)
    counts = np.pad(e.counts[:, :-1], ((0, 0), (0, len(e.classes.absent))))
    shares = 100 * counts / np.maximum(1, counts.sum(1, keepdims=True))
    rows, columns = (len(splits), 1) if is_narrow(width) else (1, len(splits))
    figure = new_figure(width, (0.24 * len(labels) + 0.35) * rows + 0.3)
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for k, axis in enumerate(axes):
        _bars(axis, labels, shares[k], counts[k])
        without = f", {many(e.counts[k, -1])} without" if e.counts[k, -1] else ""
        axis.set_title(f"{splits[k]}: {many(counts[k].sum())} labelled{without}")
    axes[0].invert_yaxis()
    axes[0].set_xlim(0, max(1, 1.5 * shares.max()))
    figure.supxlabel("share of the split's labelled images (%); at the right, images", fontsize=8, color=MUTED)
    return figure


def _bars(axis: Axes, labels: tuple[str, ...], shares: npt.NDArray[np.float64], counts: npt.NDArray[np.int64]) -> None:
    axis.barh(range(len(labels)), shares, height=0.72, color=[color_of(label) for label in labels])
    axis.set_yticks(range(len(labels)), labels)
    axis.tick_params(axis="y", labelcolor=INK, labelsize=8.5)
    for y, (share, count) in enumerate(zip(shares, counts, strict=True)):
        beside(axis, share, y, f"{share:.1f} %")
        place = axis.get_yaxis_transform()  # x as a share of the panel
        axis.text(0.995, y, many(count), va="center", ha="right", fontsize=7.5, color=MUTED, transform=place)


def sample_grid(e: Exploration, width: float) -> Figure:
    """Images of each class, a row a class."""
    columns = 5 if is_narrow(width) else 12
    random = np.random.default_rng(_SEED)
    preferred = (e.table.split == "train") & ~e.duplicates.copies(len(e.table))
    rows = []
    for _, members in e.classes.rows():
        order = random.permutation(members)
        order = order[np.argsort(~preferred[order], kind="stable")][:12]
        rows.append([Tile(e.table.images[row]) for row in order[:columns].tolist()])
    return gallery(rows, width, labels=e.classes.labels)[0]


def mean_faces(e: Exploration, width: float) -> Figure:
    """The mean of each class."""
    return gallery(_tiles(e, e.faces.mean, width), width)[0]


def std_faces(e: Exploration, width: float) -> Figure:
    """The standard deviation of each pixel, a class each."""
    norm = Normalize(float(e.faces.std.min()), float(e.faces.std.max()))
    figure, _ = gallery(_tiles(e, e.faces.std, width), width, cmap="cividis", norm=norm, foot=0.5)
    height = figure.get_figheight()
    scale = figure.add_axes((0.02, 0.32 / height, min(0.96, 3.2 / width), 0.09 / height))
    figure.colorbar(ScalarMappable(norm, "cividis"), cax=scale, orientation="horizontal")
    scale.set_xlabel("standard deviation (grey levels)", labelpad=1)
    scale.spines[:].set_visible(False)
    return figure


def _tiles(e: Exploration, faces: npt.NDArray[np.float64], width: float) -> list[list[Tile]]:
    """A tile a class with its name and how many images there are, in rows."""
    columns = 4 if is_narrow(width) else max(8, min(12, len(faces)))
    tiles = [Tile(face, (label, many(len(rows)))) for face, (label, rows) in zip(faces, e.classes.rows(), strict=True)]
    return [tiles[k : k + columns] for k in range(0, len(tiles), columns)]
