"""What the forms of AffectNet have in common: its classes, and what is left out."""

from collections import Counter
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError
from mien.core.images import SUFFIXES
from mien.core.labels import LABEL_SETS
from mien.datasets.dataset import Published
from mien.datasets.readers.listing import walk

ORIGIN = "Mohammad Mahoor at the University of Denver, on request"
HANDED_OUT = f"AffectNet is handed out by {ORIGIN}"
LABELS = LABEL_SETS["affectnet"]
POINTS = 68

# Expressions that are no emotion follow the classes; such faces are left out.
NO_EMOTION = ("None", "Uncertain", "No-Face")

_NOTHING_KNOWN = -2  # as the authors write it

# In the order of the label set. Of the counts of train the first three were found in several places.
TRAIN_COUNTS = (74_874, 134_415, 25_459, 14_090, 6_378, 3_803, 24_882, 3_750)
PUBLISHED_2017 = (500,) * 8
PUBLISHED_2021 = (*(500,) * 7, 499)


@dataclass(frozen=True, eq=False)
class AffectFaces:
    """The faces of one form of AffectNet, those of the splits that were asked for.

    Attributes:
        form: in words. file, rule: of the labels, as in `LabelColumn`.
        ids, split, paths: n each; paths are relative to the root. classes: n class ids.
        published: of this form. faces: whether they are face crops; else photographs.
        extra, original, notes: as in `DataSet`.
    """

    form: str
    file: str
    rule: str
    ids: list[str]
    split: list[str]
    paths: list[str]
    classes: list[int]
    published: Published
    faces: bool
    extra: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    original: bool = True
    notes: tuple[str, ...] = ()


@dataclass(eq=False)
class FaceRows:
    """The faces of one form while they are read, a list a column; `boxes` and `landmarks` may stay empty."""

    ids: list[str] = field(default_factory=list)
    split: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    classes: list[int] = field(default_factory=list)
    valence: list[float] = field(default_factory=list)
    arousal: list[float] = field(default_factory=list)
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)
    landmarks: list[npt.NDArray[np.float32]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def class_of(self, number: float, where: str) -> int | None:
        """The class of an expression; None where it is no emotion, which is counted: leave the face out then.

        Raises:
            DataError: AffectNet has no such expression; `where` names the place.
        """
        last = len(LABELS) + len(NO_EMOTION) - 1
        if number not in range(last + 1):
            raise DataError(f"expected an expression in 0..{last} in {where}, got {number:g}: {HANDED_OUT}")
        if number < len(LABELS):
            return int(number)
        self.left_out[f"their expression is {NO_EMOTION[int(number) - len(LABELS)]}"] += 1
        return None

    def extra(self) -> dict[str, npt.NDArray[np.float32]]:
        """The columns that were filled."""
        extra = {"valence": _known(self.valence), "arousal": _known(self.arousal)}
        if self.boxes:
            extra["box"] = np.array(self.boxes, np.float32)
        if self.landmarks:
            extra["landmarks"] = np.array(self.landmarks, np.float32)
        return extra

    def notes(self) -> Iterator[str]:
        """What is left out, and values that mean nothing."""
        for what, n in sorted(self.left_out.items()):
            yield f"faces left out, for {what}: {n:,}"
        for name, values in (("valence", self.valence), ("arousal", self.arousal)):
            strange = [each for each in values if abs(each) > 1 and each != _NOTHING_KNOWN]
            if strange:
                yield f"values of {name} outside of -1..1, taken as unknown: {len(strange):,}, such as {strange[0]:g}"


def published(test: tuple[int, ...] = (), *, size: tuple[int, int] | None = None) -> Published:
    """The counts of train, and of a test split if there is one."""
    counts = {"train": TRAIN_COUNTS} | ({"test": test} if test else {})
    by_label = {split: dict(zip(LABELS, n, strict=True)) for split, n in counts.items()}
    return Published("affectnet", by_label, certain=False, size=size)


def unlisted(folder: Path, listed: Container[str]) -> list[str]:
    """A sentence on the pictures in a folder that no csv names; none if there are none."""
    found = [path for path in walk(folder) if path not in listed and path.lower().endswith(SUFFIXES)]
    return [f"pictures in no csv, left out: {len(found):,}, such as {found[0]}"] if found else []


def _known(values: list[float]) -> npt.NDArray[np.float32]:
    """Valence or arousal, NaN where nothing is known."""
    array = np.array(values, np.float32)
    array[np.abs(array) > 1] = np.nan
    return array
