"""Figures of groups of people, and how far the best and the worst group are apart."""

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError
from mien.evaluation.bootstrap import RESAMPLES, Floats, Ints, percentiles, resampled_counts, units_of
from mien.evaluation.metrics import Estimate, UndefinedMetricWarning, f1_by_class, mean_of_defined, ratio, wilson
from mien.evaluation.predictions import PredictionTable

FEWEST = 10  # faces that a group needs for a figure: of three, one more or less is 33 points

_NUMBERS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class GroupRow:
    """The figures of one group.

    Attributes:
        name: of the group.
        n: its labelled faces.
        people: how many people they show; None where that is not known.
        accuracy: with Wilson's interval. macro_f1: over the classes that the group has, with a bootstrap interval.
            Both are NaN in a group with fewer than `FEWEST` faces.
    """

    name: str
    n: int
    people: int | None
    accuracy: Estimate
    macro_f1: Estimate

    @property
    def too_small(self) -> bool:
        """Whether it has too few faces for a figure."""
        return self.n < FEWEST

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        figures = {"accuracy": self.accuracy.to_dict(), "macro_f1": self.macro_f1.to_dict()}
        return {"name": self.name, "n": self.n, "people": self.people, "too_small": self.too_small, **figures}


@dataclass(frozen=True)
class Gap:
    """How far the best and the worst group are apart in a figure: best minus worst, 0 or more.

    The interval is that of the difference between these two groups. It does not know that they were picked for being
    the best and the worst: of many groups that are alike, these two differ by chance.
    """

    best: str
    worst: str
    estimate: Estimate

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"best": self.best, "worst": self.worst, **self.estimate.to_dict()}


@dataclass(frozen=True, eq=False)
class GroupTable:
    """The figures of all groups of one column.

    Attributes:
        column: gender, age, race, group, subject, or another.
        rows: one a group, by name.
        accuracy_gap, macro_f1_gap: None where fewer than two groups are large enough.
        unknown: labelled faces whose group is not known; they are in no row.
    """

    column: str
    rows: tuple[GroupRow, ...]
    accuracy_gap: Gap | None
    macro_f1_gap: Gap | None
    unknown: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        gaps = {"accuracy_gap": self.accuracy_gap, "macro_f1_gap": self.macro_f1_gap}
        return {
            "column": self.column,
            "groups": [each.to_dict() for each in self.rows],
            **{name: None if gap is None else gap.to_dict() for name, gap in gaps.items()},
            "unknown": self.unknown,
        }


def by_group(table: PredictionTable, column: str, *, seed: int = 0) -> GroupTable:
    """The figures of each group of people.

    Where it is known who is seen, people are drawn with all of their faces, over the whole table; the groups of the
    column `subject` are people, and within them faces are drawn.

    Args:
        table: of one model; rows without a label count for nothing.
        column: out of `table.group_columns`.
        seed: of the bootstrap.

    Raises:
        DataError: the table has no such column.
    """
    if column not in table.group_columns:
        there = ", ".join(table.group_columns) or "none"
        raise DataError(f"expected a column of groups out of {there} in the predictions, got {column!r}")
    labelled = table.labelled()
    known = labelled.select(labelled.group_columns[column] != "")
    names, which = np.unique(known.group_columns[column], return_inverse=True)
    subjects = None if column == "subject" else known.subject
    sizes = np.bincount(which, minlength=len(names))
    people = [None if subjects is None else _people(subjects[which == k]) for k in range(len(names))]
    large = np.flatnonzero(sizes >= FEWEST)
    accuracy, macro_f1 = _measure(known, which, large, subjects, seed)
    rows, place = [], {int(k): number for number, k in enumerate(large)}
    for k, name in enumerate(names.tolist()):
        right, f1 = Estimate(math.nan), Estimate(math.nan)
        if k in place:
            right = wilson(round(float(accuracy.values[place[k]]) * int(sizes[k])), int(sizes[k]))
            f1 = macro_f1.estimate(place[k], people[k])
        rows.append(GroupRow(name, int(sizes[k]), people[k], right, f1))
    alone = [people[k] == 1 for k in large]
    named = [str(names[k]) for k in large]
    if len(large) < 2:
        message = f"the gap between groups of {column} is not defined: fewer than two have {FEWEST} faces or more"
        warnings.warn(message, UndefinedMetricWarning, stacklevel=2)
    gaps = accuracy.gap(named, alone), macro_f1.gap(named, alone)
    return GroupTable(column, tuple(rows), gaps[0], gaps[1], len(labelled) - len(known))


def _people(subjects: npt.NDArray[np.str_]) -> int:
    """How many there are; faces of nobody known are of one each."""
    return int(units_of(subjects, len(subjects)).max()) + 1


@dataclass(frozen=True, eq=False)
class _Figure:
    """(G,) values of a figure of the large groups, and (B, G) values of bootstrap samples."""

    values: Floats
    samples: Floats

    def estimate(self, group: int, people: int | None) -> Estimate:
        """One group's figure; of one person there is no interval."""
        value = float(self.values[group])
        return Estimate(value) if people == 1 else Estimate(value, *percentiles(self.samples[:, group]))

    def gap(self, names: Sequence[str], alone: Sequence[bool]) -> Gap | None:
        if len(names) < 2:
            return None
        best, worst = int(self.values.argmax()), int(self.values.argmin())
        value = float(self.values[best] - self.values[worst])
        if alone[best] or alone[worst]:
            return Gap(names[best], names[worst], Estimate(value))
        interval = percentiles(self.samples[:, best] - self.samples[:, worst])
        return Gap(names[best], names[worst], Estimate(value, *interval))


def _measure(
    table: PredictionTable,
    which: npt.NDArray[np.intp],
    large: npt.NDArray[np.intp],
    subjects: npt.NDArray[np.str_] | None,
    seed: int,
) -> tuple[_Figure, _Figure]:
    """Accuracy and macro F1 of the large groups."""
    if not len(large):
        return _Figure(np.empty(0), np.empty((0, 0))), _Figure(np.empty(0), np.empty((0, 0)))
    inside, k = np.isin(which, large), len(table.label_set)
    group = np.searchsorted(large, which[inside])
    labels = table.label_ids[inside].astype(np.int64)
    cells = (group * k + labels) * k + table.probabilities[inside].argmax(1)
    who = None if subjects is None else subjects[inside]
    shape, size = (-1, len(large), k, k), len(large) * k * k
    values = _accuracy_and_f1(np.bincount(cells, minlength=size).reshape(shape))
    parts = [_accuracy_and_f1(each.reshape(shape)) for each in _resampled(cells, size, who, seed)]
    accuracies, f1s = zip(*parts, strict=True)
    return _Figure(values[0][0], np.concatenate(accuracies)), _Figure(values[1][0], np.concatenate(f1s))


def _resampled(cells: Ints, size: int, subjects: npt.NDArray[np.str_] | None, seed: int) -> Iterator[Ints]:
    """Counts of cells in bootstrap samples, as many samples at a time as memory allows: there may be many groups."""
    at_once = max(1, min(RESAMPLES, _NUMBERS_AT_ONCE // size))
    for number, start in enumerate(range(0, RESAMPLES, at_once)):
        some = min(at_once, RESAMPLES - start)
        yield resampled_counts(cells, size, subjects, seed=(seed, number), resamples=some)


def _accuracy_and_f1(confusions: Ints) -> tuple[Floats, Floats]:
    """(B, G) each of (B, G, K, K) confusion matrices."""
    hits = np.trace(confusions, axis1=-2, axis2=-1)
    return ratio(hits, confusions.sum((-2, -1))), mean_of_defined(f1_by_class(confusions))
