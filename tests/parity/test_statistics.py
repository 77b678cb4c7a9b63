"""Our paired tests against statsmodels, scipy, brute force and published examples, to 1e-9."""

import itertools
import math
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, stats
from statsmodels.stats import contingency_tables
from statsmodels.stats.anova import AnovaRM
from statsmodels.stats.multitest import multipletests

from mien.evaluation.intervals import paired_difference
from mien.evaluation.statistics import (
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

NEAR = 1e-9
some = settings(max_examples=40, deadline=None)
shapes = st.tuples(st.integers(1, 60), st.integers(2, 5), st.integers(0, 10**6))


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def same(ours, theirs):
    """Equal to 1e-9, or both not defined."""
    assert ours == pytest.approx(theirs, abs=NEAR, rel=NEAR, nan_ok=True)


@some
@given(shapes)
def test_mcnemar_is_that_of_statsmodels(case):
    n, _, seed = case
    generator = np.random.default_rng(seed)
    a, b = generator.random((2, n)) < generator.random((2, 1))
    counts = [[(a & b).sum(), (a & ~b).sum()], [(~a & b).sum(), (~a & ~b).sum()]]
    theirs = contingency_tables.mcnemar(counts, exact=True)
    ours = mcnemar(a, b)
    same(ours.p, theirs.pvalue)
    same(ours.statistic, theirs.statistic)
    if counts[1][0]:
        same(ours.effects["odds_ratio"], counts[0][1] / counts[1][0])


@some
@given(shapes)
def test_cochrans_q_is_that_of_statsmodels_and_friedmans_of_right_and_wrong(case):
    n, k, seed = case
    generator = np.random.default_rng(seed)
    x = generator.random((n, k)) < generator.random(k)
    ours = cochran_q(x)
    theirs = contingency_tables.cochrans_q(x.astype(int))
    if (x.sum(1) % k == 0).all():  # no image tells the models apart
        assert math.isnan(ours.p)
        return
    same(ours.statistic, theirs.statistic)
    same(ours.p, theirs.pvalue)
    ranked = friedman(x.astype(float))  # the same test, by another formula
    same(ours.statistic, ranked.statistic)
    same(ours.effects["kendall_w"], ranked.effects["kendall_w"])


@some
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_that_of_statsmodels(p):
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], atol=NEAR)


@some
@given(shapes)
def test_the_paired_t_test_is_that_of_scipy(case):
    n, _, seed = case
    a, b = np.random.default_rng(seed).normal(0.7, 0.05, (2, n + 1))
    ours, interval = corrected_paired_t(a - b)
    theirs = stats.ttest_rel(a, b)
    same((ours.statistic, ours.p, *ours.df), (theirs.statistic, theirs.pvalue, theirs.df))
    low, high = theirs.confidence_interval(0.95)
    same((interval.low, interval.high), (low, high))
    # Nadeau and Bengio: t shrinks by the square root of 1 + k n_test / n_train, and nothing else changes
    t = theirs.statistic / math.sqrt(1 + (n + 1) * 0.25)
    corrected, _ = corrected_paired_t(a - b, test_to_train=0.25)
    same((corrected.statistic, corrected.p), (t, 2 * stats.t.sf(abs(t), n)))


def all_signs(d):
    return np.array(list(itertools.product((-1, 1), repeat=len(d)))) * np.abs(d)


@some
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_wilcoxon_with_ties_is_that_of_going_through_all_signs(differences):
    d = np.array(differences, float)
    d = d[d != 0]
    if not len(d):
        assert math.isnan(wilcoxon(differences).p)
        return
    rank = stats.rankdata(np.abs(d))
    sums = [rank[signs > 0].sum() for signs in all_signs(d)]
    up = rank[d > 0].sum()
    p = min(1, 2 * min(np.mean(np.array(sums) <= up), np.mean(np.array(sums) >= up)))
    ours = wilcoxon(differences)
    same(ours.p, p)
    same(ours.effects["rank_biserial"], (rank * np.sign(d)).sum() / rank.sum())


@pytest.mark.parametrize(
    ("n", "tied"),
    [(1, False), (2, False), (5, False), (20, False), (50, False), (51, False), (400, False), (70, True), (400, True)],
)
def test_wilcoxon_is_that_of_scipy(n, tied):
    d = np.random.default_rng(n).normal(0.3, 1, n)
    d = np.round(d, 1) if tied else d
    theirs = stats.wilcoxon(d, method="exact" if n <= 50 else "asymptotic", correction=False)
    ours = wilcoxon(d)
    same((ours.statistic, ours.p), (theirs.statistic, theirs.pvalue))


@some
@given(st.lists(st.one_of(st.integers(-3, 3), st.floats(-2, 2).map(lambda x: round(x, 6))), min_size=1, max_size=10))
def test_the_exact_permutation_test_is_that_of_going_through_all_swaps(differences):
    d = np.array(differences, float)
    ours = permutation(d)
    assert ours.also["exact"] == 1
    means = np.abs(all_signs(d).sum(1))
    same(ours.p, np.mean(means >= abs(d.sum()) - 1e-9 * np.abs(d).sum()))


def test_the_permutation_test_of_right_and_wrong_is_mcnemars():
    a, b = np.random.default_rng(1).random((2, 3000)) < [[0.74], [0.72]]
    ours = permutation(a.astype(float) - b)
    assert ours.also["exact"] == 1
    same(ours.p, mcnemar(a, b).p)


def test_a_sampled_permutation_test_is_near_that_of_scipy():
    d = np.random.default_rng(2).normal(0.25, 1, 60)
    theirs = stats.permutation_test(
        (d,), np.mean, permutation_type="samples", n_resamples=9999, rng=np.random.default_rng(0)
    )
    assert permutation(d).p == pytest.approx(theirs.pvalue, abs=0.015)


@some
@given(shapes)
def test_the_analysis_of_variance_is_that_of_statsmodels(case):
    n, k, seed = case
    n += 1
    x = np.random.default_rng(seed).normal(0.7, 0.05, (n, k)) + np.arange(k) * 0.01
    frame = pd.DataFrame({"score": x.ravel(), "run": np.repeat(np.arange(n), k), "model": np.tile(np.arange(k), n)})
    theirs = AnovaRM(frame, "score", "run", within=["model"]).fit().anova_table.iloc[0]
    ours = repeated_measures_anova(x)
    assert ours.statistic == pytest.approx(theirs["F Value"], rel=1e-7)  # theirs by least squares over dummies
    same(ours.df, (theirs["Num DF"], theirs["Den DF"]))
    same(ours.p, stats.f.sf(ours.statistic, *ours.df))
    grand = x.mean()
    model = n * ((x.mean(0) - grand) ** 2).sum()
    error = ((x - x.mean(0) - x.mean(1, keepdims=True) + grand) ** 2).sum()
    same(ours.effects["partial_eta_squared"], model / (model + error))
    if k == 2:
        same(ours.statistic, stats.ttest_rel(x[:, 0], x[:, 1]).statistic ** 2)
        same(ours.also["p_greenhouse_geisser"], ours.p)


def test_epsilon_is_that_of_orthonormal_contrasts():
    x = np.random.default_rng(5).normal(size=(9, 4)) * [1, 2, 3, 4]
    contrasts = np.linalg.svd(np.eye(4) - 1 / 4)[0][:, :3]
    roots = np.linalg.eigvalsh(np.cov((x @ contrasts).T))
    ours = repeated_measures_anova(x)
    epsilon = roots.sum() ** 2 / (3 * (roots**2).sum())
    same(ours.also["epsilon"], epsilon)
    same(ours.also["p_greenhouse_geisser"], stats.f.sf(ours.statistic, 3 * epsilon, 24 * epsilon))


@some
@given(shapes, st.booleans())
def test_friedman_is_that_of_scipy(case, tied):
    n, k, seed = case
    k = max(k, 3)  # theirs takes no two
    generator = np.random.default_rng(seed)
    x = generator.integers(0, 3, (n, k)).astype(float) if tied else generator.normal(size=(n, k))
    ours = friedman(x)
    if (x == x[:, :1]).all():
        assert math.isnan(ours.p)
        return
    theirs = stats.friedmanchisquare(*x.T)
    same((ours.statistic, ours.p), (theirs.statistic, theirs.pvalue))
    same(ours.effects["kendall_w"], theirs.statistic / (n * (k - 1)))
    q = theirs.statistic
    if n * (k - 1) - q > 1e-6:
        same(ours.also["iman_davenport_f"], (n - 1) * q / (n * (k - 1) - q))


# Demsar 2006, table 6: ranks of C4.5, C4.5+m, C4.5+cf and C4.5+m+cf on 14 data sets.
DEMSAR = np.array(
    [
        [4, 3, 2, 1], [1, 2, 3, 4], [4, 1, 2, 3], [4, 1, 3, 2], [4, 2, 3, 1], [1, 2.5, 4, 2.5], [3, 2, 4, 1],
        [2.5, 2.5, 4, 1], [4, 3, 2, 1], [2.5, 2.5, 2.5, 2.5], [4, 2.5, 1, 2.5], [3, 2, 4, 1], [4, 1, 2, 3],
        [3, 1, 4, 2],
    ]
)  # fmt: skip


def test_demsars_worked_example():
    mean = ranks(-DEMSAR).mean(0)
    assert mean == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    n, k = DEMSAR.shape
    without_ties = 12 * n / (k * (k + 1)) * ((mean**2).sum() - k * (k + 1) ** 2 / 4)
    assert without_ties == pytest.approx(9.28, abs=5e-3)
    assert (n - 1) * without_ties / (n * (k - 1) - without_ties) == pytest.approx(3.69, abs=5e-3)
    ties = sum(
        (np.unique(row, return_counts=True)[1] ** 3 - np.unique(row, return_counts=True)[1]).sum() for row in DEMSAR
    )
    same(friedman(-DEMSAR).statistic, without_ties / (1 - ties / (n * (k**3 - k))))  # ours corrects for ties
    assert critical_difference(k, n, alpha=0.05) == pytest.approx(1.25, abs=5e-3)
    assert critical_difference(k, n, alpha=0.10) == pytest.approx(1.12, abs=5e-3)
    # "the difference between the worst and the best is smaller than the critical difference ... 1.179 < 1.25,
    # with alpha = 0.10 they differ"
    assert 0.05 < nemenyi(mean, n)[0, 3] < 0.10


# Demsar 2006, table 5 (a): critical values for the Nemenyi test.
@pytest.mark.parametrize(
    ("alpha", "values"),
    [
        (0.05, [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]),
        (0.10, [1.645, 2.052, 2.291, 2.459, 2.589, 2.693, 2.780, 2.855, 2.920]),
    ],
)
def test_the_published_quantiles_of_nemenyi(alpha, values):
    for k, published in enumerate(values, start=2):
        n = 7
        q = critical_difference(k, n, alpha=alpha) / math.sqrt(k * (k + 1) / (6 * n))
        assert q == pytest.approx(published, abs=1.1e-3)  # theirs are rounded, some downwards


def range_sf(q, k):
    """Upper tail of the range of k normal numbers, by its definition."""
    density = lambda z: stats.norm.pdf(z) * (stats.norm.cdf(z) - stats.norm.cdf(z - q)) ** (k - 1)  # noqa: E731
    return 1 - k * integrate.quad(density, -9, 9 + q, epsabs=1e-13, limit=300)[0]


@pytest.mark.parametrize("k", [2, 3, 4, 7])
def test_nemenyi_is_that_of_the_range_of_normal_numbers(k):
    mean, n = np.linspace(1.2, k - 0.3, k), 11
    p = nemenyi(mean, n)
    for i, j in itertools.combinations(range(k), 2):
        z = abs(mean[i] - mean[j]) / math.sqrt(k * (k + 1) / (6 * n))
        same(p[i, j], range_sf(z * math.sqrt(2), k))
        same(p[j, i], p[i, j])
    np.testing.assert_allclose(np.diag(p), 1, atol=NEAR)
    # the critical difference is where p reaches alpha
    same(nemenyi(np.array([1, 1 + critical_difference(k, n), *[1.5] * (k - 2)]), n)[0, 1], 0.05)


def test_holm_after_friedman():
    mean, n = np.array([1.2, 2.0, 3.4, 3.4]), 10
    pairs = list(itertools.combinations(range(4), 2))
    z = [abs(mean[i] - mean[j]) / math.sqrt(4 * 5 / 60) for i, j in pairs]
    theirs = multipletests(2 * stats.norm.sf(z), method="holm")[1]
    ours = friedman_holm(mean, n)
    for (i, j), p in zip(pairs, theirs, strict=True):
        same((ours[i, j], ours[j, i]), (p, p))


def score(b, c, n, delta):
    """Tango's score, with the constrained likelihood maximised numerically."""
    low, high = max(0.0, -delta), (1 - delta) / 2

    def slope(q):  # of the log likelihood in q = p21, where p12 = q + delta
        parts = (b / (q + delta) if b else 0) + (c / q if c else 0)
        return parts - 2 * (n - b - c) / (1 - 2 * q - delta)

    edge = 1e-13
    if n - b - c == 0:
        q = high
    elif slope(low + edge) <= 0:
        q = low
    else:
        q = optimize.brentq(slope, low + edge, high - edge, xtol=1e-15)
    return (b - c - n * delta) / math.sqrt(n * (2 * q + delta * (1 - delta)))


@some
@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 200))
def test_the_interval_of_a_difference_holds_what_the_score_test_does_not_reject(b, c, rest):
    figure = paired_difference(b, c, n := b + c + rest)
    same(figure.value, (b - c) / n)
    z = stats.norm.ppf(0.975)
    assert -1 < figure.low < figure.value < figure.high < 1
    assert score(b, c, n, figure.low) == pytest.approx(z, abs=1e-6)
    assert score(b, c, n, figure.high) == pytest.approx(-z, abs=1e-6)
    turned = paired_difference(c, b, n)
    same((figure.low, figure.high), (-turned.high, -turned.low))


def test_intervals_at_the_edge():
    z2 = stats.norm.ppf(0.975) ** 2
    best = paired_difference(9, 0, 9)
    same((best.value, best.low, best.high), (1, (9 - z2) / (9 + z2), 1))
    worst = paired_difference(0, 1, 1)
    same((worst.value, worst.low, worst.high), (-1, -1, -(1 - z2) / (1 + z2)))
    same((paired_difference(0, 0, 5).low, paired_difference(0, 0, 5).high), (-z2 / (5 + z2), z2 / (5 + z2)))
    assert math.isnan(paired_difference(0, 0, 0).value)
