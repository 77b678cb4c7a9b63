"""Errors of predictions whose errors are known."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from mien.core.errors import DataError
from mien.core.labels import LabelSet
from mien.evaluation import PredictionTable
from mien.evaluation.errors import by_condition, find_errors, labels_by_id
from mien.evaluation.metrics import wilson

ABC = LabelSet("abc", ("a", "b", "c"))
LABELS = [0, 0, 0, 1, 1, 2, 2, -1]
SAID = [  # of the label, of what was said
    [0.9, 0.05, 0.05],
    [0.1, 0.85, 0.05],
    [0.05, 0.9, 0.05],
    [0.2, 0.7, 0.1],
    [0.5, 0.4, 0.1],
    [0.0, 1.0, 0.0],
    [0.05, 0.0, 0.95],
    [1.0, 0.0, 0.0],
]


@pytest.fixture
def predictions():
    ids = np.array([f"i{k}" for k in range(8)])
    return PredictionTable(
        ids, np.full(8, "test"), np.array(LABELS, np.int16), np.array(SAID, np.float32), ABC, meta={"label_source": "x"}
    )


def test_the_hardest_and_the_confidently_wrong(predictions):
    found = find_errors(predictions, most=3)
    assert len(found) == 7 and found.wrong == 4
    assert found.predictions.ids[found.hardest].tolist() == ["i5", "i2", "i1"]
    assert found.loss[2] == pytest.approx(-math.log(0.05), abs=1e-6)
    assert found.loss[5] == pytest.approx(-math.log(np.finfo(float).eps))  # as the metric nll has it
    assert found.predictions.ids[found.confident].tolist() == ["i5", "i2", "i1"]
    assert found.to_dict()["confidently_wrong"] == {"from": 0.8, "count": 3}
    assert (
        find_errors(predictions, most=1).to_dict()["confidently_wrong"]["count"] == 3
    )  # the list is cut, not the count


def test_classes_taken_for_another(predictions):
    first, *others = find_errors(predictions).confused
    assert (first.label, first.predicted, first.reverse) == ("a", "b", 1)
    assert first.rows.tolist() == [2, 1] and first.share == wilson(2, 3)
    assert {(each.label, each.predicted, len(each.rows), each.reverse) for each in others} == {
        ("b", "a", 1, 2),
        ("c", "b", 1, 0),
    }


def test_labels_that_a_second_source_doubts(predictions):
    second = {"i0": "b", "i1": "b", "i2": "c", "i4": None, "i5": "b", "elsewhere": "a"}
    found = find_errors(predictions, second=second)
    assert found.predictions.ids[found.suspects].tolist() == ["i5", "i1"]  # i0 is right, i2 is wrong by both
    assert found.judged == 3
    assert found.to_dict()["suspected_labels"]["share"] == wilson(2, 3).to_dict()
    header, *rows = found.tables()["suspects.csv"]
    assert header[:5] == ["id", "split", "source", "label", "suggestion"]
    assert rows[0][:5] == ["i5", "test", "x", "c", "b"]


def test_the_second_source_may_be_another_prediction_table(predictions):
    other = replace(predictions, label_ids=np.array([0, 1, 1, 1, -1, 1, 2, 0], np.int16))
    assert labels_by_id(other)["i4"] is None
    assert find_errors(predictions, second=other).suspects.tolist() == [5, 2, 1]
    assert find_errors(predictions).suspects.tolist() == [] and find_errors(predictions).second is None
    with pytest.raises(DataError, match=r"labels of these faces out of a, b, c from the second source, got none"):
        find_errors(predictions, second={"other": "a"})
    with pytest.raises(DataError, match=r"got angry, happy"):
        find_errors(predictions, second={"i0": "happy", "i1": "angry"})


def test_bins_have_about_as_many_faces_each_and_all_of_them():
    generator = np.random.default_rng(0)
    values = generator.normal(size=1003)
    values[:3] = np.nan
    right = generator.random(1003) < 0.7
    bins = by_condition("light", values, right, bins=4)
    assert [each.n for each in bins] == pytest.approx([250] * 4, abs=2)
    assert sum(each.n for each in bins) == 1000
    for k, each in enumerate(bins):
        inside = (values >= each.low) & ((values < each.high) | ((k == 3) & (values == each.high)))
        assert each.n == inside.sum() and each.accuracy == wilson(int(right[inside].sum()), each.n)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5.0] * 6, [(5, 5, 6)]),
        ([0.0] * 8 + [1, 2], [(0, 2, 10)]),
        ([0.0] * 4 + [1.0] * 6, [(0, 1, 4), (1, 1, 6)]),
        ([0.0] * 5 + [1, 2, 3, 4, 5], [(0, 1, 5), (1, 3, 2), (3, 5, 3)]),
        ([np.nan, np.nan], []),
        ([np.nan, 1.0], [(1, 1, 1)]),
    ],
)
def test_values_that_many_faces_share_make_fewer_bins_and_no_empty_one(values, expected):
    found = by_condition("x", np.array(values), np.ones(len(values), bool), bins=5)
    assert all(each.n > 0 for each in found)
    assert sum(each.n for each in found) == np.isfinite(values).sum()
    assert [(each.low, each.high, each.n) for each in found] == expected


def test_conditions_go_with_the_rows_that_have_a_label(predictions):
    found = find_errors(predictions, conditions={"light": [1, 2, 3, 4, 5, 6, np.nan, 100]}, bins=2)
    assert found.unknown == {"light": 1}
    assert [(each.low, each.high, each.n) for each in found.bins["light"]] == [(1, 3, 2), (3, 6, 4)]
    assert [each.accuracy.value for each in found.bins["light"]] == [1 / 2, 1 / 4]
    with pytest.raises(DataError, match=r"expected light of shape \(8,\), got \(7,\)"):
        find_errors(predictions, conditions={"light": np.ones(7)})


def test_what_cannot_be_analysed(predictions):
    with pytest.raises(DataError, match="expected predictions to analyse, got an empty table"):
        find_errors(predictions.select([]))
    with pytest.raises(DataError, match="expected labelled predictions to analyse, got no label in 1 rows"):
        find_errors(predictions.select([7]))
    with pytest.raises(DataError, match="expected each face once, got 1 ids several times, such as i0"):
        find_errors(predictions.select([0, 0, 1]))


def test_a_model_without_errors(predictions):
    found = find_errors(predictions.select([0, 3, 6]), second={"i0": "b"}, conditions={"light": [1.0, 2.0, 3.0]})
    assert found.wrong == 0 and found.confused == () and not len(found.confident) and not len(found.suspects)
    assert len(found.hardest) == 3  # the least sure answers are still worth a look
    assert found.to_dict()["suspected_labels"] == {"judged": 0, "share": None, "ids": []}
    json.dumps(found.to_dict(), allow_nan=False)
    assert all(len(row) == len(rows[0]) for rows in found.tables().values() for row in rows)
