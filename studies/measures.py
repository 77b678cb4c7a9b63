"""The figures of an experiment, out of its runs: a row an arm, each held against the first."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from study import Experiment

from mien.core.epochs import read_epochs
from mien.evaluation import judge, read_predictions
from mien.evaluation.compared import Score
from mien.evaluation.comparison import compare_predictions
from mien.evaluation.metrics import Estimate
from mien.evaluation.predictions import PredictionTable
from mien.verbs.bench import faces_per_second
from mien.zoo.store import load_card, load_classifier

NEAR = 0.01  # an arm has converged in the first epoch that is no further than this from its best


@dataclass(frozen=True)
class Row:
    """What one arm reached.

    Attributes:
        arm: its name. accuracy, macro_f1: of the faces judged, means over runs, with intervals over faces.
        spread: standard deviation of the accuracy over runs; NaN for one.
        precision, recall: macro means. recalls: label -> recall. All of them means over runs.
        training: accuracy in training in the epoch that was selected. converged: epochs until near the best.
        parameters, macs, speed: of the net, a face, and faces a second of the default file in one thread.
        difference: of the accuracy from the first arm's, with its interval; p: corrected for the number of arms; None
            for the first itself. test: what p is of.
    """

    arm: str
    accuracy: Estimate
    spread: float
    macro_f1: Estimate
    precision: float
    recall: float
    recalls: Mapping[str, float]
    training: float
    converged: float
    parameters: int
    macs: int
    speed: float
    difference: Estimate | None = None
    p: float | None = None
    test: str = ""


@dataclass(frozen=True)
class Measured:
    """An experiment's rows, and how many faces they rest on."""

    experiment: Experiment
    n: int
    rows: tuple[Row, ...]


def measure(experiment: Experiment, found: Mapping[str, tuple[Sequence[Path], Sequence[Path]]]) -> Measured:
    """The figures of an experiment.

    Args:
        experiment: whose arms they are.
        found: arm -> its run folders, and the prediction table of each.
    """
    tables = {arm: [read_predictions(path).labelled() for path in paths] for arm, (_, paths) in found.items()}
    first, *_ = tables
    compared = compare_predictions(tables, against=first)
    pairs = {pair.first: pair for pair in compared.pairs}
    rows = []
    for score in compared.scores:
        row = _row(score, tables[score.name], found[score.name][0])
        if score.name in pairs:
            pair = pairs[score.name]
            decided = pair.decided_by
            row = replace(row, difference=pair.differences["accuracy"], p=decided.p_holm, test=decided.finding.test)
        rows.append(row)
    return Measured(experiment, len(tables[first][0]), tuple(rows))


def _row(score: Score, tables: Sequence[PredictionTable], runs: Sequence[Path]) -> Row:
    judged = [judge(each) for each in tables]

    def over_runs(name: str) -> float:
        return statistics.fmean(each.metrics[name].value for each in judged)

    card = load_card(runs[0])
    logs = [read_epochs(run / "metrics.csv") for run in runs]
    head = tables[0].meta["head"]
    return Row(
        arm=score.name,
        accuracy=score.accuracy,
        spread=statistics.stdev(score.runs["accuracy"]) if len(runs) > 1 else math.nan,
        macro_f1=score.macro_f1,
        precision=over_runs("macro_precision"),
        recall=over_runs("macro_recall"),
        recalls={label: over_runs(f"recall_{label}") for label in tables[0].label_set},
        training=statistics.fmean(_training(log, head) for log in logs),
        converged=statistics.fmean(_converged(log) for log in logs),
        parameters=card.parameters,
        macs=card.macs,
        speed=faces_per_second(load_classifier(runs[0], threads=1)),
    )


def _training(log: Sequence[Mapping[str, str]], head: str) -> float:
    """The accuracy on the faces learnt from, in the epoch that was selected."""
    best = max(log, key=lambda row: float(row["selection"]))
    return float(best.get(f"train_accuracy_{head}") or best["train_accuracy"])


def _converged(log: Sequence[Mapping[str, str]]) -> int:
    figures = [float(row["selection"]) for row in log]
    return 1 + next(epoch for epoch, figure in enumerate(figures) if figure >= max(figures) - NEAR)
