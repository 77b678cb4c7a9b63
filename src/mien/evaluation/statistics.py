"""Paired tests: whether models differ by more than chance, and by how much.

Of right and wrong on the same images: `mcnemar`, `cochran_q`, `permutation`. Of scores, a row a fold or seed:
`corrected_paired_t`, `wilcoxon`, `permutation`, `repeated_measures_anova`, `friedman` and what comes after it. All p
values are two-sided. What is undefined is NaN and a warning, never 0. Needs the extra `data` (scipy).
"""

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError
from mien.core.optional import require
from mien.evaluation.bootstrap import CONFIDENCE, RESAMPLES
from mien.evaluation.metrics import Estimate, UndefinedMetricWarning

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

ALPHA = 1 - CONFIDENCE
MOST_ENUMERATED = 1 << 16  # swaps: with more of them a sample is drawn

_DECIMALS = 12  # scores that agree so far are tied: what differs beyond came from rounding
_MOST_EXACT = 50  # pairs up to which Wilcoxon's distribution is counted out, as in scipy
_AT_ONCE = 1000


@dataclass(frozen=True)
class Finding:
    """What one test says.

    Attributes:
        test: its name.
        statistic: the test's own figure. p: two-sided. Both NaN where not defined.
        n: pairs or blocks that it rests on.
        df: degrees of freedom, where it has any.
        effects: effect size -> value; signed ones are positive where the first model is better.
        also: further figures by name.
    """

    test: str
    statistic: float
    p: float
    n: int
    df: tuple[float, ...] = ()
    effects: Mapping[str, float] = field(default_factory=dict)
    also: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, which knows neither NaN nor infinity: null."""
        figures = {"statistic": self.statistic, "p": self.p}
        sizes = {name: finite(value) for name, value in self.effects.items()}
        plain: dict[str, Any] = {"test": self.test, **{name: finite(value) for name, value in figures.items()}}
        more = {name: finite(value) for name, value in self.also.items()}
        return plain | {"n": self.n, "df": [finite(each) for each in self.df], "effects": sizes, **more}


def finite(value: float) -> float | None:
    """The number, or None where it is not finite."""
    return float(value) if math.isfinite(value) else None


def mcnemar(a: npt.ArrayLike, b: npt.ArrayLike) -> Finding:
    """McNemar's exact test (1947, https://doi.org/10.1007/BF02295996): of images on which one model alone is right.

    Under chance each of those falls to either model with probability 1/2. Where there is none p is 1: nothing could be
    less extreme.

    Args:
        a: (n,) whether the first model is right on each image.
        b: the same of the second.

    Returns:
        statistic: the smaller number of such images. Effects: Cohen's g, the share that falls to the first less 1/2
        (0.05 small, 0.15 medium, 0.25 large), and the odds ratio, infinite where only the first is ever right alone.

    >>> found = mcnemar([True] * 10, [True] * 4 + [False] * 6)
    >>> found.p, found.effects["cohen_g"]
    (0.03125, 0.5)
    """
    right, other = _pair(a, b)
    only_a, only_b = int((right & ~other).sum()), int((other & ~right).sum())
    total = only_a + only_b
    if not len(right):
        return _undefined("mcnemar", "there are no images", 0)
    p = min(1.0, 2 * float(_stats().binom.cdf(min(only_a, only_b), total, 0.5)))
    odds = math.inf if only_a and not only_b else math.nan
    if only_b:
        odds = only_a / only_b
    if not total:
        _warn("the effect size of mcnemar", "both models are right on the same images")
    effects = {"cohen_g": only_a / total - 0.5 if total else math.nan, "odds_ratio": odds}
    only = {"only_first": float(only_a), "only_second": float(only_b)}
    return Finding("mcnemar", min(only_a, only_b), p, len(right), effects=effects, also=only)


def cochran_q(correct: npt.ArrayLike) -> Finding:
    """Cochran's Q (1950, https://doi.org/10.1093/biomet/37.3-4.256): whether k models are right equally often.

    Args:
        correct: (n, k) whether each model is right on each image.

    Returns:
        Q, which is chi squared with k - 1 degrees of freedom under chance. Effect: Kendall's W = Q / (n (k - 1)), in
        0..1. Not defined where all models are right on the same images.
    """
    x = np.asarray(correct, np.bool_).astype(np.float64)
    n, k = _matrix(x)
    rows, columns = x.sum(1), x.sum(0)
    spread = k * rows.sum() - float(rows @ rows)
    if not n or k < 2 or not spread:
        why = (
            "there are no images" if not n else "fewer than two models" if k < 2 else "all are right on the same images"
        )
        return _undefined("cochran_q", why, n, effects=("kendall_w",))
    q = (k - 1) * (k * float(columns @ columns) - columns.sum() ** 2) / spread
    p = float(_stats().chi2.sf(q, k - 1))
    return Finding("cochran_q", float(q), p, n, (float(k - 1),), {"kendall_w": float(q) / (n * (k - 1))})


def holm(p: npt.ArrayLike) -> Floats:
    """Holm's step-down correction (1979, https://www.jstor.org/stable/4615733): p values of several tests at once.

    Args:
        p: (m,); NaN stands for a test that is not defined, stays NaN and does not count.

    >>> [round(each, 3) for each in holm([0.01, 0.04, 0.03]).tolist()]
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, np.float64)
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    corrected = np.full(len(values), np.nan)
    corrected[order] = np.minimum(1, np.maximum.accumulate(values[order] * np.arange(len(order), 0, -1)))
    return corrected


def corrected_paired_t(differences: npt.ArrayLike, *, test_to_train: float = 0.0) -> tuple[Finding, Estimate]:
    """The paired t test over folds, corrected for what their training sets share.

    The variance of the mean is (1/k + n_test / n_train) s^2 instead of s^2 / k: Nadeau and Bengio 2003, "Inference for
    the Generalization Error", https://doi.org/10.1023/A:1024068626366.

    Args:
        differences: (k,) of the scores of two models, a fold or seed each.
        test_to_train: n_test / n_train of one fold; 0 leaves the correction out, as seeds on one test set want it.

    Returns:
        The finding, with the effect Cohen's d_z, and the mean difference with its 95 % interval. Not defined for one
        run, or where all differences are equal.

    Raises:
        DataError: a share below 0.
    """
    d = np.asarray(differences, np.float64)
    if not test_to_train >= 0:
        raise DataError(f"expected n_test / n_train of 0 or more, got {test_to_train}")
    k, name = len(d), "corrected_paired_t" if test_to_train else "paired_t"
    mean = float(d.mean()) if k else math.nan
    deviation = _deviation(d)
    if not deviation > 0:
        why = "fewer than two runs" if k < 2 else "all differences are equal"
        return _undefined(name, why, k, effects=("cohen_dz",)), Estimate(mean)
    error = deviation * math.sqrt(1 / k + test_to_train)
    t, law = mean / error, _stats().t
    half = float(law.ppf((1 + CONFIDENCE) / 2, k - 1)) * error
    p = 2 * float(law.sf(abs(t), k - 1))
    interval = Estimate(mean, mean - half, mean + half)
    also = {"test_to_train": test_to_train, "mean": mean, "low": interval.low, "high": interval.high}
    return Finding(name, t, p, k, (float(k - 1),), {"cohen_dz": mean / deviation}, also), interval


def wilcoxon(differences: npt.ArrayLike) -> Finding:
    """Wilcoxon's signed-rank test (1945, https://doi.org/10.2307/3001968) of paired scores.

    Differences of 0 are left out; equal ones share their mean rank. Up to 50 pairs the distribution is counted out,
    with ties too; above, it is taken as normal, with the variance corrected for ties.

    Args:
        differences: (k,) of the scores of two models.

    Returns:
        statistic: the smaller sum of ranks. Effect: the rank-biserial correlation, (R+ - R-) / (R+ + R-), in -1..1.
        Not defined where all differences are 0.
    """
    d = _tied(differences)
    d = d[d != 0]
    n = len(d)
    if not n:
        return _undefined("wilcoxon", "no difference is other than 0", 0, effects=("rank_biserial",))
    ranks: Floats = _stats().rankdata(np.abs(d))
    up, total = float(ranks[d > 0].sum()), float(ranks.sum())
    smaller = min(up, total - up)
    if n <= _MOST_EXACT:
        p = min(1.0, 2 * _share_of_rank_sums(ranks, smaller))
    else:
        _, ties = np.unique(ranks, return_counts=True)
        variance = n * (n + 1) * (2 * n + 1) / 24 - float((ties.astype(np.float64) ** 3 - ties).sum()) / 48
        p = min(1.0, 2 * float(_stats().norm.cdf((smaller - total / 2) / math.sqrt(variance))))
    return Finding("wilcoxon", smaller, p, n, effects={"rank_biserial": (2 * up - total) / total})


def _share_of_rank_sums(ranks: Floats, most: float) -> float:
    """Share of the 2^n choices of signs whose positive ranks sum to `most` at most; ranks are multiples of 1/2."""
    doubled = np.rint(2 * ranks).astype(np.int64)
    counts = np.zeros(int(doubled.sum()) + 1)
    counts[0] = 1
    for rank in doubled.tolist():
        counts[rank:] += counts[: len(counts) - rank].copy()
    return float(counts[: round(2 * most) + 1].sum() / counts.sum())


def permutation(differences: npt.ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0) -> Finding:
    """The paired permutation test of a mean: how often swapping the models at random gives as large a difference.

    Exact where that takes few enough cases: differences of equal size need not be told apart, so that right and wrong
    on any number of images are (and give McNemar's p). Else `resamples` draws and p = (hits + 1) / (draws + 1).

    Args:
        differences: (n,) between two models on each image, subject or run.
        resamples: how many draws.
        seed: of them.

    Returns:
        statistic: the mean difference. Effect: Cohen's d_z.
    """
    d = _tied(differences)
    n = len(d)
    if not n:
        return _undefined("permutation", "there is nothing to swap", 0, effects=("cohen_dz",))
    sizes, counts = np.unique(np.abs(d[d != 0]), return_counts=True)
    seen = abs(float(d.sum())) - 1e-9 * float(np.abs(d).sum())
    hits = weight = 0.0
    for swapped, weights in swaps(counts, resamples=resamples, seed=seed):
        sums = (counts - 2 * swapped) @ sizes
        hits += float(weights[np.abs(sums) >= seen].sum())
        weight += float(weights.sum())
    exact = is_enumerated(counts)
    p = min(1.0, hits / weight) if exact else (hits + 1) / (weight + 1)
    deviation = _deviation(d)
    if not deviation > 0:
        _warn("the effect size of permutation", "all differences are equal" if n > 1 else "there is one difference")
    dz = float(d.mean()) / deviation if deviation > 0 else math.nan
    return Finding("permutation", float(d.mean()), p, n, effects={"cohen_dz": dz}, also={"exact": float(exact)})


def is_enumerated(counts: Sequence[int] | Ints) -> bool:
    """Whether `swaps` goes through all cases."""
    cases = 1
    for count in np.asarray(counts).tolist():
        cases *= count + 1
        if cases > MOST_ENUMERATED:
            return False
    return True


def swaps(counts: Ints, *, resamples: int, seed: int) -> Iterator[tuple[Floats, Floats]]:
    """How many of each kind of pair are swapped, over all cases or a seeded sample of them, in blocks.

    Args:
        counts: (U,) pairs of each kind, which need not be told apart.
        resamples: how many draws, where all cases were too many.
        seed: of them.

    Yields:
        (B, U) numbers of swapped pairs, and (B,) weights: the probability of the case, 1 for a draw.
    """
    if is_enumerated(counts):
        kinds = [np.arange(count + 1) for count in counts.tolist()]
        cases = (
            np.stack([each.ravel() for each in np.meshgrid(*kinds, indexing="ij")], 1) if kinds else np.zeros((1, 0))
        )
        weights = np.ones(len(cases))
        for column, count in enumerate(counts.tolist()):
            weights *= _stats().binom.pmf(cases[:, column], count, 0.5)
        for start in range(0, len(cases), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            yield cases[some].astype(np.float64), weights[some]
        return
    generator = np.random.default_rng(seed)
    for start in range(0, resamples, _AT_ONCE):
        size = min(_AT_ONCE, resamples - start)
        yield generator.binomial(counts, 0.5, (size, len(counts))).astype(np.float64), np.ones(size)


def repeated_measures_anova(scores: npt.ArrayLike) -> Finding:
    """Analysis of variance of k models over the same n folds or seeds.

    Args:
        scores: (n, k), a row a run.

    Returns:
        F with k - 1 and (n - 1)(k - 1) degrees of freedom. Effect: partial eta squared. Also ``epsilon`` of Greenhouse
        and Geisser (1959, https://doi.org/10.1007/BF02289823) and ``p_greenhouse_geisser``, which holds where the
        models' differences do not all have one variance. Not defined for one run, or where nothing varies beside it.
    """
    x = np.asarray(scores, np.float64)
    n, k = _matrix(x)
    effects = ("partial_eta_squared",)
    if n < 2 or k < 2:
        return _undefined("repeated_measures_anova", "fewer than two runs or models", n, effects=effects)
    between = x.mean(0) - x.mean()
    rest = x - x.mean(1, keepdims=True) - between
    model, error = n * float(between @ between), float((rest**2).sum())
    if error <= (1e-12 * max(1.0, float(np.abs(x).max()))) ** 2 * n * k:
        return _undefined("repeated_measures_anova", "the models differ by the same in each run", n, effects=effects)
    df = (k - 1, (n - 1) * (k - 1))
    ratio = (model / df[0]) / (error / df[1])
    covariance = rest.T @ rest / (n - 1)  # of the scores, centred by rows and columns
    epsilon = float(np.trace(covariance) ** 2 / ((k - 1) * (covariance**2).sum()))
    law = _stats().f
    corrected = float(law.sf(ratio, epsilon * df[0], epsilon * df[1]))
    also = {"epsilon": epsilon, "p_greenhouse_geisser": corrected}
    sizes = {"partial_eta_squared": model / (model + error)}
    p = float(law.sf(ratio, *df))
    return Finding("repeated_measures_anova", ratio, p, n, (float(df[0]), float(df[1])), sizes, also)


def ranks(scores: npt.ArrayLike) -> Floats:
    """(n, k) ranks of the models in each run: 1 for the highest score, equal ones share their mean."""
    x = _tied(scores)
    _matrix(x)
    ranked: Floats = _stats().rankdata(-x, axis=1) if x.size else np.empty(x.shape)
    return ranked


def friedman(scores: npt.ArrayLike) -> Finding:
    """Friedman's test (1937, https://doi.org/10.1080/01621459.1937.10503522), corrected for ties.

    Args:
        scores: (n, k), a row a run.

    Returns:
        Chi squared with k - 1 degrees of freedom. Effect: Kendall's W, in 0..1. Also ``iman_davenport_f`` and its p,
        which are less conservative (1980, https://doi.org/10.1080/03610928008827904). Not defined where all scores of
        each run are equal.
    """
    ranked = ranks(scores)
    n, k = _matrix(ranked)
    spread = float(((ranked - (k + 1) / 2) ** 2).sum()) if ranked.size else 0.0
    if not n or k < 2 or not spread:
        why = "there are no runs" if not n else "fewer than two models" if k < 2 else "all scores of each run are equal"
        return _undefined("friedman", why, n, effects=("kendall_w",))
    off = ranked.sum(0) - n * (k + 1) / 2
    chi2 = (k - 1) * float(off @ off) / spread
    w = chi2 / (n * (k - 1))
    p = float(_stats().chi2.sf(chi2, k - 1))
    also = {"iman_davenport_f": math.nan, "p_iman_davenport": math.nan}
    if n > 1 and 1 - w > 1e-12:  # else all runs rank alike, and F is infinite
        ratio = (n - 1) * w / (1 - w)
        law = float(_stats().f.sf(ratio, k - 1, (k - 1) * (n - 1)))
        also = {"iman_davenport_f": ratio, "p_iman_davenport": law}
    return Finding("friedman", chi2, p, n, (float(k - 1),), {"kendall_w": w}, also)


def critical_difference(k: int, n: int, *, alpha: float = ALPHA) -> float:
    """By how much mean ranks of k models over n runs have to differ: q sqrt(k (k + 1) / 6n), after Nemenyi.

    q is the quantile of the studentised range over sqrt(2): Demsar 2006, https://www.jmlr.org/papers/v7/demsar06a.html.

    >>> round(critical_difference(4, 14), 2)
    1.25
    """
    if k < 2 or n < 1:
        _warn("the critical difference", "fewer than two models or no runs")
        return math.nan
    q = float(_stats().studentized_range.ppf(1 - alpha, k, np.inf)) / math.sqrt(2)
    return q * math.sqrt(k * (k + 1) / (6 * n))


def nemenyi(mean_ranks: npt.ArrayLike, n: int) -> Floats:
    """(k, k) p values of all pairs after Friedman's test, by the studentised range of k models over n runs."""
    z = _rank_z(mean_ranks, n)
    p: Floats = _stats().studentized_range.sf(np.abs(z) * math.sqrt(2), len(z), np.inf)
    return np.clip(p, 0, 1)


def friedman_holm(mean_ranks: npt.ArrayLike, n: int) -> Floats:
    """(k, k) p values of all pairs after Friedman's test, by the normal distribution with Holm's correction."""
    z = _rank_z(mean_ranks, n)
    k = len(z)
    above = np.triu_indices(k, 1)
    p = np.ones((k, k))
    p[above] = holm(2 * _stats().norm.sf(np.abs(z[above])))
    p.T[above] = p[above]
    return p


def _rank_z(mean_ranks: npt.ArrayLike, n: int) -> Floats:
    mean = np.asarray(mean_ranks, np.float64)
    k = len(mean)
    return (mean[:, None] - mean) / math.sqrt(k * (k + 1) / (6 * n))


def alike(order: Sequence[int], different: Bools) -> list[tuple[int, ...]]:
    """The bars of a critical-difference diagram: longest stretches of models no two of which differ.

    Args:
        order: models from best to worst.
        different: (k, k) true where two models differ.

    Returns:
        Stretches of two models or more, none within another.
    """
    found: list[tuple[int, ...]] = []
    end = 0
    for start in range(len(order)):
        stop = start + 1
        while stop < len(order) and not different[np.ix_(order[start : stop + 1], order[start : stop + 1])].any():
            stop += 1
        if stop > max(end, start + 1):
            found.append(tuple(order[start:stop]))
        end = max(end, stop)
    return found


def _pair(a: npt.ArrayLike, b: npt.ArrayLike) -> tuple[Bools, Bools]:
    one, other = np.asarray(a, np.bool_), np.asarray(b, np.bool_)
    if one.ndim != 1 or one.shape != other.shape:
        raise DataError(f"expected two vectors of one length, got shapes {one.shape} and {other.shape}")
    return one, other


def _matrix(x: npt.NDArray[Any]) -> tuple[int, int]:
    if x.ndim != 2:
        raise DataError(f"expected an array (n, k), a column a model, got shape {x.shape}")
    return x.shape[0], x.shape[1]


def _tied(values: npt.ArrayLike) -> Floats:
    """Numbers without what rounding put into their last digits, which would break ties."""
    return np.asarray(np.round(np.asarray(values, np.float64), _DECIMALS), np.float64)


def _deviation(d: Floats) -> float:
    """The standard deviation; 0 where the numbers differ by rounding only, NaN for fewer than two."""
    if len(d) < 2:
        return math.nan
    deviation = float(d.std(ddof=1))
    return deviation if deviation > 1e-12 * max(1.0, float(np.abs(d).max())) else 0.0


def _undefined(test: str, why: str, n: int, *, effects: Sequence[str] = ("cohen_g", "odds_ratio")) -> Finding:
    _warn(test, why)
    return Finding(test, math.nan, math.nan, n, effects=dict.fromkeys(effects, math.nan))


def _warn(what: str, why: str) -> None:
    warnings.warn(f"{what} is not defined: {why}", UndefinedMetricWarning, stacklevel=3)


def _stats() -> Any:
    return require("scipy.stats", extra="data")
