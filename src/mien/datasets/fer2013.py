"""FER2013 as distributed: ``fer2013.csv``, or ``icml_face_data.csv`` with the same rows.

Goodfellow et al. 2013, "Challenges in Representation Learning", https://doi.org/10.1007/978-3-642-42051-1_16.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError
from mien.core.labels import LABEL_SETS
from mien.datasets.dataset import DataSet, PictureRows
from mien.datasets.table import LabelColumn, Strings, expect_splits

SIDE = 48
PIXELS = SIDE * SIDE
USAGES = {"Training": "train", "PublicTest": "valid", "PrivateTest": "test"}
FILES = ("fer2013.csv", "fer2013/fer2013.csv", "icml_face_data.csv", "fer2013/icml_face_data.csv")
ORIGIN = "Kaggle's competition challenges-in-representation-learning-facial-expression-recognition-challenge"

# A row has at most 2,304 numbers of three digits and a space; a "line" far longer is no csv of this kind.
_LONGEST_LINE = 1 << 16
_MOST_DIGITS = 9  # of a number, zeros before it included: `int` refuses thousands in its own words
_ROWS_AT_ONCE = 64  # a block of this many rows stays in the processor's cache

_SPACE, _ZERO = ord(" "), ord("0")


@dataclass(frozen=True, eq=False)
class FerRows:
    """The rows of a FER2013 csv.

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
    def ids(self) -> Strings:
        """(n,) names of the rows kept, by their number in the csv: ``fer2013-00000`` is its first row."""
        return np.array([f"fer2013-{row:05d}" for row in np.flatnonzero(self.kept)], np.str_)

    @property
    def pictures(self) -> PictureRows:
        """The images of the rows kept; the first data row is row 0."""
        return PictureRows(self.images, [f"{self.path.name}, row {row}" for row in np.flatnonzero(self.kept)])


def read_fer2013(root: str | os.PathLike[str], *, splits: Sequence[str] | None = None) -> DataSet:
    """Read FER2013 from a folder that holds its csv, or from the csv itself.

    Args:
        root: the csv, or a folder with one of `FILES`.
        splits: read these alone, out of train (Training), valid (PublicTest) and test (PrivateTest); None: all there.

    Returns:
        48x48 grey faces with the label source ``fer2013``.

    Raises:
        DataError: no csv there, a row that is not as it should be (named by file and line), a split that is not there.
    """
    rows = read_rows(find_csv(root), splits=splits)
    return DataSet(
        name="fer2013",
        root=Path(root),
        form=rows.path.name,
        origin=ORIGIN,
        ids=rows.ids,
        split=rows.split[rows.kept],
        pictures=rows.pictures,
        sources={"fer2013": label_column(rows)},
        faces=True,
        gray=True,
    )


def label_column(rows: FerRows) -> LabelColumn:
    """The labels of the csv as a label source."""
    return LabelColumn(LABEL_SETS["fer2013"], rows.emotions, rule="all rows", file=rows.path.name)


def find_csv(root: str | os.PathLike[str]) -> Path:
    """The FER2013 csv under `root`, or `root` itself; DataError says what was looked for."""
    root = Path(root)
    if root.is_file():
        return root
    for name in FILES:
        if (root / name).is_file():
            return root / name
    state = "none of them" if root.is_dir() else "no such folder"
    raise DataError(f"expected {', '.join(FILES)} in {root}, got {state}: the file is handed out by {ORIGIN}")


def read_rows(path: Path, *, splits: Sequence[str] | None = None) -> FerRows:
    """Parse a FER2013 csv; the pixels of splits that are not asked for are skipped. See `read_fer2013`."""
    emotions: list[int] = []
    usages: list[str] = []
    pixels = bytearray()
    block: list[tuple[int, bytes]] = []
    wanted = set(USAGES.values() if splits is None else splits)
    try:
        with open(path, "rb") as file:
            for line, (emotion, text, usage) in _cells(file, path):
                usages.append(usage)
                if USAGES[usage] not in wanted:
                    continue
                emotions.append(emotion)
                block.append((line, text))
                if len(block) == _ROWS_AT_ONCE:
                    pixels += _parse_block(block, path)
                    block.clear()
    except OSError as error:
        raise DataError(f"expected a readable FER2013 csv at {path}, got: {error.strerror}") from error
    pixels += _parse_block(block, path)
    if not usages:
        raise DataError(f"expected rows in {path}, got its header alone: download it again from {ORIGIN}")
    split = np.array([USAGES[usage] for usage in usages], np.str_)
    expect_splits(list(splits or ()), there=[each for each in USAGES.values() if each in split], where=path)
    images = np.frombuffer(pixels, np.uint8).reshape(-1, SIDE, SIDE)
    return FerRows(path, split, np.isin(split, list(wanted)), np.array(emotions, np.int16), images)


def _cells(file: BinaryIO, path: Path) -> Iterator[tuple[int, tuple[int, bytes, str]]]:
    """Line number and (emotion, pixels, Usage) of every row; blank lines are passed over."""
    header = _read_line(file, path, 1)
    found = [each.strip(' "\r\n') for each in header.decode("utf-8-sig", "replace").split(",")]
    names = [each.lower() for each in found]
    if not header.strip():
        raise DataError(f"expected a header emotion,pixels,Usage in {path}, got an empty line or file")
    missing = [each for each in ("emotion", "pixels", "Usage") if each.lower() not in names]
    if missing:
        raise DataError(f"expected the column {', '.join(missing)} in {path}, got {', '.join(map(repr, found))[:200]}")
    emotion, pixels, usage = (names.index(each) for each in ("emotion", "pixels", "usage"))
    line = 1
    while row := _read_line(file, path, line + 1):
        line += 1
        cells = row.rstrip(b"\r\n").replace(b'"', b"").split(b",")
        if cells == [b""]:
            continue
        if len(cells) != len(names):
            raise _bad(path, line, f"{len(names)} columns", f"{len(cells)}", "is the file cut off?")
        yield line, (_emotion(cells[emotion], path, line), cells[pixels], _usage(cells[usage], path, line))


def _read_line(file: BinaryIO, path: Path, line: int) -> bytes:
    row = file.readline(_LONGEST_LINE)
    if len(row) == _LONGEST_LINE:
        raise _bad(path, line, "a row of FER2013's csv", f"a line of over {_LONGEST_LINE} bytes", "is it another file?")
    return row


def _emotion(cell: bytes, path: Path, line: int) -> int:
    text = cell.strip()
    if len(text) != 1 or not b"0" <= text <= b"6":
        raise _bad(path, line, "an emotion in 0..6", repr(_shown(text)))
    return text[0] - _ZERO


def _usage(cell: bytes, path: Path, line: int) -> str:
    usage = cell.strip().decode("utf-8", "replace")
    if usage not in USAGES:
        raise _bad(path, line, f"a Usage out of {', '.join(USAGES)}", repr(usage[:40]))
    return usage


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
