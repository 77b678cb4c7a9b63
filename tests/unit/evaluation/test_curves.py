"""Curves by hand, against the figures that are their areas, and as plain values."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.core.labels import LabelSet
from mien.evaluation import METRICS, Outcomes, curves_of

ABC = LabelSet("abc", ("a", "b", "c"))


def outcomes(probabilities, labels):
    return Outcomes(np.array(probabilities).reshape(-1, 3), np.array(labels, np.int64), ABC)


BY_HAND = outcomes([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.6, 0.2, 0.2], [0.1, 0.5, 0.4]], [0, 0, 1, 1])


def random_outcomes(seed, n=200):
    generator = np.random.default_rng(seed)
    return outcomes(generator.dirichlet(np.ones(3), n), generator.integers(0, 3, n))


def test_the_curve_of_a_class_by_hand():
    curve = curves_of(BY_HAND).roc[0]
    assert curve.label == "a"
    np.testing.assert_allclose(curve.false_positive_rate, [0, 0, 0.5, 1])
    np.testing.assert_allclose(curve.true_positive_rate, [0, 0.5, 1, 1])
    np.testing.assert_allclose(curve.thresholds, [np.inf, 0.8, 0.6, 0.1])
    curve = curves_of(BY_HAND).precision_recall[0]
    np.testing.assert_allclose(curve.precision[-3:], [2 / 3, 1, 1])
    np.testing.assert_allclose(curve.recall[-3:], [1, 0.5, 0])


def test_a_class_without_faces_has_no_curve():
    curves = curves_of(BY_HAND)
    assert len(curves.roc[2].thresholds) == len(curves.precision_recall[2].precision) == 0
    assert [each.label for each in curves.roc] == [each.label for each in curves.precision_recall] == ["a", "b", "c"]


@pytest.mark.parametrize("seed", range(3))
def test_the_area_under_each_curve_is_the_figure(seed):
    some = random_outcomes(seed)
    curves = curves_of(some)
    areas = [np.trapezoid(each.true_positive_rate, each.false_positive_rate) for each in curves.roc]
    np.testing.assert_allclose(areas, some.ranking.auc, atol=1e-9)


@settings(deadline=None, max_examples=25)
@given(n=st.integers(1, 60), seed=st.integers(0, 99))
def test_the_bins_hold_every_face_and_tell_the_calibration_error(n, seed):
    some = random_outcomes(seed, n)
    bins = curves_of(some).reliability
    assert bins.n.sum() == n and len(bins.n) == 15 and (bins.low[1:] == bins.high[:-1]).all()
    full = bins.n > 0
    inside = (bins.confidence >= bins.low - 1e-12) & (bins.confidence <= bins.high + 1e-12)
    assert inside[full].all() and np.isnan(bins.accuracy[~full]).all()
    assert ((bins.accuracy_low <= bins.accuracy) & (bins.accuracy <= bins.accuracy_high))[full].all()
    error = np.nansum(bins.n * np.abs(bins.accuracy - bins.confidence)) / n
    assert error == pytest.approx(METRICS["ece"](some).value, abs=1e-9)


def test_accuracy_by_coverage_by_hand():
    curve = curves_of(BY_HAND).coverage  # confidences 0.8 right, 0.6 right, 0.6 wrong, 0.5 right
    np.testing.assert_allclose(curve.thresholds, [0.8, 0.6, 0.5])
    np.testing.assert_allclose(curve.coverage, [0.25, 0.75, 1])
    np.testing.assert_allclose(curve.accuracy, [1, 2 / 3, 3 / 4])
    assert curve.at(0.7) == (0.25, 1) and curve.at(0) == (1, 0.75) and curve.at(0.6) == (0.75, pytest.approx(2 / 3))
    assert curve.at(0.81)[0] == 0 and math.isnan(curve.at(0.81)[1])


@pytest.mark.parametrize("seed", range(3))
def test_full_coverage_is_the_accuracy(seed):
    some = random_outcomes(seed)
    curve, accuracy = curves_of(some).coverage, METRICS["accuracy"](some)
    assert curve.coverage[-1] == 1 and (np.diff(curve.coverage) > 0).all() and (np.diff(curve.thresholds) < 0).all()
    found = (curve.accuracy[-1], curve.accuracy_low[-1], curve.accuracy_high[-1])
    assert found == pytest.approx((accuracy.value, accuracy.low, accuracy.high), abs=1e-12)


def test_plain_values_for_a_file():
    file = json.loads(json.dumps(curves_of(BY_HAND).to_dict(), allow_nan=False))
    assert set(file) == {"roc", "precision_recall", "reliability", "coverage"}
    assert file["roc"][0]["thresholds"] == [None, 0.8, 0.6, 0.1] and file["roc"][2]["thresholds"] == []
    assert file["reliability"]["n"] == [0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 0, 1, 0, 0]
    assert file["reliability"]["accuracy"][9] == 0.5 and file["reliability"]["accuracy"][0] is None


def test_no_faces_at_all():
    curves = curves_of(outcomes([], []))
    assert len(curves.coverage.coverage) == 0 and curves.reliability.n.sum() == 0
    json.dumps(curves.to_dict(), allow_nan=False)
