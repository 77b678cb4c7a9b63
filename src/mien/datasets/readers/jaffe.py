"""JAFFE as distributed: 213 photographs of ten women in one folder, with the mean ratings of its README.

Lyons et al. 1998, "Coding Facial Expressions with Gabor Wavelets", https://doi.org/10.1109/AFGR.1998.670949.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError
from mien.core.images import SUFFIXES
from mien.core.labels import LABEL_SETS
from mien.datasets.dataset import DataSet, PictureFile, Published, not_there
from mien.datasets.readers.listing import files_in
from mien.datasets.table import LabelColumn

FOLDERS = ("", "jaffe", "jaffedbase", "jaffeimages/jaffe", "jaffeimages", "JAFFE")
ORIGIN = "Michael Lyons on Zenodo (records 3451524 and 14974867), on request"
HANDED_OUT = f"the data set is handed out by {ORIGIN}"
RATED = ("happiness", "sadness", "surprise", "anger", "disgust", "fear")  # in the order of the README's columns

_LABEL_SET = LABEL_SETS["jaffe"]
_EXPRESSIONS = {
    "AN": "anger",
    "DI": "disgust",
    "FE": "fear",
    "HA": "happiness",
    "NE": "neutral",
    "SA": "sadness",
    "SU": "surprise",
}
_COUNTS = {"anger": 30, "disgust": 29, "fear": 32, "happiness": 31, "neutral": 30, "sadness": 31, "surprise": 30}
_RULE = "the expression posed, by the file name"
_SOFT_RULE = (
    "soft labels are the mean ratings (1 to 5) less 1, as shares of the six rated emotions; "
    "neutral was not rated, so pictures posed as neutral have none"
)

# KA.AN1.39.tiff; in copies dots are doubled or missing, and a converted picture keeps both suffixes.
_EXAMPLE = "KA.AN1.39.tiff"
_PICTURE = re.compile(
    r"([A-Z]{2})[.-]+([A-Z]{2})[.-]*(\d?)[.-]+(\d+)[.-]*(?:\.(?:tiff?|bmp|png|jpe?g|gif|pgm))+", re.IGNORECASE
)
_README = re.compile(r".*(read.?me|labels|ratings).*", re.IGNORECASE)
_HEADER = ("HAP", "SAD", "SUR", "ANG", "DIS", "FEA", "PIC")
_ROW = re.compile(r"\d+(\s+[\d.]+)*(\s+[A-Z]{1,2}([.-][A-Z]{0,2}\d?)?)?")  # or the beginning of one that is cut off
_RATED_PICTURE = re.compile(r"([A-Z]{2})[.-]([A-Z]{2})(\d?)", re.IGNORECASE)
_LARGEST_README = 1 << 20  # characters

Take = tuple[str, str, str]  # a person, an expression and which picture of the two; the README names pictures by it


@dataclass(frozen=True, order=True, slots=True)
class _Photograph:
    """One row; `path` is relative to the root."""

    subject: str
    expression: str
    take: str
    number: int
    path: str

    @property
    def name(self) -> str:
        return f"{self.subject}.{self.expression}{self.take}.{self.number}"


@dataclass(frozen=True, slots=True)
class _Ratings:
    """What a README says: the mean ratings of each picture, in the order of `RATED`."""

    file: str
    of: Mapping[Take, list[float]]


def read_jaffe(root: str | os.PathLike[str], *, splits: Sequence[str] | None = None) -> DataSet:
    """Read JAFFE from the folder of its pictures, or from one that holds it.

    Args:
        root: one that holds the pictures itself, or in one of `FOLDERS`.
        splits: only train is there.

    Returns:
        256x256 grey photographs with the label source ``jaffe``, soft labels where the README with the ratings is
        there; ``extra`` holds ``subject`` and ``ratings`` (n, 6) in the order of `RATED`, NaN where there are none.

    Raises:
        DataError: no pictures there, an unknown expression, two files of one picture, a damaged table of ratings.
    """
    root = Path(root)
    folder, names = _find_pictures(root)
    photographs, strange = _list_photographs(root, folder, names)
    ratings = _find_ratings((folder, root))
    rated = _rate(photographs, ratings)
    return DataSet(
        name="jaffe",
        root=root,
        form="pictures with ratings" if ratings else "pictures",
        origin=ORIGIN,
        ids=np.array([f"jaffe-{each.name}" for each in photographs], np.str_),
        split=np.full(len(photographs), "train"),
        pictures=[PictureFile(str(root), each.path) for each in photographs],
        sources={"jaffe": _label_column(photographs, rated, ratings.file if ratings else "")},
        extra={"subject": np.array([each.subject for each in photographs], np.str_), "ratings": rated},
        faces=False,
        gray=True,
        published=Published("jaffe", {"train": _COUNTS}, certain=False, size=(256, 256)),
        notes=tuple(_notes(rated, strange)),
    ).of_splits(splits)


def _find_pictures(root: Path) -> tuple[Path, list[str]]:
    """The folder with pictures that are named as JAFFE's are, and the names of all its files."""
    for name in FOLDERS:
        if (root / name).is_dir():
            names = files_in(root / name)
            if any(map(_PICTURE.fullmatch, names)):
                return root / name, names
    raise not_there(root, f"pictures such as {_EXAMPLE}", ORIGIN)


def _list_photographs(root: Path, folder: Path, names: Sequence[str]) -> tuple[list[_Photograph], list[str]]:
    """The photographs in order, and the pictures that do not bear such a name."""
    found: dict[str, _Photograph] = {}
    strange = []
    for file in names:
        path = (folder / file).relative_to(root).as_posix()
        match = _PICTURE.fullmatch(file)
        if match is None:
            if file.lower().endswith(SUFFIXES):
                strange.append(path)
            continue
        photograph = _Photograph(match[1].upper(), match[2].upper(), match[3], int(match[4]), path)
        if photograph.expression not in _EXPRESSIONS:
            known = ", ".join(_EXPRESSIONS)
            raise DataError(
                f"expected an expression out of {known} in the name of {folder / file}, got {match[2]!r}: {HANDED_OUT}"
            )
        other = found.setdefault(photograph.name, photograph)
        if other is not photograph:
            raise DataError(
                f"expected each picture once in {folder}, got {other.path} and {path}: remove one; {HANDED_OUT}"
            )
    return sorted(found.values()), strange


def _label_column(photographs: Sequence[_Photograph], rated: npt.NDArray[np.float32], file: str) -> LabelColumn:
    labels = [_EXPRESSIONS[each.expression] for each in photographs]
    ids = np.array([_LABEL_SET.index(label) for label in labels], np.int16)
    if not file:
        return LabelColumn(_LABEL_SET, ids, rule=_RULE, file="names of the pictures")
    soft = soften(rated)
    soft[ids == _LABEL_SET.index("neutral")] = np.nan
    return LabelColumn(_LABEL_SET, ids, soft, f"{_RULE}; {_SOFT_RULE}", file)


def soften(ratings: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Mean ratings as a distribution over the classes: less 1, the least that a rater could give, and summing to 1.

    Args:
        ratings: (n, 6) float32 in 1..5, columns as in `RATED`.

    Returns:
        (n, 7) float32 in the order of the label set ``jaffe``, 0 for neutral; NaN rows where there are no ratings, or
        nobody saw any of the six emotions.
    """
    above = ratings - 1
    total = above.sum(1, keepdims=True)
    soft = np.zeros((len(ratings), len(_LABEL_SET)), np.float32)
    soft[:, [_LABEL_SET.index(label) for label in RATED]] = above / np.where(total > 0, total, np.nan)
    soft[np.isnan(soft).any(1)] = np.nan
    return soft


def _rate(photographs: Sequence[_Photograph], ratings: _Ratings | None) -> npt.NDArray[np.float32]:
    none = [np.nan] * len(RATED)
    of = ratings.of if ratings else {}
    rows = [of.get((each.subject, each.expression, each.take), none) for each in photographs]
    return np.array(rows, np.float32).reshape(-1, len(RATED))


def _find_ratings(folders: Sequence[Path]) -> _Ratings | None:
    """The first table of ratings in a README of some folders."""
    for folder in dict.fromkeys(folders):
        for name in files_in(folder):
            path = folder / name
            of = dict(_read_ratings(path)) if _README.fullmatch(name) else {}
            if of:
                return _Ratings(name, of)
    return None


def _read_ratings(path: Path) -> Iterator[tuple[Take, list[float]]]:
    """The rows of the table with all six emotions; a second one, without fear, stands below it."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(_LARGEST_README)
    except OSError as error:
        raise DataError(f"expected a readable file at {path}, got: {error.strerror}; {HANDED_OUT}") from error
    columns: list[int] = []
    for number, line in enumerate(text.splitlines(), 1):
        cells = line.strip().lstrip("#").split()
        if "PIC" in cells:
            columns = [cells.index(each) for each in _HEADER] if set(cells) == set(_HEADER) else []
        elif columns and _ROW.fullmatch(line.strip()):
            yield _parse_row(cells[1:], columns, f"{path}, line {number}")
        elif line.strip(" -\t"):
            columns = []  # prose: the table is at its end


def _parse_row(cells: list[str], columns: list[int], where: str) -> tuple[Take, list[float]]:
    picture = _RATED_PICTURE.fullmatch(cells[-1]) if len(cells) == len(columns) else None
    try:
        values = [float(cells[column]) for column in columns[:-1]] if picture else []
    except ValueError:
        values = []
    if picture is None or not values or not all(1 <= each <= 5 for each in values):
        raise DataError(
            f"expected six ratings in 1..5 and a picture in {where}, got {' '.join(cells)[:60]!r}: "
            f"copy it again; {HANDED_OUT}"
        )
    return (picture[1].upper(), picture[2].upper(), picture[3]), values


def _notes(rated: npt.NDArray[np.float32], strange: Sequence[str]) -> Iterator[str]:
    yield "JAFFE has no splits, all of it is train: leave one subject out"
    unrated = int(np.isnan(rated).any(1).sum())
    if unrated == len(rated):
        yield "no soft labels: README_FIRST.txt, which holds the ratings, was not found beside the pictures"
    elif unrated:
        yield f"pictures without ratings, and so without a soft label: {unrated:,} of {len(rated):,}"
    if strange:
        total = len(rated) + len(strange)
        yield f"left out: {len(strange):,} of {total:,} pictures, not named as {_EXAMPLE} is, such as {strange[0]}"
