"""Parquet with pictures and labels in its columns, as the Hugging Face hub and data pipelines hand data sets out."""

import json
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from mien.core import packed, stores
from mien.core.errors import MALFORMED, DataError, InputError, one_line
from mien.core.optional import require
from mien.datasets.dataset import DataSet, PackedPicture, not_there
from mien.datasets.labelmap import LabelMap, read_map
from mien.datasets.readers.cells import (
    BOX,
    LABELS,
    NUMBERS,
    SOFT,
    WORDS,
    Rows,
    expect_labels,
    extra_of,
    ids_of,
    labels_of,
    splits_of,
    without,
)
from mien.datasets.readers.listing import walk
from mien.datasets.splits import SPELLINGS
from mien.datasets.stored import opened

ORIGIN = "whoever made it"

_COLUMNS = ("id", "split", "frame", *LABELS, *WORDS, *NUMBERS, *BOX)
_PREFIXES = (*SOFT, "group_")
_OUR_TABLE = b"mien"  # key of the metadata of what `mien data prepare` writes
_SPLIT = re.compile(rf"({'|'.join(sorted(SPELLINGS, key=len, reverse=True))})(?![a-z])", re.IGNORECASE)


def read_parquet(
    root: str | os.PathLike[str],
    *,
    splits: Sequence[str] | None = None,
    label_map: LabelMap | str | os.PathLike[str] | None = None,
    name: str = "parquet",
    faces: bool | None = None,
    gray: bool = False,
) -> DataSet:
    """Read a Parquet file with a row a picture, or all those of a folder.

    Pictures stand in a column as `mien.core.packed` knows them: encoded, as bytes or as Hugging Face's structs. The
    other columns are those of a csv, see `mien.datasets.readers.csv_file.read_csv`. A label may be a number, where the
    file's metadata, as Hugging Face writes them, or a label map say what it means. The split is that of the column
    `split`, or else what the file, such as ``train-00000-of-00005.parquet``, or a folder is called after, or train.

    Args:
        root: the file or folder, or an address in an object store.
        splits: read these alone; None: all there.
        label_map: names for labels that are no emotions; see `LabelMap`.
        name: what ids begin with where there is no column `id`: tables that are merged need different ones.
        faces: False for photographs in which the face has to be found first, or stands in a box; None: False if there
            are boxes.
        gray: whether the pictures are to be taken as grey.

    Returns:
        The label source is ``labels``, or what the label map says.

    Raises:
        DataError: no such file, a column that is missing, or a row that is not as it should be (it is named).
        MissingExtraError: pyarrow is not installed.
    """
    root, renames = os.fspath(root), read_map(label_map)
    files = [_file(path, each) for path, each in _found(root)]
    if not files:
        raise not_there(root, "Parquet files with pictures", ORIGIN)
    ends = [0, *accumulate(each.rows for each in files)]
    where = [f"{each.name}#{row}" for each in files for row in range(each.rows)]
    rows = Rows(root, _joined(files), lambda row: where[row])
    if not where:
        raise DataError(f"expected rows in {root}, got none")
    label_set, source, dropped = labels_of(rows, renames, name)
    data = DataSet(
        name="parquet",
        root=root if stores.is_address(root) else Path(root),
        form="Parquet with pictures and labels",
        origin=ORIGIN,
        ids=ids_of(rows, where, name),
        split=splits_of(rows),
        pictures=[
            PackedPicture(each.path, row, where[first + row])
            for each, first in zip(files, ends, strict=False)
            for row in range(each.rows)
        ],
        sources={label_set.name: source},
        extra=extra_of(rows),
        faces=not set(BOX) <= set(rows.columns) if faces is None else faces,
        gray=gray,
    )
    return without(data, dropped).of_splits(splits)


@dataclass(frozen=True)
class _File:
    """One file: its path, its name under the root, how many rows it has, and the cells of its columns."""

    path: str
    name: str
    rows: int
    columns: dict[str, list[str]]


def _found(root: str) -> list[tuple[str, str]]:
    """The files under the root with their names there; the root itself where it is a file."""
    if stores.is_address(root):
        try:
            root = stores.tidy(root)
            names = list(stores.objects(root)) if stores.is_folder(root) else None
        except InputError as error:
            raise DataError(str(error)) from error
    else:
        names = None if os.path.isfile(root) else list(walk(root)) if os.path.isdir(root) else []
    if names is None:
        return [(root, os.path.basename(root))]
    wanted = (each for each in names if packed.is_parquet(each) and not each.rpartition("/")[2].startswith("_"))
    return [(f"{root.rstrip('/')}/{each}", each) for each in sorted(wanted)]


def _file(path: str, name: str) -> _File:
    arrow = require("pyarrow", extra="data")
    try:
        rows = packed.count(path)  # says what is wrong with it
        with opened(path) as file:
            schema = file.schema_arrow
            if _OUR_TABLE in (schema.metadata or {}):
                raise DataError(
                    f"expected Parquet with pictures and labels at {path}, got a table of mien: name it without "
                    "parquet= in front"
                )
            wanted = [each for each in schema.names if each.lower() in _COLUMNS or each.lower().startswith(_PREFIXES)]
            expect_labels([each.lower() for each in wanted], schema.names, path)
            table, names = file.read(wanted), _class_names(schema.metadata)
        first = {each.lower(): each for each in reversed(wanted)}  # as of a csv, of those that differ in case alone
        columns = {lower: _cells(table[each], each, names.get(each), path) for lower, each in reversed(first.items())}
    except InputError as error:
        raise DataError(str(error)) from error
    except OSError as error:
        raise DataError(f"expected a readable Parquet file at {path}, got: {error.strerror or error}") from error
    except (arrow.ArrowException, *MALFORMED) as error:
        raise DataError(f"expected whole columns beside the pictures of {path}, got: {one_line(error)}") from error
    return _File(path, name, rows, {"split": [_split_of(name)] * rows, **columns})


def _class_names(metadata: dict[bytes, bytes] | None) -> dict[str, list[str]]:
    """Column -> what its numbers mean, as the library `datasets` notes it; nothing where there is no such note."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        return {name: list(map(str, each["names"])) for name, each in features.items() if "names" in each}
    except MALFORMED:
        return {}


def _cells(column: Any, name: str, classes: list[str] | None, path: str) -> list[str]:
    """The values as they would stand in a csv."""
    values = column.to_pylist()
    strange = next((each for each in values if not isinstance(each, str | int | float | None)), None)
    if strange is not None:
        raise DataError(f"expected texts or numbers in the column {name} of {path}, got {str(strange)[:40]}")
    cells = list(map(_cell, values))
    if classes is None:
        return cells
    names = {str(number): each for number, each in enumerate(classes)} | {"": "", "-1": ""}  # -1: without a label
    return [names.get(each, each) for each in cells]


def _cell(value: str | float | None) -> str:
    if value is None or value != value:
        return ""
    whole = isinstance(value, float) and math.isfinite(value) and value.is_integer()
    return str(int(value) if whole else value).strip()  # a missing number makes floats of all others


def _split_of(name: str) -> str:
    """The split that a file is of: by its own name, else by the innermost folder that is called after one."""
    for part in reversed(name.split("/")):
        if found := _SPLIT.match(part):
            return SPELLINGS[found[1].lower()]
    return "train"


def _joined(files: Sequence[_File]) -> dict[str, list[str]]:
    """The columns of all files one below the other; empty cells where one lacks a column."""
    names = dict.fromkeys(name for each in files for name in each.columns)
    return {name: [cell for each in files for cell in each.columns.get(name, [""] * each.rows)] for name in names}
