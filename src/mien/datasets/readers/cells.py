"""Rows that someone wrote for pictures, in a csv or beside them in Parquet: what the columns mean."""

import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from mien.core.arrays import LONGEST_TEXT
from mien.core.errors import DataError
from mien.core.labels import LabelSet
from mien.datasets.dataset import DataSet
from mien.datasets.labelmap import LabelMap
from mien.datasets.splits import SPELLINGS
from mien.datasets.table import LabelColumn

# What a column may be called, in this order of preference.
LABELS = ("label", "emotion", "expression", "class")
SOFT = ("p_", "soft_")
BOX = ("x1", "y1", "x2", "y2")
WORDS = ("subject", "clip_id")
NUMBERS = ("time_s", "valence", "arousal")

Value = TypeVar("Value")


@dataclass(frozen=True)
class Rows:
    """The cells by column, the spaces around them taken off.

    Attributes:
        path: of the file, for messages. columns: name -> cells. place: of a row in the file, such as ``line 3``.
    """

    path: str | os.PathLike[str]
    columns: dict[str, list[str]]
    place: Callable[[int], str]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def first(self, names: Sequence[str]) -> str | None:
        """The first of some columns that is there."""
        return next((each for each in names if each in self.columns), None)

    def where(self, row: int) -> str:
        """File and place of a row."""
        return f"{self.path}, {self.place(row)}"

    def read(self, name: str, parse: Callable[[str], Value], expected: str) -> list[Value]:
        """What the cells of a column mean; a cell that means nothing is named by its place."""
        values = []
        for row, cell in enumerate(self.columns[name]):
            try:
                values.append(parse(cell))
            except (ValueError, KeyError, OverflowError):
                raise DataError(
                    f"expected {expected} in the column {name} of {self.where(row)}, got {cell[:40]!r}: mend the row"
                ) from None
        return values


def expect_labels(columns: Iterable[str], all_columns: Iterable[str], path: str | os.PathLike[str]) -> None:
    """Raise DataError where no column holds labels."""
    if not any(each in LABELS or each.startswith(SOFT) for each in columns):
        raise DataError(
            f"expected a column out of {', '.join(LABELS)}, or p_<label>, in {path}, got {', '.join(all_columns)[:200]}"
        )


def labels_of(rows: Rows, renames: LabelMap, name: str) -> tuple[LabelSet, LabelColumn, npt.NDArray[np.bool_]]:
    """The classes, the labels, and which rows the label map drops."""
    column = rows.first(LABELS)
    shares = {each: each.partition("_")[2] for each in rows.columns if each.startswith(SOFT)}
    expect_labels(rows.columns, rows.columns, rows.path)
    cells = [""] * len(rows) if column is None else rows.columns[column]
    read: dict[str, str | None] = {"": None}
    for row, cell in enumerate(cells):
        if cell not in read:
            read[cell] = renames.read(cell, name, where=f"the column {column} of {rows.where(row)}")
    new = {each: renames.read(label, name, where=f"the header of {rows.path}") for each, label in shares.items()}
    label_set = renames.label_set([each for each in (*read.values(), *new.values()) if each])
    soft = _soft(rows, {each: label_set.labels.index(label) for each, label in new.items() if label}, len(label_set))
    if soft is None or column is not None:
        numbers = {cell: label_set.labels.index(label) if label else -1 for cell, label in read.items()}
        ids = np.array([numbers[cell] for cell in cells], np.int16)
        rule = f"the column {column}"
    else:
        ids, rule = _largest(soft), "the largest share"
    dropped = np.array([read[cell] == "" for cell in cells], np.bool_)
    return label_set, LabelColumn(label_set, ids, soft, renames.rule(rule), os.path.basename(rows.path)), dropped


def without(data: DataSet, dropped: npt.NDArray[np.bool_]) -> DataSet:
    """The data set without the pictures whose labels the label map drops, and with a note of how many these are."""
    if not dropped.any():
        return data
    left_out = f"pictures left out, for the label map drops their labels: {dropped.sum():,}"
    return replace(data.select(~dropped), notes=(left_out,))


def _soft(rows: Rows, classes: dict[str, int], k: int) -> npt.NDArray[np.float32] | None:
    """The shares of labels, brought to a sum of 1; NaN rows where the cells are empty."""
    if not classes:
        return None
    soft = np.zeros((len(rows), k))
    for name, number in classes.items():
        soft[:, number] += rows.read(name, _share, "a share of 0 or more")
    total = soft.sum(1, keepdims=True)
    soft = np.divide(soft, total, out=np.full_like(soft, np.nan), where=total > 0)
    return np.asarray(soft, np.float32)


def _largest(soft: npt.NDArray[np.float32]) -> npt.NDArray[np.int16]:
    """The class with the largest share; none where there is no share, or two are the largest."""
    shares = np.nan_to_num(soft, nan=-1)
    alone = (shares == shares.max(1, keepdims=True)).sum(1) == 1
    return np.where(alone, shares.argmax(1), -1).astype(np.int16)


def ids_of(rows: Rows, paths: list[str], name: str) -> npt.NDArray[np.str_]:
    """The column `id` as it stands, or the paths; each once."""
    own = rows.columns.get("id")
    ids = [f"{name}-{each}" for each in paths] if own is None else own
    seen: dict[str, int] = {}
    for row, each in enumerate(ids):
        if not each:
            raise DataError(f"expected an id in {rows.where(row)}, got an empty cell: give it one")
        if len(each) > LONGEST_TEXT:
            raise DataError(
                f"expected an id of at most {LONGEST_TEXT:,} characters in {rows.where(row)}, got one of "
                f"{len(each):,}: shorten it"
            )
        if each in seen:
            what = "picture once" if own is None else "id once"
            todo = ", or give each row its own name in a column id" if own is None else ""
            both = f"{rows.place(seen[each])} and {rows.place(row)}"
            raise DataError(
                f"expected each {what} in {rows.path}, got {each.removeprefix(f'{name}-')!r} in {both}: take one "
                f"out{todo}"
            )
        seen[each] = row
    return np.array(ids, np.str_)


def splits_of(rows: Rows) -> npt.NDArray[np.str_]:
    """The column `split`; without one all is train."""
    if "split" not in rows.columns:
        return np.full(len(rows), "train")
    return np.array(rows.read("split", _split, f"a split out of {', '.join(SPELLINGS)}"), np.str_)


def extra_of(rows: Rows) -> dict[str, npt.NDArray[Any]]:
    """The further columns that are there."""
    there = rows.columns
    extra: dict[str, npt.NDArray[Any]] = {}
    for name in there:
        if name in WORDS or name.startswith("group_"):
            extra[name] = np.array(rows.read(name, _word, f"at most {LONGEST_TEXT:,} characters"), np.str_)
    if ("clip_id" in there) != ("frame" in there):
        raise DataError(f"expected the columns clip_id and frame together in {rows.path}, got one of them")
    if "frame" in there:
        extra["frame"] = np.array(rows.read("frame", _frame, "the number of a frame"), np.int32)
    for name in NUMBERS:
        if name in there:
            extra[name] = np.array(rows.read(name, _number, "a number"), np.float32)
    if set(BOX) <= set(there):
        extra["box"] = np.array([rows.read(name, _number, "pixels") for name in BOX], np.float32).T
    return extra


def _split(cell: str) -> str:
    return SPELLINGS[cell.lower()]


def _word(cell: str) -> str:
    if len(cell) > LONGEST_TEXT:
        raise ValueError(cell)
    return cell


def _frame(cell: str) -> int:
    frame = int(cell or -1)
    if abs(frame) >= 1 << 31:
        raise ValueError(cell)
    return frame


def _number(cell: str) -> float:
    value = float(cell or "nan")
    if math.isinf(value):
        raise ValueError(cell)
    return value


def _share(cell: str) -> float:
    value = _number(cell or "0")
    if not value >= 0:
        raise ValueError(cell)
    return value
