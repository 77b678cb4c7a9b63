"""All figures of one prediction table, in one frozen result."""

import csv
import io
import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.core.labels import LabelSet
from mien.evaluation.affect import affect_figures
from mien.evaluation.calibration import cross_fitted
from mien.evaluation.curves import Curves, curves_of
from mien.evaluation.fairness import GroupTable, by_group
from mien.evaluation.metrics import BY_CLASS, METRICS, Estimate, by_class, mean, ratio
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
        groups: column -> the figures of its groups of people; empty where the predictions name none.
    """

    name: str
    n: int
    metrics: Mapping[str, Estimate]
    confusion: npt.NDArray[np.int64]
    predictions: PredictionTable
    notes: tuple[str, ...] = ()
    groups: Mapping[str, GroupTable] = field(default_factory=dict)

    @property
    def label_set(self) -> LabelSet:
        """Names of the K classes."""
        return self.predictions.label_set

    @property
    def passes(self) -> int:
        """How often a face went through a network."""
        return self.predictions.passes

    @property
    def rule(self) -> str:
        """Which faces count, and how many they are: ``official majority rule on fer2013new.csv, n = 3,199``."""
        return f"{self.predictions.meta.get('rule') or 'all labelled faces'}, n = {self.n:,}"

    @property
    def overall(self) -> dict[str, Estimate]:
        """The metrics that are not about one class."""
        of_classes = {f"{kind}_{label}" for kind in BY_CLASS for label in self.label_set}
        return {name: figure for name, figure in self.metrics.items() if name not in of_classes}

    @property
    def classes(self) -> tuple["ClassRow", ...]:
        """The figures of each class, in the order of the labels."""
        support = self.confusion.sum(1).tolist()
        return tuple(
            ClassRow(label, n, *(self.metrics[f"{kind}_{label}"] for kind in BY_CLASS))
            for label, n in zip(self.label_set, support, strict=True)
        )

    @property
    def confusion_rates(self) -> npt.NDArray[np.float64]:
        """(K, K) shares of each label's faces, which sum to 1 in a row; NaN in that of a label without faces."""
        return ratio(self.confusion, np.repeat(self.confusion.sum(1, keepdims=True), len(self.label_set), axis=1))

    @cached_property
    def curves(self) -> Curves:
        """ROC, precision-recall, reliability and coverage, computed when they are first asked for."""
        return curves_of(_outcomes(self.predictions.labelled()))

    def to_dict(self) -> dict[str, Any]:
        """What a metrics file holds: plain values, flat; the figures of groups stand below `groups`."""
        figures = {name: figure.to_dict() for name, figure in self.metrics.items()}
        beside = {**self.predictions.meta, "model": self.name, "rule": self.rule}
        labels = {"label_set": self.label_set.name, "labels": list(self.label_set.labels)}
        groups = {name: each.to_dict() for name, each in self.groups.items()}
        about = {"passes": self.passes, "notes": list(self.notes), **({"groups": groups} if groups else {})}
        return {"n": self.n, **figures, **beside, **labels, **about}

    def confusion_csv(self, *, rates: bool = False) -> str:
        """The confusion matrix as csv: a row a label, a column for what was predicted; counts, or shares of a row."""
        matrix = [[_cell(each) for each in row] for row in self.confusion_rates.tolist()]
        rows = matrix if rates else self.confusion.tolist()
        return _csv(["label", *self.label_set], ([name, *row] for name, row in zip(self.label_set, rows, strict=True)))

    def classes_csv(self) -> str:
        """The figures of each class as csv: a row a label; what is not defined is empty."""
        header = ["label", "n", *(f"{kind}{end}" for kind in BY_CLASS for end in ("", "_low", "_high"))]
        rows = ([row.label, row.n, *_cells(getattr(row, kind) for kind in BY_CLASS)] for row in self.classes)
        return _csv(header, rows)

    def groups_csv(self) -> str:
        """The figures of all groups of people as csv: a row a group; empty where a group is too small for them."""
        kinds = ("accuracy", "macro_f1")
        figures = [f"{kind}{end}" for kind in kinds for end in ("", "_low", "_high")]
        rows = (
            [table.column, row.name, row.n, _cell(row.people), *_cells(getattr(row, kind) for kind in kinds)]
            for table in self.groups.values()
            for row in table.rows
        )
        return _csv(["column", "group", "n", "people", *figures], rows)


@dataclass(frozen=True)
class ClassRow:
    """The figures of one class: n is how many faces have the label; see `by_class`."""

    label: str
    n: int
    recall: Estimate
    precision: Estimate
    f1: Estimate
    roc_auc: Estimate
    average_precision: Estimate


def judge(predictions: PredictionTable, *, notes: Sequence[str] = (), seed: int = 0) -> Evaluation:
    """Every registered metric, calibration after cross-fitting, the classes one by one, and groups of people.

    Args:
        predictions: of one model; rows without a label count for nothing, except for valence and arousal.
        notes: to stand in the result, before those on labels left out and on figures that are not defined.
        seed: of the bootstrap and the folds.
    """
    labelled = predictions.labelled()
    outcomes = _outcomes(labelled, seed)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        metrics = {name: METRICS[name](outcomes) for name in METRICS}
        if labelled.in_train is not None:
            metrics |= _without_duplicates(labelled, seed)
        if len(labelled) >= FEWEST_FACES:
            fitted = cross_fitted(outcomes.probabilities, outcomes.labels, seed=seed)
            metrics["ece_cross_fitted"] = METRICS["ece"](replace(outcomes, probabilities=fitted))
        if labelled.soft is not None:
            metrics["votes_mae"] = _votes_mae(labelled, labelled.soft, seed)
        if predictions.affect is not None and predictions.predicted_affect is not None:
            subjects = predictions.subject
            metrics |= affect_figures(predictions.affect, predictions.predicted_affect, subjects, seed=seed)
        groups = {column: by_group(labelled, column, seed=seed) for column in labelled.group_columns}
        metrics |= _gaps(groups)
        metrics |= by_class(outcomes)
    undefined = dict.fromkeys(str(each.message) for each in caught)
    name = predictions.meta.get("model", "predictions")
    mapping = predictions.meta.get("mapping")
    said = (*notes, *([mapping] if mapping else []), *undefined)
    return Evaluation(name, len(labelled), metrics, outcomes.confusion, predictions, said, groups)


def _outcomes(labelled: PredictionTable, seed: int = 0) -> Outcomes:
    return Outcomes(
        labelled.probabilities.astype(np.float64),
        labelled.label_ids.astype(np.int64),
        labelled.label_set,
        subjects=labelled.subject,
        seed=seed,
    )


def _without_duplicates(labelled: PredictionTable, seed: int) -> dict[str, Estimate]:
    """Accuracy and macro F1 of the faces whose pixels do not stand in train."""
    others = _outcomes(labelled.select(~np.asarray(labelled.in_train, np.bool_)), seed)
    return {
        f"{name}_without_train_duplicates": replace(METRICS[name](others), n=len(others))
        for name in ("accuracy", "macro_f1")
    }


def _votes_mae(labelled: PredictionTable, soft: npt.NDArray[np.float32], seed: int) -> Estimate:
    """Mean absolute difference between probabilities and shares of votes, over classes and faces that have votes."""
    voted = np.isfinite(soft).all(1)
    apart = np.abs(labelled.probabilities[voted].astype(np.float64) - soft[voted]).mean(1)
    subjects = None if labelled.subject is None else labelled.subject[voted]
    return replace(mean("votes_mae", apart, subjects, seed=seed), n=int(voted.sum()))


def _gaps(groups: Mapping[str, GroupTable]) -> dict[str, Estimate]:
    """``accuracy_gap_gender`` and so on: best group minus worst; NaN where there are not two to compare."""
    gaps = {}
    for column, table in groups.items():
        for kind, gap in (("accuracy", table.accuracy_gap), ("macro_f1", table.macro_f1_gap)):
            gaps[f"{kind}_gap_{column}"] = Estimate(math.nan) if gap is None else gap.estimate
    return gaps


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _cells(figures: Iterable[Estimate]) -> list[object]:
    return [_cell(each) for figure in figures for each in (figure.value, figure.low, figure.high)]


def _cell(value: float | int | None) -> object:
    """A number of a csv; empty where it is not defined."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return round(value, 6) if isinstance(value, float) else value
