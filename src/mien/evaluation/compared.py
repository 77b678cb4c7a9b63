"""What a comparison of models found, as values: scores, pairs with their tests, the diagram, and csv tables of them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mien.evaluation.metrics import Estimate
from mien.evaluation.paired import Paired
from mien.evaluation.statistics import ALPHA, Finding, finite

METRICS_COMPARED = ("accuracy", "macro_f1")


@dataclass(frozen=True)
class Judged:
    """One test of one figure.

    Attributes:
        metric: accuracy or macro_f1.
        over: what its observations are: images, subjects or runs.
        finding: what it says.
        p_holm: its p corrected for the number of pairs; p itself where there is one pair, or the test corrects by
            itself.
    """

    metric: str
    over: str
    finding: Finding
    p_holm: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"metric": self.metric, "over": self.over, **self.finding.to_dict(), "p_holm": finite(self.p_holm)}


@dataclass(frozen=True)
class Score:
    """What one model reaches.

    Attributes:
        name: of the model.
        accuracy: with its interval. macro_f1: the same. Means over seeds.
        runs: accuracy and macro_f1 of each fold or seed.
    """

    name: str
    accuracy: Estimate
    macro_f1: Estimate
    runs: Mapping[str, tuple[float, ...]]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        runs = {metric: list(values) for metric, values in self.runs.items()}
        return {
            "name": self.name,
            "accuracy": self.accuracy.to_dict(),
            "macro_f1": self.macro_f1.to_dict(),
            **({"runs": runs} if any(runs.values()) else {}),
        }


@dataclass(frozen=True)
class Pair:
    """Two models.

    Attributes:
        first: a name. second: another.
        differences: metric -> first less second, with its interval.
        tests: all of them.
        decided_by: the test of `tests` that decides: McNemar's, or a permutation test where images are not
            independent of each other or were predicted several times.
        sentence: what follows, in words.
    """

    first: str
    second: str
    differences: Mapping[str, Estimate]
    tests: tuple[Judged, ...]
    decided_by: Judged
    sentence: str

    @property
    def differ(self) -> bool:
        """Whether the accuracies differ, at 5 % with Holm's correction."""
        return self.decided_by.p_holm < ALPHA and self.differences["accuracy"].value != 0

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "first": self.first,
            "second": self.second,
            "differences": {metric: each.to_dict() for metric, each in self.differences.items()},
            "p": finite(self.decided_by.p_holm),
            "decided_by": self.decided_by.finding.test,
            "differ": self.differ,
            "sentence": self.sentence,
            "tests": [each.to_dict() for each in self.tests],
        }


@dataclass(frozen=True)
class Diagram:
    """What a critical-difference diagram shows.

    Attributes:
        names: of the models. places: of each on the axis. axis: what it shows.
        bars: models that are not shown to differ, by number, best first.
        critical_difference: between places; NaN where there is no one such distance.
        test: which one the bars rest on.
        low_is_best: whether the axis shows ranks.
    """

    names: tuple[str, ...]
    places: tuple[float, ...]
    axis: str
    bars: tuple[tuple[int, ...], ...]
    critical_difference: float
    test: str
    low_is_best: bool

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**vars(self), "critical_difference": finite(self.critical_difference)}


@dataclass(frozen=True, eq=False)
class Comparison:
    """All that is known of several models on the same images.

    Attributes:
        paired: their predictions.
        scores: a model each. pairs: of models, each once. overall: tests of all models at once; none for two.
        diagram: of all models; None where they were compared with one of them alone.
        sentences: what follows, in words; one for each pair.
        notes: what a reader has to know.
    """

    paired: Paired
    scores: tuple[Score, ...]
    pairs: tuple[Pair, ...]
    overall: tuple[Judged, ...]
    diagram: Diagram | None
    notes: tuple[str, ...] = ()

    @property
    def sentences(self) -> tuple[str, ...]:
        """What follows, in words: a sentence a pair."""
        return tuple(each.sentence for each in self.pairs)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        paired = self.paired
        return {
            "n": len(paired),
            "labels": list(paired.label_set.labels),
            "repeats": paired.repeats,
            "folds": paired.folds,
            "subjects": None if paired.subjects is None else len(np.unique(paired.subjects)),
            **{key: paired.shared[key] for key in ("data", "split", "rule", "label_source") if key in paired.shared},
            "sentences": list(self.sentences),
            "scores": [each.to_dict() for each in self.scores],
            "pairs": [each.to_dict() for each in self.pairs],
            "overall": [each.to_dict() for each in self.overall],
            "diagram": None if self.diagram is None else self.diagram.to_dict(),
            "notes": list(self.notes),
        }

    def tables(self) -> dict[str, list[list[Any]]]:
        """Name of a csv -> its rows, the header first; empty cells for what is not defined."""
        return {
            "scores.csv": _scores_rows(self),
            "differences.csv": _differences_rows(self),
            "tests.csv": _tests_rows(self),
        }


def _scores_rows(found: Comparison) -> list[list[Any]]:
    rows: list[list[Any]] = [["name", "run", "n", "metric", "value", "low", "high"]]
    for each in found.scores:
        for metric in METRICS_COMPARED:
            figure: Estimate = getattr(each, metric)
            rows.append([each.name, "all", len(found.paired), metric, *_cells(figure.value, figure.low, figure.high)])
            for run, value in enumerate(each.runs[metric], start=1):
                rows.append([each.name, run, len(found.paired.runs[run - 1][1]), metric, *_cells(value), "", ""])
    return rows


def _differences_rows(found: Comparison) -> list[list[Any]]:
    rows: list[list[Any]] = [["first", "second", "metric", "difference", "low", "high"]]
    for each in found.pairs:
        for metric, figure in each.differences.items():
            rows.append([each.first, each.second, metric, *_cells(figure.value, figure.low, figure.high)])
    return rows


def _tests_rows(found: Comparison) -> list[list[Any]]:
    header = [
        "first",
        "second",
        "metric",
        "over",
        "test",
        "n",
        "statistic",
        "df",
        "p",
        "p_holm",
        "effect",
        "effect_size",
    ]
    everything = [("all", "all", each) for each in found.overall]
    everything += [(pair.first, pair.second, each) for pair in found.pairs for each in pair.tests]
    rows: list[list[Any]] = [header]
    for first, second, each in everything:
        finding = each.finding
        df = " ".join(f"{value:g}" for value in finding.df)
        effect, size = next(iter(finding.effects.items()), ("", math.nan))
        about = [first, second, each.metric, each.over, finding.test, finding.n]
        figures = [*_cells(finding.statistic), df, *_cells(finding.p, each.p_holm)]
        rows.append([*about, *figures, effect, *_cells(size)])
    return rows


def _cells(*values: float) -> list[Any]:
    return ["" if finite(value) is None else value for value in values]
