"""What RAF-DB's pictures are called and how its classes are numbered, in every form in which it goes round."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from mien.core.errors import DataError
from mien.core.labels import FIRST_ID, LABEL_SETS
from mien.datasets.table import SPLITS

ORIGIN = "Shan Li and Weihong Deng at Beijing University of Posts and Telecommunications, on request"
HANDED_OUT = f"RAF-DB is handed out by {ORIGIN}"
LABELS = LABEL_SETS["rafdb"]
EXAMPLE = "train_00001_aligned.jpg"

_NAME = re.compile(r"((?:train|test)_\d+)(?:_aligned)?\.(?:jpe?g|png|bmp|webp|tiff?)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RafPicture:
    """One row: ``train_00001``, its class, and where it is under the root."""

    name: str
    class_id: int
    path: str

    @property
    def split(self) -> str:
        """Train or test, as the name says."""
        return self.name.partition("_")[0]

    @property
    def place(self) -> tuple[int, str]:
        """What rows are ordered by, in all forms alike."""
        return SPLITS.index(self.split), self.name


@dataclass(frozen=True, eq=False)
class RafPictures:
    """What one form of RAF-DB holds.

    Attributes:
        form: in words. rows: in order. rule, file: of the labels, as in `LabelColumn`.
        faces: whether they are the aligned crops; else the photographs.
        extra, original, notes: as in `DataSet`.
    """

    form: str
    rows: list[RafPicture]
    rule: str
    file: str
    faces: bool
    extra: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    original: bool = True
    notes: tuple[str, ...] = ()


def name_of(file: str) -> str | None:
    """``train_00001`` of ``train_00001_aligned.jpg``; None of a file that is not named so."""
    match = _NAME.fullmatch(file)
    return match[1].lower() if match else None


def class_of(number: str, where: str) -> int:
    """Our class id of a number in RAF-DB's files, where they start at 1; `where` names the place for an error."""
    first = FIRST_ID["rafdb"]
    known = [str(first + k) for k in range(len(LABELS))]
    if number not in known:
        raise DataError(f"expected a class in {known[0]}..{known[-1]} in {where}, got {number[:40]!r}: {HANDED_OUT}")
    return known.index(number)
