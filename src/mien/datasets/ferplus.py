"""FER+: ten raters' votes on the images of FER2013, in ``fer2013new.csv`` beside its csv.

Barsoum et al. 2016, "Training Deep Networks for Facial Expression Recognition with Crowd-Sourced Label
Distribution", https://doi.org/10.1145/2993148.2993165.
"""

import csv
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError
from mien.core.labels import LABEL_SETS
from mien.datasets.dataset import DataSet
from mien.datasets.fer2013 import USAGES, find_csv, label_column, read_rows
from mien.datasets.table import LabelColumn

FILE = "fer2013new.csv"
ORIGIN = "the repository microsoft/FERPlus on GitHub"
VOTES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")
RULE = f"official majority rule on {FILE}"

_EMOTIONS = len(LABEL_SETS["ferplus"])
_NO_FACE = VOTES.index("NF")

Votes = npt.NDArray[np.int8]


def read_ferplus(root: str | os.PathLike[str], *, splits: Sequence[str] | None = None) -> DataSet:
    """Read FER2013 with the labels of FER+ beside its own.

    The two files are joined by the order of their rows: the numbers in FER+'s image names are not row numbers.

    Args:
        root: a folder with FER2013's csv and `fer2013new.csv`, or FER2013's csv with the other beside it.
        splits: read these alone; None: all there.

    Returns:
        48x48 grey faces with the label sources ``fer2013`` and ``ferplus``; ``extra`` holds ``votes`` (n, 10) int8
        in the order of `VOTES` and ``image_name``.

    Raises:
        DataError: a file is missing or not as it should be, or the two do not belong together.
    """
    path = find_csv(root)
    votes_path = _find_votes(Path(root), path)
    usages, names, votes = _read_votes(votes_path)
    rows = read_rows(path, splits=splits)
    if len(usages) != len(rows.split):
        raise DataError(
            f"expected as many rows in {votes_path} as in {path}, {len(rows.split):,}, got {len(usages):,}: "
            "take both files whole, or the same rows of both"
        )
    differs = np.flatnonzero(np.array([USAGES[each] for each in usages], np.str_) != rows.split)
    if len(differs):
        raise DataError(
            f"expected the same Usage row by row in {votes_path} and {path}, got {len(differs):,} rows that differ, "
            f"the first in line {differs[0] + 2}: keep both files in their original order"
        )
    votes = votes[rows.kept]
    sources = {
        "fer2013": label_column(rows),
        "ferplus": LabelColumn(LABEL_SETS["ferplus"], majority(votes), soften(votes), RULE, votes_path.name),
    }
    extra = {"votes": votes, "image_name": np.array(names, np.str_)[rows.kept]}
    return DataSet(
        name="ferplus",
        root=Path(root),
        form=f"{path.name} and {votes_path.name}",
        origin=ORIGIN,
        ids=rows.ids,
        split=rows.split[rows.kept],
        pictures=rows.pictures,
        sources=sources,
        extra=extra,
        faces=True,
        gray=True,
    )


def majority(votes: Votes) -> npt.NDArray[np.int16]:
    """The label of each row of votes by FER+'s official majority rule.

    Single votes are taken out; the top class is the label if it has more than half of what is left and is an emotion.

    Args:
        votes: (n, 10) int8, columns as in `VOTES`.

    Returns:
        (n,) int16 class ids of the label set ``ferplus``, -1 where there is no majority, or for unknown or no face.
    """
    left = _without_single_votes(votes)
    top = left.argmax(1)
    kept = (2 * left.max(1, initial=0) > left.sum(1)) & (top < _EMOTIONS)
    return np.where(kept, top, -1).astype(np.int16)


def soften(votes: Votes) -> npt.NDArray[np.float32]:
    """The distribution of votes over the eight emotions, single votes taken out.

    Args:
        votes: (n, 10) int8, columns as in `VOTES`.

    Returns:
        (n, 8) float32, rows sum to 1; NaN rows where no emotion has votes left or most see no face.
    """
    left = _without_single_votes(votes)
    emotions = left[:, :_EMOTIONS].astype(np.float32)
    total = emotions.sum(1, keepdims=True)
    known = (total[:, 0] > 0) & (left.argmax(1) != _NO_FACE)
    soft = np.full_like(emotions, np.nan)
    soft[known] = emotions[known] / total[known]
    return soft


def _without_single_votes(votes: Votes) -> npt.NDArray[np.int16]:
    return np.where(votes == 1, 0, votes).astype(np.int16)


def _find_votes(root: Path, fer2013: Path) -> Path:
    """The csv of votes: in the folder given, in one inside it, or beside FER2013's csv."""
    base = root if root.is_dir() else root.parent
    beside = (fer2013.parent, fer2013.parent.parent)
    folders = dict.fromkeys((base, base / "FERPlus", base / "ferplus", *beside))
    for folder in folders:
        if (folder / FILE).is_file():
            return folder / FILE
    places = ", ".join(map(str, folders))
    raise DataError(f"expected {FILE} in {places}, got none: the file is handed out in {ORIGIN}")


def _read_votes(path: Path) -> tuple[list[str], list[str], Votes]:
    """Usage, image name and votes of every row."""
    try:
        with open(path, newline="", encoding="utf-8-sig", errors="replace") as file:
            return _parse_votes(csv.reader(file), path)
    except csv.Error as error:
        raise DataError(f"expected csv in {path}, got: {error}") from error
    except OSError as error:
        raise DataError(f"expected a readable {FILE} at {path}, got: {error.strerror}") from error


def _parse_votes(reader: Iterator[list[str]], path: Path) -> tuple[list[str], list[str], Votes]:
    header = [" ".join(each.split()) for each in next(reader, [])]  # a quoted cell may hold line ends
    missing = [each for each in ("Usage", "Image name", *VOTES) if each not in header]
    if missing:
        raise DataError(f"expected the columns {', '.join(missing)} in {path}, got {', '.join(header)[:200] or 'none'}")
    usage, name = header.index("Usage"), header.index("Image name")
    columns = [header.index(each) for each in VOTES]
    usages: list[str] = []
    names: list[str] = []
    votes: list[list[int]] = []
    for line, row in enumerate(reader, 2):
        if not row:
            continue
        where = f"in {path}, line {line}"
        if len(row) != len(header):
            raise DataError(f"expected {len(header)} columns {where}, got {len(row)}: is the file cut off?")
        if row[usage].strip() not in USAGES:
            raise DataError(f"expected a Usage out of {', '.join(USAGES)} {where}, got {row[usage][:40]!r}")
        usages.append(row[usage].strip())
        names.append(row[name].strip())
        votes.append([_vote(row[column], where) for column in columns])
    return usages, names, np.array(votes, np.int8).reshape(-1, len(VOTES))


def _vote(cell: str, where: str) -> int:
    text = cell.strip()
    if not (text.isdecimal() and text.isascii() and len(text) <= 9 and int(text) <= 127):  # `int` has a limit of digits
        raise DataError(f"expected votes as whole numbers of 0 or more {where}, got {text[:40]!r}")
    return int(text)
