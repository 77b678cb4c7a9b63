"""Figures about labels and people: attributes, copies, agreement, valence and arousal."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mien.datasets.explore import Exploration, Group, Rows
from mien.reporting.clouds import cloud, cross_hairs
from mien.reporting.pictures import Tile, gallery
from mien.reporting.style import ACCENT, INK, beside, color_of, fading, is_narrow, many, new_figure, panels, short

_SEED = 0
_MOST_BARS = 12

# Bits: two labels that stand 9 to 1 have 0.47, two that are even 1.
_ENTROPIES = (0, 1e-6, 0.5, 1 + 1e-6, np.inf)
_ENTROPY_NAMES = ("all agree", "9 to 1 or clearer (to 0.5 bits)", "less clear (to 1 bit)", "over 1 bit")


def groups(e: Exploration, width: float) -> Figure:
    """Subjects and attributes, a panel each."""
    columns = 1 if is_narrow(width) else min(3, len(e.groups))
    rows = -(-len(e.groups) // columns)
    bars = max(3, *(min(_MOST_BARS, len(each.values)) for each in e.groups))
    figure = new_figure(width, rows * (0.2 * bars + 0.55))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, group in zip(axes, e.groups, strict=False):
        if len(group.values) > _MOST_BARS:
            _ranks(axis, group)
        else:
            _values(axis, group, bars)
    for axis in axes[len(e.groups) :]:
        axis.set_axis_off()
    return figure


def _values(axis: Axes, group: Group, bars: int) -> None:
    """A bar a value; there is room for `bars`."""
    axis.barh(range(len(group.values)), group.counts, color=ACCENT, height=0.7, alpha=0.85)
    for y, count in enumerate(group.counts):
        beside(axis, count, y, many(count))
    axis.set_yticks(range(len(group.values)), [short(value) for value in group.values])
    axis.set_ylim(bars - 0.5, -0.5)
    axis.set(title=short(group.name, 40), xlabel="images", xlim=(0, 1.25 * group.counts.max()))
    axis.tick_params(axis="y", labelcolor=INK, labelsize=8)


def _ranks(axis: Axes, group: Group) -> None:
    """Too many to be named: those with the most images at the left."""
    axis.stairs(group.counts, np.arange(len(group.counts) + 1), fill=True, color=ACCENT, alpha=0.85, linewidth=0)
    axis.set(
        title=short(group.name, 40), xlabel=f"{many(len(group.values))} values, the largest first", ylabel="images"
    )
    axis.set(xlim=(0, len(group.values)), ylim=(0, None))
    axis.grid(True, axis="y")
    axis.grid(False, axis="x")


def duplicates(e: Exploration, width: float) -> Figure:
    """Groups of equal images; first those that contradict themselves or stand in several splits."""
    columns, lines = (4, 3) if is_narrow(width) else (10, 3)
    found = e.duplicates
    conflicting = np.any([*found.conflicts.values(), np.zeros(len(found.groups), np.bool_)], axis=0)
    order = np.lexsort((~found.crossing, ~conflicting))[: columns * lines]
    tiles = [_copies(e, found.groups[k]) for k in order]
    return gallery([tiles[k : k + columns] for k in range(0, len(tiles), columns)], width, columns=columns)[0]


def _copies(e: Exploration, rows: Rows) -> Tile:
    """One image, how often it is there and where, and the labels of the source that differs, or of the first."""
    there = [split for split in e.table.splits if split in e.table.split[rows]]
    labels: list[str] = []
    for column in e.table.sources.values():
        labels = list(dict.fromkeys(label for row in rows.tolist() if (label := column.name_of(row)))) or labels
        if len(labels) > 1:
            break
    return Tile(
        e.table.images[rows[0]], (f"{len(rows)}× {', '.join(there)}", *(short(label, 11) for label in labels[:2]))
    )


def vote_entropy(e: Exploration, width: float) -> Figure:
    """How far the raters agree on the images of each class: shares of a bar."""
    assert e.votes is not None
    found = e.classes.known(e.votes.entropy)
    shares = np.array([100 * np.histogram(each, _ENTROPIES)[0] / len(each) for each in found.values()])
    figure = new_figure(width, 0.27 * len(found) + (1.35 if is_narrow(width) else 0.95))
    axes = figure.subplots()
    left = np.zeros(len(found))
    for k, (name, share) in enumerate(zip(_ENTROPY_NAMES, shares.T, strict=True)):
        strength = (0.22, 0.42, 0.66, 0.95)[k]
        axes.barh(range(len(found)), share, left=left, height=0.74, color=ACCENT, alpha=strength, label=name)
        for y in np.flatnonzero(share >= 4).tolist():
            color = INK if k < 2 else "#ffffff"
            axes.text(left[y] + share[y] / 2, y, f"{share[y]:.0f}", ha="center", va="center", fontsize=7.5, color=color)
        left += share
    axes.set_yticks(range(len(found)), list(found))
    axes.set(xlabel="share of the class's images (%)", xlim=(0, 100), ylim=(len(found) - 0.5, -0.5))
    axes.tick_params(axis="y", labelcolor=INK, labelsize=8.5)
    columns = 2 if is_narrow(width) else 4
    figure.legend(loc="outside upper left", ncols=columns, frameon=False, fontsize=8, handlelength=1, columnspacing=1.5)
    return figure


def most_and_least_agreed(e: Exploration, width: float) -> Figure:
    """The images of each class on which raters agree most, and least."""
    half = 2 if is_narrow(width) else 5
    rows = [(label, *_extremes(e, members, half)) for label, members in e.classes.rows()]
    tiles = [[*most, Tile(None), *least] for _, most, least in rows if most]
    labels = [label for label, most, _ in rows if most]
    return gallery(tiles, width, labels=labels, heads=((0, "most agreed"), (half + 1, "least agreed")))[0]


def _extremes(e: Exploration, members: Rows, count: int) -> tuple[list[Tile], list[Tile]]:
    """Tiles of the lowest and the highest entropy, the first filled up to `count`; ties fall by lot."""
    assert e.votes is not None
    entropy = e.votes.entropy
    voted = members[np.isfinite(entropy[members])]
    once = voted[~e.duplicates.copies(len(e.table))[voted]]
    order = np.random.default_rng(_SEED).permutation(once if len(once) else voted)
    order = order[np.argsort(entropy[order], kind="stable")]
    most, least = order[:count], order[count:][::-1][:count]
    empty = [Tile(None)] * (count - len(most)) if len(most) else []
    return [*(_voted(e, row) for row in most), *empty], [_voted(e, row) for row in least]


def _voted(e: Exploration, row: int) -> Tile:
    """An image with the two labels that most raters give."""
    assert e.votes is not None
    shares = 100 * e.votes.votes[row] / e.votes.votes[row].sum()
    first = [k for k in np.argsort(-shares, kind="stable")[:2] if shares[k] > 0]
    names = [short(e.votes.labels[k], 9) for k in first]
    said = names if len(names) == 1 else [f"{name} {shares[k]:.0f}" for name, k in zip(names, first, strict=True)]
    return Tile(e.table.images[row], tuple(said))


def agreement(e: Exploration, width: float) -> Figure:
    """What one label source says of the images of each class of another."""
    found = e.agreement
    assert found is not None
    share = 100 * found.counts / np.maximum(1, found.counts.sum(1, keepdims=True))
    figure = new_figure(width, 0.36 * len(share) + 1.0)
    axes = figure.subplots()
    axes.pcolormesh(share, cmap=fading(ACCENT), vmin=0, vmax=100, snap=True)
    axes.invert_yaxis()
    for y, x in np.ndindex(share.shape):
        if found.counts[y, x]:
            color = "#ffffff" if share[y, x] > 55 else INK
            text = f"{share[y, x]:.0f}" if share[y, x] >= 0.5 else "<1"
            axes.text(x + 0.5, y + 0.5, text, ha="center", va="center", fontsize=8.5, color=color)
    totals = found.counts.sum(1).tolist()
    rows = [f"{short(label)}  {many(n)}" for label, n in zip(found.row_labels, totals, strict=True)]
    columns = [short(label) for label in found.column_labels]
    axes.set_yticks(np.arange(len(rows)) + 0.5, rows)
    if is_narrow(width):
        axes.set_xticks(np.arange(len(columns)) + 0.5, columns, rotation=40, ha="left")
    else:
        axes.set_xticks(np.arange(len(columns)) + 0.5, columns)
    axes.set_ylabel(f"label of {short(found.rows, 30)}")
    axes.xaxis.tick_top()
    axes.tick_params(labelcolor=INK, labelsize=8)
    axes.set_xlabel(f"label of {short(found.columns, 30)} (% of the row)")
    axes.grid(False)
    axes.spines[:].set_visible(False)
    return figure


def affect(e: Exploration, width: float) -> Figure:
    """Where the images of each class are between unpleasant and pleasant, calm and excited."""
    assert e.affect is not None
    found = [(label, e.affect[rows][np.isfinite(e.affect[rows]).all(1)]) for label, rows in e.classes.rows()]
    names = [f"{label}  {many(len(each))}" for label, each in found]
    columns = 2 if is_narrow(width) else 4
    x, y = "valence (unpleasant to pleasant)", "arousal (calm to excited)"
    figure, axes = panels(names, width, columns=columns, height=0.8 * width / columns, x=x, y=y)
    for axis, (label, each) in zip(axes, found, strict=True):
        cross_hairs(axis, 0, 0)
        cloud(axis, each[:, 0], each[:, 1], area=(-1, 1, -1, 1), color=color_of(label))
    axes[0].set(xticks=(-1, 0, 1), yticks=(-1, 0, 1))
    return figure
