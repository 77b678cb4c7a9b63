"""Folds: nobody is on both sides, nothing is selected on what is reported; and figures over several runs."""

import math
from dataclasses import replace

import numpy as np
import pytest

from mien.core.errors import DataError, UsageError
from mien.core.labels import LabelSet
from mien.datasets.table import LabelColumn, Table
from mien.training.folds import Deal, deal, fold_numbers, group_of, of_fold, read_folds, spread, spreads, summary_csv

LABELS = LabelSet("labels", ("calm", "cheerful", "cross"))


def faces(n=60, subjects=10, *, test=0):
    """Each subject shows every label; all images differ."""
    rng = np.random.default_rng(3)
    return Table(
        np.array([f"face-{k:02d}" for k in range(n)]),
        rng.integers(0, 255, (n, 8, 8), dtype=np.uint8),
        np.where(np.arange(n) < n - test, "train", "test"),
        {"labels": LabelColumn(LABELS, (np.arange(n) // subjects % 3).astype(np.int16))},
        {"subject": np.array([f"s{k % subjects}" for k in range(n)])},
    )


def people(table, split):
    return set(table.extra["subject"][table.split == split].tolist())


@pytest.mark.parametrize("folds", [5, None])
def test_every_image_is_reported_once_and_by_a_model_that_never_saw_its_subject(folds):
    how = Deal(folds, "subject", "labels", seed=1)
    dealt = deal(faces(), how)
    numbers = fold_numbers(dealt)
    assert numbers == list(range(folds or 10))
    reported = []
    for number in numbers:
        table = of_fold(dealt, number, how)
        train, valid, test = (people(table, split) for split in ("train", "valid", "test"))
        assert train and valid and test
        assert not (train & valid or train & test or valid & test)
        reported += table.ids[table.split == "test"].tolist()
    assert sorted(reported) == faces().ids.tolist()


def test_the_choice_of_validation_does_not_look_at_the_order_of_rows():
    how, table = Deal(5, "subject", "labels"), deal(faces(), Deal(5, "subject", "labels"))
    turned = of_fold(table.select(np.arange(len(table))[::-1]), 2, how)
    straight = of_fold(table, 2, how)
    assert dict(zip(straight.ids.tolist(), straight.split.tolist(), strict=True)) == dict(
        zip(turned.ids.tolist(), turned.split.tolist(), strict=True)
    )


def test_a_test_split_stays_out_unless_a_column_says_otherwise():
    table = faces(test=12)
    assert len(deal(table, Deal(4, "subject", "labels"))) == 48
    column = np.arange(60, dtype=np.int32) % 10 % 5
    own = replace(table, extra={**table.extra, "fold": column})
    assert len(deal(own, Deal(5, "subject", "labels"))) == 60
    some = replace(table, extra={**table.extra, "fold": np.where(column == 4, -1, column)})
    assert fold_numbers(deal(some, Deal(4, "subject", "labels"))) == [0, 1, 2, 3]


def test_a_column_of_other_folds_or_with_torn_subjects_is_refused():
    table = faces()
    own = replace(table, extra={**table.extra, "fold": np.arange(60) % 10 % 5})
    with pytest.raises(DataError, match="expected 10 folds in the table's column 'fold', got 5: give --folds 5"):
        deal(own, Deal(10, "subject", "labels"))
    with pytest.raises(DataError, match=r"expected a fold for each subject \(10\) in the table's column 'fold', got 5"):
        deal(own, Deal(None, "subject", "labels"))
    torn = replace(table, extra={**table.extra, "fold": np.arange(60) // 6 % 5})
    with pytest.raises(DataError, match="expected each subject in one fold, got 20 in several"):
        deal(torn, Deal(5, "subject", "labels"))
    loso = replace(table, extra={**table.extra, "fold": np.arange(60) % 10})
    assert fold_numbers(deal(loso, Deal(None, "subject", "labels"))) == list(range(10))


def test_subjects_are_the_group_where_they_are_known():
    table = faces()
    assert group_of(table, None) == "subject"
    assert group_of(table, "clip_id") == "clip_id"
    without = replace(table, extra={})
    assert group_of(without, None) == ""
    with pytest.raises(DataError, match="expected a column 'subject' to leave one out, got none"):
        deal(without, Deal(None, "", "labels"))
    assert len(deal(without, Deal(3, "", "labels"))) == 60


def test_what_folds_may_be():
    assert read_folds("10") == 10
    assert read_folds(5) == 5
    assert read_folds("loso") is None
    for wrong in ("1", "0", "-3", "ten", 1):
        with pytest.raises(UsageError, match="expected --folds of 2 or more, or loso"):
            read_folds(wrong)


def test_of_few_subjects_one_selects_or_none_can():
    how = Deal(2, "subject", "labels", valid_share=0.1)  # a subject is half of what is left
    table = of_fold(deal(faces(subjects=4), how), 0, how)
    assert len(people(table, "valid")) == len(people(table, "train")) == 1
    with pytest.raises(DataError, match="of another subject among those that fold 0 trains on, got none: take more"):
        of_fold(deal(faces(subjects=2), how), 0, how)


def test_mean_deviation_and_range():
    values = [0.70, 0.72, 0.75]
    found = spread(dict(zip("abc", values, strict=True)))
    assert found.mean == pytest.approx(np.mean(values))
    assert found.std == pytest.approx(np.std(values, ddof=1))
    assert (found.min, found.max, found.n) == (0.70, 0.75, 3)
    one = spread({"a": 0.7, "b": math.nan}).to_dict()
    assert (one["mean"], one["std"], one["n"], one["runs"]) == (0.7, None, 1, {"a": 0.7, "b": None})
    assert spread({"a": math.nan}).to_dict()["mean"] is None


def test_the_table_of_runs():
    heads = {"labels": spreads({"fold-0": {"accuracy": 0.5, "f1": math.nan}, "fold-1": {"accuracy": 0.75}})}
    assert summary_csv(heads).splitlines() == [
        "head,run,accuracy,f1",
        "labels,fold-0,0.5,",
        "labels,fold-1,0.75,",
        "labels,mean,0.625,",
        "labels,std,0.176777,",
        "labels,min,0.5,",
        "labels,max,0.75,",
    ]
    assert summary_csv({}) == "head,run\n"


def test_heads_may_have_different_metrics():
    heads = {
        "ferplus": spreads({"seed-0": {"accuracy": 0.5, "votes_mae": 0.25}}),
        "fer2013": spreads({"seed-0": {"accuracy": 1.0}}),
    }
    rows = summary_csv(heads).splitlines()
    assert rows[:3] == ["head,run,accuracy,votes_mae", "ferplus,seed-0,0.5,0.25", "ferplus,mean,0.5,0.25"]
    assert rows[6:8] == ["fer2013,seed-0,1,", "fer2013,mean,1,"]
