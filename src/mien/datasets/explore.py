"""The numbers about a table that its exploratory figures show."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError
from mien.core.labels import CANONICAL
from mien.datasets.measures import Measures, blocks, measure
from mien.datasets.noise import entropy_bits, votes_of
from mien.datasets.table import Table

Ints = npt.NDArray[np.int64]
Rows = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]

ALL = "all images"  # stands for the classes of a table without labels


@dataclass(frozen=True, eq=False)
class Classes:
    """Which class each image belongs to, by one label source.

    Attributes:
        source: the label source; "" if the table has none: then all images are one class.
        labels: the K classes that occur, in the canonical order.
        absent: classes that the source knows and that no image has.
        of: (n,) index into `labels`, -1 where there is no label.
        rule: how the source's labels came about, in words.
    """

    source: str
    labels: tuple[str, ...]
    absent: tuple[str, ...]
    of: npt.NDArray[np.intp]
    rule: str = ""

    def rows(self) -> Iterator[tuple[str, Rows]]:
        """Each class and the rows of its images."""
        return ((label, np.flatnonzero(self.of == k)) for k, label in enumerate(self.labels))

    def known(self, values: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
        """Of one number an image, those of each class that are not NaN; a class without any is left out."""
        found = {label: values[rows][np.isfinite(values[rows])] for label, rows in self.rows()}
        return {label: each for label, each in found.items() if len(each)}


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and standard deviation of all pixels, a channel each (grey, or red, green, blue), in 0..1.

    Attributes:
        split: whose images these are: train, or "all" where the table has no train split.
        mean, std: (C,).
    """

    split: str
    mean: Floats
    std: Floats


@dataclass(frozen=True, eq=False)
class MeanFaces:
    """What the images of each class look like on average, and where they differ.

    Attributes:
        mean: (K, H, W) or (K, H, W, 3), grey levels.
        std: (K, H, W), grey levels; of a colour image the mean over its channels.
    """

    mean: Floats
    std: Floats


@dataclass(frozen=True, eq=False)
class Group:
    """How many images each value of an attribute has: a subject, or what a column group_* holds.

    Attributes:
        name: of the column. values: those that occur, the most frequent first. counts: images of each.
        unknown: images without a value.
    """

    name: str
    values: tuple[str, ...]
    counts: Ints
    unknown: int


@dataclass(frozen=True, eq=False)
class Duplicates:
    """Groups of images that are equal in every pixel.

    Attributes:
        groups: the rows of each, the largest group first.
        crossing: (g,) bool, whether its images are in several splits.
        conflicts: label source -> (g,) bool, whether it gives them several labels.
    """

    groups: tuple[Rows, ...]
    crossing: npt.NDArray[np.bool_]
    conflicts: Mapping[str, npt.NDArray[np.bool_]]

    @property
    def images(self) -> int:
        """Images that have a copy."""
        return sum(map(len, self.groups))

    def copies(self, n: int) -> npt.NDArray[np.bool_]:
        """(n,) which of all n images equal an earlier one."""
        later = np.zeros(n, np.bool_)
        for rows in self.groups:
            later[rows[1:]] = True
        return later


@dataclass(frozen=True, eq=False)
class Votes:
    """How far those who labelled an image agree.

    Attributes:
        source: the label source that the votes belong to. labels: what could be voted for.
        votes: (n, K), or shares of them; zeros where nobody voted.
        entropy: (n,) bits, 0 where all agree, NaN where nobody voted.
    """

    source: str
    labels: tuple[str, ...]
    votes: Floats
    entropy: Floats


@dataclass(frozen=True, eq=False)
class Agreement:
    """Two label sources on the same images.

    Attributes:
        rows, columns: names of the sources. row_labels, column_labels: their classes that occur.
        counts: (R, C) images that both label.
    """

    rows: str
    columns: str
    row_labels: tuple[str, ...]
    column_labels: tuple[str, ...]
    counts: Ints

    @property
    def share(self) -> float:
        """Of the images that both label with a class they have in common, the share to which they give the same."""
        row_in = [k for k, label in enumerate(self.row_labels) if label in self.column_labels]
        column_in = [self.column_labels.index(self.row_labels[k]) for k in row_in]
        both = self.counts[np.ix_(row_in, column_in)]
        return float(np.trace(both) / both.sum()) if both.sum() else float("nan")


@dataclass(frozen=True, eq=False)
class Exploration:
    """All numbers about a table.

    Attributes:
        table: the table itself, from which figures take pictures.
        classes: of its images. moments: of its pixels.
        counts: (S, K + 1) images of each split and class; the last column counts those without a label.
        faces: mean and standard deviation of each class.
        class_levels, split_levels: (K, 256) and (S, 256) pixels of each grey level.
        measures: numbers of each image.
        found_sizes: (m, 2) width and height in pixels that faces have in the photographs that they were cut from;
            None where the table has no boxes.
        groups: subjects and attributes. duplicates: exact ones.
        votes: None without soft labels. agreement: None without a second label source.
        affect: (n, 2) valence and arousal, NaN where not known; None if they are nowhere.
    """

    table: Table
    classes: Classes
    moments: Moments
    counts: Ints
    faces: MeanFaces
    class_levels: Ints
    split_levels: Ints
    measures: Measures
    found_sizes: Floats | None
    groups: tuple[Group, ...]
    duplicates: Duplicates
    votes: Votes | None
    agreement: Agreement | None
    affect: Floats | None

    @property
    def name(self) -> str:
        """What the data call themselves."""
        return self.table.meta.get("name") or "table"


def explore_table(table: Table, *, source: str | None = None) -> Exploration:
    """Compute all numbers about a table.

    Args:
        table: faces of one size.
        source: the label source that says which class an image belongs to; None: that of the table's own name if
            there is one, else its first.

    Raises:
        DataError: the table has no rows, or no such source.
    """
    if not len(table):
        raise DataError("expected a table with images to explore, got one without rows: prepare it again")
    classes = classes_of(table, source)
    levels = _levels(table, classes)
    return Exploration(
        table=table,
        classes=classes,
        moments=moments(table),
        counts=np.stack([_count(classes.of[table.split == split], len(classes.labels)) for split in table.splits]),
        faces=_mean_faces(table, classes),
        class_levels=levels.sum(0)[:-1],
        split_levels=levels.sum(1),
        measures=measure(table.images),
        found_sizes=_found_sizes(table),
        groups=tuple(_groups(table)),
        duplicates=_duplicates(table),
        votes=_votes(table, classes),
        agreement=_agreement(table, classes),
        affect=_affect(table),
    )


def classes_of(table: Table, source: str | None = None) -> Classes:
    """The class of each image; see `explore_table`."""
    if not table.sources and source is None:
        return Classes("", (ALL,), (), np.zeros(len(table), np.intp))
    name = source or (
        table.meta.get("name", "") if table.meta.get("name") in table.sources else next(iter(table.sources))
    )
    column = table.source(name)
    there = set(np.unique(column.ids).tolist())
    order = sorted(range(len(column.label_set)), key=lambda k: _canonical_place(column.label_set.labels[k]))
    labels = column.label_set.labels
    new = np.full(len(labels) + 1, -1, np.intp)  # the last is for id -1
    present = [k for k in order if k in there]
    new[present] = np.arange(len(present))
    absent = tuple(labels[k] for k in order if k not in there)
    return Classes(name, tuple(labels[k] for k in present), absent, new[column.ids], column.rule)


def _canonical_place(label: str) -> int:
    """Sort key: canonical emotions first; others stay in the order of their source."""
    return CANONICAL.index(label) if label in CANONICAL else len(CANONICAL)


def moments(table: Table) -> Moments:
    """Mean and standard deviation of the pixels of the train split, for normalisation."""
    split = "train" if "train" in table.splits else "all"
    images = table.images if split == "all" else table.images[table.split == split]
    return moments_of([images], channels=1 if images.ndim == 3 else 3, split=split)


def moments_of(blocks: Iterable[npt.NDArray[np.uint8]], *, channels: int, split: str = "train") -> Moments:
    """Mean and standard deviation of the pixels of images that come block by block."""
    counts = np.zeros((channels, 256), np.int64)
    for images in blocks:
        for start in range(0, len(images), 1024):
            block = images[start : start + 1024].reshape(-1, channels)
            counts += np.stack([np.bincount(channel, minlength=256) for channel in block.T])
    levels = np.arange(256) / 255
    share = counts / counts.sum(1, keepdims=True)
    mean = share @ levels
    return Moments(split, mean, np.sqrt(np.maximum(share @ levels**2 - mean**2, 0)))


def _count(of: npt.NDArray[np.intp], k: int) -> Ints:
    """How many of each class, and last of none."""
    return np.bincount(np.where(of < 0, k, of), minlength=k + 1)


def _mean_faces(table: Table, classes: Classes) -> MeanFaces:
    mean, std = [], []
    for _, rows in classes.rows():
        total = np.zeros(table.images.shape[1:])
        squares = np.zeros_like(total)
        for start in range(0, len(rows), 1024):
            block = table.images[rows[start : start + 1024]].astype(np.float32)
            total += block.sum(0, dtype=np.float64)
            squares += np.square(block).sum(0, dtype=np.float64)
        average = total / len(rows)
        spread = np.sqrt(np.maximum(squares / len(rows) - average**2, 0))
        mean.append(average)
        std.append(spread if spread.ndim == 2 else spread.mean(2))
    shape = table.images.shape[1:]
    if not mean:  # a source that labels nothing here
        return MeanFaces(np.empty((0, *shape)), np.empty((0, *shape[:2])))
    return MeanFaces(np.stack(mean), np.stack(std))


def _levels(table: Table, classes: Classes) -> Ints:
    """(S, K + 1, 256) pixels of each grey level by split and class, the last class for images without a label."""
    of_split = np.searchsorted(np.array(table.splits), table.split, sorter=np.argsort(table.splits))
    of_split = np.argsort(table.splits)[of_split]
    counts = np.zeros((len(table.splits), len(classes.labels) + 1, 256), np.int64)
    row = 0
    for grays in blocks(table.images):
        for gray in grays:
            counts[of_split[row], classes.of[row]] += np.bincount(gray.ravel(), minlength=256)
            row += 1
    return counts


def _found_sizes(table: Table) -> Floats | None:
    box = table.extra.get("box")
    if box is None or box.ndim != 2 or box.shape[1] != 4:
        return None
    sizes = (box[:, 2:] - box[:, :2]).astype(np.float64)
    sizes = sizes[np.isfinite(sizes).all(1) & (sizes > 0).all(1)]
    return sizes if len(sizes) else None


def _groups(table: Table) -> Iterator[Group]:
    for name, column in table.extra.items():
        if (name == "subject" or name.startswith("group")) and column.ndim == 1:
            values, counts = np.unique(column.astype(np.str_), return_counts=True)
            known = np.isin(values, ["", "nan", "-1"], invert=True)
            order = np.flatnonzero(known)[np.argsort(-counts[known], kind="stable")]
            if len(order):
                yield Group(name, tuple(values[order].tolist()), counts[order], int(counts[~known].sum()))


def _duplicates(table: Table) -> Duplicates:
    rows_of: dict[bytes, list[int]] = {}
    for row, key in enumerate(table.pixel_keys()):
        rows_of.setdefault(key, []).append(row)
    groups = sorted((rows for rows in rows_of.values() if len(rows) > 1), key=lambda rows: (-len(rows), rows[0]))

    def several(values: Sequence[Any]) -> npt.NDArray[np.bool_]:
        return np.array([len({values[row] for row in rows} - {-1}) > 1 for rows in groups], np.bool_)

    return Duplicates(
        tuple(np.array(rows, np.intp) for rows in groups),
        several(table.split.tolist()),
        {name: several(column.ids.tolist()) for name, column in table.sources.items()},
    )


def _votes(table: Table, classes: Classes) -> Votes | None:
    """Of the class source, or of the first source that has votes."""
    for name in [classes.source, *table.sources] if classes.source else []:
        votes = votes_of(table, name)
        if votes is not None and votes.any():
            return Votes(name, table.source(name).label_set.labels, votes, entropy_bits(votes))
    return None


def _agreement(table: Table, classes: Classes) -> Agreement | None:
    others = [name for name in table.sources if name != classes.source]
    if not others:
        return None
    other = classes_of(table, others[0])
    both = (classes.of >= 0) & (other.of >= 0)
    if not both.any():
        return None
    shape = (len(other.labels), len(classes.labels))
    flat = other.of[both] * shape[1] + classes.of[both]
    counts = np.bincount(flat, minlength=shape[0] * shape[1]).reshape(shape)
    return Agreement(other.source, classes.source, other.labels, classes.labels, counts)


def _affect(table: Table) -> Floats | None:
    if not {"valence", "arousal"} <= set(table.extra):
        return None
    values = np.stack([table.extra["valence"], table.extra["arousal"]], axis=1).astype(np.float64)
    return values if np.isfinite(values).all(1).any() else None
