"""What the forms of AffectNet have in common: its classes, and what is left out."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError
from mien.core.labels import LABEL_SETS
from mien.datasets.dataset import Published

ORIGIN = "Mohammad Mahoor at the University of Denver, on request"
HANDED_OUT = f"AffectNet is handed out by {ORIGIN}"
LABELS = LABEL_SETS["affectnet"]
POINTS = 68

# Expressions that are no emotion follow the classes; such faces are left out.
NO_EMOTION = ("None", "Uncertain", "No-Face")

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


def published(test: tuple[int, ...] = (), *, size: tuple[int, int] | None = None) -> Published:
    """The counts of train, and of a test split if there is one."""
    counts = {"train": TRAIN_COUNTS} | ({"test": test} if test else {})
    by_label = {split: dict(zip(LABELS, n, strict=True)) for split, n in counts.items()}
    return Published("affectnet", by_label, certain=False, size=size)


def expression_of(number: float, where: str) -> int:
    """A number of an expression that AffectNet has; `where` names the place for an error."""
    last = len(LABELS) + len(NO_EMOTION) - 1
    if number not in range(last + 1):
        raise DataError(f"expected an expression in 0..{last} in {where}, got {number:g}: {HANDED_OUT}")
    return int(number)


def known(values: list[float]) -> npt.NDArray[np.float32]:
    """Valence or arousal, NaN where it is not in -1..1: the authors write -2 for what nobody said."""
    array = np.array(values, np.float32)
    array[np.abs(array) > 1] = np.nan
    return array


def left_out(dropped: Counter[str]) -> Iterator[str]:
    """A sentence on each kind of rows that were left out."""
    for what, n in sorted(dropped.items()):
        yield f"left out, {what}: {n:,} faces"


def strange_values(name: str, values: list[float]) -> Iterator[str]:
    """A sentence on values that are neither in -1..1 nor the authors' mark of one that is not known."""
    strange = [each for each in values if not (abs(each) <= 1 or each == -2 or math.isnan(each))]
    if strange:
        yield f"{len(strange):,} values of {name} lie outside of -1..1 and are taken as unknown, such as {strange[0]:g}"
