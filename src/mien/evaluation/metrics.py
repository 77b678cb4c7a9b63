"""Figures of a classifier with their intervals. What is undefined is NaN and a warning, never 0.

A new metric is a function ``(outcomes) -> Estimate`` under ``@METRICS.register("name")``.
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.core.registry import Registry
from mien.evaluation.bootstrap import Floats, percentiles, resampled_sums, units_of
from mien.evaluation.outcomes import Outcomes

_OfConfusion = Callable[[npt.NDArray[np.integer]], Floats]

BINS = 15

_Z = 1.959963984540054  # the normal distribution's 97.5 % quantile
# The smallest probability a logarithm sees (scikit-learn's choice too): one face at 0 must not make a mean infinite.
_SMALLEST = float(np.finfo(np.float64).eps)

_NO_FACES = "there are no faces"
_NO_SUCH_FACES = "no such faces"
_NEVER_PREDICTED = "predicted of no face"


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


METRICS: Registry[Estimate] = Registry("metric")


def wilson(successes: int, n: int) -> Estimate:
    """A share with Wilson's score interval (Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953).

    >>> share = wilson(8, 10)
    >>> f"{share.value} ({share.low:.3f} to {share.high:.3f})"
    '0.8 (0.490 to 0.943)'
    """
    if n == 0:
        return undefined("a share", _NO_FACES)
    low, high = wilson_bounds(np.array(successes), np.array(n))
    return Estimate(successes / n, float(low), float(high))


def wilson_bounds(successes: npt.NDArray[np.integer], n: npt.NDArray[np.integer]) -> tuple[Floats, Floats]:
    """Both ends of Wilson's interval of many shares; NaN where n is 0."""
    share, whole = ratio(successes, n), np.where(n > 0, n, 1)
    spread = 1 + _Z**2 / whole
    centre = (share + _Z**2 / (2 * whole)) / spread
    half = _Z / spread * np.sqrt(share * (1 - share) / whole + _Z**2 / (4 * whole**2))
    # Beside 0 and 1 rounding would leave the share itself outside.
    return np.minimum(share, np.maximum(0.0, centre - half)), np.maximum(share, np.minimum(1.0, centre + half))


@METRICS.register("accuracy")
def accuracy(outcomes: Outcomes) -> Estimate:
    """Share of faces whose most probable class is their label, with Wilson's interval."""
    return wilson(int(outcomes.correct.sum()), len(outcomes))


@METRICS.register("macro_f1")
def macro_f1(outcomes: Outcomes) -> Estimate:
    """Mean over classes of F1 = 2 TP / (2 TP + FP + FN), with a bootstrap interval.

    A class that is neither among the labels nor predicted has no F1: it is left out, with a warning.
    """
    return _macro(outcomes, "macro_f1", f1_by_class, _NO_SUCH_FACES)


@METRICS.register("balanced_accuracy")
def balanced_accuracy(outcomes: Outcomes) -> Estimate:
    """Mean recall over the classes that are among the labels (others: a warning), with a bootstrap interval."""
    return _macro(outcomes, "balanced_accuracy", recall_by_class, _NO_SUCH_FACES)


@METRICS.register("macro_precision")
def macro_precision(outcomes: Outcomes) -> Estimate:
    """Mean precision over the classes that are predicted (others: a warning), with a bootstrap interval."""
    return _macro(outcomes, "macro_precision", precision_by_class, _NEVER_PREDICTED)


@METRICS.register("macro_recall")
def macro_recall(outcomes: Outcomes) -> Estimate:
    """Another name for the balanced accuracy, beside macro precision."""
    return _macro(outcomes, "macro_recall", recall_by_class, _NO_SUCH_FACES)


@METRICS.register("weighted_f1")
def weighted_f1(outcomes: Outcomes) -> Estimate:
    """Mean over classes of F1, each weighted with its number of faces, with a bootstrap interval."""
    return _weighted(outcomes, "weighted_f1", f1_by_class, _NO_SUCH_FACES)


@METRICS.register("weighted_precision")
def weighted_precision(outcomes: Outcomes) -> Estimate:
    """Mean precision, each class weighted with its number of faces, with a bootstrap interval.

    A class that is among the labels and never predicted has no precision: it is left out, with a warning.
    """
    return _weighted(outcomes, "weighted_precision", precision_by_class, _NEVER_PREDICTED)


@METRICS.register("weighted_recall")
def weighted_recall(outcomes: Outcomes) -> Estimate:
    """Mean recall, each class weighted with its number of faces, which is the accuracy, with a bootstrap interval."""
    return _weighted(outcomes, "weighted_recall", recall_by_class, _NO_SUCH_FACES)


@METRICS.register("kappa")
def kappa(outcomes: Outcomes) -> Estimate:
    """Cohen's kappa (1960, https://doi.org/10.1177/001316446002000104), with a bootstrap interval.

    (p_o - p_e) / (1 - p_e), in -1..1: the share of agreement that chance does not explain. p_o is the accuracy, p_e
    the sum over classes of the share of labels times the share of predictions. Where all labels and predictions are of
    one class, chance explains everything, and kappa is not defined.
    """
    if not len(outcomes):
        return undefined("kappa", _NO_FACES)
    value = float(kappa_of(outcomes.confusion))
    if math.isnan(value):
        return undefined("kappa", "labels and predictions are of one and the same class")
    return _with_percentiles(outcomes, value, kappa_of(outcomes.confusions))


@METRICS.register("roc_auc")
def roc_auc(outcomes: Outcomes) -> Estimate:
    """Mean over classes of the area under the ROC curve, one class against the rest, with a bootstrap interval.

    See `Ranking.auc`. A class that no face or every face has is left out, with a warning.
    """
    if not len(outcomes):
        return undefined("roc_auc", _NO_FACES)
    ranking = outcomes.ranking
    return _mean_over_classes(outcomes, "roc_auc", ranking.auc, ranking.auc_samples, "none or all of the faces")


@METRICS.register("average_precision")
def average_precision(outcomes: Outcomes) -> Estimate:
    """Mean over classes of the average precision, one class against the rest, with a bootstrap interval.

    See `Ranking.precision`. A class without faces is left out, with a warning.
    """
    if not len(outcomes):
        return undefined("average_precision", _NO_FACES)
    values, samples = outcomes.ranking.precision, outcomes.ranking.precision_samples
    return _mean_over_classes(outcomes, "average_precision", values, samples, _NO_SUCH_FACES)


@METRICS.register("ece")
def ece(outcomes: Outcomes) -> Estimate:
    """Expected calibration error: how far confidence and accuracy are apart, over 15 bins of equal width.

    The bins are [low, high), the last one closed (Guo et al. 2017, https://proceedings.mlr.press/v70/guo17a.html).
    Resampling biases this figure upwards, so the interval is that of the basic bootstrap (Davison and Hinkley 1997,
    section 5.2.1), which turns the percentiles round and so takes the bias out; it is widened to the figure itself
    where the bias is larger than the spread.
    """
    if not len(outcomes):
        return undefined("ece", _NO_FACES)
    confidence = outcomes.probabilities.max(1)
    value = calibration_error(confidence, outcomes.correct)
    if outcomes.units < 2:
        return Estimate(value)
    low, high = percentiles(_resampled_errors(outcomes, confidence))
    return Estimate(value, max(0.0, 2 * value - high), min(1.0, max(value, 2 * value - low)))


@METRICS.register("brier")
def brier(outcomes: Outcomes) -> Estimate:
    """Brier's score, the mean of sum_k (p_k - y_k)^2, in 0..2 (Brier 1950); the interval is that of `mean`."""
    rows = np.arange(len(outcomes))
    error = outcomes.probabilities.copy()
    error[rows, outcomes.labels] -= 1
    return mean("brier", np.square(error).sum(1), outcomes.subjects, seed=outcomes.seed)


@METRICS.register("nll")
def nll(outcomes: Outcomes) -> Estimate:
    """Mean of -log p of the label, in nats; probabilities below 2.2e-16 count as that. The interval is `mean`'s."""
    chosen = outcomes.probabilities[np.arange(len(outcomes)), outcomes.labels]
    return mean("nll", -np.log(np.clip(chosen, _SMALLEST, 1)), outcomes.subjects, seed=outcomes.seed)


def calibration_error(confidence: Floats, correct: npt.NDArray[np.bool_], *, bins: int = BINS) -> float:
    """Mean over faces of |accuracy - mean confidence| of the bin they fall into; see `ece`."""
    gaps = np.bincount(bins_of(confidence, bins), weights=confidence - correct, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))


def bins_of(confidence: Floats, bins: int = BINS) -> npt.NDArray[np.intp]:
    """(n,) which of the bins of equal width each confidence falls into; see `ece`."""
    edges = np.linspace(0, 1, bins + 1)
    return np.clip(np.searchsorted(edges, confidence, side="right") - 1, 0, bins - 1)


def _resampled_errors(outcomes: Outcomes, confidence: Floats) -> Floats:
    """Calibration errors of bootstrap samples, of faces or, where they are known, of people: (RESAMPLES,)."""
    n = len(outcomes)
    gaps = np.zeros((n, BINS + 1))
    gaps[np.arange(n), bins_of(confidence)] = confidence - outcomes.correct
    gaps[:, BINS] = 1
    sums = resampled_sums(gaps, units_of(outcomes.subjects, n), seed=outcomes.seed)
    return np.asarray(np.abs(sums[:, :BINS]).sum(1) / sums[:, BINS], np.float64)


def f1_by_class(confusion: npt.NDArray[np.integer]) -> Floats:
    """F1 of each class, (..., K) of (..., K, K); NaN where a class is neither a label nor predicted."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    return ratio(2 * hits, confusion.sum(-1) + confusion.sum(-2))


def recall_by_class(confusion: npt.NDArray[np.integer]) -> Floats:
    """Share of each class's faces that are found, (..., K) of (..., K, K); NaN for a class without faces."""
    return ratio(np.diagonal(confusion, axis1=-2, axis2=-1), confusion.sum(-1))


def precision_by_class(confusion: npt.NDArray[np.integer]) -> Floats:
    """Share of right ones among the faces predicted as a class, (..., K) of (..., K, K); NaN where there are none."""
    return ratio(np.diagonal(confusion, axis1=-2, axis2=-1), confusion.sum(-2))


def kappa_of(confusion: npt.NDArray[np.integer]) -> Floats:
    """Cohen's kappa, (...) of (..., K, K); NaN where labels and predictions are all of one class."""
    n = confusion.sum((-2, -1))
    hits = np.trace(confusion, axis1=-2, axis2=-1)
    by_chance = (confusion.sum(-1) * confusion.sum(-2)).sum(-1)
    return ratio(n * hits - by_chance, n * n - by_chance)  # whole numbers: 0 is 0


def by_class(outcomes: Outcomes) -> dict[str, Estimate]:
    """Figures of every class: ``recall_<label>``, ``precision_<label>``, ``f1_<label>`` and so on.

    Recall and precision have Wilson's intervals and their own n, the others bootstrap intervals. Names run over
    `BY_CLASS`, and within a name over the labels.
    """
    confusion, labels = outcomes.confusion, outcomes.label_set.labels
    figures: dict[str, Estimate] = {}
    recall = ("recall", confusion.sum(1), "there are no such faces")
    precision = ("precision", confusion.sum(0), "it was predicted of no face")
    for kind, totals, why in (recall, precision):
        for k, label in enumerate(labels):
            n = int(totals[k])
            share = wilson(int(confusion[k, k]), n) if n else undefined(f"{kind}_{label}", why)
            figures[f"{kind}_{label}"] = Estimate(share.value, share.low, share.high, n)
    if not len(outcomes):
        return figures | {
            f"{kind}_{label}": undefined(f"{kind}_{label}", _NO_FACES) for kind in BY_CLASS[2:] for label in labels
        }
    ranking = outcomes.ranking
    resampled = (
        ("f1", f1_by_class(confusion), f1_by_class(outcomes.confusions), "there are no such faces"),
        ("roc_auc", ranking.auc, ranking.auc_samples, "none or all of the faces are such"),
        ("average_precision", ranking.precision, ranking.precision_samples, "there are no such faces"),
    )
    for kind, values, samples, why in resampled:
        for k, label in enumerate(labels):
            name, value = f"{kind}_{label}", float(values[k])
            gone = math.isnan(value)
            figures[name] = undefined(name, why) if gone else _with_percentiles(outcomes, value, samples[:, k])
    return figures


# What is told of every class, in the order of a table's columns.
BY_CLASS = ("recall", "precision", "f1", "roc_auc", "average_precision")


def mean(name: str, scores: Floats, subjects: npt.NDArray[np.str_] | None = None, *, seed: int = 0) -> Estimate:
    """The mean of (n,) scores of 0 or more with a normal interval; where people are known, a bootstrap over them."""
    n = len(scores)
    if n == 0:
        return undefined(name, _NO_FACES)
    value = float(scores.mean())
    if subjects is None:
        if n == 1:
            return Estimate(value)
        half = _Z * float(scores.std(ddof=1)) / math.sqrt(n)
        return Estimate(value, max(0.0, value - half), value + half)
    unit = units_of(subjects, n)
    if unit.max() == 0:
        return Estimate(value)
    sums = resampled_sums(np.stack([scores, np.ones(n)], axis=1), unit, seed=seed)
    return Estimate(value, *percentiles(sums[:, 0] / sums[:, 1]))


def mean_of_defined(values: Floats, weights: npt.NDArray[np.integer] | None = None) -> Floats:
    """(...) means of (..., K) values that are not NaN, weighted if so wanted; NaN where none counts."""
    there = ~np.isnan(values)
    counts = there.astype(np.float64) if weights is None else np.where(there, weights, 0).astype(np.float64)
    return ratio((np.where(there, values, 0) * counts).sum(-1), counts.sum(-1))


def ratio(part: npt.NDArray[Any], whole: npt.NDArray[Any]) -> Floats:
    """`part` / `whole`, NaN where `whole` is not above 0."""
    out = np.full(np.shape(whole), np.nan)
    np.divide(part, whole, out=out, where=np.asarray(whole) > 0)
    return out


def undefined(name: str, why: str) -> Estimate:
    """NaN, and a warning that says why."""
    warnings.warn(f"{name} is not defined: {why}", UndefinedMetricWarning, stacklevel=3)
    return Estimate(math.nan)


def _macro(outcomes: Outcomes, name: str, figures: _OfConfusion, why: str) -> Estimate:
    """The mean over classes of a figure of the confusion matrix."""
    if not len(outcomes):
        return undefined(name, _NO_FACES)
    return _mean_over_classes(outcomes, name, figures(outcomes.confusion), figures(outcomes.confusions), why)


def _weighted(outcomes: Outcomes, name: str, figures: _OfConfusion, why: str) -> Estimate:
    """The same, each class weighted with its number of faces; a class without faces has no weight to miss."""
    if not len(outcomes):
        return undefined(name, _NO_FACES)
    values, support = figures(outcomes.confusion), outcomes.confusion.sum(1)
    _warn_of(outcomes, name, np.isnan(values) & (support > 0), why)
    value = float(mean_of_defined(values, support))
    if math.isnan(value):
        return undefined(name, why)
    samples = mean_of_defined(figures(outcomes.confusions), outcomes.confusions.sum(-1))
    return _with_percentiles(outcomes, value, samples)


def _mean_over_classes(outcomes: Outcomes, name: str, values: Floats, samples: Floats, why: str) -> Estimate:
    """The mean of (K,) values that are defined, with the interval of (B, K) bootstrap samples."""
    value = float(mean_of_defined(values))
    if math.isnan(value):
        return undefined(name, f"every class has {why}")
    _warn_of(outcomes, name, np.isnan(values), why)
    return _with_percentiles(outcomes, value, mean_of_defined(samples))


def _warn_of(outcomes: Outcomes, name: str, absent: npt.NDArray[np.bool_], why: str) -> None:
    if absent.any():
        missing = ", ".join(label for label, gone in zip(outcomes.label_set, absent, strict=True) if gone)
        warnings.warn(f"{name} leaves out {missing}: {why}", UndefinedMetricWarning, stacklevel=4)


def _with_percentiles(outcomes: Outcomes, value: float, samples: Floats) -> Estimate:
    """A figure with its bootstrap interval; one face, or one person, says nothing of others."""
    return Estimate(value, *percentiles(samples)) if outcomes.units > 1 else Estimate(value)
