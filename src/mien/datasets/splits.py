"""Which images belong together: folds, subsets of a fixed size, and a part of train to select by.

Chance is a hash of an image's id and the seed. So whether an image is in depends on neither the order of rows, nor on
what else is there, nor on the version of a library; and the first 400 of a class are among its first 1,000.
"""

import hashlib
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError, UsageError
from mien.datasets.table import SPLITS, Strings, strings

Ints = npt.NDArray[np.integer[Any]]
Mask = npt.NDArray[np.bool_]

# How others name the splits. None of them is the name of an emotion.
SPELLINGS = {"train": "train", "valid": "valid", "val": "valid", "validation": "valid", "test": "test"}


def shuffled(ids: Strings, seed: int) -> npt.NDArray[np.intp]:
    """The rows in an order that depends on their ids and the seed alone: (n,) indices."""
    keys = [hashlib.blake2b(f"{seed}/{each}".encode(), digest_size=8).digest() for each in strings(ids).tolist()]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), np.intp)


def take_per_class(labels: Ints, ids: Strings, count: int, *, seed: int, skip: int = 0) -> Mask:
    """`count` images of each class, drawn without regard to the order of rows.

    For one seed a smaller draw is part of a larger one, and with `skip` another draw follows it without touching it.

    Args:
        labels: (n,) class ids; rows below 0 are never drawn.
        ids: (n,) of the images.
        count: how many a class; where there are fewer, all that are left.
        seed: of the draw.
        skip: leave out so many of each class first.

    Returns:
        (n,) mask.
    """
    chosen = np.zeros(len(labels), np.bool_)
    order = shuffled(ids, seed)
    for k in np.unique(labels[labels >= 0]):
        chosen[order[labels[order] == k][skip : skip + count]] = True
    return chosen


def stratified_folds(
    labels: Ints, ids: Strings, folds: int, *, seed: int, groups: Ints | None = None
) -> npt.NDArray[np.int32]:
    """Deal images to folds that have the same share of each class; a group is never torn apart.

    The largest group goes first, each to the fold where the squares of the class shares grow least.

    Args:
        labels: (n,) class ids; -1, no label, counts as a class.
        ids: (n,) of the images.
        folds: how many, at least 2.
        seed: decides among equals.
        groups: (n,) whole numbers; images of one number stay together. None: each is its own.

    Returns:
        (n,) int32 out of 0..folds - 1.

    Raises:
        UsageError: less than two folds. DataError: fewer groups than folds.
    """
    groups = np.arange(len(labels)) if groups is None else groups
    sizes = _sizes(labels, groups)
    if folds < 2:
        raise UsageError(f"expected 2 folds or more, got {folds}")
    if len(sizes) < folds:
        raise DataError(
            f"expected at least {folds} groups for {folds} folds, got {len(sizes)}, for what a clip or equal images "
            "join counts as one: take fewer folds"
        )
    group_of, order = _group_order(ids, groups, seed)
    order = order[np.argsort(-sizes[order].sum(1), kind="stable")]
    weights = sizes / np.maximum(sizes.sum(0), 1) ** 2  # (groups, K)
    loads = np.zeros((folds, sizes.shape[1]))
    fold_of = np.empty(len(sizes), np.int32)
    for group in order:
        growth = loads @ weights[group]
        best = np.flatnonzero(growth <= growth.min() + 1e-12)
        fold = best[loads[best].sum(1).argmin()]
        loads[fold] += sizes[group]
        fold_of[group] = fold
    return fold_of[group_of]


def leave_one_out(groups: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """A fold for each group, numbered in the order of their names: (n,) int32."""
    names, fold = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        raise DataError(f"expected 2 groups or more to leave one out, got {len(names)}")
    return fold.astype(np.int32)


def carve(labels: Ints, ids: Strings, share: float, *, seed: int, groups: Ints) -> Mask:
    """Choose a share of each class to be taken out, in whole groups.

    In an order of chance a group is taken where it brings the counts of classes nearer to what is wanted; so single
    images give the share exactly, and large groups about.

    Args:
        labels: (n,) class ids; -1, no label, counts as a class.
        ids: (n,) of the images.
        share: between 0 and 1.
        seed: of the choice.
        groups: (n,) whole numbers; images of one number stay together.

    Returns:
        (n,) mask of what is taken.
    """
    if not 0 < share < 1:
        raise UsageError(f"expected a share between 0 and 1, got {share}")
    sizes = _sizes(labels, groups)
    left = np.round(sizes.sum(0) * share)
    taken = np.zeros(len(sizes), np.bool_)
    group_of, order = _group_order(ids, groups, seed)
    for group in order:
        if np.abs(left - sizes[group]).sum() < np.abs(left).sum():
            left -= sizes[group]
            taken[group] = True
    return taken[group_of]


def joined(*keys: Sequence[Hashable]) -> npt.NDArray[np.intp]:
    """Groups of the rows that have any key in common, directly or through others; an empty key joins nothing.

    >>> joined(["a", "a", "b", "", ""], [1, 2, 2, 3, 4]).tolist()
    [0, 0, 0, 3, 4]

    Returns:
        (n,) the first row of each row's group.
    """
    parent = list(range(len(keys[0])))

    def first(row: int) -> int:
        while parent[row] != row:
            parent[row] = row = parent[parent[row]]
        return row

    for each in keys:
        seen: dict[Hashable, int] = {}
        for row, key in enumerate(each):
            if key != "":
                one, two = sorted((first(seen.setdefault(key, row)), first(row)))
                parent[two] = one
    return np.array([first(row) for row in range(len(parent))], np.intp)


def without_duplicates(keys: Sequence[Hashable], split: Strings, labels: Ints, ids: Strings) -> Mask:
    """Of images that are equal in every pixel keep one, or none where their labels differ.

    A split is cleaned by itself and by those before it, in the order train, valid, test: an image that stands in train
    goes out of valid and test, whatever its label. Nothing goes out of train because of what stands in another split,
    so that a training set is the same with the test split at hand and without.

    Args:
        keys: n, equal for equal images.
        split: (n,) out of train, valid, test.
        labels: (n,) class ids; -1, no label, differs from none, and gives way to a copy with a label.
        ids: (n,) of the images; among equals the first id stays.

    Returns:
        (n,) mask of what is kept.
    """
    place = np.array([SPLITS.index(each) for each in split.tolist()], np.intp)
    rows_of: dict[Hashable, list[int]] = {}
    for row, key in enumerate(keys):
        rows_of.setdefault(key, []).append(row)
    kept = np.ones(len(split), np.bool_)
    for rows in rows_of.values():
        if len(rows) == 1:
            continue
        kept[rows] = False
        home = min(int(place[row]) for row in rows)
        here = [row for row in rows if place[row] == home]
        if len({int(labels[row]) for row in here} - {-1}) <= 1:
            kept[min(here, key=lambda row: (labels[row] < 0, ids[row]))] = True
    return kept


def _sizes(labels: Ints, groups: Ints) -> npt.NDArray[np.float64]:
    """How many images of each class a group has: (groups in the order of their numbers, K)."""
    _, class_of = np.unique(labels, return_inverse=True)
    names, group_of = np.unique(groups, return_inverse=True)
    sizes = np.zeros((len(names), int(class_of.max(initial=0)) + 1))
    np.add.at(sizes, (group_of, class_of), 1)
    return sizes


def _group_order(ids: Strings, groups: Ints, seed: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """(n,) the place of each row's group among the groups, and the groups in an order of chance.

    A group stands where the first of its images stands, so that its own number does not count.
    """
    _, group_of = np.unique(groups, return_inverse=True)
    drawn = group_of[shuffled(ids, seed)]
    _, firsts = np.unique(drawn, return_index=True)
    return group_of, drawn[np.sort(firsts)]
