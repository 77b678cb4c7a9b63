"""Where a model is wrong: hard faces, confused classes, labels that may be wrong, and conditions that cost accuracy."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError
from mien.evaluation.metrics import Estimate, wilson
from mien.evaluation.outcomes import confusion_matrix
from mien.evaluation.predictions import PredictionTable

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

CONFIDENT = 0.8  # from here on a wrong answer is a confident one
MOST = 100  # faces in a list
BINS = 5

_SMALLEST = float(np.finfo(np.float64).eps)  # as in the metric nll


@dataclass(frozen=True, eq=False)
class Confused:
    """One class taken for another.

    Attributes:
        label: what the faces are. predicted: what was said.
        rows: (count,) of them, the most confident answer first.
        share: of all faces with that label, with Wilson's interval.
        reverse: how many of `predicted` were taken for `label`.
    """

    label: str
    predicted: str
    rows: Rows
    share: Estimate
    reverse: int


@dataclass(frozen=True)
class Bin:
    """The faces whose condition lies in low <= value < high (the last one: <= high), and the accuracy on them."""

    condition: str
    low: float
    high: float
    accuracy: Estimate
    n: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"low": self.low, "high": self.high, "accuracy": self.accuracy.to_dict(), "n": self.n}


@dataclass(frozen=True, eq=False)
class ErrorAnalysis:
    """What is known of a model's errors; rows are those of `predictions`.

    Attributes:
        predictions: the labelled ones.
        loss: (n,) -log p of the label, in nats. predicted: (n,) class ids. confidence: (n,) p of those.
        hardest: rows, the highest loss first. confident: rows that are wrong with p of 0.8 or more, the surest first.
        confused: a class taken for another, the most frequent first.
        suspects: rows that are wrong by their label but right by the second source's, the surest first; none without.
        second: (n,) the second source's labels, None where it gives none; None without a second source.
        judged: wrong rows that the second source labels too: the suspects are some of them.
        bins: accuracy by condition. unknown: condition -> faces of which it is not known.
        notes: what a reader has to know.
    """

    predictions: PredictionTable
    loss: Floats
    predicted: npt.NDArray[np.intp]
    confidence: Floats
    hardest: Rows
    confident: Rows
    confused: tuple[Confused, ...]
    suspects: Rows
    second: tuple[str | None, ...] | None
    judged: int
    bins: Mapping[str, tuple[Bin, ...]]
    unknown: Mapping[str, int]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.predictions)

    @property
    def wrong(self) -> int:
        """How many answers differ from their label."""
        return int((self.predicted != self.predictions.label_ids).sum())

    def names(self, row: int) -> tuple[str, str]:
        """The label of a face, and what was said of it."""
        labels = self.predictions.label_set.labels
        return labels[self.predictions.label_ids[row]], labels[self.predicted[row]]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the faces of `hardest`, `confident` and `suspects` by id."""
        ids = self.predictions.ids
        share = None
        if self.second is not None and self.judged:
            share = wilson(len(self.suspects), self.judged).to_dict()
        pairs = [
            {"label": e.label, "predicted": e.predicted, "count": len(e.rows), "share": e.share.to_dict()}
            | {"reverse": e.reverse}
            for e in self.confused
        ]
        return {
            "n": len(self),
            "wrong": self.wrong,
            "confidently_wrong": {"from": CONFIDENT, "count": self._confidently_wrong()},
            "hardest": ids[self.hardest].tolist(),
            "confident": ids[self.confident].tolist(),
            "confused": pairs,
            "suspected_labels": {"judged": self.judged, "share": share, "ids": ids[self.suspects].tolist()},
            "conditions": {name: [each.to_dict() for each in bins] for name, bins in self.bins.items()},
            "unknown": dict(self.unknown),
            "notes": list(self.notes),
        }

    def tables(self) -> dict[str, list[list[Any]]]:
        """Name of a csv -> its rows, the header first.

        ``suspects.csv`` has the columns that `--relabel` takes; look at the faces before.
        """
        return {
            "hardest.csv": self._faces(self.hardest),
            "confident.csv": self._faces(self.confident),
            "confused.csv": self._confused(),
            "suspects.csv": self._suspects(),
            "conditions.csv": self._conditions(),
        }

    def _confidently_wrong(self) -> int:
        wrong = self.predicted != self.predictions.label_ids
        return int((wrong & (self.confidence >= CONFIDENT)).sum())

    def _faces(self, rows: Rows) -> list[list[Any]]:
        table: list[list[Any]] = [["id", "split", "label", "predicted", "p_predicted", "p_label", "loss"]]
        for row in rows.tolist():
            figures = [self.confidence[row], math.exp(-self.loss[row]), self.loss[row]]
            about = [str(self.predictions.ids[row]), str(self.predictions.split[row]), *self.names(row)]
            table.append([*about, *(f"{each:.4f}" for each in figures)])
        return table

    def _confused(self) -> list[list[Any]]:
        header = ["label", "predicted", "count", "share_of_label", "low", "high", "reverse"]
        rows = [
            [each.label, each.predicted, len(each.rows), *_interval(each.share), each.reverse] for each in self.confused
        ]
        return [header, *rows]

    def _suspects(self) -> list[list[Any]]:
        source = self.predictions.meta.get("label_source", "")
        table: list[list[Any]] = [["id", "split", "source", "label", "suggestion", "p_suggestion"]]
        for row in self.suspects.tolist():
            label, said = self.names(row)
            about = [str(self.predictions.ids[row]), str(self.predictions.split[row]), source]
            table.append([*about, label, said, f"{self.confidence[row]:.4f}"])
        return table

    def _conditions(self) -> list[list[Any]]:
        header = ["condition", "low", "high", "n", "accuracy", "accuracy_low", "accuracy_high"]
        rows = [
            [each.condition, f"{each.low:.6g}", f"{each.high:.6g}", each.n, *_interval(each.accuracy)]
            for bins in self.bins.values()
            for each in bins
        ]
        return [header, *rows]


def find_errors(
    predictions: PredictionTable,
    *,
    conditions: Mapping[str, npt.ArrayLike] | None = None,
    second: Mapping[str, str | None] | PredictionTable | None = None,
    most: int = MOST,
    bins: int = BINS,
) -> ErrorAnalysis:
    """Analyse the errors of one prediction table.

    Args:
        predictions: of one model; rows without a label count for nothing.
        conditions: name -> a number for each row of `predictions`, NaN where it is not known: brightness and so on.
        second: what another source says of the faces: id -> label, or predictions that are judged by its labels. A
            face that is wrong by its own label and right by this one may be labelled wrongly.
        most: faces in the lists of the hardest and the confidently wrong.
        bins: of each condition, with about as many faces each.

    Raises:
        DataError: no rows, no labels, an id twice, a condition of another length, or a second source without a label
            in common.
    """
    if not len(predictions):
        raise DataError("expected predictions to analyse, got an empty table")
    has_label = predictions.label_ids >= 0
    if not has_label.any():
        raise DataError(f"expected labelled predictions to analyse, got no label in {len(predictions):,} rows")
    table = predictions.labelled()
    ids, counts = np.unique(table.ids, return_counts=True)
    if counts.max() > 1:
        raise DataError(
            f"expected each face once, got {(counts > 1).sum():,} ids several times, such as {ids[counts.argmax()]}"
        )
    p = table.probabilities.astype(np.float64)
    everybody = np.arange(len(table))
    predicted, confidence = p.argmax(1), p.max(1)
    loss = -np.log(np.clip(p[everybody, table.label_ids], _SMALLEST, 1)) + 0.0  # no -0
    wrong = predicted != table.label_ids
    surest = np.argsort(-confidence, kind="stable")
    named = _second(table, second)
    binned: dict[str, tuple[Bin, ...]] = {}
    unknown: dict[str, int] = {}
    for name, values in (conditions or {}).items():
        numbers = np.asarray(values, np.float64)
        if numbers.shape != (len(predictions),):
            raise DataError(f"expected {name} of shape ({len(predictions)},), got {numbers.shape}")
        numbers = numbers[has_label]
        binned[name] = by_condition(name, numbers, ~wrong, bins=bins)
        unknown[name] = int(np.isnan(numbers).sum())
    names = table.label_set.labels
    judged = (
        np.array([each is not None for each in named], np.bool_)
        if named is not None
        else np.zeros(len(table), np.bool_)
    )
    agrees = np.array([each == names[k] for each, k in zip(named or (), predicted.tolist(), strict=False)], np.bool_)
    suspects = surest[(wrong & agrees)[surest]] if named is not None else np.empty(0, np.intp)
    return ErrorAnalysis(
        table,
        loss,
        predicted,
        confidence,
        np.argsort(-loss, kind="stable")[:most],
        surest[(wrong & (confidence >= CONFIDENT))[surest]][:most],
        tuple(_confused(table, predicted, surest)),
        suspects,
        named,
        int((wrong & judged).sum()),
        binned,
        unknown,
    )


def by_condition(name: str, values: Floats, correct: npt.NDArray[np.bool_], *, bins: int = BINS) -> tuple[Bin, ...]:
    """Accuracy in bins of a condition with about as many faces each, with Wilson's intervals.

    Edges are values that occur, so that no bin is empty; where many faces share one value there are fewer bins. Faces
    whose value is not known are in none.

    Args:
        name: of the condition.
        values: (n,), NaN where not known.
        correct: (n,) whether the answer is right.
        bins: how many, at most.
    """
    known = np.isfinite(values)
    x, right = values[known], correct[known]
    if not len(x):
        return ()
    edges = np.unique(np.quantile(x, np.linspace(0, 1, bins + 1), method="lower"))
    if len(edges) > 1 and (x == edges[-1]).sum() * bins * 2 > len(x):
        edges = np.append(edges, edges[-1])  # many share the highest value: a bin of their own
    last = max(1, len(edges) - 1)
    which = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, last - 1)
    found = []
    for k in range(last):
        here = which == k
        n = int(here.sum())
        found.append(
            Bin(name, float(edges[k]), float(edges[min(k + 1, len(edges) - 1)]), wilson(int(right[here].sum()), n), n)
        )
    return tuple(found)


def labels_by_id(predictions: PredictionTable) -> dict[str, str | None]:
    """Id -> label of what predictions are judged by, None where there is none."""
    names = (*predictions.label_set.labels, None)  # id -1 is the last
    return {str(name): names[k] for name, k in zip(predictions.ids, predictions.label_ids.tolist(), strict=True)}


def _second(
    table: PredictionTable, second: Mapping[str, str | None] | PredictionTable | None
) -> tuple[str | None, ...] | None:
    if second is None:
        return None
    names = labels_by_id(second) if isinstance(second, PredictionTable) else second
    found = tuple(names.get(each) for each in table.ids.tolist())
    if not set(found) & set(table.label_set):
        there = ", ".join(sorted({each for each in found if each is not None})[:8]) or "none"
        raise DataError(
            f"expected labels of these faces out of {', '.join(table.label_set)} from the second source, got {there}: "
            "choose a source of the same data"
        )
    return found


def _confused(table: PredictionTable, predicted: Rows, surest: Rows) -> Iterator[Confused]:
    labels = table.label_set.labels
    ids = table.label_ids.astype(np.int64)
    counts = confusion_matrix(ids, predicted.astype(np.int64), len(labels))
    totals = counts.sum(1)
    off = [(i, j) for i in range(len(labels)) for j in range(len(labels)) if i != j and counts[i, j]]
    for i, j in sorted(off, key=lambda each: -counts[each]):
        rows = surest[((ids == i) & (predicted == j))[surest]]
        yield Confused(labels[i], labels[j], rows, wilson(len(rows), int(totals[i])), int(counts[j, i]))


def _interval(figure: Estimate) -> list[str]:
    return [f"{each:.4f}" for each in (figure.value, figure.low, figure.high)]
