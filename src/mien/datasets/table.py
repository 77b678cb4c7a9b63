"""The one form of a data set that everything after the readers works on: faces, splits, labels as arrays."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError, UsageError
from mien.core.labels import LabelSet
from mien.core.registry import unknown
from mien.datasets.lists import NewLabel, ids_to_drop, new_labels
from mien.datasets.stored import StoredImages, pixel_key, stored

SPLITS = ("train", "valid", "test")

Strings = npt.NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class LabelColumn:
    """The labels that one source gives to n faces.

    Attributes:
        label_set: names of the K classes.
        ids: (n,) int16 class ids, -1 where the source gives no label.
        soft: (n, K) float32 distributions whose rows sum to 1, NaN rows where there is none; None if the
            source has no distributions at all.
        rule: how labels came from what is distributed, in words for a report.
        file: name of the file that holds them.
    """

    label_set: LabelSet
    ids: npt.NDArray[np.int16]
    soft: npt.NDArray[np.float32] | None = None
    rule: str = ""
    file: str = ""

    def __post_init__(self) -> None:
        ids = np.asarray(self.ids)
        n, k = len(ids), len(self.label_set)
        if ids.ndim != 1 or (n and not (ids.min() >= -1 and ids.max() < k)):
            raise DataError(f"expected class ids of {self.label_set.name} of shape (n,) in -1..{k - 1}, got others")
        object.__setattr__(self, "ids", _read_only(ids.astype(np.int16, copy=False)))
        if self.soft is not None:
            soft = np.asarray(self.soft, np.float32)
            if soft.shape != (n, k):
                raise DataError(f"expected soft labels of {self.label_set.name} of shape {(n, k)}, got {soft.shape}")
            object.__setattr__(self, "soft", _read_only(soft))

    def select(self, which: Any) -> "LabelColumn":
        """A subset of the faces by mask, slice or index array."""
        soft = None if self.soft is None else self.soft[which]
        return LabelColumn(self.label_set, self.ids[which], soft, self.rule, self.file)

    def relabel(self, changed: Mapping[int, int]) -> "LabelColumn":
        """The column with other class ids in some rows, which have no distribution then; row -> class id."""
        if not changed:
            return self
        rows = np.fromiter(changed, np.intp, len(changed))
        ids = self.ids.copy()
        ids[rows] = np.fromiter(changed.values(), np.int16, len(changed))
        soft = self.soft
        if soft is not None:
            soft = soft.copy()
            soft[rows] = np.nan
        rule = f"{self.rule or 'all labels'}, some labelled anew"
        return LabelColumn(self.label_set, ids, soft, rule, self.file)

    def name_of(self, row: int) -> str | None:
        """The label of one face by name, None where there is none."""
        k = int(self.ids[row])
        return None if k < 0 else self.label_set.labels[k]

    def names(self) -> list[str | None]:
        """The label of each face by name, None where there is none."""
        labels = (*self.label_set.labels, None)  # id -1 is the last
        return [labels[k] for k in self.ids.tolist()]


@dataclass(frozen=True, eq=False)
class Table:
    """Faces of a data set with everything known about them.

    Attributes:
        ids: (n,) str, distinct; they stay the same however often and in what subset a data set is read.
        images: (n, H, W) grey or (n, H, W, 3) RGB uint8; an array, or `StoredImages`, which read what is asked for.
        split: (n,) str out of train, valid, test.
        sources: label source -> its labels. A model learns one head a source.
        extra: further columns, (n,) or (n, m): votes, subject, clip_id, and so on.
        meta: words about the whole, such as the data set's name.
    """

    ids: Strings
    images: npt.NDArray[np.uint8]
    split: Strings
    sources: Mapping[str, LabelColumn] = field(default_factory=dict)
    extra: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    meta: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        in_files = stored(self.images) is not None
        images = self.images if in_files else np.asarray(self.images)
        if images.dtype != np.uint8 or not (images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 3)):
            raise DataError(
                f"expected images of shape (n, H, W) or (n, H, W, 3) of uint8, got {images.shape} of {images.dtype}"
            )
        object.__setattr__(self, "images", images if in_files else _read_only(images))
        object.__setattr__(self, "ids", _read_only(strings(self.ids)))
        object.__setattr__(self, "split", _read_only(strings(self.split)))
        object.__setattr__(self, "extra", {name: _read_only(np.asarray(each)) for name, each in self.extra.items()})
        check_columns(len(images), ids=self.ids, split=self.split, sources=self.sources, extra=self.extra)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that are there, in the order train, valid, test."""
        return splits_in(self.split)

    def select(self, which: Any) -> Self:
        """A subset of the rows by mask, slice or index array."""
        return type(self)(
            self.ids[which],
            self.images[which],
            self.split[which],
            {name: column.select(which) for name, column in self.sources.items()},
            {name: values[which] for name, values in self.extra.items()},
            self.meta,
        )

    def of_split(self, split: str) -> Self:
        """The rows of one split.

        Raises:
            UsageError: no such split exists.
            DataError: the table has no rows of it.
        """
        expect_splits([split], there=self.splits)
        mask = self.split == split
        first, count = int(mask.argmax()), int(mask.sum())
        together = mask[first : first + count].all()
        return self.select(slice(first, first + count) if together else mask)  # a slice copies no pictures

    @classmethod
    def concatenate(cls, tables: Sequence["Table"]) -> "Table":
        """One table out of several; a label source or extra column that one of them lacks is empty there.

        Raises:
            DataError: no table, images of different shapes, a source with different labels, or an id in two of them.
        """
        if not tables:
            raise DataError("expected at least one table, got none")
        if len(tables) == 1:
            return tables[0]
        shapes = {each.images.shape[1:] for each in tables}
        if len(shapes) > 1:
            found = " and ".join(map(str, sorted(shapes)))
            raise DataError(f"expected images of one shape in all data, got {found}: prepare them alike")
        ids, counts = np.unique(np.concatenate([each.ids for each in tables]), return_counts=True)
        if counts.max(initial=1) > 1:
            raise DataError(
                f"expected data without a common image, got {(counts > 1).sum():,} ids more than once, such as "
                f"{ids[counts.argmax()]}: leave one out (ferplus=DIR holds the labels of FER2013, too)"
            )
        sources = dict.fromkeys(name for each in tables for name in each.sources)
        extra = dict.fromkeys(name for each in tables for name in each.extra)
        return cls(
            np.concatenate([each.ids for each in tables]),
            _join_images([each.images for each in tables]),
            np.concatenate([each.split for each in tables]),
            {name: _join_labels(name, tables) for name in sources},
            {name: _join_extra(name, tables) for name in extra},
            {"name": "+".join(dict.fromkeys(each.meta.get("name", "table") for each in tables))},
        )

    def drop(self, *lists: str | os.PathLike[str]) -> Self:
        """The table without the rows that csv lists name in their column `id`; see `mien.datasets.lists`.

        Raises:
            DataError: a list cannot be read, lacks the column, or names no row of this table.
        """
        gone = np.zeros(len(self), np.bool_)
        for path in lists:
            ids = ids_to_drop(path)
            here = np.isin(self.ids, list(ids))
            if ids and not here.any():
                raise self._names_none(path)
            gone |= here
        return self.select(~gone) if lists else self

    def relabel(self, *lists: str | os.PathLike[str]) -> Self:
        """The table with the labels that csv lists suggest; see `mien.datasets.lists`.

        The label counts from then on, and no longer the distribution that its source may have given the image.

        Raises:
            DataError: a list cannot be read, names no row of this table, or a label source or label that it lacks.
        """
        rows = {name: row for row, name in enumerate(self.ids.tolist())} if lists else {}
        changed: dict[str, dict[int, int]] = {}
        for path in lists:
            listed = new_labels(path)
            if listed and not any(each.id in rows for each in listed):
                raise self._names_none(path)
            for each in listed:
                name, label = self._understand(each)
                if each.id in rows:
                    changed.setdefault(name, {})[rows[each.id]] = label
        sources = {name: column.relabel(changed.get(name, {})) for name, column in self.sources.items()}
        return replace(self, sources=sources) if changed else self

    def _understand(self, new: NewLabel) -> tuple[str, int]:
        """The label source and class id that a list means."""
        name = new.source or (next(iter(self.sources)) if len(self.sources) == 1 else "")
        if name not in self.sources:
            there = ", ".join(self.sources) or "none"
            raise DataError(f"expected a label source out of {there} in {new.where}, got {name!r}")
        try:
            return name, self.sources[name].label_set.index(new.label)
        except UsageError as error:
            raise DataError(f"{error} ({new.where})") from None

    def _names_none(self, path: str | os.PathLike[str]) -> DataError:
        return DataError(f"expected ids of this data in {path}, such as {self.ids[:1].tolist()}, got none of them")

    def source(self, name: str) -> LabelColumn:
        """The labels of one source; DataError if the table has none of it."""
        if name not in self.sources:
            there = ", ".join(self.sources) or "none"
            raise DataError(f"expected labels of {name!r} in the data, got those of {there}")
        return self.sources[name]

    def pixel_keys(self) -> list[bytes]:
        """A key for each image: keys are equal where two images are equal in every pixel."""
        if (in_files := stored(self.images)) is not None:
            return in_files.pixel_keys()
        return [pixel_key(image) for image in self.images]

    def digest(self) -> str:
        """The sha256 (hexadecimal) of ids, splits, pixels and labels, to be saved beside what was made of them."""
        return self._digest

    @cached_property
    def _digest(self) -> str:  # nothing in a table changes, and stored images take their time
        in_files = stored(self.images)
        return digest(self, [self.images] if in_files is None else in_files.blocks(), shape=self.images.shape)


def digest(rows: Table, blocks: Iterable[npt.NDArray[np.uint8]], *, shape: Sequence[int]) -> str:
    """`Table.digest` of rows whose images, of this shape in all, come block by block."""
    state = hashlib.sha256()
    labels = {name: [*column.label_set.labels] for name, column in rows.sources.items()}
    state.update(json.dumps([rows.ids.tolist(), rows.split.tolist(), list(shape), labels]).encode())
    for images in blocks:
        state.update(np.ascontiguousarray(images).data)
    for column in rows.sources.values():
        state.update(np.ascontiguousarray(column.ids, "<i2").data)
        if column.soft is not None:
            state.update(np.ascontiguousarray(column.soft, "<f4").data)
    return state.hexdigest()


def expect_splits(
    wanted: Sequence[str],
    *,
    there: Sequence[str],
    where: str | os.PathLike[str] = "the data",
    handed_out: str = "",
) -> None:
    """Check that splits exist at all (else UsageError) and are there (else DataError, which says which are).

    Args:
        wanted: the splits to check.
        there: those that are there.
        where: the file or folder, for the message.
        handed_out: how the message ends: who hands the data set out.
    """
    for split in wanted:
        if split not in SPLITS:
            raise UsageError(unknown("split", split, SPLITS))
        if split not in there:
            end = f"; {handed_out}" if handed_out else ""
            raise DataError(f"expected the split {split!r} in {where}, got {', '.join(there) or 'no rows'} only{end}")


def _join_images(parts: Sequence[Any]) -> Any:
    """One array, or where none of them is in memory, one that is not either."""
    if all(isinstance(each, StoredImages) for each in parts):
        return StoredImages.concatenate(parts)
    return np.concatenate(parts)


def _join_labels(name: str, tables: Sequence[Table]) -> LabelColumn:
    columns = [each.sources.get(name) for each in tables]
    there = [each for each in columns if each is not None]
    if len({each.label_set.labels for each in there}) > 1:
        raise DataError(
            f"expected the same labels of {name!r} in all data, got different ones: give them common names with "
            "`mien data merge --label-map`"
        )
    k = len(there[0].label_set)
    ids, soft = [], []
    for table, column in zip(tables, columns, strict=True):
        ids.append(np.full(len(table), -1, np.int16) if column is None else column.ids)
        given = None if column is None else column.soft
        soft.append(np.full((len(table), k), np.nan, np.float32) if given is None else given)
    distributions = np.concatenate(soft) if any(each.soft is not None for each in there) else None
    rule = "; ".join(dict.fromkeys(each.rule for each in there if each.rule))
    file = "; ".join(dict.fromkeys(each.file for each in there if each.file))
    return LabelColumn(there[0].label_set, np.concatenate(ids), distributions, rule, file)


def _join_extra(name: str, tables: Sequence[Table]) -> npt.NDArray[Any]:
    """A column of all tables; where one lacks it: -1 in whole numbers, NaN in others, "" in words, False in truths."""
    there = [each.extra[name] for each in tables if name in each.extra]
    if len({(each.shape[1:], each.dtype.kind) for each in there}) > 1:
        raise DataError(f"expected the extra column {name!r} of one kind in all data, got different ones")
    fill: Any = {"i": -1, "f": np.nan, "U": ""}.get(there[0].dtype.kind, 0)
    shape, kind = there[0].shape[1:], there[0].dtype
    parts = [each.extra.get(name, np.full((len(each), *shape), fill, kind)) for each in tables]
    return np.concatenate(parts)


def strings(values: npt.ArrayLike) -> Strings:
    """An array of str."""
    return np.asarray(values, np.str_)


def splits_in(split: Strings) -> tuple[str, ...]:
    """The splits that occur, in the order train, valid, test."""
    there = set(split.tolist())
    return tuple(each for each in SPLITS if each in there)


def check_columns(
    n: int,
    *,
    ids: Strings,
    split: Strings,
    sources: Mapping[str, LabelColumn],
    extra: Mapping[str, npt.NDArray[Any]],
) -> None:
    """Check that all columns have n rows, splits are known and ids distinct; else DataError."""
    columns: dict[str, Any] = {"ids": ids, "split": split, **extra}
    columns |= {f"labels of {name}": column.ids for name, column in sources.items()}
    for name, values in columns.items():
        if len(values) != n:
            raise DataError(f"expected {n} rows in {name}, one an image, got {len(values)}")
    strange = sorted(set(split.tolist()) - set(SPLITS))
    if strange:
        raise DataError(f"expected splits out of {', '.join(SPLITS)}, got {', '.join(map(repr, strange))}")
    if len(set(ids.tolist())) != n:
        once, counts = np.unique(ids, return_counts=True)
        raise DataError(f"expected ids that are distinct, got some more than once, such as {once[counts.argmax()]!r}")


def _read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    array = array.view()
    array.flags.writeable = False
    return array
