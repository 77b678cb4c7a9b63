"""A csv of paths and labels: one's own pictures, or a data set that someone labelled anew."""

import csv
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from mien.core.arrays import LONGEST_TEXT
from mien.core.errors import DataError
from mien.core.labels import LabelSet
from mien.datasets.dataset import DataSet, PictureFile, not_there
from mien.datasets.labelmap import LabelMap, read_map
from mien.datasets.splits import SPELLINGS
from mien.datasets.table import LabelColumn

ORIGIN = "whoever made it"

# What a column may be called, in this order of preference.
PATHS = ("path", "image", "file", "filename", "pth", "filepath")
LABELS = ("label", "emotion", "expression", "class")
SOFT = ("p_", "soft_")
BOX = ("x1", "y1", "x2", "y2")
WORDS = ("subject", "clip_id")
NUMBERS = ("time_s", "valence", "arousal")

Value = TypeVar("Value")


@dataclass(frozen=True)
class _Rows:
    """The cells of a csv by column, the spaces around them taken off."""

    path: Path
    columns: dict[str, list[str]]
    lines: list[int]

    def first(self, names: Sequence[str]) -> str | None:
        """The first of some columns that is there."""
        return next((each for each in names if each in self.columns), None)

    def where(self, row: int) -> str:
        """File and line of a row."""
        return f"{self.path}, line {self.lines[row]}"

    def read(self, name: str, parse: Callable[[str], Value], expected: str) -> list[Value]:
        """What the cells of a column mean; a cell that means nothing is named by its line."""
        values = []
        for row, cell in enumerate(self.columns[name]):
            try:
                values.append(parse(cell))
            except (ValueError, KeyError, OverflowError):
                raise DataError(
                    f"expected {expected} in the column {name} of {self.where(row)}, got {cell[:40]!r}: mend the row"
                ) from None
        return values


def read_csv(
    root: str | os.PathLike[str],
    *,
    splits: Sequence[str] | None = None,
    label_map: LabelMap | str | os.PathLike[str] | None = None,
    images: str | os.PathLike[str] | None = None,
    name: str = "csv",
    faces: bool | None = None,
    gray: bool = False,
) -> DataSet:
    """Read a csv with a row a picture.

    Columns, whatever their case and order: a path out of `PATHS`; a label out of `LABELS`, or shares of labels in
    ``p_<label>`` or ``soft_<label>``, or both; and, where they are there, ``id``, ``split``, ``subject``, ``clip_id``
    and ``frame``, ``time_s``, ``valence``, ``arousal``, ``group_*``, and ``x1``, ``y1``, ``x2``, ``y2``, the box of
    the face in pixels. An empty cell is a value that is not known; without a split all is train.

    Args:
        root: the file; comma, semicolon or tab between its cells.
        splits: read these alone; None: all there.
        label_map: names for labels that are no emotions, such as numbers; see `LabelMap`.
        images: the folder that paths start from; None: that of the file.
        name: what ids begin with where there is no column `id`: tables that are merged need different ones.
        faces: False for photographs in which the face has to be found first, or stands in a box; None: False if there
            are boxes.
        gray: whether the pictures are to be taken as grey.

    Returns:
        The label source is ``labels``, or what the label map says.

    Raises:
        DataError: no such file, a column that is missing, a row that is not as it should be (named by its line), a
            picture that is named twice, or a split that is not there.
    """
    path, renames = Path(root), read_map(label_map)
    if not path.is_file():
        raise not_there(path, "a csv of paths and labels (csv=FILE)", ORIGIN)
    rows = _read_rows(path)
    column = rows.first(PATHS)
    if column is None:
        raise DataError(f"expected a column out of {', '.join(PATHS)} in {path}, got {', '.join(rows.columns)[:200]}")
    paths = rows.read(column, _path, "a path")
    label_set, source, dropped = _labels(rows, renames, name)
    folder = path.parent if images is None else Path(images)
    data = DataSet(
        name="csv",
        root=path,
        form="a csv of paths and labels",
        origin=ORIGIN,
        ids=_ids(rows, paths, name),
        split=_splits(rows),
        pictures=[PictureFile(str(folder), each) for each in paths],
        sources={label_set.name: source},
        extra=_extra(rows),
        faces=not set(BOX) <= set(rows.columns) if faces is None else faces,
        gray=gray,
    )
    if dropped.any():
        left_out = f"pictures left out, for the label map drops their labels: {dropped.sum():,}"
        data = replace(data.select(~dropped), notes=(left_out,))
    return data.of_splits(splits)


def _read_rows(path: Path) -> _Rows:
    """All rows; blank lines are passed over."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=max(",;\t", key=first.count))
            header = [" ".join(each.lower().split()) for each in next(reader, [])]
            cells, lines = [], []
            for row in reader:
                if not any(each.strip() for each in row):
                    continue
                if len(row) != len(header):
                    raise DataError(
                        f"expected {len(header)} columns in {path}, line {reader.line_num}, got {len(row)}: "
                        "is the file cut off?"
                    )
                cells.append([each.strip() for each in row])
                lines.append(reader.line_num)
    except OSError as error:
        raise DataError(f"expected a readable csv at {path}, got: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"expected a csv in UTF-8 at {path}, got: {error}") from error
    if not cells:
        raise DataError(f"expected rows in {path}, got {'its header alone' if any(header) else 'an empty file'}")
    columns = {each: [row[k] for row in cells] for k, each in reversed([*enumerate(header)])}  # the first of a name
    return _Rows(path, dict(reversed(columns.items())), lines)


def _labels(rows: _Rows, renames: LabelMap, name: str) -> tuple[LabelSet, LabelColumn, npt.NDArray[np.bool_]]:
    """The classes, the labels, and which rows the label map drops."""
    column = rows.first(LABELS)
    shares = {each: each.partition("_")[2] for each in rows.columns if each.startswith(SOFT)}
    if column is None and not shares:
        raise DataError(
            f"expected a column out of {', '.join(LABELS)}, or p_<label>, in {rows.path}, "
            f"got {', '.join(rows.columns)[:200]}"
        )
    cells = [""] * len(rows.lines) if column is None else rows.columns[column]
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
    return label_set, LabelColumn(label_set, ids, soft, renames.rule(rule), rows.path.name), dropped


def _soft(rows: _Rows, classes: dict[str, int], k: int) -> npt.NDArray[np.float32] | None:
    """The shares of labels, brought to a sum of 1; NaN rows where the cells are empty."""
    if not classes:
        return None
    soft = np.zeros((len(rows.lines), k))
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


def _ids(rows: _Rows, paths: list[str], name: str) -> npt.NDArray[np.str_]:
    """The column `id` as it stands, or the paths; each once."""
    own = rows.columns.get("id")
    ids = [f"{name}-{each}" for each in paths] if own is None else own
    lines: dict[str, int] = {}
    for each, line in zip(ids, rows.lines, strict=True):
        if not each:
            raise DataError(f"expected an id in {rows.path}, line {line}, got an empty cell: give it one")
        if len(each) > LONGEST_TEXT:
            raise DataError(
                f"expected an id of at most {LONGEST_TEXT:,} characters in {rows.path}, line {line}, got one of "
                f"{len(each):,}: shorten it"
            )
        if each in lines:
            what = "picture once" if own is None else "id once"
            todo = ", or give each row its own name in a column id" if own is None else ""
            raise DataError(
                f"expected each {what} in {rows.path}, got {each.removeprefix(f'{name}-')!r} in lines {lines[each]} "
                f"and {line}: take one out{todo}"
            )
        lines[each] = line
    return np.array(ids, np.str_)


def _splits(rows: _Rows) -> npt.NDArray[np.str_]:
    if "split" not in rows.columns:
        return np.full(len(rows.lines), "train")
    return np.array(rows.read("split", _split, f"a split out of {', '.join(SPELLINGS)}"), np.str_)


def _extra(rows: _Rows) -> dict[str, npt.NDArray[Any]]:
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


def _path(cell: str) -> str:
    if not cell or "\0" in cell:
        raise ValueError(cell)
    return cell.replace("\\", "/")  # as Windows writes it


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
