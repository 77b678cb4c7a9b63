"""The csv files of FER2013, and those of its form: numbers for emotions and grey values, refused by file and line."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError
from mien.datasets.table import Strings, expect_splits, splits_in

SIDE = 48
PIXELS = SIDE * SIDE
USAGES = {"Training": "train", "PublicTest": "valid", "PrivateTest": "test"}
ORIGIN = "Kaggle's competition challenges-in-representation-learning-facial-expression-recognition-challenge"
HANDED_OUT = f"FER2013 is handed out by {ORIGIN}"

# A row has at most 2,304 numbers of three digits and a space; a "line" far longer is no csv of this kind.
_LONGEST_LINE = 1 << 16
_MOST_DIGITS = 9  # of a number, zeros before it included: `int` refuses thousands in its own words
_ROWS_AT_ONCE = 64  # a block of this many rows stays in the processor's cache

_SPACE, _ZERO = ord(" "), ord("0")


@dataclass(frozen=True, eq=False)
class CsvRows:
    """The rows of a csv.

    Attributes:
        path: the csv read.
        split: (N,) str, of every row of the file.
        kept: (N,) bool, the rows that were asked for.
        emotions: (n,) int16 of the rows kept.
        images: (n, 48, 48) uint8 of the rows kept.
    """

    path: Path
    split: Strings
    kept: npt.NDArray[np.bool_]
    emotions: npt.NDArray[np.int16]
    images: npt.NDArray[np.uint8]

    @property
    def numbers(self) -> npt.NDArray[np.intp]:
        """(n,) numbers of the rows kept; the first below the header is 0."""
        return np.flatnonzero(self.kept)


def columns_of(path: Path) -> list[str]:
    """The names in the header of a csv, in small letters; of anything else what stands in its first line."""
    with _told_where_from(path, HANDED_OUT), open(path, "rb") as file:
        return [each.lower() for each in _header(file, path)]


def count_rows(path: Path) -> int:
    """How many rows stand below the header."""
    with _told_where_from(path, HANDED_OUT), open(path, "rb") as file:
        return max(sum(1 for line in file if line.strip()) - 1, 0)


def read_csv(
    path: Path,
    *,
    splits: Sequence[str] | None = None,
    split: str | None = None,
    classes: int = 7,
    handed_out: str = HANDED_OUT,
) -> CsvRows:
    """Parse a csv; the pixels of splits that are not asked for are passed over.

    Args:
        path: the csv.
        splits: keep these alone; None: all there.
        split: of every row of a csv without the column Usage; None: the csv has that column.
        classes: how many emotions there are; at most 10.
        handed_out: the sentence at the end of an error.

    Raises:
        DataError: a row is not as it should be (named by file and line), or a split is not there.
    """
    emotions: list[int] = []
    found: list[str] = []
    pixels = bytearray()
    block: list[tuple[int, bytes]] = []
    wanted = set(USAGES.values() if splits is None else splits)
    with _told_where_from(path, handed_out), open(path, "rb") as file:
        for line, (emotion, text, of) in _cells(file, path, split, classes):
            found.append(of)
            if of not in wanted:
                continue
            emotions.append(emotion)
            block.append((line, text))
            if len(block) == _ROWS_AT_ONCE:
                pixels += _parse_block(block, path)
                block.clear()
        pixels += _parse_block(block, path)
        if not found:
            raise DataError(f"expected rows in {path}, got its header alone")
    of_rows = np.array(found, np.str_)
    expect_splits(list(splits or ()), there=splits_in(of_rows), where=path, handed_out=handed_out)
    images = np.frombuffer(pixels, np.uint8).reshape(-1, SIDE, SIDE)
    return CsvRows(path, of_rows, np.isin(of_rows, list(wanted)), np.array(emotions, np.int16), images)


@contextlib.contextmanager
def _told_where_from(path: Path, handed_out: str) -> Iterator[None]:
    """Errors of what is done to the csv end with where it is to be had."""
    try:
        yield
    except OSError as error:
        raise DataError(f"expected a readable csv at {path}, got: {error.strerror}; {handed_out}") from error
    except DataError as error:
        raise DataError(f"{error}{' ' if str(error).endswith('?') else '; '}{handed_out}") from error


def _cells(file: BinaryIO, path: Path, split: str | None, classes: int) -> Iterator[tuple[int, tuple[int, bytes, str]]]:
    """Line number and (emotion, pixels, split) of every row; blank lines are passed over."""
    needed = ("emotion", "pixels", "Usage") if split is None else ("emotion", "pixels")
    found = _header(file, path)
    names = [each.lower() for each in found]
    if names == [""]:
        raise DataError(f"expected a header {','.join(needed)} in {path}, got an empty line or file")
    missing = [each for each in needed if each.lower() not in names]
    if missing:
        got = ", ".join(map(repr, found))[:200]
        raise DataError(f"expected the column {', '.join(missing)} in {path}, got {got}")
    if split is not None and "usage" in names:
        raise DataError(f"expected no column Usage in {path}, a file of {split} alone, got one: give it as ROOT itself")
    emotion, pixels, *usage = (names.index(each.lower()) for each in needed)
    line = 1
    while row := _read_line(file, path, line + 1):
        line += 1
        cells = row.rstrip(b"\r\n").replace(b'"', b"").split(b",")
        if cells == [b""]:
            continue
        if len(cells) != len(names):
            raise _bad(path, line, f"{len(names)} columns", f"{len(cells)}", "is the file cut off?")
        of = split or _split(cells[usage[0]], path, line)
        yield line, (_emotion(cells[emotion], path, line, classes), cells[pixels], of)


def _header(file: BinaryIO, path: Path) -> list[str]:
    return [each.strip(' "\r\n') for each in _read_line(file, path, 1).decode("utf-8-sig", "replace").split(",")]


def _read_line(file: BinaryIO, path: Path, line: int) -> bytes:
    row = file.readline(_LONGEST_LINE)
    if len(row) == _LONGEST_LINE:
        raise _bad(path, line, "a row of FER2013's csv", f"a line of over {_LONGEST_LINE} bytes", "is it another file?")
    return row


def _emotion(cell: bytes, path: Path, line: int, classes: int) -> int:
    text = cell.strip()
    if len(text) != 1 or not 0 <= text[0] - _ZERO < classes:
        raise _bad(path, line, f"an emotion in 0..{classes - 1}", repr(_shown(text)))
    return text[0] - _ZERO


def _split(cell: bytes, path: Path, line: int) -> str:
    usage = cell.strip().decode("utf-8", "replace")
    if usage not in USAGES:
        raise _bad(path, line, f"a Usage out of {', '.join(USAGES)}", repr(usage[:40]))
    return USAGES[usage]


def _parse_block(block: list[tuple[int, bytes]], path: Path) -> bytes:
    """Pixels of some rows as bytes: all at once where they are written as usual, else each by itself."""
    if not block:
        return b""
    values = _parse_plain([text for _, text in block])
    if values is not None:
        return values.tobytes()
    return b"".join(_parse_row(text, path, line) for line, text in block)


def _parse_plain(texts: list[bytes]) -> npt.NDArray[np.uint8] | None:
    """Numbers in rows of 2,304 with one space between: (rows * 2304,), or None where anything is not so."""
    if any(text.count(b" ") != PIXELS - 1 for text in texts):
        return None
    characters = np.frombuffer(b" ".join(texts) + b" ", np.uint8)
    digits = characters - np.uint8(_ZERO)  # a space wraps round to 240
    spaces = characters == _SPACE
    if not (spaces | (digits <= 9)).all():
        return None
    ends = np.flatnonzero(spaces)
    lengths = np.diff(ends, prepend=-1) - 1
    if lengths.min() < 1 or lengths.max() > 3:
        return None
    values = digits[ends - 1].astype(np.uint16)
    values += np.where(lengths > 1, digits[ends - 2], 0).astype(np.uint16) * 10
    values += np.where(lengths > 2, digits[ends - 3], 0).astype(np.uint16) * 100
    return None if values.max() > 255 else values.astype(np.uint8)


def _parse_row(text: bytes, path: Path, line: int) -> bytes:
    cells = text.split()
    if len(cells) != PIXELS:
        raise _bad(path, line, f"{PIXELS:,} pixels", f"{len(cells):,}", "is the file cut off?")
    for cell in cells:
        if not (cell.isdigit() and len(cell) <= _MOST_DIGITS and int(cell) <= 255):
            raise _bad(path, line, "grey values in 0..255", repr(_shown(cell)))
    return bytes(map(int, cells))


def _bad(path: Path, line: int, expected: str, got: str, hint: str = "mend the row") -> DataError:
    return DataError(f"expected {expected} in {path}, line {line}, got {got}: {hint}")


def _shown(text: bytes) -> str:
    return text[:40].decode("utf-8", "replace")
