"""The files of FER+: votes for each row of FER2013's csv, and votes by name beside pictures of their own."""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.core.errors import DataError
from mien.datasets.readers.fer2013_csv import USAGES
from mien.datasets.readers.ferplus_rules import VOTES, Votes
from mien.datasets.table import Strings

ORIGIN = "the repository microsoft/FERPlus on GitHub"
HANDED_OUT = f"FER+ is handed out by {ORIGIN}"


@dataclass(frozen=True, eq=False)
class VoteRows:
    """The rows of a file of votes.

    Attributes:
        split: (n,) str; "" in a file that does not say it.
        names: n names of pictures, "" where there is none.
        votes: (n, 10) int8, columns as in `VOTES`.
        boxes: whether each row has a box beside its name.
    """

    split: Strings
    names: list[str]
    votes: Votes
    boxes: bool = False


_Reader = Iterator[list[str]]


def read_votes(path: Path) -> VoteRows:
    """``fer2013new.csv``: Usage, image name and votes of every row of FER2013's csv.

    Raises:
        DataError: a row is not as it should be (named by file and line), or the file cannot be read.
    """
    return _read(path, _parse_votes)


def read_label_csv(path: Path) -> VoteRows:
    """A ``label.csv``: name, box (in the repository's own files) and votes; no header.

    Raises:
        DataError: a row is not as it should be (named by file and line), or the file cannot be read.
    """
    return _read(path, _parse_labels)


def _read(path: Path, parse: Callable[[_Reader, Path], VoteRows]) -> VoteRows:
    try:
        with open(path, newline="", encoding="utf-8-sig", errors="replace") as file:
            return parse(csv.reader(file), path)
    except csv.Error as error:
        raise DataError(f"expected csv in {path}, got: {error}; {HANDED_OUT}") from error
    except OSError as error:
        raise DataError(f"expected a readable file of votes at {path}, got: {error.strerror}; {HANDED_OUT}") from error


def _parse_votes(reader: _Reader, path: Path) -> VoteRows:
    header = [" ".join(each.split()) for each in next(reader, [])]  # a quoted cell may hold line ends
    missing = [each for each in ("Usage", "Image name", *VOTES) if each not in header]
    if missing:
        got = ", ".join(header)[:200] or "none"
        raise DataError(f"expected the columns {', '.join(missing)} in {path}, got {got}: {HANDED_OUT}")
    usage, name = header.index("Usage"), header.index("Image name")
    columns = [header.index(each) for each in VOTES]
    splits: list[str] = []
    names: list[str] = []
    votes: list[list[int]] = []
    for line, row in enumerate(reader, 2):
        if not row:
            continue
        where = f"in {path}, line {line}"
        if len(row) != len(header):
            raise _bad(f"{len(header)} columns {where}", str(len(row)), "is the file cut off?")
        if row[usage].strip() not in USAGES:
            raise _bad(f"a Usage out of {', '.join(USAGES)} {where}", repr(row[usage][:40]))
        splits.append(USAGES[row[usage].strip()])
        names.append(row[name].strip())
        votes.append([_vote(row[column], where) for column in columns])
    return VoteRows(np.array(splits, np.str_), names, _votes(votes))


def _parse_labels(reader: _Reader, path: Path) -> VoteRows:
    names: list[str] = []
    votes: list[list[int]] = []
    boxes = False
    for line, row in enumerate(reader, 1):
        if not row:
            continue
        where = f"in {path}, line {line}"
        box = len(row) == len(VOTES) + 2
        if not box and len(row) != len(VOTES) + 1:
            expected = f"a name, a box and {len(VOTES)} votes (or no box) {where}"
            raise _bad(expected, f"{len(row)} cells", "is the file cut off?")
        name = row[0].strip()
        if not name or not name.isprintable() or "/" in name or "\\" in name:
            raise _bad(f"the name of a picture {where}", repr(name[:40]))
        boxes |= box
        names.append(name)
        votes.append([_vote(cell, where) for cell in row[-len(VOTES) :]])
    if not names:
        raise DataError(f"expected rows in {path}, got none: {HANDED_OUT}")
    return VoteRows(np.full(len(names), ""), names, _votes(votes), boxes)


def _votes(rows: list[list[int]]) -> Votes:
    return np.array(rows, np.int8).reshape(-1, len(VOTES))


def _vote(cell: str, where: str) -> int:
    text = cell.strip()
    if not (text.isdecimal() and text.isascii() and len(text) <= 9 and int(text) <= 127):  # `int` has a limit of digits
        raise _bad(f"votes as whole numbers of 0 or more {where}", repr(text[:40]))
    return int(text)


def _bad(expected: str, got: str, hint: str = "mend the row") -> DataError:
    return DataError(f"expected {expected}, got {got}: {hint}{' ' if hint.endswith('?') else '; '}{HANDED_OUT}")
