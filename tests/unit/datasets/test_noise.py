"""Agreement, entropy and suspects on worked examples, and on labels whose errors are known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mien.core.errors import DataError
from mien.core.labels import LABEL_SETS, LabelSet
from mien.datasets import LabelColumn, Table
from mien.datasets.noise import (
    common_labels,
    compare,
    distributions_in,
    entropy_bits,
    find_suspects,
    ids_in,
    vote_share,
    votes_of,
)

FER2013, FERPLUS = LABEL_SETS["fer2013"], LABEL_SETS["ferplus"]


def column(label_set, labels, soft=None):
    return LabelColumn(label_set, np.array([-1 if each is None else label_set.index(each) for each in labels]), soft)


def test_agreement_of_a_worked_example():
    one = column(FER2013, ["anger", "anger", "anger", "fear", "fear", "happiness", "sadness", None, "anger"])
    other = column(FERPLUS, ["anger", "anger", "fear", "fear", "anger", "happiness", "contempt", "anger", None])
    found = compare(one, other)
    assert found.labels == FER2013.labels  # contempt is not common, so the seventh image does not count
    assert found.n == 6 and found.agree == 4
    # Chance: anger 3/6 * 3/6, fear 2/6 * 2/6, happiness 1/6 * 1/6.
    chance = (9 + 4 + 1) / 36
    assert found.kappa == pytest.approx((4 / 6 - chance) / (1 - chance))
    anger, fear = FER2013.index("anger"), FER2013.index("fear")
    assert found.confusion[anger, fear] == 1 and found.confusion[fear, anger] == 1
    shares = found.by_label()
    assert shares["anger"] == pytest.approx(2 / 3) and shares["fear"] == 0.5 and math.isnan(shares["disgust"])


def test_kappa_is_undefined_where_chance_is_all():
    alone = column(FER2013, ["anger", "anger"])
    assert math.isnan(compare(alone, alone).kappa)
    assert math.isnan(compare(alone, column(FERPLUS, [None, None])).kappa)


def test_sources_must_have_labels_in_common():
    with pytest.raises(DataError, match="labels in common, got yes, no and anger"):
        common_labels(LabelSet("a", ("yes", "no")), FER2013)


def test_entropy_in_bits():
    votes = np.array([[10, 0, 0, 0], [5, 5, 0, 0], [2, 2, 2, 2], [0, 0, 0, 0], [1, 3, 0, 0]])
    expected = [0, 1, 2, np.nan, -(0.25 * math.log2(0.25) + 0.75 * math.log2(0.75))]
    np.testing.assert_allclose(entropy_bits(votes.astype(float)), expected)


@given(arrays(np.int8, st.tuples(st.integers(1, 6), st.integers(2, 8)), elements=st.integers(0, 10)))
def test_entropy_stays_within_its_bounds(votes):
    bits = entropy_bits(votes.astype(float))
    known = votes.sum(1) > 0
    assert np.isnan(bits[~known]).all()
    assert (bits[known] >= 0).all() and (bits[known] <= np.log2(votes.shape[1]) + 1e-9).all()
    np.testing.assert_array_equal(bits[known] == 0, (votes[known] > 0).sum(1) == 1)


def voted(votes, labels):
    """A table with FER2013's labels and FER+'s raw votes, its column without single ones."""
    votes = np.array(votes, np.int8)
    soft = np.full((len(votes), 8), 1 / 8, np.float32)
    sources = {"fer2013": column(FER2013, labels), "ferplus": column(FERPLUS, [None] * len(votes), soft)}
    images = np.zeros((len(votes), 8, 8), np.uint8)
    return Table([str(i) for i in range(len(votes))], images, ["train"] * len(votes), sources, {"votes": votes})


def test_raw_votes_count_single_ones_and_those_who_saw_no_face_too():
    # neutral happiness surprise sadness anger disgust fear contempt unknown NF
    table = voted([[1, 0, 0, 0, 7, 0, 0, 0, 1, 1], [0] * 10, [10] + [0] * 9], ["anger", "anger", None])
    np.testing.assert_array_equal(votes_of(table, "ferplus")[0], [1, 0, 0, 0, 7, 0, 0, 0])
    share = vote_share(table, "fer2013", "ferplus")
    assert share[0] == pytest.approx(0.7) and np.isnan(share[1:]).all()
    assert votes_of(table, "fer2013") is None


def test_without_raw_votes_the_distributions_count():
    table = voted([[0] * 10], ["anger"])
    table = Table(table.ids, table.images, table.split, table.sources)
    np.testing.assert_allclose(votes_of(table, "ferplus"), np.full((1, 8), 1 / 8))
    assert vote_share(table, "fer2013", "ferplus")[0] == pytest.approx(1 / 8)


def test_distributions_in_other_labels_keep_their_names():
    votes = np.array([[1.0, 0, 0, 0, 3, 0, 0, 4], [0, 0, 0, 0, 0, 0, 0, 5]])  # neutral, anger, contempt
    shares = distributions_in(FER2013, votes, FERPLUS)
    assert shares[0, FER2013.index("anger")] == 0.75 and shares[0, FER2013.index("neutral")] == 0.25
    assert shares[1].sum() == 0
    with pytest.raises(DataError, match="expected the labels"):
        distributions_in(FERPLUS, shares, FER2013)
    assert ids_in(FER2013, column(FERPLUS, ["contempt", "anger", None])).tolist() == [-1, FER2013.index("anger"), -1]


def test_suspects_of_a_worked_example():
    probabilities = np.array(
        [
            [0.9, 0.1, 0.0],
            [0.2, 0.8, 0.0],
            [0.6, 0.3, 0.1],
            [0.1, 0.7, 0.2],  # labelled 0, and 0.7 is above what class 1 has on average
            [0.8, 0.1, 0.1],  # labelled 1, and 0.8 is above what class 0 has on average
            [0.1, 0.1, 0.8],
            [0.0, 0.0, 0.0],  # nothing known
            [0.0, 1.0, 0.0],  # no label
        ]
    )
    found = find_suspects(np.array([0, 1, 0, 0, 1, 2, 1, -1]), probabilities)
    assert found.n == 6
    np.testing.assert_allclose(found.thresholds, [1.6 / 3, 0.45, 0.8])
    np.testing.assert_array_equal(found.joint, [[2, 1, 0], [1, 1, 0], [0, 0, 1]])
    assert found.rows.tolist() == [4, 3] and found.suggested.tolist() == [0, 1]  # by margin: -0.7, -0.6
    np.testing.assert_allclose([found.given, found.likely], [[0.1, 0.1], [0.8, 0.7]])
    assert found.noise == pytest.approx((3 * 1 / 3 + 2 * 1 / 2) / 6)


def test_nothing_to_judge_gives_no_suspects():
    found = find_suspects(np.array([-1, 0]), np.array([[1.0, 0.0], [0.0, 0.0]]))
    assert found.n == 0 and len(found.rows) == 0 and math.isnan(found.noise)


def test_known_errors_are_found_and_right_labels_left_alone():
    rng = np.random.default_rng(0)
    n, k = 3000, 5
    truth = rng.integers(0, k, n)
    labels, wrong = truth.copy(), rng.random(n) < 0.15
    labels[wrong] = (truth[wrong] + rng.integers(1, k, wrong.sum())) % k
    logits = rng.normal(0, 1, (n, k))
    logits[np.arange(n), truth] += 4  # a model that did not see the wrong labels, right nine times in ten
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    found = find_suspects(labels, probabilities)
    flagged = np.zeros(n, bool)
    flagged[found.rows] = True
    assert (flagged & wrong).sum() / flagged.sum() > 0.9
    assert (flagged & wrong).sum() / wrong.sum() > 0.8
    assert wrong[found.rows[:200]].mean() > wrong[found.rows].mean()  # the most doubtful first
    assert found.noise == pytest.approx(wrong.mean(), abs=0.03)
    right = found.suggested == truth[found.rows]
    assert right[wrong[found.rows]].mean() > 0.95
