"""Where the rows of a table go: .csv, .json, .jsonl or .parquet, streamed, and complete or not there at all.

Rows are written to a partial file beside the target, which takes the target's name at the end. After an error,
Ctrl-C or a full disk the partial file is removed, and whatever stood under the name before still does. A recording,
which nobody can make again, asks to be kept instead.
"""

import contextlib
import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol, Self

from mien.core.errors import OutputError
from mien.core.files import expect_free, partial_path, unwritable
from mien.core.optional import require
from mien.core.registry import Registry

Columns = Mapping[str, type]  # column name -> str, int or float; any value may be None

WRITERS: Registry["Writer"] = Registry("table suffix")


class Writer(Protocol):
    """Puts rows into an open binary file.

    Attributes:
        cuttable: whether the file is a table again when it is cut after any row, and finished.
    """

    cuttable: bool

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append rows."""
        ...

    def finish(self) -> None:
        """Write what closes the format. The file itself stays open."""
        ...

    def abandon(self) -> None:
        """Forget what is not written yet: the file is about to be removed."""
        ...


class Sink:
    r"""A table file that grows row by row.

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> with Sink(Path(folder, "t.csv"), {"source": str, "score": float}) as sink:
    ...     sink.write([{"source": "a.jpg", "score": 0.5}])
    >>> Path(folder, "t.csv").read_text()
    'source,score\na.jpg,0.5\n'
    """

    def __init__(
        self, path: str | os.PathLike[str], columns: Columns, *, overwrite: bool = False, keep: bool = False
    ) -> None:
        """Open the partial file.

        Args:
            path: where the table goes; its suffix says the format.
            columns: of each row.
            overwrite: replace a file that stands there.
            keep: on a full disk the rows before are kept, where the format allows it: Parquet's does not.

        Raises:
            OutputError: see `check_target`.
            MissingExtraError: a Parquet file is asked for, and pyarrow is not installed.
        """
        self.path = Path(path)
        check_target(self.path, overwrite=overwrite)
        self._partial = partial_path(self.path)
        self._keep = keep
        self._file: IO[bytes] = self._guarded(
            lambda: _Direct(self._partial, "w") if keep else open(self._partial, "wb")  # noqa: SIM115 - see close
        )
        try:
            self._writer = self._guarded(
                lambda: WRITERS.create(self.path.suffix.lower(), file=self._file, columns=columns)
            )
            self._last, self._end = 0, self._file.tell()  # where the last rows that were written begin, and end
        except BaseException:
            self._drop()
            raise

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append rows; each holds all the columns.

        Raises:
            OutputError: the disk is full, or the folder is gone. A table that is to be kept is closed then.
        """
        try:
            self._writer.write(rows)
            if self._keep:
                self._last, self._end = self._end, self._file.tell()
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Finish the table, and give it its name; twice does no harm.

        Raises:
            OutputError: as for `write`.
        """
        if self._file.closed:
            return
        try:
            self._finish()
        except OSError as error:
            raise self._failed(error) from error
        except BaseException:
            self._drop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or self._keep:
            self.close()
        else:
            self._drop()

    def _finish(self) -> None:
        self._writer.finish()
        self._file.flush()
        os.fsync(self._file.fileno())  # a disk that fills up late says so here, not after the rename
        self._file.close()
        os.replace(self._partial, self.path)

    def _failed(self, error: OSError) -> OutputError:
        """Keep what can be kept, drop the rest, and say so."""
        if self._keep and self._writer.cuttable and self._last and not self._file.closed:
            with contextlib.suppress(OSError):
                self._file.seek(self._last)  # not the end of what was written: what closes the format needs room, too
                self._file.truncate()
                self._finish()
                why = error.strerror or error
                return OutputError(f"expected to write on into {self.path}, got: {why}; the rows before are kept")
        self._drop()
        return unwritable(self.path, error)

    def _drop(self) -> None:
        """Close and remove the partial file, whatever state it is in."""
        if hasattr(self, "_writer"):
            self._writer.abandon()
        for step in (self._file.close, self._partial.unlink):
            try:
                step()
            except OSError:
                continue  # closing flushes, which fails again on a full disk

    def _guarded(self, step: Callable[[], Any]) -> Any:
        try:
            return step()
        except OSError as error:
            raise unwritable(self.path, error) from error


def check_target(path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """See whether a table can be written to `path`, before any work starts.

    Raises:
        OutputError: its suffix is not known, its folder is not there or cannot be written, or it exists.
        MissingExtraError: a Parquet file is asked for, and pyarrow is not installed.
    """
    path = Path(path)
    if path.suffix.lower() not in WRITERS:
        raise OutputError(f"expected an output file that ends in {', '.join(WRITERS)}, got {path.name}")
    if path.suffix.lower() == ".parquet":
        require("pyarrow.parquet", extra="data")
    try:
        if path.is_dir():
            raise OutputError(f"expected a file to write at {path}, got a folder: name a file in it")
        expect_free(path, overwrite=overwrite)
        if not path.parent.is_dir():
            raise OutputError(f"expected to write {path}, got no folder {path.parent}: make it first")
        probe = partial_path(path)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise unwritable(path, error) from error


class _Direct(io.FileIO):
    """A file without a buffer, which a full disk would take no better later; each write is whole, or raises."""

    def write(self, data: Any, /) -> int:
        left = memoryview(data)
        while left:
            left = left[super().write(left) :]
        return len(data)


class _Lines:
    """Encodes text lines, for the writers below."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        return self._file.write(text.encode("utf-8"))


@WRITERS.register(".csv")
class CsvWriter:
    """Comma-separated, UTF-8, a header line; None is an empty field."""

    cuttable = True

    def __init__(self, *, file: IO[bytes], columns: Columns) -> None:
        self._rows = csv.DictWriter(_Lines(file), list(columns), lineterminator="\n")
        self._rows.writeheader()

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append rows."""
        self._rows.writerows(rows)

    def finish(self) -> None:
        """A csv file needs no end."""

    def abandon(self) -> None:
        """Nothing is held back."""


@WRITERS.register(".json")
class JsonWriter:
    """One array of objects, one object a line; None is null."""

    cuttable = True

    def __init__(self, *, file: IO[bytes], columns: Columns) -> None:
        self._file = file
        self._file.write(b"[")
        self._before = b"\n"

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append rows."""
        for row in rows:
            self._file.write(self._before + dump(row).encode())
            self._before = b",\n"

    def finish(self) -> None:
        """Close the array."""
        self._file.write(b"\n]\n")

    def abandon(self) -> None:
        """Nothing is held back."""


@WRITERS.register(".jsonl")
class JsonLinesWriter:
    """One object a line; None is null."""

    cuttable = True

    def __init__(self, *, file: IO[bytes], columns: Columns) -> None:
        self._file = file

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append rows."""
        for row in rows:
            self._file.write(dump(row).encode() + b"\n")

    def finish(self) -> None:
        """Lines need no end."""

    def abandon(self) -> None:
        """Nothing is held back."""


@WRITERS.register(".parquet")
class ParquetWriter:
    """Apache Parquet in row groups of a few thousand rows; needs the extra `data`."""

    GROUP = 4096
    cuttable = False  # without its end it cannot be read

    def __init__(self, *, file: IO[bytes], columns: Columns) -> None:
        self._arrow = require("pyarrow", extra="data")
        self._schema = arrow_schema(columns)
        self._out = require("pyarrow.parquet", extra="data").ParquetWriter(file, self._schema)
        self._held: list[Mapping[str, Any]] = []

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append rows; they reach the file a row group at a time."""
        self._held.extend(rows)
        if len(self._held) >= self.GROUP:
            self._flush()

    def finish(self) -> None:
        """Write the last row group and the footer."""
        self._flush()
        self._out.close()

    def abandon(self) -> None:
        """Close pyarrow's writer while its file is open; later it would complain."""
        self._held = []
        try:
            self._out.close()
        except (OSError, ValueError):
            self._out.is_open = False

    def _flush(self) -> None:
        if self._held:
            self._out.write_table(self._arrow.Table.from_pylist(self._held, schema=self._schema))
            self._held = []


def arrow_schema(columns: Columns) -> Any:
    """The columns as Arrow has them."""
    arrow = require("pyarrow", extra="data")
    types = {str: arrow.string(), int: arrow.int64(), float: arrow.float64()}
    return arrow.schema([(name, types[kind]) for name, kind in columns.items()])


def dump(row: Mapping[str, Any]) -> str:
    """A row as one line of JSON. A number that is not finite, which JSON lacks, becomes null."""
    finite = {name: None if isinstance(v, float) and v - v != 0 else v for name, v in row.items()}
    return json.dumps(finite, ensure_ascii=False)
