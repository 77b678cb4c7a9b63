"""Valence and arousal: figures by their definitions, intervals, and what is not defined."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.evaluation import UndefinedMetricWarning
from mien.evaluation.affect import affect_figures, concordance


def random_case(seed=0, n=300):
    generator = np.random.default_rng(seed)
    truth = generator.uniform(-1, 1, (n, 2))
    return truth, np.clip(0.6 * truth + 0.1 + generator.normal(0, 0.2, (n, 2)), -1, 1)


def by_definition(x, y):
    """1 - E (x - y)^2 over what that would be of independent values: Lin's own way to the coefficient."""
    return 1 - np.mean((x - y) ** 2) / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)


@settings(deadline=None, max_examples=60)
@given(n=st.integers(2, 50), seed=st.integers(0, 999), shift=st.sampled_from([0.0, 0.7, 1e3]))
def test_concordance_by_its_definition(n, seed, shift):
    truth, predicted = random_case(seed, n)
    x, y = truth[:, 0] + shift, predicted[:, 0] + shift
    assert concordance(x, y) == pytest.approx(by_definition(x, y), abs=1e-9)
    assert concordance(x, y) == pytest.approx(concordance(y, x), abs=1e-12)
    assert abs(concordance(x, y)) <= abs(np.corrcoef(x, y)[0, 1]) + 1e-12  # a shift or a scale costs


def test_concordance_by_hand():
    # means 2 and 3, variances 2/3 and 2/3, covariance 2/3: 2 * 2/3 / (4/3 + 1)
    assert concordance([1, 2, 3], [2, 3, 4]) == pytest.approx(4 / 7)
    assert concordance([1, 2, 3], [2, 2, 2]) == 0  # a constant model has no part in what varies
    assert math.isnan(concordance([0.3, 0.3], [0.3, 0.3])) and math.isnan(concordance([], []))
    assert concordance([0.3, 0.3], [0.2, 0.2]) == 0


def test_errors_by_their_definitions():
    truth, predicted = random_case()
    figures = affect_figures(truth, predicted)
    assert list(figures) == [f"{name}_{kind}" for name in ("valence", "arousal") for kind in ("mae", "rmse", "ccc")]
    for column, name in enumerate(("valence", "arousal")):
        apart = truth[:, column] - predicted[:, column]
        assert figures[f"{name}_mae"].value == pytest.approx(np.abs(apart).mean(), abs=1e-12)
        assert figures[f"{name}_rmse"].value == pytest.approx(math.sqrt((apart**2).mean()), abs=1e-12)
        expected = by_definition(truth[:, column], predicted[:, column])
        assert figures[f"{name}_ccc"].value == pytest.approx(expected, abs=1e-12)
    assert all(each.low < each.value < each.high and each.n == 300 for each in figures.values())


def test_the_interval_of_the_error_is_the_normal_one():
    truth, predicted = random_case()
    figure = affect_figures(truth, predicted)["valence_mae"]
    half = 1.96 * np.abs(truth - predicted)[:, 0].std() / math.sqrt(300)
    assert (figure.low, figure.high) == pytest.approx((figure.value - half, figure.value + half), abs=0.002)


def test_people_are_drawn_where_they_are_known():
    truth = np.tile([[-0.5, 0.1], [0.5, 0.2]], (40, 1))
    predicted = truth.copy()
    predicted[:40] *= -1  # of two people all is wrong, of two nothing
    people = affect_figures(truth, predicted, np.repeat(list("abcd"), 20))["valence_ccc"]
    faces = affect_figures(truth, predicted)["valence_ccc"]
    assert people.value == faces.value and people.high - people.low > 2 * (faces.high - faces.low)
    alone = affect_figures(truth, predicted, np.full(80, "s"))["valence_ccc"]
    assert alone.value == faces.value and math.isnan(alone.low)


def test_only_faces_of_which_both_are_known_count():
    truth, predicted = random_case(n=4)
    truth[0, 0] = predicted[1, 0] = np.nan
    figures = affect_figures(truth, predicted)
    assert (figures["valence_mae"].n, figures["arousal_mae"].n) == (2, 4)
    assert figures["valence_mae"].value == pytest.approx(np.abs(truth - predicted)[2:, 0].mean())


@pytest.mark.filterwarnings("ignore::mien.evaluation.UndefinedMetricWarning")
def test_nothing_known_and_nothing_varying():
    with pytest.warns(UndefinedMetricWarning, match="valence_ccc is not defined: no face has a known valence"):
        assert math.isnan(affect_figures(np.full((3, 2), np.nan), np.zeros((3, 2)))["valence_ccc"].value)
    with pytest.warns(UndefinedMetricWarning, match="arousal_ccc is not defined: truth and predictions are one and"):
        figures = affect_figures(np.full((3, 2), 0.1), np.full((3, 2), 0.1))
    assert math.isnan(figures["arousal_ccc"].value) and figures["arousal_mae"].value == 0
    one = affect_figures(np.array([[0.2, 0.3]]), np.array([[0.4, 0.3 + 1e-9]]))
    assert one["valence_mae"].value == pytest.approx(0.2) and math.isnan(one["valence_mae"].low)
