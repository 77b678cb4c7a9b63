"""Groups of people: their figures, those that are too small for one, and the gap between best and worst."""

import json
import math

import numpy as np
import pytest

from mien.core.errors import DataError
from mien.core.labels import LabelSet
from mien.evaluation import PredictionTable, UndefinedMetricWarning, by_group
from mien.evaluation.metrics import wilson

AB = LabelSet("ab", ("a", "b"))


def make(gender, right, *, labels=None, subject=None):
    """A table of faces of whom it is known whether the model is right."""
    n = len(gender)
    labels = np.arange(n, dtype=np.int16) % 2 if labels is None else np.array(labels, np.int16)
    predicted = np.where(np.array(right), labels, 1 - labels)
    probabilities = np.where(np.arange(2) == predicted[:, None], 0.9, 0.1).astype(np.float32)
    ids = np.arange(n).astype(np.str_)
    groups = {"gender": np.array(gender, np.str_)}
    return PredictionTable(ids, np.full(n, "test"), labels, probabilities, AB, subject=subject, groups=groups)


@pytest.fixture
def two():
    """200 women, 90 % right; 100 men, 70 %; three of whom nothing more is known, and five of no known gender."""
    gender = ["female"] * 200 + ["male"] * 100 + ["unsure"] * 3 + [""] * 5
    return make(gender, [True] * 180 + [False] * 20 + [True] * 70 + [False] * 30 + [True] * 8)


def test_the_figures_of_each_group(two):
    table = by_group(two, "gender")
    women, men, unsure = table.rows
    assert (women.name, women.n, men.name, men.n, table.unknown) == ("female", 200, "male", 100, 5)
    assert women.accuracy == wilson(180, 200) and men.accuracy == wilson(70, 100)
    assert men.macro_f1.low < men.macro_f1.value < men.macro_f1.high
    # both labels are equally frequent in a group and equally often missed: F1 is near the accuracy
    assert men.macro_f1.value == pytest.approx(0.7, abs=1e-6) and men.people is None
    assert unsure.n == 3


def test_three_faces_are_too_few_for_a_figure(two):
    unsure = by_group(two, "gender").rows[2]
    assert unsure.too_small and math.isnan(unsure.accuracy.value) and math.isnan(unsure.macro_f1.value)
    plain = unsure.to_dict()
    assert plain["too_small"] and plain["n"] == 3 and plain["accuracy"] == {"value": None, "low": None, "high": None}


def test_the_gap_has_the_interval_of_a_difference_of_shares(two):
    gap = by_group(two, "gender").accuracy_gap
    assert (gap.best, gap.worst) == ("female", "male") and gap.estimate.value == pytest.approx(0.2)
    half = 1.96 * math.sqrt(0.9 * 0.1 / 200 + 0.7 * 0.3 / 100)
    assert (gap.estimate.low, gap.estimate.high) == pytest.approx((0.2 - half, 0.2 + half), abs=0.012)


def test_groups_that_are_alike_have_a_gap_that_holds_nought():
    right = np.random.default_rng(0).random(400) < 0.8
    gap = by_group(make(["x", "y"] * 200, right), "gender").accuracy_gap
    assert gap.estimate.low < 0 < gap.estimate.value


def test_people_are_drawn_where_they_are_known(two):
    one = np.arange(len(two)).astype(np.str_)
    subjects = np.array([f"s{k // 25}" for k in range(len(two))])  # eight women, of whom one is never recognised
    alone, people = (
        by_group(make(two.groups["gender"], [True] * 175 + [False] * 25 + [True] * 108, subject=each), "gender")
        for each in (one, subjects)
    )
    wide, narrow = (table.accuracy_gap.estimate for table in (people, alone))
    assert wide.value == narrow.value and wide.high - wide.low > 2 * (narrow.high - narrow.low)
    assert people.rows[0].people == 8 and people.rows[1].people == 4


def test_a_group_of_one_person_has_no_interval_for_others():
    subject = np.array(["s0"] * 20 + ["s1", "s2"] * 10)
    table = by_group(make(["x"] * 20 + ["y"] * 20, [True] * 30 + [False] * 10, subject=subject), "gender")
    assert math.isnan(table.rows[0].macro_f1.low) and math.isfinite(table.rows[1].macro_f1.low)
    assert table.accuracy_gap.estimate.value == pytest.approx(0.5) and math.isnan(table.accuracy_gap.estimate.low)


def test_people_as_groups():
    subject = np.array(["s0"] * 20 + ["s1"] * 20)
    table = by_group(make([""] * 40, [True] * 30 + [False] * 10, subject=subject), "subject")
    assert [row.accuracy for row in table.rows] == [wilson(20, 20), wilson(10, 20)]
    assert table.accuracy_gap.estimate.low > 0.25 and table.rows[0].people is None


def test_one_large_group_has_no_gap():
    with pytest.warns(UndefinedMetricWarning, match="the gap between groups of gender is not defined: fewer than two"):
        table = by_group(make(["x"] * 20 + ["y"] * 3, [True] * 23), "gender")
    assert table.accuracy_gap is None and table.macro_f1_gap is None
    with pytest.warns(UndefinedMetricWarning, match="fewer than two have 10 faces or more"):
        none = by_group(make(["x"] * 3, [True] * 3), "gender")
    assert none.rows[0].too_small
    with pytest.warns(UndefinedMetricWarning):
        nobody = by_group(make([], []), "gender")
    assert nobody.rows == () and json.dumps(nobody.to_dict(), allow_nan=False)


def test_faces_without_a_label_count_for_nothing(two):
    labels = np.where(np.arange(len(two)) % 2, -1, two.label_ids)
    some = PredictionTable(two.ids, two.split, labels.astype(np.int16), two.probabilities, AB, groups=two.groups)
    assert [row.n for row in by_group(some, "gender").rows] == [100, 50, 2]


def test_samples_are_drawn_a_part_at_a_time(two, monkeypatch):
    """Of many groups all samples together would not fit into memory."""
    from mien.evaluation import fairness

    whole = by_group(two, "gender")
    sizes = []
    draw = fairness.resampled_counts
    monkeypatch.setattr(fairness, "_NUMBERS_AT_ONCE", 8 * 3000)
    monkeypatch.setattr(fairness, "resampled_counts", lambda *a, **b: (sizes.append(b["resamples"]), draw(*a, **b))[1])
    parts = by_group(two, "gender")
    assert sizes == [3000, 3000, 3000, 1000]
    one, two = whole.accuracy_gap.estimate, parts.accuracy_gap.estimate
    assert one.value == two.value and one != two  # other samples, drawn from the same faces
    assert (one.low, one.high) == pytest.approx((two.low, two.high), abs=0.01)


def test_a_column_that_is_not_there(two):
    with pytest.raises(DataError, match="expected a column of groups out of gender in the predictions, got 'race'"):
        by_group(two, "race")
