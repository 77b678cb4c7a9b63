"""Curves behind the figures: what the report draws, as plain arrays."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.evaluation.bootstrap import Floats, Ints
from mien.evaluation.metrics import BINS, bins_of, ratio, wilson_bounds
from mien.evaluation.outcomes import Outcomes

_DIGITS = 6  # of the numbers in a file: more than any picture shows


@dataclass(frozen=True, eq=False)
class RocCurve:
    """One class against the rest: what is found, and what is falsely called so, from the highest threshold down.

    Attributes:
        label: the class.
        false_positive_rate, true_positive_rate: (m,) from 0 to 1; empty where the class or its rest has no faces.
        thresholds: (m,) a face is called so if its probability is at least this; the first is infinite.
    """

    label: str
    false_positive_rate: Floats
    true_positive_rate: Floats
    thresholds: Floats

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return _plain(self)


@dataclass(frozen=True, eq=False)
class PrecisionRecallCurve:
    """One class against the rest: precision by recall, from the lowest threshold up, ending in the point (0, 1).

    Attributes:
        label: the class.
        precision, recall: (m,); empty where the class has no faces.
        thresholds: (m,) a face is called so if its probability is at least this; the last is infinite.
    """

    label: str
    precision: Floats
    recall: Floats
    thresholds: Floats

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return _plain(self)


@dataclass(frozen=True, eq=False)
class ReliabilityBins:
    """Confidence against accuracy, in the bins of the calibration error.

    Attributes:
        low, high: (15,) the bins' edges.
        n: (15,) faces in each.
        confidence, accuracy: (15,) their means, NaN in an empty bin.
        accuracy_low, accuracy_high: (15,) Wilson's interval.
    """

    low: Floats
    high: Floats
    n: Ints
    confidence: Floats
    accuracy: Floats
    accuracy_low: Floats
    accuracy_high: Floats

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return _plain(self)


@dataclass(frozen=True, eq=False)
class CoverageCurve:
    """Accuracy among the faces that get an answer, where the model abstains below a confidence.

    Attributes:
        thresholds: (m,) the distinct confidences, highest first: `--abstain` at this value.
        coverage: (m,) share of all faces whose confidence is at least that.
        accuracy: (m,) share of right ones among those.
        accuracy_low, accuracy_high: (m,) Wilson's interval.
    """

    thresholds: Floats
    coverage: Floats
    accuracy: Floats
    accuracy_low: Floats
    accuracy_high: Floats

    def at(self, threshold: float) -> tuple[float, float]:
        """Coverage and accuracy if the model abstains below `threshold`; no face answered: accuracy is NaN.

        >>> curve = CoverageCurve(*map(np.array, ([0.9, 0.6], [0.5, 1.0], [1.0, 0.75], [0, 0], [1, 1])))
        >>> curve.at(0.7)
        (0.5, 1.0)
        """
        answered = int(np.count_nonzero(self.thresholds >= threshold))
        if not answered:
            return 0.0, math.nan
        return float(self.coverage[answered - 1]), float(self.accuracy[answered - 1])

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return _plain(self)


@dataclass(frozen=True, eq=False)
class Curves:
    """All curves of one model; `roc` and `precision_recall` hold one a class, in the order of the labels."""

    roc: tuple[RocCurve, ...]
    precision_recall: tuple[PrecisionRecallCurve, ...]
    reliability: ReliabilityBins
    coverage: CoverageCurve

    def to_dict(self) -> dict[str, Any]:
        """What a curves file holds."""
        return {
            "roc": [each.to_dict() for each in self.roc],
            "precision_recall": [each.to_dict() for each in self.precision_recall],
            "reliability": self.reliability.to_dict(),
            "coverage": self.coverage.to_dict(),
        }


def curves_of(outcomes: Outcomes) -> Curves:
    """All curves of a model's outcomes."""
    classes = [
        (label, outcomes.labels == k, outcomes.probabilities[:, k]) for k, label in enumerate(outcomes.label_set)
    ]
    return Curves(
        tuple(roc_curve(*each) for each in classes),
        tuple(precision_recall_curve(*each) for each in classes),
        reliability_bins(outcomes),
        coverage_curve(outcomes),
    )


def roc_curve(label: str, inside: npt.NDArray[np.bool_], scores: Floats) -> RocCurve:
    """The curve of a class: (n,) whether a face is of it, and (n,) its probability. Points on a line are left out.

    Its points are those of scikit-learn, which takes longer to import than all of an evaluation's figures to compute.
    """
    if not inside.any() or inside.all():
        return RocCurve(label, *(np.empty(0) for _ in range(3)))
    false, found, thresholds = _by_threshold(inside, scores)
    if len(false) > 2:
        bends = np.concatenate([[True], (np.diff(false, 2) != 0) | (np.diff(found, 2) != 0), [True]])
        false, found, thresholds = false[bends], found[bends], thresholds[bends]
    false, found = (np.concatenate([[0], each]) / each[-1] for each in (false, found))
    return RocCurve(label, false, found, np.concatenate([[np.inf], thresholds]))


def precision_recall_curve(label: str, inside: npt.NDArray[np.bool_], scores: Floats) -> PrecisionRecallCurve:
    """The curve of a class, as `roc_curve`; of points with one recall all but the ends are left out."""
    if not inside.any():
        return PrecisionRecallCurve(label, *(np.empty(0) for _ in range(3)))
    false, found, thresholds = _by_threshold(inside, scores)
    if len(false) > 2:
        gains = np.diff(found) != 0
        ends = np.concatenate([[True], gains[:-1] | gains[1:], [True]])
        false, found, thresholds = false[ends], found[ends], thresholds[ends]
    precision, recall = found / (found + false), found / found[-1]
    last = np.array([np.inf])
    return PrecisionRecallCurve(
        label, np.append(precision[::-1], 1), np.append(recall[::-1], 0), np.append(thresholds[::-1], last)
    )


def _by_threshold(inside: npt.NDArray[np.bool_], scores: Floats) -> tuple[Ints, Ints, Floats]:
    """How many of the rest and of the class have at least each of the distinct scores, highest first."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    found = np.cumsum(inside[order])[ends]
    return 1 + ends - found, found, ranked[ends]


def reliability_bins(outcomes: Outcomes) -> ReliabilityBins:
    """What a reliability diagram draws; the mean of n |accuracy - confidence| over all faces is the figure `ece`."""
    confidence = outcomes.probabilities.max(1)
    bin_of = bins_of(confidence)
    n = np.bincount(bin_of, minlength=BINS)
    right = np.bincount(bin_of[outcomes.correct], minlength=BINS)
    edges = np.linspace(0, 1, BINS + 1)
    sums = np.bincount(bin_of, weights=confidence, minlength=BINS)
    return ReliabilityBins(edges[:-1], edges[1:], n, ratio(sums, n), ratio(right, n), *wilson_bounds(right, n))


def coverage_curve(outcomes: Outcomes) -> CoverageCurve:
    """Accuracy by coverage, of every threshold that makes a difference."""
    levels, which = np.unique(-outcomes.probabilities.max(1), return_inverse=True)
    answered = np.cumsum(np.bincount(which, minlength=len(levels)))
    right = np.cumsum(np.bincount(which[outcomes.correct], minlength=len(levels)))
    coverage = answered / max(1, len(outcomes))
    return CoverageCurve(-levels, coverage, ratio(right, answered), *wilson_bounds(right, answered))


def _plain(curve: Any) -> dict[str, Any]:
    return {name: _values(each) if isinstance(each, np.ndarray) else each for name, each in vars(curve).items()}


def _values(array: npt.NDArray[Any]) -> list[float | int | None]:
    """Rounded numbers; JSON knows neither NaN nor infinity: null."""
    if array.dtype.kind == "i":
        return [int(each) for each in array]
    return [round(each, _DIGITS) if math.isfinite(each) else None for each in array.tolist()]
