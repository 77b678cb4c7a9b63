"""Folds and subsets: what belongs together stays together, and chance is a matter of ids and seed alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.core.errors import DataError, UsageError
from mien.datasets import splits

SEEDS = st.integers(0, 1000)


def names(n):
    return np.array([f"face-{k}" for k in range(n)], np.str_)


def some(n, *, k=4, seed=0):
    return np.random.default_rng(seed).integers(0, k, n)


def test_the_order_of_chance_is_fixed():
    """Written down: a subset that someone published must be the same with every later version."""
    assert splits.shuffled(names(8), 0).tolist() == [7, 4, 3, 0, 2, 6, 5, 1]
    assert splits.shuffled(names(8), 1).tolist() == [3, 6, 1, 7, 2, 0, 4, 5]


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, small=st.integers(0, 9), more=st.integers(0, 9))
def test_a_smaller_draw_is_part_of_a_larger_one(seed, small, more):
    labels = some(60)
    one = splits.take_per_class(labels, names(60), small, seed=seed)
    two = splits.take_per_class(labels, names(60), small + more, seed=seed)
    rest = splits.take_per_class(labels, names(60), more, seed=seed, skip=small)
    assert not (one & ~two).any() and not (one & rest).any()
    np.testing.assert_array_equal(one | rest, two)
    for k, there in enumerate(np.bincount(labels, minlength=4)):
        assert (two & (labels == k)).sum() == min(small + more, there)


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS)
def test_nothing_depends_on_the_order_of_rows(seed):
    labels, ids, groups = some(50), names(50), some(50, k=12, seed=1)
    turn = np.random.default_rng(seed).permutation(50)

    def same(function):
        np.testing.assert_array_equal(
            function(labels, ids, groups)[turn], function(labels[turn], ids[turn], groups[turn])
        )

    same(lambda labels, ids, groups: splits.take_per_class(labels, ids, 5, seed=3))
    same(lambda labels, ids, groups: splits.stratified_folds(labels, ids, 5, seed=3))
    same(lambda labels, ids, groups: splits.stratified_folds(labels, ids, 5, seed=3, groups=groups))
    same(lambda labels, ids, groups: splits.carve(labels, ids, 0.3, seed=3, groups=groups))


def test_rows_without_a_label_are_never_drawn():
    labels = np.array([0, -1, 0, -1, 1])
    assert splits.take_per_class(labels, names(5), 9, seed=0).tolist() == [True, False, True, False, True]


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, folds=st.integers(2, 6))
def test_folds_of_single_images_have_each_class_in_equal_parts(seed, folds):
    labels = some(80, seed=seed)
    fold = splits.stratified_folds(labels, names(80), folds, seed=seed)
    assert fold.dtype == np.int32 and set(fold.tolist()) == set(range(folds))
    for k in range(4):
        counts = np.bincount(fold[labels == k], minlength=folds)
        assert counts.max() - counts.min() <= 1
    totals = np.bincount(fold)
    assert totals.max() - totals.min() <= 4


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, folds=st.integers(2, 5))
def test_a_group_is_in_one_fold(seed, folds):
    groups = some(90, k=14, seed=seed)
    fold = splits.stratified_folds(some(90), names(90), folds, seed=seed, groups=groups)
    for group in np.unique(groups):
        assert len(np.unique(fold[groups == group])) == 1
    assert len(np.unique(fold)) == folds


@pytest.mark.parametrize("seed", range(5))
def test_folds_of_groups_are_as_even_as_those_of_scikit_learn(seed):
    model_selection = pytest.importorskip("sklearn.model_selection")
    generator = np.random.default_rng(seed)
    groups = np.repeat(np.arange(40), generator.integers(2, 12, 40))
    labels = generator.choice(5, len(groups), p=[0.4, 0.3, 0.15, 0.1, 0.05])
    theirs = np.empty(len(groups), int)
    reference = model_selection.StratifiedGroupKFold(5, shuffle=True, random_state=seed)
    for k, (_, test) in enumerate(reference.split(labels, labels, groups)):
        theirs[test] = k

    def unevenness(fold):
        shares = [np.bincount(fold[labels == k], minlength=5) / (labels == k).sum() for k in range(5)]
        return np.std(shares, axis=1).mean()

    ours = splits.stratified_folds(labels, names(len(groups)), 5, seed=seed, groups=groups)
    assert unevenness(ours) <= 1.1 * unevenness(theirs)


def test_one_group_is_left_out_at_a_time():
    assert splits.leave_one_out(np.array(["KM", "KA", "KM", "YM"])).tolist() == [1, 0, 1, 2]
    with pytest.raises(DataError, match="expected 2 groups or more to leave one out, got 1"):
        splits.leave_one_out(np.array(["KA", "KA"]))


def test_folds_that_cannot_be():
    with pytest.raises(DataError, match="expected at least 5 groups for 5 folds, got 2, .* equal .*: take fewer"):
        splits.stratified_folds(some(9), names(9), 5, seed=0, groups=np.arange(9) % 2)
    with pytest.raises(UsageError, match="expected 2 folds or more, got 1"):
        splits.stratified_folds(some(9), names(9), 1, seed=0)


def test_a_share_of_single_images_is_exact():
    labels = np.repeat([0, 1, 2], [100, 40, 10])
    taken = splits.carve(labels, names(150), 0.2, seed=4, groups=np.arange(150))
    assert np.bincount(labels[taken]).tolist() == [20, 8, 2]
    with pytest.raises(UsageError, match=r"expected a share between 0 and 1, got 1\.5"):
        splits.carve(labels, names(150), 1.5, seed=4, groups=np.arange(150))


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS)
def test_a_share_of_groups_is_about_that_and_tears_none(seed):
    labels, groups = some(300, seed=seed), some(300, k=60, seed=seed + 1)
    taken = splits.carve(labels, names(300), 0.2, seed=seed, groups=groups)
    assert not set(groups[taken]) & set(groups[~taken])
    assert 40 <= taken.sum() <= 80


def test_rows_are_joined_through_others():
    assert splits.joined(["s1", "s1", "s2", "s3", ""], ["p", "q", "q", "r", ""]).tolist() == [0, 0, 0, 3, 4]


def test_duplicates():
    kept = splits.without_duplicates(
        ["a", "a", "b", "b", "c", "c", "d", "d", "e", "f", "f"],
        np.array(["train", "train", "train", "train", "train", "valid", "train", "valid", "valid", "valid", "test"]),
        np.array([1, 1, 2, 3, 4, 4, 5, 6, 1, -1, 2]),
        names(11),
    )
    once, conflict, leak, strange, alone, unlabelled = [1, 0], [0, 0], [1, 0], [1, 0], [1], [1, 0]
    assert kept.astype(int).tolist() == once + conflict + leak + strange + alone + unlabelled


def test_train_is_the_same_without_the_other_splits():
    generator = np.random.default_rng(0)
    keys, labels = generator.integers(0, 40, 90).tolist(), generator.integers(-1, 3, 90)
    split = generator.choice(["train", "valid", "test"], 90)
    train = split == "train"
    whole = splits.without_duplicates(keys, split, labels, names(90))
    alone = splits.without_duplicates(
        [k for k, t in zip(keys, train, strict=True) if t], split[train], labels[train], names(90)[train]
    )
    np.testing.assert_array_equal(whole[train], alone)


def test_a_copy_with_a_label_stays_rather_than_one_without():
    kept = splits.without_duplicates(["a", "a"], np.array(["train", "train"]), np.array([-1, 3]), names(2))
    assert kept.tolist() == [False, True]
