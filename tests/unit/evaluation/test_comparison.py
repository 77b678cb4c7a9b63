"""Models side by side: what is refused, what is resampled, and what is said."""

import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from mien.core.errors import DataError, UsageError
from mien.core.labels import LabelSet
from mien.evaluation import PredictionTable
from mien.evaluation.comparison import compare_predictions, score_seeds
from mien.evaluation.intervals import paired_difference
from mien.evaluation.metrics import wilson
from mien.evaluation.paired import pair
from mien.evaluation.resampling import bootstrap, swap_accuracy, swap_macro_f1
from mien.evaluation.statistics import critical_difference, holm, mcnemar, ranks

ABC = LabelSet("abc", ("a", "b", "c"))


def table(labels, predicted, *, ids=None, subject=None, split="test", label_set=ABC, **meta):
    k = len(label_set)
    p = np.where(np.arange(k) == np.reshape(predicted, (-1, 1)), 0.8, 0.2 / (k - 1))
    names = [f"i{i:03d}" for i in range(len(labels))] if ids is None else ids
    who = None if subject is None else np.array(subject, np.str_)
    return PredictionTable(
        np.array(names, np.str_),
        np.full(len(labels), split),
        np.array(labels, np.int16),
        p.reshape(-1, k).astype(np.float32),
        label_set,
        subject=who,
        meta=meta,
    )


def noisy(seed, n=60, skill=0.7, **changes):
    """Predictions of labels that are the same for every seed."""
    labels = np.random.default_rng(100).integers(0, 3, n)
    generator = np.random.default_rng(seed)
    wrong = generator.random(n) > skill
    return table(labels, (labels + wrong * generator.integers(1, 3, n)) % 3, **changes)


def compared(*tables, **settings):
    models = {name: each if isinstance(each, list) else [each] for name, each in zip("ABCDEF", tables, strict=False)}
    return compare_predictions(models, **{"resamples": 500, **settings})


# ---------------------------------------------------------------------------------------------------------------------


def refused(a, b):
    with pytest.raises(DataError) as error:
        pair({"A": a if isinstance(a, list) else [a], "B": b if isinstance(b, list) else [b]})
    said = str(error.value)
    assert said.startswith("expected ") and "\n" not in said
    return said


FOUR = table([0, 1, 2, 0], [0, 1, 2, 1])


def test_predictions_of_other_images_are_refused_and_named():
    other = table([0, 1, 2, 0, 1, 1], [0] * 6, ids=["i000", "i001", "z9", "z1", "z2", "z3"])
    said = refused(FOUR, other)
    assert "2 only in A (i002, i003) and 4 only in B (z1, z2, z3, ...), 2 in both" in said
    assert "3 only in A (i001, i002, i003), 1 in both" in refused(FOUR, FOUR.select([0]))


def test_an_image_that_only_one_of_them_labels_is_another_image():
    said = refused(FOUR, replace(FOUR, label_ids=np.array([0, 1, 2, -1], np.int16)))
    assert "1 only in A (i003), 3 in both" in said


def test_one_image_labelled_in_two_ways():
    said = refused(FOUR, table([0, 2, 2, 0], [0, 1, 2, 1]))
    assert "1 images that A and B label otherwise (i001: b and c)" in said


def test_other_classes_are_refused_but_another_order_is_not():
    said = refused(FOUR, table([0, 1, 2, 0], [0, 1, 2, 1], label_set=LabelSet("other", ("a", "b", "d"))))
    assert "got c only in A; d only in B" in said
    turned = table([2, 1, 0, 2], [2, 1, 0, 1], label_set=LabelSet("cba", ("c", "b", "a")))
    assert (pair({"A": [FOUR], "B": [turned]}).predicted[:, 0] == [[0, 1, 2, 1]] * 2).all()


def test_rows_may_stand_in_another_order():
    generator = np.random.default_rng(0)
    a, b = noisy(1), noisy(2)
    mixed = b.select(generator.permutation(len(b)))
    np.testing.assert_array_equal(pair({"A": [a], "B": [b]}).predicted, pair({"A": [a], "B": [mixed]}).predicted)


def test_other_splits_and_rules_are_refused():
    assert "4 images in others (i000: test in A, valid in B)" in refused(FOUR, replace(FOUR, split=np.full(4, "valid")))
    for key in ("rule", "label_source", "label_file"):
        said = refused(replace(FOUR, meta={key: "x"}), replace(FOUR, meta={key: "y"}))
        assert "'x' of A, 'y' of B" in said
    pair({"A": [FOUR], "B": [replace(FOUR, meta={"rule": "x"}, split=np.full(4, ""))]})  # a csv may say nothing


def test_tables_that_hold_nothing_to_compare():
    assert refused(FOUR.select([]), FOUR) == "expected predictions of A, got an empty table"
    unlabelled = replace(FOUR, label_ids=np.full(4, -1, np.int16))
    assert refused(FOUR, unlabelled) == "expected labelled predictions of B, got no label in 4 rows"
    assert "got 1 ids several times (i001)" in refused(FOUR, FOUR.select([0, 1, 1, 2, 3]))
    with pytest.raises(UsageError, match="two names or more to compare, got A"):
        compare_predictions({"A": [FOUR]})
    with pytest.raises(UsageError, match="expected a prediction table of B, got none"):
        pair({"A": [FOUR], "B": []})


def test_tables_of_one_name_are_folds_or_seeds_and_nothing_between():
    assert "2 images in common (i001, i002) of 3 and 2" in refused([FOUR.select([0, 1, 2]), FOUR.select([1, 2])], FOUR)
    folds = pair({"A": [FOUR.select([0, 1]), FOUR.select([2, 3])], "B": [FOUR.select([3, 2]), FOUR.select([1, 0])]})
    assert folds.folds == 2 and folds.repeats == 1 and [rows.tolist() for _, rows in folds.runs] == [[0, 1], [2, 3]]
    seeds = pair({"A": [FOUR, FOUR], "B": [FOUR, FOUR]})
    assert seeds.folds == 1 and seeds.repeats == 2 and len(seeds.runs) == 2
    both = pair({name: [FOUR.select([0, 1]), FOUR.select([2, 3])] * 2 for name in "AB"})
    assert both.folds == 2 and both.repeats == 2 and len(both.runs) == 4
    assert "got 2 of A, 1 of B" in refused([FOUR, FOUR], FOUR)
    assert "as many tables of A for each fold, got 2, 1" in refused(
        [FOUR.select([0]), FOUR.select([0]), FOUR.select([1])], FOUR
    )


def test_folds_against_one_table_are_compared_by_image_only():
    found = compared([noisy(1).select(slice(0, 30)), noisy(1).select(slice(30, 60))], noisy(2))
    assert not found.paired.runs and any("not fold by fold" in line for line in found.notes)
    assert all(each.over == "images" for each in found.pairs[0].tests)


# ---------------------------------------------------------------------------------------------------------------------


def test_scores_are_those_of_scikit_learn():
    a, b = [noisy(1), noisy(3)], [noisy(2), noisy(4)]
    found = compared(a, b)
    for score, tables in zip(found.scores, (a, b), strict=True):
        f1 = [f1_score(each.label_ids, each.probabilities.argmax(1), average="macro") for each in tables]
        accuracy = [np.mean(each.label_ids == each.probabilities.argmax(1)) for each in tables]
        assert score.runs["macro_f1"] == pytest.approx(f1, abs=1e-9)
        assert score.runs["accuracy"] == pytest.approx(accuracy, abs=1e-9)
        assert score.macro_f1.value == pytest.approx(np.mean(f1), abs=1e-9)
        assert score.accuracy.value == pytest.approx(np.mean(accuracy), abs=1e-9)


@pytest.mark.parametrize("subject", [None, np.arange(60) // 6])
def test_the_bootstrap_is_that_of_drawing_images_or_people(subject):
    paired = pair({"A": [noisy(1, subject=subject), noisy(3)], "B": [noisy(2), noisy(4)]})
    drawn = bootstrap(paired, resamples=4000, seed=1)
    generator = np.random.default_rng(0)
    who = np.arange(60) if subject is None else subject
    brute = np.empty((4000, 2, 2))
    for line in brute:
        rows = np.concatenate([np.flatnonzero(who == each) for each in generator.choice(np.unique(who), who.max() + 1)])
        y = paired.labels[rows]
        for i in range(2):
            said = paired.predicted[i][:, rows]
            cells = [np.bincount(y * 3 + each, minlength=9).reshape(3, 3) for each in said]
            f1 = [np.mean(2 * np.diag(c) / (c.sum(0) + c.sum(1))) for c in cells]
            line[i] = (said == y).mean(), np.mean(f1)
    for k, metric in enumerate(("accuracy", "macro_f1")):
        np.testing.assert_allclose(drawn[metric].mean(0), brute[:, :, k].mean(0), atol=0.006)
        np.testing.assert_allclose(np.cov(drawn[metric].T), np.cov(brute[:, :, k].T), atol=6e-4)


@pytest.mark.parametrize("subject", [None, [0, 0, 1, 1, 2, 2, 3, 3]])
def test_swapping_goes_through_all_cases_where_they_are_few(subject):
    labels = np.array([0, 1, 2, 0, 1, 2, 0, 1])
    a, b = np.array([0, 1, 2, 0, 1, 2, 1, 2]), np.array([0, 2, 1, 0, 0, 2, 0, 2])
    paired = pair({"A": [table(labels, a, subject=subject)], "B": [table(labels, b, subject=subject)]})
    who = np.arange(8) if subject is None else np.array(subject)

    def difference(score):
        values = []
        for signs in itertools.product([False, True], repeat=who.max() + 1):
            swap = np.array(signs)[who]
            one, other = np.where(swap, b, a), np.where(swap, a, b)
            values.append(score(one) - score(other))
        return np.array(values)

    for ours, score in (
        (swap_accuracy(paired, 0, 1), lambda said: np.mean(said == labels)),
        (swap_macro_f1(paired, 0, 1), lambda said: f1_score(labels, said, average="macro")),
    ):
        brute = difference(score)
        assert ours.also["exact"] == 1 and ours.n == who.max() + 1
        assert ours.statistic == pytest.approx(brute[0], abs=1e-9)
        assert ours.p == pytest.approx(np.mean(np.abs(brute) >= abs(brute[0]) - 1e-12), abs=1e-9)


# ---------------------------------------------------------------------------------------------------------------------


def test_one_table_each_is_decided_by_mcnemar_with_tangos_interval():
    a, b = noisy(1, n=400, skill=0.8), noisy(2, n=400, skill=0.7)
    found = compared(a, b)
    right = [each.probabilities.argmax(1) == each.label_ids for each in (a, b)]
    difference = paired_difference(int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum()), 400)
    (each,) = found.pairs
    assert each.differences["accuracy"] == difference
    assert each.decided_by.finding == mcnemar(*right) and each.decided_by.p_holm == each.decided_by.finding.p
    assert each.differ
    value, low, high = (f"{100 * part:.1f}" for part in (difference.value, difference.low, difference.high))
    p = "p < 0.001" if each.decided_by.p_holm < 0.001 else f"p = {each.decided_by.p_holm:.3f}"
    said = f"A is {value} points better than B on the same 400 images, 95 % interval {low} to {high}, {p}."
    assert each.sentence == said
    assert compared(b, a).sentences[0] == said.replace("A", "x").replace("B", "A").replace("x", "B")


def test_no_difference_is_said_as_plainly():
    (said,) = compared(noisy(1), noisy(2)).sentences
    assert said.startswith("A and B are not shown to differ on the same 60 images: A is ") or said.startswith("B and A")
    assert "points ahead, 95 % interval -" in said
    (said,) = compared(FOUR, FOUR).sentences
    assert said == "A and B are right on the same 4 images: nothing tells their accuracies apart."
    (said,) = compared(table([0, 0], [0, 1]), table([0, 0], [1, 0])).sentences
    assert "not shown to differ on the same 2 images: both are right equally often, 95 % interval " in said


def test_one_image_one_subject_and_perfect_models_crash_nothing():
    for a, b in [
        (table([0], [0]), table([0], [1])),
        (table([0], [0]), table([0], [0])),
        (noisy(1, skill=2), noisy(2, skill=2)),
        (noisy(1, skill=2), noisy(2, skill=-1)),
        (noisy(1, subject=["s"] * 60), noisy(2)),
    ]:
        found = compared(a, b)
        json.dumps(found.to_dict(), allow_nan=False)
        assert len(found.sentences) == 1 and "nan" not in found.sentences[0]
    one_subject = found.pairs[0]
    assert math.isnan(one_subject.differences["accuracy"].low) and one_subject.decided_by.finding.p == 1
    assert any("the interval of the difference in accuracy" in line for line in found.notes)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 3), st.integers(1, 2), st.integers(1, 3), st.integers(1, 7), st.booleans(), st.integers(0, 10**6))
def test_whatever_few_predictions_say_nothing_is_made_up(models, seeds, parts, n, people, number):
    """Each p is a probability or missing with a note, each interval has a width or is missing."""
    generator = np.random.default_rng(number)
    labels = [generator.integers(0, 3, n) for _ in range(parts)]
    ids = [[f"{part}-{k}" for k in range(n)] for part in range(parts)]
    who = generator.integers(0, 2, n).astype(str) if people else None

    def tables():
        said = lambda y: np.where(generator.random(n) < 0.5, y, generator.integers(0, 3, n))  # noqa: E731
        return [table(y, said(y), ids=i, subject=who) for _ in range(seeds) for y, i in zip(labels, ids, strict=True)]

    found = compared(*(tables() for _ in range(models)), resamples=100)
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert len(plain["sentences"]) == models * (models - 1) // 2 and "nan" not in " ".join(plain["sentences"])
    tests = [each for one in plain["pairs"] for each in one["tests"]] + plain["overall"]
    assert all(each["p"] is None or 0 < each["p"] <= 1 for each in tests)
    assert plain["notes"] or all(each["p"] is not None for each in tests)
    for figure in [each for one in plain["pairs"] for each in one["differences"].values()]:
        assert figure["low"] is None or -1 <= figure["low"] < figure["high"] <= 1
    assert len(found.paired.runs) == (seeds * parts if seeds * parts > 1 else 0)


def test_several_models_are_corrected_together():
    found = compared(*(noisy(seed, n=300, skill=skill) for seed, skill in ((1, 0.85), (2, 0.75), (3, 0.72))))
    p = sorted((each.decided_by.finding.p, each.decided_by.p_holm) for each in found.pairs)
    assert p[0][1] == pytest.approx(3 * p[0][0]) and p[1][1] == pytest.approx(max(3 * p[0][0], 2 * p[1][0]))
    assert [each.finding.test for each in found.overall] == ["cochran_q"]
    assert "after Holm" in found.sentences[0]
    assert found.diagram.axis == "accuracy on 300 images (%)" and math.isnan(found.diagram.critical_difference)
    assert found.diagram.places == pytest.approx([100 * each.accuracy.value for each in found.scores])
    names = {each.first + each.second for each in found.pairs if not each.differ}
    shown = {found.diagram.names[i] + found.diagram.names[j] for bar in found.diagram.bars for i in bar for j in bar}
    assert names <= shown


def folds(seed, skill):
    whole = noisy(seed, n=300, skill=skill)
    return [whole.select(slice(start, start + 50)) for start in range(0, 300, 50)]


def test_folds_are_tested_by_fold_too():
    found = compared(folds(1, 0.85), folds(2, 0.75), folds(3, 0.6))
    assert len(found.paired.runs) == 6
    tests = {(each.finding.test, each.metric) for each in found.pairs[0].tests if each.over == "runs"}
    kinds = ("corrected_paired_t", "wilcoxon", "permutation", "friedman_nemenyi")
    assert tests == {(kind, metric) for kind in kinds for metric in ("accuracy", "macro_f1")}
    t = next(each.finding for each in found.pairs[0].tests if each.finding.test == "corrected_paired_t")
    assert t.also["test_to_train"] == pytest.approx(50 / 250)
    scores = found.paired.run_scores()["accuracy"]
    assert found.diagram.places == pytest.approx(ranks(scores).mean(0))
    assert found.diagram.critical_difference == critical_difference(3, 6) and found.diagram.low_is_best
    given = compared(folds(1, 0.85), folds(2, 0.75), folds(3, 0.6), n_train=100, posthoc="holm")
    tests = {each.finding.test: each.finding for each in given.pairs[0].tests}
    assert tests["corrected_paired_t"].also["test_to_train"] == 0.5 and "friedman_holm" in tests
    assert math.isnan(given.diagram.critical_difference)


def test_seeds_are_no_more_images():
    a, b = [noisy(seed, skill=0.8) for seed in range(4)], [noisy(seed, skill=0.7) for seed in range(10, 14)]
    found = compared(a, b)
    decided = found.pairs[0].decided_by
    assert decided.finding.test == "permutation" and decided.over == "images" and decided.finding.n == 60
    assert "on the same 60 images (mean of 4 seeds)" in found.sentences[0]
    assert not any(each.finding.test == "mcnemar" for each in found.pairs[0].tests)
    assert any("is not corrected" in line for line in found.notes)


def test_people_decide_where_there_are_people():
    a, b = noisy(1, n=120, skill=0.9), noisy(2, n=120, skill=0.7)
    alone = compared(a, b).pairs[0]
    people = np.repeat(["s1", "s2", "s3", "s4"], 30)
    found = compared(replace(a, subject=people), replace(b, subject=people))
    each = found.pairs[0]
    assert each.decided_by.over == "subjects" and each.decided_by.finding.n == 4
    assert each.decided_by.finding.p >= 2 / 2**4 > alone.decided_by.finding.p  # four people can say no more
    assert not each.differ and "of 4 subjects" in each.sentence
    distinct = [str(k) for k in range(120)]
    assert compared(replace(a, subject=np.array(distinct)), b).pairs[0].decided_by.finding.test == "mcnemar"


def test_the_tables_hold_what_the_result_holds():
    found = compared(folds(1, 0.85), folds(2, 0.75), folds(3, 0.6))
    tables = found.tables()
    assert all(len(row) == len(rows[0]) for rows in tables.values() for row in rows)
    tests = [dict(zip(tables["tests.csv"][0], row, strict=True)) for row in tables["tests.csv"][1:]]
    assert len(tests) == len(found.overall) + sum(len(each.tests) for each in found.pairs)
    row = next(each for each in tests if each["first"] == "A" and each["second"] == "B" and each["test"] == "mcnemar")
    assert row["p"] == found.pairs[0].decided_by.finding.p and row["effect"] == "cohen_g"
    runs = [row for row in tables["scores.csv"][1:] if row[0] == "B" and row[3] == "accuracy"]
    assert [row[4] for row in runs] == [found.scores[1].accuracy.value, *found.scores[1].runs["accuracy"]]


def test_the_same_seed_gives_the_same_figures():
    tables = noisy(1, n=300), noisy(2, n=300, skill=0.75)
    one, same, other = (compared(*tables, seed=seed).pairs[0].differences["macro_f1"] for seed in (1, 1, 2))
    assert one == same != other


def test_seeds_of_one_model_have_a_mean_with_the_interval_it_would_have_beside_others():
    seeds = [noisy(seed) for seed in range(3)]
    score = score_seeds(seeds)
    beside = compare_predictions({"a": seeds, "b": seeds}).scores[0]
    assert (score.accuracy, score.macro_f1, score.runs) == (beside.accuracy, beside.macro_f1, beside.runs)
    assert score.accuracy.value == pytest.approx(np.mean(score.runs["accuracy"])) and len(score.runs["accuracy"]) == 3
    assert score.accuracy.low < score.accuracy.value < score.accuracy.high
    one = score_seeds(seeds[:1])
    assert one.accuracy == wilson(round(one.accuracy.value * len(seeds[0])), len(seeds[0]))


def test_against_one_each_other_is_compared_with_it_alone_and_corrected_for_those_pairs():
    tables = [noisy(seed, n=120, skill=skill) for seed, skill in ((1, 0.9), (2, 0.8), (3, 0.6), (4, 0.85))]
    found, every = compared(*tables, against="B"), compared(*tables)
    assert [(pair.first, pair.second) for pair in found.pairs] == [("A", "B"), ("C", "B"), ("D", "B")]
    assert found.diagram is None and found.to_dict()["diagram"] is None and every.diagram is not None
    alone = [
        mcnemar(
            tables[i].label_ids == tables[i].probabilities.argmax(1),
            tables[1].label_ids == tables[1].probabilities.argmax(1),
        ).p
        for i in (0, 2, 3)
    ]
    assert [pair.decided_by.finding.p for pair in found.pairs] == pytest.approx(alone)
    assert [pair.decided_by.p_holm for pair in found.pairs] == pytest.approx(holm(alone).tolist())
    assert found.overall[0].finding.p == every.overall[0].finding.p
    with pytest.raises(UsageError, match="expected a name to compare with out of A, B, C, D, got 'E'"):
        compared(*tables, against="E")


def test_folds_have_data_of_their_own_and_are_not_prepared_otherwise():
    def folds(seed):
        return [noisy(seed + k, n=20, ids=[f"{k}-{i}" for i in range(20)], data_sha256=f"fold {k}") for k in range(2)]

    assert not any("data_sha256" in note for note in pair({"A": folds(0), "B": folds(5)}).notes)
    other = [replace(each, meta={"data_sha256": "other"}) for each in folds(5)]
    assert any("data_sha256" in note for note in pair({"A": folds(0), "B": other}).notes)
