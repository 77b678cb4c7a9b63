"""Several models on the same images: scores, differences with their intervals, tests, and what follows in words."""

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from mien.evaluation.bootstrap import CONFIDENCE, RESAMPLES
from mien.evaluation.intervals import paired_difference
from mien.evaluation.metrics import Estimate, UndefinedMetricWarning, wilson
from mien.evaluation.paired import Floats, Paired, pair
from mien.evaluation.predictions import PredictionTable
from mien.evaluation.resampling import bootstrap, swap_accuracy, swap_macro_f1
from mien.evaluation.statistics import (
    ALPHA,
    Finding,
    alike,
    cochran_q,
    corrected_paired_t,
    critical_difference,
    finite,
    friedman,
    friedman_holm,
    holm,
    mcnemar,
    nemenyi,
    permutation,
    ranks,
    repeated_measures_anova,
    wilcoxon,
)

POSTHOCS = ("nemenyi", "holm")
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
        diagram: of all models.
        sentences: what follows, in words; one for each pair.
        notes: what a reader has to know.
    """

    paired: Paired
    scores: tuple[Score, ...]
    pairs: tuple[Pair, ...]
    overall: tuple[Judged, ...]
    diagram: Diagram
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
            "diagram": self.diagram.to_dict(),
            "notes": list(self.notes),
        }

    def tables(self) -> dict[str, list[list[Any]]]:
        """Name of a csv -> its rows, the header first; empty cells for what is not defined."""
        return {
            "scores.csv": _scores_rows(self),
            "differences.csv": _differences_rows(self),
            "tests.csv": _tests_rows(self),
        }


def compare_predictions(
    models: Mapping[str, Sequence[PredictionTable]],
    *,
    n_train: int | None = None,
    posthoc: str = "nemenyi",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Compare models on the images that all of them predicted.

    Args:
        models: name -> its prediction tables; several are its folds or seeds. See `mien.evaluation.paired.pair`.
        n_train: images that each model of a fold or seed learned from, for the corrected t test; None: of folds all
            images of the other folds, of seeds no correction.
        posthoc: what follows Friedman's test, and the diagram's bars over runs: nemenyi or holm.
        resamples: draws of the bootstrap, and of permutation tests that are not exact.
        seed: of both.

    Raises:
        UsageError, DataError: the tables cannot be compared; see `pair`.
    """
    paired = pair(models)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        drawn = bootstrap(paired, resamples=resamples, seed=seed)
        runs = paired.run_scores()
        scores = tuple(_score(paired, i, drawn, runs) for i in range(len(paired.names)))
        share, notes = _test_to_train(paired, n_train)
        numbers = list(combinations(range(len(paired.names)), 2))
        draw = {"resamples": resamples, "seed": seed}
        tests = [[*_over_images(paired, i, j, draw), *_over_runs(runs, i, j, share, draw)] for i, j in numbers]
        tests = _corrected(tests)
        overall, ranked = _overall(paired, runs), _posthoc(runs, posthoc)
        pairs = tuple(
            _pair(paired, i, j, scores, drawn, [*found, *ranked.get((i, j), ())])
            for (i, j), found in zip(numbers, tests, strict=True)
        )
        diagram = _diagram(paired, runs, pairs, posthoc)
    undefined = dict.fromkeys(str(each.message) for each in caught if issubclass(each.category, UndefinedMetricWarning))
    return Comparison(paired, scores, pairs, overall, diagram, (*paired.notes, *notes, *undefined))


def _score(paired: Paired, i: int, drawn: Mapping[str, Floats], runs: Mapping[str, Floats]) -> Score:
    name, correct = paired.names[i], paired.correct[i]
    whole = replace(paired, runs=tuple((repeat, np.arange(len(paired))) for repeat in range(paired.repeats)))
    values = {metric: float(each[:, i].mean()) for metric, each in whole.run_scores().items()}
    if _independent(paired):
        accuracy = wilson(int(correct.sum()), len(paired))
    else:
        accuracy = _percentiles(f"the interval of accuracy of {name}", values["accuracy"], drawn["accuracy"][:, i])
    f1 = _percentiles(f"the interval of macro_f1 of {name}", values["macro_f1"], drawn["macro_f1"][:, i])
    return Score(name, accuracy, f1, {metric: tuple(each[:, i].tolist()) for metric, each in runs.items()})


def _independent(paired: Paired) -> bool:
    """Whether each image was predicted once and shows somebody else: what McNemar, Wilson and Tango ask for."""
    return paired.repeats == 1 and paired.subjects is None


def _percentiles(what: str, value: float, samples: Floats) -> Estimate:
    low, high = np.quantile(samples, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    if high - low < 1e-12:  # one subject, or no case in which there is a difference: the bootstrap knows nothing
        warnings.warn(f"{what} is not defined: all resamples are equal", UndefinedMetricWarning, stacklevel=3)
        return Estimate(value)
    return Estimate(value, float(low), float(high))


def _test_to_train(paired: Paired, n_train: int | None) -> tuple[float, list[str]]:
    """n_test / n_train of a run, and what to say of it."""
    if not paired.runs:
        return 0.0, []
    sizes = np.array([len(rows) for _, rows in paired.runs])
    if n_train is not None:
        return float(sizes.mean() / n_train), []
    if paired.folds > 1:
        return float((sizes / (len(paired) - sizes)).mean()), [
            "n_test / n_train is that of folds whose training sets are all other images: give --n-train if they are not"
        ]
    return 0.0, [
        "the t test over seeds is not corrected, and speaks of other seeds but not of other images: for both give "
        "--n-train"
    ]


def _over_images(paired: Paired, i: int, j: int, draw: Mapping[str, int]) -> Iterator[Judged]:
    over = "images" if paired.subjects is None else "subjects"
    if paired.repeats == 1:
        yield _judged("accuracy", "images", mcnemar(paired.correct[i, 0], paired.correct[j, 0]))
    yield _judged("accuracy", over, swap_accuracy(paired, i, j, **draw))
    yield _judged("macro_f1", over, swap_macro_f1(paired, i, j, **draw))


def _over_runs(runs: Mapping[str, Floats], i: int, j: int, share: float, draw: Mapping[str, int]) -> Iterator[Judged]:
    for metric, scores in runs.items():
        if len(scores):
            difference = scores[:, i] - scores[:, j]
            yield _judged(metric, "runs", corrected_paired_t(difference, test_to_train=share)[0])
            yield _judged(metric, "runs", wilcoxon(difference))
            yield _judged(metric, "runs", permutation(difference, **draw))


def _judged(metric: str, over: str, finding: Finding) -> Judged:
    return Judged(metric, over, finding, finding.p)


def _corrected(tests: Sequence[Sequence[Judged]]) -> list[list[Judged]]:
    """The same tests of all pairs, corrected together."""
    columns = zip(*tests, strict=True)
    corrected = [
        [
            replace(each, p_holm=float(p))
            for each, p in zip(column, holm([one.finding.p for one in column]), strict=True)
        ]
        for column in columns
    ]
    return [list(row) for row in zip(*corrected, strict=True)]


def _overall(paired: Paired, runs: Mapping[str, Floats]) -> tuple[Judged, ...]:
    """Of all models at once, where they are more than two."""
    if len(paired.names) < 3:
        return ()
    found = []
    if paired.repeats == 1:
        found.append(_judged("accuracy", "images", cochran_q(paired.correct[:, 0].T)))
    for metric, scores in runs.items():
        if len(scores):
            found.append(_judged(metric, "runs", repeated_measures_anova(scores)))
            found.append(_judged(metric, "runs", friedman(scores)))
    return tuple(found)


def _posthoc(runs: Mapping[str, Floats], test: str) -> dict[tuple[int, int], list[Judged]]:
    """What follows Friedman's test, pair by pair; it corrects for their number by itself."""
    found: dict[tuple[int, int], list[Judged]] = {}
    for metric, scores in runs.items():
        n, m = scores.shape
        if n and m > 2:
            mean = ranks(scores).mean(0)
            p = _after_friedman(test)(mean, n)
            for i, j in combinations(range(m), 2):
                finding = Finding(f"friedman_{test}", float(mean[j] - mean[i]), float(p[i, j]), n)
                found.setdefault((i, j), []).append(_judged(metric, "runs", finding))
    return found


def _after_friedman(test: str) -> Callable[[Floats, int], Floats]:
    return nemenyi if test == "nemenyi" else friedman_holm


def _pair(
    paired: Paired, i: int, j: int, scores: Sequence[Score], drawn: Mapping[str, Floats], tests: Sequence[Judged]
) -> Pair:
    first, second = scores[i], scores[j]
    of = f"of {first.name} and {second.name}"
    differences = {
        metric: _percentiles(
            f"the interval of the difference in {metric} {of}",
            getattr(first, metric).value - getattr(second, metric).value,
            drawn[metric][:, i] - drawn[metric][:, j],
        )
        for metric in METRICS_COMPARED
        if metric != "accuracy" or not _independent(paired)
    }
    if _independent(paired):
        a, b = paired.correct[i, 0], paired.correct[j, 0]
        difference = paired_difference(int((a & ~b).sum()), int((b & ~a).sum()), len(paired))
        differences = {"accuracy": difference, **differences}
    decided = next(
        each
        for each in tests
        if each.metric == "accuracy"
        and (
            each.finding.test == "mcnemar"
            if _independent(paired)
            else each.over != "runs" and each.finding.test == "permutation"
        )
    )
    same = bool((paired.correct[i] == paired.correct[j]).all())
    sentence = _sentence(paired, (first.name, second.name), differences["accuracy"], decided, same=same)
    return Pair(first.name, second.name, differences, tuple(tests), decided, sentence)


def _sentence(paired: Paired, names: tuple[str, str], difference: Estimate, decided: Judged, *, same: bool) -> str:
    first, second = names
    where = f"on the same {len(paired):,} images"
    if paired.subjects is not None:
        where += f" of {len(np.unique(paired.subjects)):,} subjects"
    if paired.repeats > 1:
        where += f" (mean of {paired.repeats} seeds)"
    if same:
        return f"{first} and {second} are right {where}: nothing tells their accuracies apart."
    if difference.value < 0:
        first, second = second, first
        difference = Estimate(-difference.value, -difference.high, -difference.low)
    within = (
        "" if math.isnan(difference.low) else f", 95 % interval {_points(difference.low)} to {_points(difference.high)}"
    )
    p = f"p {_p(decided.p_holm)}{' after Holm' if decided.p_holm != decided.finding.p else ''}"
    if decided.p_holm < ALPHA and difference.value:
        return f"{first} is {_points(difference.value)} points better than {second} {where}{within}, {p}."
    ahead = (
        f"{first} is {_points(difference.value)} points ahead" if difference.value else "both are right equally often"
    )
    return f"{first} and {second} are not shown to differ {where}: {ahead}{within}, {p}."


def _points(share: float) -> str:
    """A share in points of a hundred, with as many digits as keep it from looking like 0."""
    points = 100 * share
    text = f"{points:.1f}" if not 0 < abs(points) < 0.05 else f"{points:.2g}"
    return text if float(text) else text.removeprefix("-")


def _p(value: float) -> str:
    if math.isnan(value):
        return "not defined"
    if value < 0.001:
        return "< 0.001"
    digits = 4 if 0.0495 <= value < ALPHA else 3 if value < 0.1 else 2  # 0.0497 must not read 0.050
    return f"= {value:.{digits}f}"


def _diagram(paired: Paired, runs: Mapping[str, Floats], pairs: Sequence[Pair], posthoc: str) -> Diagram:
    """Ranks over runs where there are some and more than two models, else accuracies; best first along the bars."""
    m, scores = len(paired.names), runs["accuracy"]
    n = len(scores)
    if n > 1 and m > 2:
        mean = ranks(scores).mean(0)
        different = _after_friedman(posthoc)(mean, n) < ALPHA
        order = np.argsort(mean, kind="stable").tolist()
        distance = critical_difference(m, n) if posthoc == "nemenyi" else math.nan
        axis, test = f"mean rank of accuracy over {n} runs", f"Friedman, {posthoc.capitalize()}"
        bars = tuple(alike(order, different))
        return Diagram(paired.names, tuple(mean.tolist()), axis, bars, distance, test, low_is_best=True)
    values = paired.correct.mean((1, 2))
    different = np.zeros((m, m), np.bool_)
    for (i, j), each in zip(combinations(range(m), 2), pairs, strict=True):
        different[i, j] = different[j, i] = each.differ
    order = np.argsort(-values, kind="stable").tolist()
    decided = pairs[0].decided_by
    name = "McNemar" if decided.finding.test == "mcnemar" else f"permutation by {decided.over.rstrip('s')}"
    bars = tuple(alike(order, different))
    axis, test = f"accuracy on {len(paired):,} images (%)", name + (", Holm" if m > 2 else "")
    return Diagram(paired.names, tuple((100 * values).tolist()), axis, bars, math.nan, test, low_is_best=False)


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
