"""The one form of a data set that everything after the readers works on: faces, splits, labels as arrays."""

import csv
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError, InputError, OutputError, UsageError
from mien.core.images import decode, encode
from mien.core.labels import LabelSet
from mien.core.optional import require
from mien.core.registry import unknown

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

    def names(self) -> list[str | None]:
        """The label of each face by name, None where there is none."""
        labels = (*self.label_set.labels, None)  # id -1 is the last
        return [labels[k] for k in self.ids.tolist()]


@dataclass(frozen=True, eq=False)
class Table:
    """Faces of a data set with everything known about them.

    Attributes:
        ids: (n,) str, distinct; they stay the same however often and in what subset a data set is read.
        images: (n, H, W) grey or (n, H, W, 3) RGB uint8.
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
        images = np.asarray(self.images)
        if images.dtype != np.uint8 or not (images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 3)):
            raise DataError(
                f"expected images of shape (n, H, W) or (n, H, W, 3) of uint8, got {images.shape} of {images.dtype}"
            )
        n = len(images)
        columns: dict[str, Any] = {"ids": self.ids, "split": self.split, **self.extra}
        columns |= {f"labels of {name}": column.ids for name, column in self.sources.items()}
        for name, values in columns.items():
            if len(values) != n:
                raise DataError(f"expected {n} rows in {name}, one an image, got {len(values)}")
        object.__setattr__(self, "images", _read_only(images))
        object.__setattr__(self, "ids", _read_only(_strings(self.ids)))
        object.__setattr__(self, "split", _read_only(_strings(self.split)))
        object.__setattr__(self, "extra", {name: _read_only(np.asarray(each)) for name, each in self.extra.items()})
        strange = sorted(set(self.split.tolist()) - set(SPLITS))
        if strange:
            raise DataError(f"expected splits out of {', '.join(SPLITS)}, got {', '.join(map(repr, strange))}")
        if len(set(self.ids.tolist())) != n:
            raise DataError("expected ids that are distinct, got some more than once")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that are there, in the order train, valid, test."""
        there = set(self.split.tolist())
        return tuple(each for each in SPLITS if each in there)

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
        return self.select(self.split == split)

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
        sources = dict.fromkeys(name for each in tables for name in each.sources)
        extra = dict.fromkeys(name for each in tables for name in each.extra)
        return cls(
            np.concatenate([each.ids for each in tables]),
            np.concatenate([each.images for each in tables]),
            np.concatenate([each.split for each in tables]),
            {name: _join_labels(name, tables) for name in sources},
            {name: _join_extra(name, tables) for name in extra},
            {"name": "+".join(dict.fromkeys(each.meta.get("name", "table") for each in tables))},
        )

    def drop(self, listed: str | os.PathLike[str]) -> Self:
        """The table without the rows that a csv names in its column `id`.

        Raises:
            DataError: the csv cannot be read, lacks the column, or names no row of this table.
        """
        ids = read_id_list(listed)
        gone = np.isin(self.ids, list(ids))
        if ids and not gone.any():
            raise DataError(f"expected ids of this data in {listed}, such as {self.ids[:1].tolist()}, got none of them")
        return self.select(~gone)

    def source(self, name: str) -> LabelColumn:
        """The labels of one source; DataError if the table has none of it."""
        if name not in self.sources:
            there = ", ".join(self.sources) or "none"
            raise DataError(f"expected labels of {name!r} in the data, got those of {there}")
        return self.sources[name]

    def pixel_keys(self) -> list[bytes]:
        """A key for each image: keys are equal where two images are equal in every pixel."""
        return [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in self.images]

    def digest(self) -> str:
        """The sha256 (hexadecimal) of ids, splits, pixels and labels, to be saved beside what was made of them."""
        state = hashlib.sha256()
        labels = {name: [*column.label_set.labels] for name, column in self.sources.items()}
        state.update(json.dumps([self.ids.tolist(), self.split.tolist(), self.images.shape, labels]).encode())
        state.update(np.ascontiguousarray(self.images).data)
        for column in self.sources.values():
            state.update(np.ascontiguousarray(column.ids, "<i2").data)
            if column.soft is not None:
                state.update(np.ascontiguousarray(column.soft, "<f4").data)
        return state.hexdigest()


def expect_splits(wanted: Sequence[str], *, there: Sequence[str], where: str | os.PathLike[str] = "the data") -> None:
    """Check that splits exist at all (else UsageError) and are there (else DataError, which says which are)."""
    for split in wanted:
        if split not in SPLITS:
            raise UsageError(unknown("split", split, SPLITS))
        if split not in there:
            raise DataError(f"expected the split {split!r} in {where}, got {', '.join(there) or 'no rows'} only")


def read_id_list(path: str | os.PathLike[str]) -> set[str]:
    """The ids in the column `id` of a csv; DataError if that is not there."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            if "id" not in (rows.fieldnames or ()):
                raise DataError(
                    f"expected a column id in {path}, got {', '.join(rows.fieldnames or ()) or 'no header'}"
                )
            return {row["id"] for row in rows if row["id"]}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"expected a csv of ids at {path}, got: {error}") from error


def _join_labels(name: str, tables: Sequence[Table]) -> LabelColumn:
    columns = [each.sources.get(name) for each in tables]
    there = [each for each in columns if each is not None]
    if len({each.label_set.labels for each in there}) > 1:
        raise DataError(f"expected the same labels of {name!r} in all data, got different ones")
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


def _strings(values: npt.ArrayLike) -> Strings:
    return np.asarray(values, np.str_)


def _read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    array = array.view()
    array.flags.writeable = False
    return array


def write_table(table: Table, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write a table as Parquet, so that `read_table` gives the same again.

    Columns: id, image (PNG bytes), split, label_<source> (names, null where there is none), soft_<source> (lists in
    the order of the source's labels), and the extra columns. Needs the extra `data`.

    Raises:
        OutputError: the file exists and `overwrite` is not set, its suffix is another, or it cannot be written.
    """
    path = Path(path)
    if path.suffix != ".parquet":
        raise OutputError(f"expected a table's name to end in .parquet, got {path}")
    if path.exists() and not overwrite:
        raise OutputError(f"expected a new file, got {path}, which exists: choose another, or overwrite it")
    pyarrow = require("pyarrow", extra="data")
    parquet = require("pyarrow.parquet", extra="data")
    arrays = {
        "id": pyarrow.array(table.ids.tolist(), pyarrow.string()),
        "image": pyarrow.array([encode(image) for image in table.images], pyarrow.binary()),
        "split": pyarrow.array(table.split.tolist(), pyarrow.string()),
    }
    for name, column in table.sources.items():
        arrays[f"label_{name}"] = pyarrow.array(column.names(), pyarrow.string())
        if column.soft is not None:
            arrays[f"soft_{name}"] = _list_column(pyarrow, column.soft, nan_is_null=True)
    for name, values in table.extra.items():
        if name in arrays:
            raise DataError(f"expected extra columns that are not {', '.join(arrays)}, got {name!r}")
        arrays[name] = _extra_column(pyarrow, name, values)
    about = {
        "version": 1,
        "gray": table.images.ndim == 3,
        "shape": table.images.shape[1:],
        "sources": {
            name: {"label_set": c.label_set.name, "labels": c.label_set.labels, "rule": c.rule, "file": c.file}
            for name, c in table.sources.items()
        },
        "extra": list(table.extra),
        "meta": dict(table.meta),
    }
    frame = pyarrow.table(arrays).replace_schema_metadata({_ABOUT: json.dumps(about)})
    partial = path.with_name(path.name + ".part")  # a table that was cut off never carries the final name
    try:
        parquet.write_table(frame, partial, compression="zstd", row_group_size=_ROWS_IN_GROUP)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OutputError(f"expected to write {path}, got: {error.strerror or error}") from error


def read_table(path: str | os.PathLike[str], *, splits: Sequence[str] | None = None) -> Table:
    """Read a table that `write_table` wrote; needs the extra `data`.

    Args:
        path: the file.
        splits: read these alone; None: all there.

    Raises:
        DataError: no such file, not such a table, a damaged row, or a split that is not there.
    """
    path = Path(path)
    pyarrow = require("pyarrow", extra="data")
    parquet = require("pyarrow.parquet", extra="data")
    try:
        with parquet.ParquetFile(path) as file:
            about = _read_about(file.schema_arrow, path)
            split = np.array(file.read(["split"])["split"].to_pylist(), np.str_)
            expect_splits(list(splits or ()), there=[each for each in SPLITS if each in split], where=path)
            kept = np.ones(len(split), np.bool_) if splits is None else np.isin(split, list(splits))
            images = _read_images(file, kept, tuple(about["shape"]), path)
            frame = file.read([name for name in file.schema_arrow.names if name != "image"])
    except FileNotFoundError:
        raise DataError(f"expected a table at {path}, got no such file: make one with `mien data prepare`") from None
    except OSError as error:
        raise DataError(f"expected a readable table at {path}, got: {error.strerror or error}") from error
    except (pyarrow.ArrowException, KeyError) as error:
        raise DataError(f"expected a table of mien at {path}, got: {str(error).splitlines()[0]}") from error
    frame = frame.filter(pyarrow.array(kept))
    sources = {name: _read_labels(frame, name, each, path) for name, each in about["sources"].items()}
    extra = {name: _read_extra(frame[name]) for name in about["extra"]}
    return Table(np.array(frame["id"].to_pylist(), np.str_), images, split[kept], sources, extra, about["meta"])


_ABOUT = b"mien"
_ROWS_IN_GROUP = 4096


def _list_column(pyarrow: Any, values: npt.NDArray[Any], *, nan_is_null: bool = False) -> Any:
    flat = pyarrow.array(np.ascontiguousarray(values).ravel())
    null = pyarrow.array(np.isnan(values).any(1)) if nan_is_null else None
    return pyarrow.FixedSizeListArray.from_arrays(flat, values.shape[1], mask=null)


def _extra_column(pyarrow: Any, name: str, values: npt.NDArray[Any]) -> Any:
    if values.ndim == 2 and values.dtype.kind in "iuf":
        return _list_column(pyarrow, values)
    if values.ndim == 1 and values.dtype.kind in "iufb":
        return pyarrow.array(values)
    if values.ndim == 1 and values.dtype.kind == "U":
        return pyarrow.array(values.tolist(), pyarrow.string())
    raise DataError(f"expected numbers or words in the extra column {name!r}, got {values.dtype} of {values.shape}")


def _read_about(schema: Any, path: Path) -> dict[str, Any]:
    text = (schema.metadata or {}).get(_ABOUT)
    if text is None:
        raise DataError(f"expected a table of mien at {path}, got other Parquet: make one with `mien data prepare`")
    about: dict[str, Any] = json.loads(text)
    if about.get("version") != 1:
        raise DataError(f"expected a table of version 1 at {path}, got {about.get('version')}: update mien")
    missing = {"id", "image", "split", *(f"label_{name}" for name in about["sources"]), *about["extra"]}
    missing -= set(schema.names)
    if missing:
        raise DataError(f"expected the columns {', '.join(sorted(missing))} in {path}, got {', '.join(schema.names)}")
    return about


def _read_images(file: Any, kept: npt.NDArray[np.bool_], shape: tuple[int, ...], path: Path) -> npt.NDArray[np.uint8]:
    images = np.empty((int(kept.sum()), *shape), np.uint8)
    row = filled = 0
    for batch in file.iter_batches(batch_size=_ROWS_IN_GROUP, columns=["image"]):
        for data in batch.column(0):
            if kept[row]:
                images[filled] = _decode(data.as_py(), shape, f"row {row} of {path}")
                filled += 1
            row += 1
    return images


def _decode(data: bytes | None, shape: tuple[int, ...], where: str) -> npt.NDArray[np.uint8]:
    try:
        image = decode(data or b"", name=where)
    except InputError as error:
        raise DataError(str(error)) from error
    if len(shape) == 2:
        image = image[:, :, 0]
    if image.shape != shape:
        raise DataError(f"expected an image of shape {shape} in {where}, got {image.shape}")
    return image


def _read_labels(frame: Any, name: str, about: Mapping[str, Any], path: Path) -> LabelColumn:
    label_set = LabelSet(about["label_set"], tuple(about["labels"]))
    numbers: dict[str | None, int] = {None: -1, **{label: k for k, label in enumerate(label_set)}}
    names = frame[f"label_{name}"].to_pylist()
    strange = set(names) - set(numbers)
    if strange:
        raise DataError(f"expected labels out of {', '.join(label_set)} in {path}, got {', '.join(map(repr, strange))}")
    soft = None
    if f"soft_{name}" in frame.column_names:
        soft = np.full((len(names), len(label_set)), np.nan, np.float32)
        column = frame[f"soft_{name}"].combine_chunks()
        there = np.asarray(column.is_valid())
        soft[there] = np.asarray(column.flatten(), np.float32).reshape(-1, len(label_set))
    ids = np.array([numbers[each] for each in names], np.int16)
    return LabelColumn(label_set, ids, soft, about["rule"], about["file"])


def _read_extra(column: Any) -> npt.NDArray[Any]:
    if hasattr(column.type, "list_size"):
        return np.asarray(column.combine_chunks().flatten()).reshape(-1, column.type.list_size)
    values = column.to_pylist() if str(column.type) == "string" else column.to_numpy()
    return np.array(values, np.str_) if isinstance(values, list) else np.asarray(values)
