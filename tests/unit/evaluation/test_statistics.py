"""Paired tests: what they say where nothing can be said, and that they say the same of models in any order."""

import math

import numpy as np
import pytest

from mien.core.errors import DataError
from mien.evaluation import UndefinedMetricWarning
from mien.evaluation.statistics import (
    Finding,
    alike,
    cochran_q,
    corrected_paired_t,
    critical_difference,
    friedman,
    holm,
    mcnemar,
    permutation,
    repeated_measures_anova,
    wilcoxon,
)

RIGHT = np.array([True, True, False, True, False])
RUNS = np.array([[0.70, 0.72, 0.75], [0.71, 0.70, 0.76], [0.69, 0.73, 0.74]])


@pytest.mark.parametrize(
    ("test", "why"),
    [
        (lambda: mcnemar([], []), "there are no images"),
        (lambda: cochran_q(np.empty((0, 3), bool)), "there are no images"),
        (lambda: cochran_q(np.stack([RIGHT] * 3, 1)), "all are right on the same images"),
        (lambda: cochran_q(RIGHT[:, None]), "fewer than two models"),
        (lambda: corrected_paired_t([0.1])[0], "fewer than two runs"),
        (lambda: corrected_paired_t([])[0], "fewer than two runs"),
        (lambda: corrected_paired_t([0.0, 0.0, 0.0], test_to_train=0.1)[0], "all differences are equal"),
        (lambda: corrected_paired_t([0.9 - 0.8, 0.8 - 0.7, 0.7 - 0.6])[0], "all differences are equal"),
        (lambda: wilcoxon([0.0, 0.0]), "no difference is other than 0"),
        (lambda: wilcoxon([]), "no difference is other than 0"),
        (lambda: permutation([]), "there is nothing to swap"),
        (lambda: repeated_measures_anova(RUNS[:1]), "fewer than two runs or models"),
        (lambda: repeated_measures_anova(RUNS[:, :1]), "fewer than two runs or models"),
        (lambda: repeated_measures_anova(np.repeat(RUNS[:, :1], 3, 1)), "differ by the same in each run"),
        (lambda: repeated_measures_anova(np.tile(RUNS[:1], (4, 1))), "differ by the same in each run"),
        (lambda: friedman(np.repeat(RUNS[:, :1], 3, 1)), "all scores of each run are equal"),
        (lambda: friedman(np.empty((0, 3))), "there are no runs"),
        (lambda: friedman(RUNS[:, :1]), "fewer than two models"),
    ],
)
def test_what_is_undefined_is_nan_and_a_warning(test, why):
    with pytest.warns(UndefinedMetricWarning, match=why):
        found = test()
    assert math.isnan(found.p) and math.isnan(found.statistic)
    assert found.effects and all(math.isnan(each) for each in found.effects.values())
    assert found.to_dict()["p"] is None


def test_models_that_are_right_on_the_same_images_differ_by_nothing():
    with pytest.warns(UndefinedMetricWarning, match="effect size of mcnemar"):
        found = mcnemar(RIGHT, RIGHT)
    assert found.p == 1 and math.isnan(found.effects["cohen_g"]) and math.isnan(found.effects["odds_ratio"])
    with pytest.warns(UndefinedMetricWarning, match="effect size of permutation"):
        same = permutation(np.zeros(5))
    assert same.p == 1 and same.statistic == 0 and math.isnan(same.effects["cohen_dz"])


def test_a_perfect_model_against_one_that_is_never_right():
    found = mcnemar(np.ones(12, bool), np.zeros(12, bool))
    assert found.p == pytest.approx(2 / 2**12)
    assert found.effects == {"cohen_g": 0.5, "odds_ratio": math.inf}
    assert found.to_dict()["effects"] == {"cohen_g": 0.5, "odds_ratio": None}  # JSON knows no infinity


def test_swapping_the_models_turns_signs_and_keeps_p():
    generator = np.random.default_rng(3)
    a, b = generator.random((2, 40)) < [[0.8], [0.6]]
    d = generator.normal(0.3, 1, 12)
    for one, other in (
        (mcnemar(a, b), mcnemar(b, a)),
        (wilcoxon(d), wilcoxon(-d)),
        (permutation(d), permutation(-d)),
        (corrected_paired_t(d)[0], corrected_paired_t(-d)[0]),
    ):
        assert one.p == pytest.approx(other.p, abs=1e-12)
        name = next(iter(one.effects))
        assert one.effects[name] == pytest.approx(-other.effects[name]) != 0


def test_the_correction_widens_the_interval_and_raises_p():
    plain, narrow = corrected_paired_t([0.02, 0.01, 0.03, 0.015, 0.02])
    corrected, wide = corrected_paired_t([0.02, 0.01, 0.03, 0.015, 0.02], test_to_train=1 / 4)
    assert plain.p < corrected.p and plain.test == "paired_t" and corrected.test == "corrected_paired_t"
    assert wide.low < narrow.low < narrow.value == wide.value < narrow.high < wide.high
    with pytest.raises(DataError, match="expected n_test / n_train of 0 or more, got -1"):
        corrected_paired_t([1, 2], test_to_train=-1)


def test_rounding_breaks_no_tie():
    # 0.3 - 0.2 and 0.2 - 0.1 are the same difference, though not the same double
    assert wilcoxon([0.3 - 0.2, -(0.2 - 0.1)]).effects["rank_biserial"] == 0
    assert friedman([[0.1 + 0.2, 0.3, 0.5]] * 2).effects["kendall_w"] == pytest.approx(1)


def test_a_difference_that_is_rounding_alone_is_none():
    with pytest.warns(UndefinedMetricWarning, match="effect size of permutation"):
        found = permutation([0.1 + 0.2 - 0.3])
    assert found.p == 1 and found.statistic == 0


def test_a_sampled_permutation_depends_on_the_seed_alone_and_is_never_0():
    d = np.random.default_rng(0).normal(5, 1, 30)  # all the same sign: 2 of 2^30 cases
    found = permutation(d, resamples=500, seed=1)
    assert found.also["exact"] == 0 and found.p == 1 / 501
    near = np.random.default_rng(0).normal(0.2, 1, 30)
    assert permutation(near, seed=4) == permutation(near, seed=4)
    assert permutation(near, seed=4).p != permutation(near, seed=5).p


def test_undefined_tests_do_not_count_in_holms_correction():
    np.testing.assert_allclose(holm([0.01, np.nan, 0.04]), [0.02, np.nan, 0.04])
    assert holm([]).shape == (0,)


def test_the_bars_of_a_diagram():
    different = np.zeros((5, 5), bool)
    assert alike([2, 0, 1, 4, 3], different) == [(2, 0, 1, 4, 3)]
    for a, b in ((0, 2), (0, 3), (0, 4), (1, 3), (1, 4), (2, 4), (3, 4)):  # alike: 0 1, 1 2, 2 3
        different[a, b] = different[b, a] = True
    assert alike(range(5), different) == [(0, 1), (1, 2), (2, 3)]
    assert alike(range(5), ~np.eye(5, dtype=bool)) == []
    different[:] = False
    different[0, 4] = different[4, 0] = True
    assert alike(range(5), different) == [(0, 1, 2, 3), (1, 2, 3, 4)]


def test_shapes_are_checked():
    with pytest.raises(DataError, match="two vectors of one length, got shapes"):
        mcnemar([True], [True, False])
    with pytest.raises(DataError, match="a column a model, got shape"):
        friedman([1.0, 2.0])


def test_a_critical_difference_needs_two_models():
    with pytest.warns(UndefinedMetricWarning, match="fewer than two models"):
        assert math.isnan(critical_difference(1, 10))


def test_a_finding_as_plain_values():
    found = Finding("t", 1.5, math.nan, 4, (3.0,), {"d": 0.5}, {"epsilon": math.inf})
    assert found.to_dict() == {
        "test": "t", "statistic": 1.5, "p": None, "n": 4, "df": [3.0], "effects": {"d": 0.5}, "epsilon": None
    }  # fmt: skip
