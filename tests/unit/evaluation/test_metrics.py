"""Metrics against values worked out by hand, and what they say where they are not defined."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.core.errors import DataError, UsageError
from mien.core.labels import LabelSet
from mien.evaluation import METRICS, Estimate, Outcomes, UndefinedMetricWarning
from mien.evaluation.metrics import BY_CLASS, by_class, calibration_error, mean, wilson

ABC = LabelSet("abc", ("a", "b", "c"))


def outcomes(labels, predicted, *, confidence=0.8, subjects=None, seed=0):
    rest = (1 - confidence) / 2
    probabilities = np.where(np.arange(3) == np.array(predicted).reshape(-1, 1), confidence, rest)
    return Outcomes(probabilities.reshape(-1, 3), np.array(labels, np.int64), ABC, subjects, seed)


EXAMPLE = outcomes([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 2, 2])


def test_values_worked_out_by_hand():
    assert METRICS["accuracy"](EXAMPLE).value == pytest.approx(4 / 6)
    assert METRICS["balanced_accuracy"](EXAMPLE).value == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert METRICS["macro_f1"](EXAMPLE).value == pytest.approx((4 / 5 + 2 / 4 + 2 / 3) / 3)
    assert METRICS["ece"](EXAMPLE).value == pytest.approx(0.8 - 4 / 6)
    assert METRICS["nll"](EXAMPLE).value == pytest.approx(-(4 * math.log(0.8) + 2 * math.log(0.1)) / 6)
    right, wrong = 0.2**2 + 2 * 0.1**2, 0.8**2 + 0.9**2 + 0.1**2
    assert METRICS["brier"](EXAMPLE).value == pytest.approx((4 * right + 2 * wrong) / 6)
    np.testing.assert_array_equal(EXAMPLE.confusion, [[2, 1, 0], [0, 1, 1], [0, 0, 1]])
    assert METRICS["macro_precision"](EXAMPLE).value == pytest.approx((1 + 1 / 2 + 1 / 2) / 3)
    assert METRICS["weighted_precision"](EXAMPLE).value == pytest.approx((3 * 1 + 2 / 2 + 1 / 2) / 6)
    assert METRICS["weighted_f1"](EXAMPLE).value == pytest.approx((3 * 4 / 5 + 2 * 2 / 4 + 2 / 3) / 6)
    assert METRICS["weighted_recall"](EXAMPLE).value == METRICS["accuracy"](EXAMPLE).value
    assert METRICS["macro_recall"](EXAMPLE) == METRICS["balanced_accuracy"](EXAMPLE)
    by_chance = (3 * 2 + 2 * 2 + 1 * 2) / 36
    assert METRICS["kappa"](EXAMPLE).value == pytest.approx((4 / 6 - by_chance) / (1 - by_chance))
    # a is told by 0.8 (twice) and 0.1 (four times, once of a): 2 of 3 beat all of the rest, the third ties with all
    assert by_class(EXAMPLE)["roc_auc_a"].value == pytest.approx((3 + 3 + 3 / 2) / 9)
    assert by_class(EXAMPLE)["average_precision_a"].value == pytest.approx(2 / 3 * 1 + 1 / 3 * 3 / 6)


def test_kappa_of_a_published_example():
    """Cohen 1960, table 1: two judges, 200 patients, three diagnoses; p_o = 0.70, p_e = 0.41, kappa = 0.49."""
    counts = np.array([[88, 14, 18], [10, 40, 10], [2, 6, 12]])
    assert counts.sum() == 200
    cells = np.repeat(np.arange(9), counts.ravel())
    example = outcomes(cells // 3, cells % 3)
    assert METRICS["accuracy"](example).value == pytest.approx(0.70)
    assert METRICS["kappa"](example).value == pytest.approx((0.70 - 0.41) / (1 - 0.41))


def test_classes_one_by_one():
    figures = by_class(EXAMPLE)
    assert figures["recall_a"] == Estimate(wilson(2, 3).value, wilson(2, 3).low, wilson(2, 3).high, 3)
    assert figures["precision_a"].value == 1 and figures["precision_b"].value == 0.5
    assert figures["precision_c"].n == 2


def test_calibration_error_by_hand():
    confidence = np.array([0.0, 0.05, 0.95, 1.0])
    correct = np.array([False, True, True, True])
    # the first two share a bin: |(0 + 1) - 0.05|; the last two share one: |2 - 1.95|
    assert calibration_error(confidence, correct) == pytest.approx((0.95 + 0.05) / 4)
    assert calibration_error(np.array([1.0, 1.0]), np.array([True, False])) == pytest.approx(0.5)
    edge = np.linspace(0, 1, 16)[9]  # belongs to the bin above it
    assert calibration_error(np.array([edge, edge - 0.02]), np.array([True, False])) == pytest.approx(0.49)
    assert calibration_error(np.array([edge, edge + 0.02]), np.array([True, False])) == pytest.approx(edge - 0.49)


def test_an_interval_holds_its_value_and_narrows_with_n():
    few, many = (outcomes([0, 1, 2, 0] * n, [0, 1, 2, 1] * n) for n in (5, 500))
    for name in ("accuracy", "macro_f1", "balanced_accuracy"):
        a, b = METRICS[name](few), METRICS[name](many)
        assert a.low < a.value < a.high and b.low < b.value < b.high
        assert b.high - b.low < (a.high - a.low) / 5


def test_the_bootstrap_draws_people_where_there_are_people():
    labels, predicted = [0, 1, 2] * 40, [0, 1, 2] * 20 + [1, 2, 0] * 20
    alone = METRICS["macro_f1"](outcomes(labels, predicted))
    subjects = np.repeat([f"s{k}" for k in range(4)], 30)  # two people always right, two never
    people = METRICS["macro_f1"](outcomes(labels, predicted, subjects=subjects))
    assert people.value == alone.value
    assert people.high - people.low > 2 * (alone.high - alone.low)
    own = np.array([str(k) for k in range(120)])
    apart = METRICS["macro_f1"](outcomes(labels, predicted, subjects=own))
    assert apart.low == pytest.approx(alone.low, abs=0.01) and apart.high == pytest.approx(alone.high, abs=0.01)


def test_the_seed_decides():
    one, same, other = (METRICS["macro_f1"](outcomes([0, 1, 2] * 9, [0, 1, 1] * 9, seed=seed)) for seed in (1, 1, 2))
    assert one == same != other


@pytest.mark.parametrize("name", list(METRICS))
def test_no_faces_is_not_a_number_and_a_warning(name):
    with pytest.warns(UndefinedMetricWarning, match="is not defined: there are no faces"):
        figure = METRICS[name](outcomes([], []))
    assert math.isnan(figure.value) and figure.to_dict() == {"value": None, "low": None, "high": None}


@pytest.mark.filterwarnings("ignore::mien.evaluation.UndefinedMetricWarning")
def test_classes_without_faces_are_left_out_with_a_warning():
    lacking = outcomes([0, 0, 1], [0, 1, 1])
    with pytest.warns(UndefinedMetricWarning, match="macro_f1 leaves out c: no such faces"):
        assert METRICS["macro_f1"](lacking).value == pytest.approx(2 / 3)
    with pytest.warns(UndefinedMetricWarning, match="balanced_accuracy leaves out c"):
        assert METRICS["balanced_accuracy"](lacking).value == pytest.approx(0.75)
    with (
        pytest.warns(UndefinedMetricWarning, match="recall_c is not defined: there are no such faces"),
        pytest.warns(UndefinedMetricWarning, match="precision_c is not defined: it was predicted of no face"),
    ):
        figures = by_class(lacking)
    assert math.isnan(figures["recall_c"].value) and figures["recall_c"].to_dict()["value"] is None


@pytest.mark.filterwarnings("ignore::mien.evaluation.UndefinedMetricWarning")
def test_a_class_that_is_never_predicted_has_no_precision():
    never = outcomes([0, 0, 1, 2], [0, 0, 2, 2])
    with pytest.warns(UndefinedMetricWarning, match="macro_precision leaves out b: predicted of no face"):
        assert METRICS["macro_precision"](never).value == pytest.approx((1 + 1 / 2) / 2)
    with pytest.warns(UndefinedMetricWarning, match="weighted_precision leaves out b: predicted of no face"):
        assert METRICS["weighted_precision"](never).value == pytest.approx((2 * 1 + 1 / 2) / 3)
    with pytest.warns(UndefinedMetricWarning, match="weighted_precision is not defined: predicted of no face"):
        assert math.isnan(METRICS["weighted_precision"](outcomes([0, 0], [1, 1])).value)


@pytest.mark.filterwarnings("ignore::mien.evaluation.UndefinedMetricWarning")
def test_one_class_alone_leaves_nothing_to_rank_or_to_agree_on_beyond_chance():
    alone = outcomes([1, 1, 1], [1, 1, 1])
    with pytest.warns(UndefinedMetricWarning, match="kappa is not defined: labels and predictions are of one and the"):
        assert math.isnan(METRICS["kappa"](alone).value)
    with pytest.warns(UndefinedMetricWarning, match="roc_auc is not defined: every class has none or all of the faces"):
        assert math.isnan(METRICS["roc_auc"](alone).value)
    with pytest.warns(UndefinedMetricWarning, match="average_precision leaves out a, c: no such faces"):
        assert METRICS["average_precision"](alone).value == 1
    with pytest.warns(UndefinedMetricWarning, match="roc_auc_b is not defined: none or all of the faces are such"):
        assert math.isnan(by_class(alone)["roc_auc_b"].value)


def test_a_model_that_says_the_same_of_all_is_worth_nothing():
    constant = Outcomes(np.full((9, 3), 1 / 3), np.arange(9) % 3, ABC)
    figures = {name: METRICS[name](constant) for name in ("roc_auc", "kappa", "balanced_accuracy")}
    assert [figures[name].value for name in figures] == pytest.approx([0.5, 0, 1 / 3])
    assert (figures["roc_auc"].low, figures["roc_auc"].high) == (0.5, 0.5)


def test_a_perfect_model():
    perfect = outcomes([0, 1, 2] * 5, [0, 1, 2] * 5)
    for name in METRICS:
        if name not in ("ece", "brier", "nll"):
            assert METRICS[name](perfect).value == pytest.approx(1), name
    assert all(each.value == pytest.approx(1) for each in by_class(perfect).values())


@pytest.mark.filterwarnings("ignore::mien.evaluation.UndefinedMetricWarning")
def test_one_face_or_one_person_has_no_bootstrap_interval():
    for alone in (outcomes([0], [1]), outcomes([0, 1, 2, 0], [0, 1, 2, 1], subjects=np.array(["s"] * 4))):
        for name in ("macro_f1", "ece", "brier"):
            figure = METRICS[name](alone)
            assert math.isfinite(figure.value) and math.isnan(figure.low) and math.isnan(figure.high), name


def test_a_mean_over_people_is_less_sure_than_one_over_faces():
    scores = np.repeat([0.0, 1.0, 0.0, 1.0], 30)
    faces, people = mean("m", scores), mean("m", scores, np.repeat(list("abcd"), 30))
    assert faces.value == people.value == 0.5
    assert faces.high - faces.low == pytest.approx(2 * 1.96 * math.sqrt(0.25 / 119), abs=1e-3)
    assert (people.low, people.high) == (0, 1)  # all four alike: 1 sample in 16, which is within the tails


def test_everything_that_is_told_of_classes_is_told_of_each():
    figures = by_class(EXAMPLE)
    assert list(figures) == [f"{kind}_{label}" for kind in BY_CLASS for label in ABC]
    with pytest.warns(UndefinedMetricWarning):
        assert list(by_class(outcomes([], []))) == list(figures)


def test_a_class_predicted_but_never_true_counts_as_nought():
    with pytest.warns(UndefinedMetricWarning, match="balanced_accuracy leaves out c"):
        assert METRICS["balanced_accuracy"](outcomes([0, 1], [0, 2])).value == pytest.approx(0.5)
    assert METRICS["macro_f1"](outcomes([0, 1], [0, 2])).value == pytest.approx(1 / 3)  # defined for all three


@settings(deadline=None, max_examples=40)
@given(n=st.integers(1, 10_000), share=st.floats(0, 1))
def test_wilson_stays_in_the_unit_interval_and_around_its_value(n, share):
    figure = wilson(round(n * share), n)
    assert 0 <= figure.low <= figure.value + 1e-12 and figure.value - 1e-12 <= figure.high <= 1
    assert figure.high - figure.low > 0  # all right out of n is still no certainty


def test_one_face_at_probability_nought_is_finite():
    sure = Outcomes(np.array([[1.0, 0, 0], [1.0, 0, 0]]), np.array([0, 1]), ABC)
    assert METRICS["nll"](sure).value == pytest.approx(-math.log(2.220446049250313e-16) / 2)


RANGES = {"kappa": (-1, 1), "brier": (0, 2), "nll": (0, 37)}


@pytest.mark.filterwarnings("ignore::mien.evaluation.UndefinedMetricWarning")
@settings(deadline=None, max_examples=10)
@given(data=st.data(), n=st.integers(1, 12), by_person=st.booleans())
def test_whatever_is_said_of_whomever_a_figure_is_in_its_range_or_nan(data, n, by_person):
    labels, predicted = (data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)) for _ in range(2))
    who = data.draw(st.lists(st.sampled_from("xyz"), min_size=n, max_size=n))
    confidence = data.draw(st.sampled_from([0.4, 0.8, 1.0]))
    some = outcomes(labels, predicted, confidence=confidence, subjects=np.array(who) if by_person else None)
    for name in METRICS:
        figure, (least, most) = METRICS[name](some), RANGES.get(name, (0, 1))
        for value in (figure.value, figure.low, figure.high):
            if name not in ("brier", "nll") or value is not figure.high:  # a normal interval knows no upper end
                assert math.isnan(value) or least - 1e-9 <= value <= most + 1e-9, (name, figure)
        assert math.isnan(figure.low) == math.isnan(figure.high) and not figure.low > figure.high, (name, figure)
        if math.isnan(figure.value):
            assert name in ("kappa", "roc_auc", "weighted_precision") and math.isnan(figure.low), (name, figure)


def test_wrong_shapes_and_ids_are_refused():
    with pytest.raises(DataError, match=r"probabilities of shape \(2, 3\), got \(2, 2\)"):
        Outcomes(np.zeros((2, 2)), np.array([0, 1]), ABC)
    with pytest.raises(DataError, match=r"class ids in 0\.\.2, got others: leave out faces without a label"):
        Outcomes(np.full((1, 3), 1 / 3), np.array([-1]), ABC)


def test_a_metric_is_added_by_name():
    with pytest.raises(UsageError, match="expected a metric out of accuracy, macro_f1"):
        METRICS["kappaa"]
    with pytest.raises(ValueError, match="a second time"):
        METRICS.register("accuracy")(lambda outcomes: Estimate(0.0))


@pytest.mark.parametrize("by_person", [False, True])
def test_the_interval_of_the_calibration_error_holds_the_truth(by_person):
    """Faces whose accuracy is 0.12 below their confidence everywhere: that is the error, whatever is drawn."""
    held = 0
    for seed in range(30):
        chance = np.random.default_rng(seed)
        confidence = chance.uniform(0.55, 0.98, 600)
        right = chance.random(600) < confidence - 0.12
        probabilities = np.stack([confidence, 1 - confidence], 1)
        people = np.repeat(np.arange(200), 3).astype(str) if by_person else None
        outcomes = Outcomes(
            probabilities, np.where(right, 0, 1), LabelSet("two", ("a", "b")), subjects=people, seed=seed
        )
        found = METRICS["ece"](outcomes)
        assert 0 <= found.low <= found.value <= found.high
        held += found.low <= 0.12 <= found.high
    assert held >= 25
