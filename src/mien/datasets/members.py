"""Who is in a subset, as a small csv without pictures: enough to make the same table of the same data again."""

import csv
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mien.core.errors import DataError
from mien.core.files import replacing
from mien.datasets.labelmap import restrict
from mien.datasets.table import SPLITS, LabelColumn, Table

# class_id of so many classes: from these the order of the labels comes back.
COLUMNS = ("id", "split", "source", "label", "class_id", "classes", "fold")


def members_path(table: str | os.PathLike[str]) -> Path:
    """The csv that belongs to a table: ``a.members.csv`` beside ``a.parquet``."""
    return Path(table).with_suffix(".members.csv")


def write_members(table: Table, source: str | None, path: str | os.PathLike[str]) -> None:
    """Write a row an image: its id, split, label of one source, and fold; OutputError says why it cannot be."""
    column = None if source is None else table.source(source)
    folds = table.extra.get("fold")
    with replacing(path) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row, (name, split) in enumerate(zip(table.ids.tolist(), table.split.tolist(), strict=True)):
            label = ("", "", "", "")
            if column is not None:
                k = int(column.ids[row])
                label = (str(source), column.name_of(row) or "", "" if k < 0 else str(k), str(len(column.label_set)))
            writer.writerow((name, split, *label, "" if folds is None else folds[row]))


def take_members(table: Table, path: str | os.PathLike[str]) -> tuple[Table, str | None]:
    """The images that a list names, in its order, with its splits, classes and folds.

    Of the columns of `COLUMNS` only `id` has to be there.

    Returns:
        The table, and the label source that the list is about.

    Raises:
        DataError: no such list, a row that is not as it should be, images that the table has not, or other labels.
    """
    members = _read(path)
    where = {name: row for row, name in enumerate(table.ids.tolist())}
    absent = [name for name in members["id"] if name not in where]
    if absent:
        raise DataError(
            f"expected the images of {path} in the data, got none for {len(absent):,} of {len(members['id']):,} ids, "
            f"such as {absent[0]}: is it the same data set?"
        )
    taken = table.select(np.array([where[name] for name in members["id"]], np.intp))
    if "split" in members:
        taken = replace(taken, split=np.array(members["split"], np.str_))
    if any(members.get("fold", ())):
        taken = replace(
            taken, extra={**taken.extra, "fold": np.array(_numbers(members["fold"], "fold", path), np.int32)}
        )
    named = sorted({each for each in members.get("source", ()) if each})
    if len(named) > 1:
        raise DataError(f"expected one label source in {path}, got {', '.join(named)}")
    if not named:
        return taken, None
    column = _with_classes(taken.source(named[0]), members, path)
    return replace(taken, sources={**taken.sources, named[0]: column}), named[0]


def _with_classes(column: LabelColumn, members: dict[str, list[str]], path: str | os.PathLike[str]) -> LabelColumn:
    """The labels, with the classes that the list has in its order; they must be the same as in the list."""
    listed = members.get("label", [])
    if "class_id" in members and "classes" in members:
        names = {
            k: label for k, label in zip(_numbers(members["class_id"], "class_id", path), listed, strict=False) if label
        }
        wanted = tuple(names[k] for k in sorted(names))
        whole = {str(len(column.label_set))} == set(members["classes"])
        if not whole or any(column.label_set.labels[k : k + 1] != (label,) for k, label in names.items()):
            column = restrict(column, wanted)
    differ = [k for k, (ours, theirs) in enumerate(zip(column.names(), listed, strict=False)) if (ours or "") != theirs]
    if differ:
        raise DataError(
            f"expected the labels of {path}, got {len(differ):,} others, such as {column.name_of(differ[0])} for "
            f"{members['id'][differ[0]]}, which is {listed[differ[0]] or 'unlabelled'} there: is it the same data set?"
        )
    return column


def _read(path: str | os.PathLike[str]) -> dict[str, list[str]]:
    """The cells by column."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header, rows = next(reader, []), []
            for row in reader:
                if row and len(row) != len(header):
                    raise DataError(f"expected {len(header)} columns in {path}, line {reader.line_num}, got {len(row)}")
                rows += [row] if row else []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        got = (error.strerror if isinstance(error, OSError) else None) or error
        raise DataError(f"expected a csv of members at {path}, got: {got}") from error
    members = {name: [row[k] for row in rows] for k, name in enumerate(header)}
    if not members.get("id"):
        raise DataError(f"expected a column id with rows in {path}, got {', '.join(header) or 'no header'}")
    strange = sorted({each for each in members.get("split", []) if each not in SPLITS})
    if strange:
        raise DataError(f"expected splits out of {', '.join(SPLITS)} in {path}, got {', '.join(map(repr, strange))}")
    return members


def _numbers(cells: Sequence[str], name: str, path: str | os.PathLike[str]) -> list[int]:
    """Whole numbers; -1 where a cell is empty."""
    try:
        return [int(cell or -1) for cell in cells]
    except ValueError as error:
        raise DataError(f"expected whole numbers in the column {name} of {path}, got: {error}") from None
