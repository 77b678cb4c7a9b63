"""Figures of a classifier with their intervals. What is undefined is NaN and a warning, never 0.

A new metric is a function ``(outcomes) -> Estimate`` under ``@METRICS.register("name")``.
"""

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError
from mien.core.labels import LabelSet
from mien.core.registry import Registry

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_ByClass = Callable[[npt.NDArray[np.integer]], Floats]

CONFIDENCE = 0.95
RESAMPLES = 10_000
BINS = 15

_Z = 1.959963984540054  # the normal distribution's 97.5 % quantile
_RESAMPLES_AT_ONCE = 1000
# The smallest probability a logarithm sees (scikit-learn's choice too): one face at 0 must not make a mean infinite.
_SMALLEST = float(np.finfo(np.float64).eps)


class UndefinedMetricWarning(UserWarning):
    """A metric, or a class's part in it, is not defined on these faces."""


@dataclass(frozen=True)
class Estimate:
    """A figure and the interval that holds the true value in 95 % of samples; NaN where not defined or not known."""

    value: float
    low: float = math.nan
    high: float = math.nan
    n: int | None = None  # where a figure rests on fewer faces than the others

    def to_dict(self) -> dict[str, float | int | None]:
        """Plain values for JSON, which knows no NaN: null."""
        plain: dict[str, float | int | None] = {
            name: value if math.isfinite(value) else None
            for name, value in (("value", self.value), ("low", self.low), ("high", self.high))
        }
        return plain if self.n is None else plain | {"n": self.n}


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What a metric sees: n labelled faces and what a model said.

    Attributes:
        probabilities: (n, K), rows sum to 1.
        labels: (n,) class ids in 0..K-1.
        label_set: names of the K classes.
        subjects: (n,) who is seen, so that intervals resample people instead of faces; None: every face by itself.
        seed: of the bootstrap.
    """

    probabilities: Floats
    labels: Ints
    label_set: LabelSet
    subjects: npt.NDArray[np.str_] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "probabilities", np.asarray(self.probabilities, np.float64))
        object.__setattr__(self, "labels", np.asarray(self.labels, np.int64))
        n, k = len(self.labels), len(self.label_set)
        if self.probabilities.shape != (n, k):
            raise DataError(f"expected probabilities of shape {(n, k)}, got {self.probabilities.shape}")
        if n and not (self.labels.min() >= 0 and self.labels.max() < k):
            raise DataError(f"expected class ids in 0..{k - 1}, got others: leave out faces without a label")

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def predicted(self) -> Ints:
        """(n,) the most probable class."""
        return np.asarray(self.probabilities.argmax(1), np.int64)

    @cached_property
    def correct(self) -> npt.NDArray[np.bool_]:
        """(n,) where the most probable class is the label."""
        return np.asarray(self.predicted == self.labels, np.bool_)

    @cached_property
    def confusion(self) -> Ints:
        """(K, K) counts: rows are labels, columns what was predicted."""
        return confusion_matrix(self.labels, self.predicted, len(self.label_set))


METRICS: Registry[Estimate] = Registry("metric")


def confusion_matrix(labels: Ints, predicted: Ints, k: int) -> Ints:
    """(K, K) counts: rows are labels, columns what was predicted."""
    return np.bincount(labels * k + predicted, minlength=k * k).reshape(k, k)


def wilson(successes: int, n: int) -> Estimate:
    """A share with Wilson's score interval (Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953).

    >>> share = wilson(8, 10)
    >>> f"{share.value} ({share.low:.3f} to {share.high:.3f})"
    '0.8 (0.490 to 0.943)'
    """
    if n == 0:
        return _undefined("a share", "there are no faces")
    share = successes / n
    spread = 1 + _Z**2 / n
    centre = (share + _Z**2 / (2 * n)) / spread
    half = _Z / spread * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return Estimate(share, max(0.0, centre - half), min(1.0, centre + half))


@METRICS.register("accuracy")
def accuracy(outcomes: Outcomes) -> Estimate:
    """Share of faces whose most probable class is their label, with Wilson's interval."""
    return wilson(int(outcomes.correct.sum()), len(outcomes))


@METRICS.register("macro_f1")
def macro_f1(outcomes: Outcomes) -> Estimate:
    """Mean over classes of F1 = 2 TP / (2 TP + FP + FN), with a bootstrap interval.

    A class that is neither among the labels nor predicted has no F1: it is left out, with a warning.
    """
    absent = (outcomes.confusion.sum(0) + outcomes.confusion.sum(1)) == 0
    return _from_confusion(outcomes, "macro_f1", f1_by_class, absent)


@METRICS.register("balanced_accuracy")
def balanced_accuracy(outcomes: Outcomes) -> Estimate:
    """Mean recall over the classes that are among the labels (others: a warning), with a bootstrap interval."""
    return _from_confusion(outcomes, "balanced_accuracy", recall_by_class, outcomes.confusion.sum(1) == 0)


@METRICS.register("ece")
def ece(outcomes: Outcomes) -> Estimate:
    """Expected calibration error: how far confidence and accuracy are apart, over 15 bins of equal width.

    The bins are [low, high), the last one closed (Guo et al. 2017, https://proceedings.mlr.press/v70/guo17a.html).
    Resampling biases this figure upwards, so the interval is that of the basic bootstrap (Davison and Hinkley 1997,
    section 5.2.1), which turns the percentiles round and so takes the bias out; it is widened to the figure itself
    where the bias is larger than the spread.
    """
    if not len(outcomes):
        return _undefined("ece", "there are no faces")
    confidence = outcomes.probabilities.max(1)
    value = calibration_error(confidence, outcomes.correct)
    low, high = np.quantile(_resampled_errors(outcomes, confidence), ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    return Estimate(value, max(0.0, 2 * value - float(high)), max(value, 2 * value - float(low)))


@METRICS.register("brier")
def brier(outcomes: Outcomes) -> Estimate:
    """Brier's score, the mean of sum_k (p_k - y_k)^2, in 0..2 (Brier 1950), with a normal interval."""
    rows = np.arange(len(outcomes))
    error = outcomes.probabilities.copy()
    error[rows, outcomes.labels] -= 1
    return _mean("brier", np.square(error).sum(1))


@METRICS.register("nll")
def nll(outcomes: Outcomes) -> Estimate:
    """Mean of -log p of the label, in nats, with a normal interval; probabilities below 2.2e-16 count as that."""
    chosen = outcomes.probabilities[np.arange(len(outcomes)), outcomes.labels]
    return _mean("nll", -np.log(np.clip(chosen, _SMALLEST, 1)))


def calibration_error(confidence: Floats, correct: npt.NDArray[np.bool_], *, bins: int = BINS) -> float:
    """Mean over faces of |accuracy - mean confidence| of the bin they fall into; see `ece`."""
    gaps = np.bincount(_bins(confidence, bins), weights=confidence - correct, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))


def _bins(confidence: Floats, bins: int) -> npt.NDArray[np.intp]:
    edges = np.linspace(0, 1, bins + 1)
    return np.clip(np.searchsorted(edges, confidence, side="right") - 1, 0, bins - 1)


def _resampled_errors(outcomes: Outcomes, confidence: Floats) -> Floats:
    """Calibration errors of bootstrap samples, of faces or, where they are known, of people: (RESAMPLES,)."""
    generator = np.random.default_rng(outcomes.seed)
    n = len(outcomes)
    who = np.arange(n) if outcomes.subjects is None else np.unique(outcomes.subjects, return_inverse=True)[1]
    sizes = np.bincount(who)
    gaps = np.zeros((len(sizes), BINS))
    np.add.at(gaps, (who, _bins(confidence, BINS)), confidence - outcomes.correct)
    errors = []
    for start in range(0, RESAMPLES, _RESAMPLES_AT_ONCE):
        rows = min(_RESAMPLES_AT_ONCE, RESAMPLES - start)
        drawn = generator.integers(0, len(sizes), (rows, len(sizes))) + len(sizes) * np.arange(rows)[:, None]
        times = np.bincount(drawn.ravel(), minlength=rows * len(sizes)).reshape(rows, -1).astype(np.float64)
        errors.append(np.abs(times @ gaps).sum(1) / (times @ sizes))
    return np.concatenate(errors)


def f1_by_class(confusion: npt.NDArray[np.integer]) -> Floats:
    """F1 of each class, (..., K) of (..., K, K); NaN where a class is neither a label nor predicted."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    return _ratio(2 * hits, confusion.sum(-1) + confusion.sum(-2))


def recall_by_class(confusion: npt.NDArray[np.integer]) -> Floats:
    """Share of each class's faces that are found, (..., K) of (..., K, K); NaN for a class without faces."""
    return _ratio(np.diagonal(confusion, axis1=-2, axis2=-1), confusion.sum(-1))


def precision_by_class(confusion: npt.NDArray[np.integer]) -> Floats:
    """Share of right ones among the faces predicted as a class, (..., K) of (..., K, K); NaN where there are none."""
    return _ratio(np.diagonal(confusion, axis1=-2, axis2=-1), confusion.sum(-2))


def by_class(outcomes: Outcomes) -> dict[str, Estimate]:
    """``recall_<label>`` and ``precision_<label>`` of every class, with Wilson's intervals and their n."""
    confusion, labels = outcomes.confusion, outcomes.label_set.labels
    figures: dict[str, Estimate] = {}
    recall = ("recall", confusion.sum(1), "there are no such faces")
    precision = ("precision", confusion.sum(0), "it was predicted of no face")
    for kind, totals, why in (recall, precision):
        for k, label in enumerate(labels):
            n = int(totals[k])
            share = wilson(int(confusion[k, k]), n) if n else _undefined(f"{kind}_{label}", why)
            figures[f"{kind}_{label}"] = Estimate(share.value, share.low, share.high, n)
    return figures


def resampled_confusions(outcomes: Outcomes, resamples: int = RESAMPLES) -> Iterator[Ints]:
    """Confusion matrices of bootstrap samples, (B, K, K) at a time, `resamples` in all.

    Drawing n faces with replacement and counting them is drawing the counts of the matrix's cells from a
    multinomial distribution, which is exact and needs no faces. With subjects, people are drawn instead.
    """
    generator = np.random.default_rng(outcomes.seed)
    k = len(outcomes.label_set)
    if outcomes.subjects is None:
        cells = outcomes.confusion.ravel()
        units = np.eye(k * k, dtype=np.int64)[cells > 0]
        shares, draws = cells[cells > 0] / len(outcomes), len(outcomes)
    else:
        people, who = np.unique(outcomes.subjects, return_inverse=True)
        units = np.zeros((len(people), k * k), np.int64)
        np.add.at(units, (who, outcomes.labels * k + outcomes.predicted), 1)
        shares, draws = np.full(len(people), 1 / len(people)), len(people)
    for start in range(0, resamples, _RESAMPLES_AT_ONCE):
        size = min(_RESAMPLES_AT_ONCE, resamples - start)
        times = generator.multinomial(draws, shares, size=size)  # (B, units)
        yield (times.astype(np.float64) @ units).astype(np.int64).reshape(size, k, k)


def _from_confusion(outcomes: Outcomes, name: str, figures: _ByClass, absent: npt.NDArray[np.bool_]) -> Estimate:
    """The mean over classes of a figure of the confusion matrix, with a percentile bootstrap interval."""
    if not len(outcomes):
        return _undefined(name, "there are no faces")
    if absent.any():
        missing = ", ".join(label for label, gone in zip(outcomes.label_set, absent, strict=True) if gone)
        warnings.warn(f"{name} leaves out {missing}: no such faces", UndefinedMetricWarning, stacklevel=3)
    value = float(np.nanmean(figures(outcomes.confusion)))
    samples = np.concatenate([np.nanmean(figures(each), axis=1) for each in resampled_confusions(outcomes)])
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(samples, [tail, 1 - tail])
    return Estimate(value, float(low), float(high))


def _mean(name: str, scores: Floats) -> Estimate:
    n = len(scores)
    if n == 0:
        return _undefined(name, "there are no faces")
    value = float(scores.mean())
    half = _Z * float(scores.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan
    return Estimate(value, value - half, value + half)


def _ratio(part: npt.NDArray[np.integer], whole: npt.NDArray[np.integer]) -> Floats:
    out = np.full(np.shape(whole), np.nan)
    np.divide(part, whole, out=out, where=whole > 0)
    return out


def _undefined(name: str, why: str) -> Estimate:
    warnings.warn(f"{name} is not defined: {why}", UndefinedMetricWarning, stacklevel=3)
    return Estimate(math.nan)
