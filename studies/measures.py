"""The figures of an experiment, out of its runs: a row an arm, each held against the first."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from study import Experiment

from mien.core.epochs import read_epochs
from mien.evaluation import read_predictions
from mien.evaluation.comparison import compare_predictions
from mien.evaluation.metrics import precision_by_class, recall_by_class
from mien.evaluation.outcomes import confusion_matrix
from mien.evaluation.predictions import PredictionTable
from mien.experiments import ablated
from mien.verbs.bench import faces_per_second
from mien.zoo.store import load_card, load_classifier

NEAR = 0.01  # an arm has converged in the first epoch that is no further than this from its best


@dataclass(frozen=True)
class Row:
    """What one arm reached.

    Attributes:
        found: accuracy and macro F1 of the faces judged, means over runs, held against the first arm.
        new: the same of the faces whose pixels were not learnt, too; None where all are such, or it is not known.
        spread: standard deviation of the accuracy over runs; NaN for one.
        precision, recall: macro means. recalls: label -> recall. All of them means over runs.
        training: accuracy in training in the epoch that was selected. converged: epochs until near the best.
        parameters, macs: of the net, a face. speed: faces a second of the default file in one thread; NaN where costs
            are not asked for.
    """

    found: ablated.Row
    new: ablated.Row | None
    spread: float
    precision: float
    recall: float
    recalls: Mapping[str, float]
    training: float
    converged: float
    parameters: int
    macs: int
    speed: float


@dataclass(frozen=True)
class Measured:
    """An experiment's rows, how many faces they rest on, and how many of these were not learnt, too."""

    experiment: Experiment
    n: int
    n_new: int
    rows: tuple[Row, ...]


def measure(experiment: Experiment, found: Mapping[str, tuple[Sequence[Path], Sequence[Path]]]) -> Measured:
    """The figures of an experiment.

    Args:
        experiment: whose arms they are.
        found: arm -> its run folders, and the prediction table of each.
    """
    tables = {arm: [read_predictions(path).labelled() for path in paths] for arm, (_, paths) in found.items()}
    first, *_ = tables
    n, copies = len(tables[first][0]), _copies(tables[first][0])
    new = {}
    if 0 < copies < n:
        others = {arm: [each.select(~each.in_train) for each in runs] for arm, runs in tables.items()}
        new = {row.variant: row for row in _compared(others, first)[1]}
    scores, compared = _compared(tables, first)
    rows = []
    for each in compared:
        folders, _ = found[each.variant]
        speed = faces_per_second(load_classifier(folders[0], threads=1)) if experiment.costs else math.nan
        rows.append(_row(each, new.get(each.variant), scores[each.variant], tables[each.variant], folders, speed))
    return Measured(experiment, n, n - copies, tuple(rows))


def _copies(table: PredictionTable) -> int:
    """How many faces stand in the train split, too, pixel by pixel; 0 where it is not known."""
    return 0 if table.in_train is None else int(table.in_train.sum())


def _compared(
    tables: Mapping[str, Sequence[PredictionTable]], first: str
) -> tuple[Mapping[str, Sequence[float]], tuple[ablated.Row, ...]]:
    """Arm -> the accuracy of each run; the arms, each held against the first."""
    compared = compare_predictions(tables, against=first)
    runs = {score.name: score.runs["accuracy"] for score in compared.scores}
    return runs, ablated.rows_of({"": compared}, full=first)


def _row(
    found: ablated.Row,
    new: ablated.Row | None,
    accuracies: Sequence[float],
    tables: Sequence[PredictionTable],
    runs: Sequence[Path],
    speed: float,
) -> Row:
    labels = tables[0].label_set
    counts = np.stack([confusion_matrix(each.label_ids, each.probabilities.argmax(1), len(labels)) for each in tables])
    recalls = recall_by_class(counts).mean(0)
    card = load_card(runs[0])
    logs = [read_epochs(run / "metrics.csv") for run in runs]
    head = tables[0].meta["head"]
    return Row(
        found=found,
        new=new,
        spread=statistics.stdev(accuracies) if len(runs) > 1 else math.nan,
        precision=float(np.nanmean(precision_by_class(counts), axis=1).mean()),
        recall=float(np.nanmean(recalls)),
        recalls=dict(zip(labels, recalls.tolist(), strict=True)),
        training=statistics.fmean(_training(log, head) for log in logs),
        converged=statistics.fmean(_converged(log) for log in logs),
        parameters=card.parameters,
        macs=card.macs,
        speed=speed,
    )


def _training(log: Sequence[Mapping[str, str]], head: str) -> float:
    """The accuracy on the faces learnt from, in the epoch that was selected."""
    best = max(log, key=lambda row: float(row["selection"]))
    return float(best.get(f"train_accuracy_{head}") or best["train_accuracy"])


def _converged(log: Sequence[Mapping[str, str]]) -> int:
    figures = [float(row["selection"]) for row in log]
    return 1 + next(epoch for epoch, figure in enumerate(figures) if figure >= max(figures) - NEAR)
