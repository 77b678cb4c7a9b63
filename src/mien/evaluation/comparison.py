"""Several models on the same images: scores, differences with their intervals, tests, and what follows in words."""

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from mien.core.errors import UsageError
from mien.core.registry import unknown
from mien.evaluation.bootstrap import CONFIDENCE, RESAMPLES
from mien.evaluation.compared import METRICS_COMPARED, Comparison, Diagram, Judged, Pair, Score
from mien.evaluation.intervals import paired_difference
from mien.evaluation.metrics import Estimate, UndefinedMetricWarning, wilson
from mien.evaluation.paired import Floats, Paired, pair
from mien.evaluation.predictions import PredictionTable
from mien.evaluation.resampling import bootstrap, swap_accuracy, swap_macro_f1
from mien.evaluation.sentences import sentence_of
from mien.evaluation.statistics import (
    ALPHA,
    Finding,
    alike,
    cochran_q,
    corrected_paired_t,
    critical_difference,
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


def compare_predictions(
    models: Mapping[str, Sequence[PredictionTable]],
    *,
    against: str | None = None,
    n_train: int | None = None,
    posthoc: str = "nemenyi",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Compare models on the images that all of them predicted.

    Args:
        models: name -> its prediction tables; several are its folds or seeds. See `mien.evaluation.paired.pair`.
        against: one of the names: each other model is compared with it alone, and Holm's correction is for those pairs;
            there is no post-hoc test and no diagram then. None: every model with every other.
        n_train: images that each model of a fold or seed learned from, for the corrected t test; None: of folds all
            images of the other folds, of seeds no correction.
        posthoc: what follows Friedman's test, and the diagram's bars over runs: nemenyi or holm.
        resamples: draws of the bootstrap, and of permutation tests that are not exact.
        seed: of both.

    Raises:
        UsageError: fewer than two models. DataError: the tables cannot be compared; see `pair`.
    """
    if len(models) < 2:
        raise UsageError(f"expected two names or more to compare, got {', '.join(models) or 'none'}")
    if against is not None and against not in models:
        raise UsageError(unknown("name to compare with", against, list(models)))
    paired = pair(models)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        drawn = bootstrap(paired, resamples=resamples, seed=seed)
        runs = paired.run_scores()
        scores = tuple(_score(paired, i, drawn, runs) for i in range(len(paired.names)))
        share, notes = _test_to_train(paired, n_train)
        numbers = _numbers(paired.names, against)
        draw = {"resamples": resamples, "seed": seed}
        tests = [[*_over_images(paired, i, j, draw), *_over_runs(runs, i, j, share, draw)] for i, j in numbers]
        tests = _corrected(tests)
        overall, ranked = _overall(paired, runs), _posthoc(runs, posthoc) if against is None else {}
        pairs = tuple(
            _pair(paired, i, j, scores, drawn, [*found, *ranked.get((i, j), ())])
            for (i, j), found in zip(numbers, tests, strict=True)
        )
        diagram = _diagram(paired, runs, pairs, posthoc) if against is None else None
    undefined = dict.fromkeys(str(each.message) for each in caught if issubclass(each.category, UndefinedMetricWarning))
    return Comparison(paired, scores, pairs, overall, diagram, (*paired.notes, *notes, *undefined))


def score_seeds(tables: Sequence[PredictionTable], *, resamples: int = RESAMPLES, seed: int = 0) -> Score:
    """Mean accuracy and macro F1 of one model's seeds on the same images, with what each seed reaches.

    The intervals are about other images, or other people where they are known: several seeds are not several times as
    many of them. How far other seeds would be apart is what the single figures say.

    Args:
        tables: of the seeds.
        resamples: draws of the bootstrap.
        seed: of them.

    Raises:
        UsageError: no table. DataError: they are not of the same images and labels.
    """
    paired = pair({"model": tables})
    return _score(paired, 0, bootstrap(paired, resamples=resamples, seed=seed), paired.run_scores())


def _numbers(names: Sequence[str], against: str | None) -> list[tuple[int, int]]:
    """Which models are compared with which, by number."""
    if against is None:
        return list(combinations(range(len(names)), 2))
    base = names.index(against)
    return [(i, base) for i in range(len(names)) if i != base]


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


def _less(one: float, other: float) -> float:
    """The difference of two scores; 0 where it is rounding alone, as it is between means of seeds."""
    return one - other if abs(one - other) > 1e-12 else 0.0


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
        "mien compare --n-train"
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
            _less(getattr(first, metric).value, getattr(second, metric).value),
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
    sentence = sentence_of(paired, (first.name, second.name), differences["accuracy"], decided, same=same)
    return Pair(first.name, second.name, differences, tuple(tests), decided, sentence)


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
