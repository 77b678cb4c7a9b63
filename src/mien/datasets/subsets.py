"""Parts of a table: some classes, so many images of each, and the sets that others have published figures on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError
from mien.datasets.labelmap import restrict
from mien.datasets.splits import (
    Mask,
    carve,
    joined,
    leave_one_out,
    stratified_folds,
    take_per_class,
    without_duplicates,
)
from mien.datasets.table import LabelColumn, Table, expect_splits

TOGETHER = "clip_id"  # frames of one clip never part


@dataclass(frozen=True)
class Part:
    """Images to take.

    Attributes:
        split: where from. into: what split they are then.
        per_class: so many of each class; None: all. skip: so many of each class that are left out before.
    """

    split: str
    into: str
    per_class: int | None = None
    skip: int = 0


@dataclass(frozen=True)
class Recipe:
    """What a subset is made of.

    Attributes:
        labels: its classes in order; None: all there.
        parts: what is taken; none: all splits as they are.
        distinct: of images that are equal in every pixel take one, see `without_duplicates`.
    """

    labels: tuple[str, ...] | None = None
    parts: tuple[Part, ...] = ()
    distinct: bool = False


_FOUR = ("anger", "happiness", "sadness", "neutral")
_VALID_100 = Part("valid", "valid", 100)

# The 400 are among the 1,000; the 250 and the 100 have no image in common.
PRESETS = {
    "four-400": Recipe(_FOUR, (Part("train", "train", 400), _VALID_100), distinct=True),
    "four-1000": Recipe(
        _FOUR, (Part("train", "train", 1000), _VALID_100, Part("valid", "test", 250, skip=100)), distinct=True
    ),
    "five": Recipe(("anger", "happiness", "sadness", "surprise", "neutral")),
    "seven": Recipe(("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear")),
}
PRESET_SOURCE = "fer2013"


def take(table: Table, source: str | None, recipe: Recipe, *, seed: int = 0) -> Table:
    """The images that a recipe takes out of a table, in the order of the table.

    Args:
        table: the whole. Its duplicates are looked for in all of its splits.
        source: the label source by which it goes; its classes become those of the recipe. None: there is none.
        recipe: what to take.
        seed: of the draw.

    Raises:
        DataError: a split, or so many images of a class, are not there.
        UsageError: the source has no such class.
    """
    usable = np.ones(len(table), np.bool_)
    if recipe.distinct:
        usable = without_duplicates(table.pixel_keys(), table.split, _labels(table, source), table.ids)
    if recipe.labels is not None:
        column = restrict(table.source(source or ""), recipe.labels)
        table = replace(table, sources={**table.sources, source or "": column})
        usable &= column.ids >= 0
    split = np.full(len(table), "", "<U5")
    for part in recipe.parts or [Part(each, each) for each in table.splits]:
        split[_rows(table, source, part, usable, seed)] = part.into
    taken = split != ""
    result = replace(table.select(taken), split=split[taken])
    if recipe.labels is not None:
        _expect_all_labels(result.source(source or ""))
    return result


def _rows(table: Table, source: str | None, part: Part, usable: Mask, seed: int) -> Mask:
    expect_splits([part.split], there=table.splits)
    here: Mask = usable & (table.split == part.split)
    if part.per_class is None:
        return here
    column = table.source(source or "")
    labels = np.where(here, column.ids, -1)
    counts = np.bincount(labels[labels >= 0], minlength=len(column.label_set)).tolist()
    if min(counts) < part.skip + part.per_class:
        found = ", ".join(f"{label} {n:,}" for label, n in zip(column.label_set, counts, strict=True))
        after = f" after the {part.skip:,} before" if part.skip else ""
        raise DataError(
            f"expected {part.per_class:,} images of each class{after} in {part.split}, got {found}: take fewer, or "
            "name the classes with --labels"
        )
    return take_per_class(labels, table.ids, part.per_class, seed=seed, skip=part.skip)


def _expect_all_labels(column: LabelColumn) -> None:
    counts = np.bincount(column.ids[column.ids >= 0], minlength=len(column.label_set))
    if not counts.all():
        none = ", ".join(label for label, n in zip(column.label_set, counts, strict=True) if not n)
        raise DataError(f"expected images of every label, got none of {none}: leave it out of --labels")


def without(table: Table, *, ids: Sequence[str] = (), keys: Sequence[bytes] = ()) -> Table:
    """The table without some ids, and without images that are equal to some in every pixel."""
    gone = np.isin(table.ids, list(ids)) if ids else np.zeros(len(table), np.bool_)
    if keys:
        unwanted = set(keys)
        gone |= np.array([key in unwanted for key in table.pixel_keys()], np.bool_)
    return table.select(~gone)


def carve_valid(table: Table, source: str | None, share: float, *, seed: int = 0, group: str | None = None) -> Table:
    """The table with a share of each class of train as valid; groups, clips and equal images stay on one side.

    Raises:
        DataError: there is no train, or there is a valid split, or no such column.
    """
    expect_splits(["train"], there=table.splits)
    if "valid" in table.splits:
        n = int(np.count_nonzero(table.split == "valid"))
        raise DataError(f"expected no valid split where one is carved out, got {n:,} images of it: take --split train")
    rows = np.flatnonzero(table.split == "train")
    train = table.select(rows)
    groups = _groups(train, [] if group is None else [group])
    split = table.split.astype("<U5")
    split[rows[carve(_labels(train, source), train.ids, share, seed=seed, groups=groups)]] = "valid"
    return replace(table, split=split)


def fold(table: Table, source: str | None, folds: int, *, seed: int = 0, group: str | None = None) -> Table:
    """The table with a column `fold`: stratified; groups, clips and equal images stay in one fold.

    Raises:
        DataError: no such column, or fewer groups than folds. UsageError: less than two folds.
    """
    groups = _groups(table, [] if group is None else [group])
    of = stratified_folds(_labels(table, source), table.ids, folds, seed=seed, groups=groups)
    return replace(table, extra={**table.extra, "fold": of})


def leave_out(table: Table, group: str) -> Table:
    """The table with a column `fold`: one for each group, in the order of their names.

    Raises:
        DataError: no such column, an image without a group, or one group alone.
    """
    values = _column(table, group)
    unknown_ids = table.ids[values == ""] if values.dtype.kind == "U" else table.ids[:0]
    if len(unknown_ids):
        raise DataError(
            f"expected a {group} of every image to leave one out, got none of {len(unknown_ids):,}, "
            f"such as {unknown_ids[0]}: drop them first"
        )
    return replace(table, extra={**table.extra, "fold": leave_one_out(values)})


def _labels(table: Table, source: str | None) -> npt.NDArray[np.int16]:
    return np.full(len(table), -1, np.int16) if source is None else table.source(source).ids


def _groups(table: Table, names: Sequence[str]) -> npt.NDArray[np.intp]:
    """What must stay together: images of one group, of one clip, and equal ones."""
    columns = [_column(table, name) for name in names]
    if TOGETHER in table.extra:
        columns.append(table.extra[TOGETHER])
    return joined(table.pixel_keys(), *(column.tolist() for column in columns))


def _column(table: Table, name: str) -> npt.NDArray[np.generic]:
    if name not in table.extra or table.extra[name].ndim != 1:
        there = ", ".join(each for each, values in table.extra.items() if values.ndim == 1) or "none"
        raise DataError(f"expected the column {name!r} to group by, got {there}: name another with --group")
    return table.extra[name]
