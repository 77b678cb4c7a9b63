"""All figures of one prediction table, in one frozen result."""

import csv
import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.core.labels import LabelSet
from mien.evaluation.calibration import cross_fitted
from mien.evaluation.metrics import METRICS, Estimate, by_class, wilson
from mien.evaluation.outcomes import Outcomes
from mien.evaluation.predictions import PredictionTable

FEWEST_FACES = 10  # below it a temperature fitted in five folds says nothing


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The figures of one model, or of the mean of several.

    Attributes:
        name: of the model; with ``+flip`` for test-time augmentation, ``ensemble`` for the mean of all.
        n: number of labelled faces that the figures rest on.
        metrics: name -> figure, in the order in which they are shown; per class as ``recall_<label>``.
        confusion: (K, K) counts, rows are labels, columns what was predicted.
        predictions: what all is computed from.
        notes: what a reader has to know: labels left out, figures that are not defined.
        passes: how often a face went through a network.
    """

    name: str
    n: int
    metrics: Mapping[str, Estimate]
    confusion: npt.NDArray[np.int64]
    predictions: PredictionTable
    notes: tuple[str, ...] = ()
    passes: int = 1

    @property
    def label_set(self) -> LabelSet:
        """Names of the K classes."""
        return self.predictions.label_set

    @property
    def rule(self) -> str:
        """Which faces count, and how many they are: ``official majority rule on fer2013new.csv, n = 3,199``."""
        return f"{self.predictions.meta.get('rule') or 'all labelled faces'}, n = {self.n:,}"

    def to_dict(self) -> dict[str, Any]:
        """What a metrics file holds: plain values, flat."""
        figures = {name: figure.to_dict() for name, figure in self.metrics.items()}
        beside = {**self.predictions.meta, "model": self.name, "rule": self.rule}
        labels = {"label_set": self.label_set.name, "labels": list(self.label_set.labels)}
        return {"n": self.n, **figures, **beside, **labels, "passes": self.passes, "notes": list(self.notes)}

    def confusion_csv(self) -> str:
        """The confusion matrix as csv: a row a label, a column for what was predicted."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["label", *self.label_set])
        writer.writerows(
            [label, *counts] for label, counts in zip(self.label_set, self.confusion.tolist(), strict=True)
        )
        return text.getvalue()


def judge(predictions: PredictionTable, *, notes: Sequence[str] = (), passes: int = 1, seed: int = 0) -> Evaluation:
    """Every registered metric, calibration after cross-fitting, and the classes one by one.

    Args:
        predictions: of one model; rows without a label count for nothing.
        notes: to stand in the result, before those on figures that are not defined.
        passes: how often a face went through a network.
        seed: of the bootstrap and the folds.
    """
    labelled = predictions.labelled()
    outcomes = Outcomes(
        labelled.probabilities.astype(np.float64),
        labelled.label_ids.astype(np.int64),
        labelled.label_set,
        subjects=labelled.subject,
        seed=seed,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        metrics = {name: METRICS[name](outcomes) for name in METRICS}
        if labelled.in_train is not None:
            metrics["accuracy_without_train_duplicates"] = _accuracy_among(outcomes, ~labelled.in_train)
        if len(labelled) >= FEWEST_FACES:
            fitted = cross_fitted(outcomes.probabilities, outcomes.labels, seed=seed)
            metrics["ece_cross_fitted"] = METRICS["ece"](replace(outcomes, probabilities=fitted))
        metrics |= by_class(outcomes)
    undefined = dict.fromkeys(str(each.message) for each in caught)
    name = predictions.meta.get("model", "predictions")
    return Evaluation(name, len(labelled), metrics, outcomes.confusion, predictions, (*notes, *undefined), passes)


def _accuracy_among(outcomes: Outcomes, which: npt.NDArray[np.bool_]) -> Estimate:
    n = int(which.sum())
    return replace(wilson(int(outcomes.correct[which].sum()), n), n=n)
