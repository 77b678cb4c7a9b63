"""Rows of clips, read back from a table that `mien predict` wrote: one frame at a time."""

import csv
import itertools
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from mien.core.errors import MALFORMED, DataError, one_line
from mien.core.optional import require
from mien.evaluation.behaviour import Row

_NEEDED = ("source", "frame", "time_s", "face_id", "label")
_WHOLE = ("frame", "face_id")
_TEXT = ("source", "label", "error")

Item = TypeVar("Item")


def read_frames(path: str | os.PathLike[str]) -> tuple[tuple[str, ...], Iterator[list[Row]]]:
    """The labels of a table, and the rows of each frame of each clip in it, in order.

    Rows of photographs, and of clips that could not be read, have no frame: they are passed over. Memory does not
    grow with the table, unless it is a single JSON array.

    Args:
        path: .csv, .json, .jsonl or .parquet with the columns of `mien predict`.

    Raises:
        DataError: no such file, another format, columns that are missing, values that are no numbers, or frames of a
            clip that do not come in order.
        MissingExtraError: it is Parquet, and pyarrow is not installed.
    """
    path = Path(path)
    kinds = {".csv": _csv, ".json": _json, ".jsonl": _json_lines, ".parquet": _parquet}
    if path.suffix.lower() not in kinds:
        raise DataError(f"expected a table that ends in {', '.join(kinds)}, got {path.name}")
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no such file"
        raise DataError(f"expected a table of a clip at {path}, got {what}: check the path")
    rows = _readable(kinds[path.suffix.lower()](path), path)
    first = next(rows, None)
    labels = tuple(name.removeprefix("p_") for name in first or () if name.startswith("p_"))
    missing = [name for name in _NEEDED if name not in (first or ())]
    if missing or not labels:
        found = ", ".join(first)[:200] if first else "no row"
        raise DataError(
            f"expected the columns {', '.join(_NEEDED)} and p_<label>... in {path}, got {found}: give a table that "
            "`mien predict` wrote"
        )
    assert first is not None
    return labels, _readable(_frames(itertools.chain([first], rows), labels, path), path)


def _frames(rows: Iterable[Row], labels: Sequence[str], path: Path) -> Iterator[list[Row]]:
    numbers = ("frame", "time_s", "face_id", *(f"p_{label}" for label in labels))
    typed = (_typed(row, numbers, path) for row in rows if row["frame"] not in (None, ""))
    done: set[str] = set()
    source, last = None, -1
    for (clip, frame), group in itertools.groupby(typed, lambda row: (row["source"], row["frame"])):
        if clip != source:
            if clip in done:
                raise DataError(f"expected the rows of each clip together in {path}, got {clip} in several places")
            done.add(clip)
            source, last = clip, -1
        if frame <= last:
            raise DataError(f"expected frames in order in {path}, got {frame} after {last} of {clip}: sort the table")
        last = frame
        yield list(group)


def _typed(row: Row, numbers: Sequence[str], path: Path) -> Row:
    """Numbers as numbers, nothing as None, whatever the format."""
    known: Row = {name: row.get(name) or None for name in _TEXT}
    for name in numbers:
        value = row[name]
        try:
            known[name] = None if value in (None, "") else float(value)
        except (TypeError, ValueError):
            raise DataError(f"expected a number in the column {name} of {path}, got {value!r}") from None
        if name in _WHOLE and known[name] is not None:
            known[name] = int(known[name])
    return known


def _readable(rows: Iterator[Item], path: Path) -> Iterator[Item]:
    try:
        yield from rows
    except OSError as error:
        raise DataError(f"expected a readable table at {path}, got: {error.strerror or error}") from error
    except (*MALFORMED, csv.Error) as error:
        raise DataError(f"expected a table in {path}, got: {one_line(error)}") from error


def _csv(path: Path) -> Iterator[Row]:
    with open(path, newline="", encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            if None in row:
                raise ValueError("a row with more cells than the header has")
            yield row


def _json(path: Path) -> Iterator[Row]:
    rows = json.loads(path.read_text("utf-8"))
    if not isinstance(rows, list):
        raise ValueError("no array of rows")
    yield from map(_row, rows)


def _json_lines(path: Path) -> Iterator[Row]:
    with open(path, encoding="utf-8") as file:
        yield from (_row(json.loads(line)) for line in file if line.strip())


def _row(value: Any) -> Row:
    if not isinstance(value, dict):
        raise ValueError(f"no row of named values, but {str(value)[:40]}")
    return value


def _parquet(path: Path) -> Iterator[Row]:
    parquet: Any = require("pyarrow.parquet", extra="data")
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=4096):
            yield from batch.to_pylist()
