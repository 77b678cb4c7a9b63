"""The one table of class orders, checked against the data sets' own documentation, and other spellings."""

import itertools

import pytest

from mien.core.errors import DataError, UsageError
from mien.core.labels import CANONICAL, FIRST_ID, LABEL_SETS, SPELLINGS, LabelSet, canonical

# As the data sets' own files and papers name their classes, from their first id up.
OWN_NAMES = {
    "fer2013": "Angry Disgust Fear Happy Sad Surprise Neutral",
    "ferplus": "neutral happiness surprise sadness anger disgust fear contempt",
    "rafdb": "Surprise Fear Disgust Happiness Sadness Anger Neutral",
    "ckplus": "neutral anger contempt disgust fear happy sadness surprise",
    "ck48": "anger disgust fear happy sadness surprise contempt",
    "ckextended": "Anger Disgust Fear Happiness Sadness Surprise Neutral Contempt",
    "affectnet": "Neutral Happy Sad Surprise Fear Disgust Anger Contempt",
    "jaffe": "angry disgust fear happy neutral sad surprise",  # AN DI FE HA NE SA SU: file names, no numbers
    "mmi": "Anger Disgust Fear Happiness Sadness Surprise",
    "wild": "angry happy neutral sad surprise",
}
OWN_FIRST_IDS = {"rafdb": 1, "mmi": 1}  # all others start at 0


def test_the_order_is_the_data_sets_own():
    own = {name: tuple(map(canonical, names.split())) for name, names in OWN_NAMES.items()}
    assert {name: labels.labels for name, labels in LABEL_SETS.items()} == own
    assert FIRST_ID == OWN_FIRST_IDS


@pytest.mark.parametrize(("one", "other"), list(itertools.permutations(OWN_NAMES, 2)))
def test_there_and_back_again(one, other):
    """An id becomes another data set's id of the same emotion, and itself again on the way back."""
    ours, theirs = LABEL_SETS[one], LABEL_SETS[other]
    there, back = ours.columns_in(theirs), theirs.columns_in(ours)
    for k, label in enumerate(map(canonical, OWN_NAMES[one].split())):
        if there[k] >= 0:
            assert canonical(OWN_NAMES[other].split()[there[k]]) == label
            assert back[there[k]] == k
        else:
            assert label not in map(canonical, OWN_NAMES[other].split())


def test_every_label_set_speaks_canonically():
    for name, labels in LABEL_SETS.items():
        assert labels.name == name
        assert set(labels) <= set(CANONICAL)
    assert set(FIRST_ID) <= set(LABEL_SETS)


def test_every_spelling_means_a_canonical_emotion():
    assert set(SPELLINGS.values()) <= set(CANONICAL)
    assert not set(SPELLINGS) & set(CANONICAL)


@pytest.mark.parametrize(("said", "meant"), [("Happy", "happiness"), (" ANGRY ", "anger"), ("fear", "fear")])
def test_other_spellings_are_understood(said, meant):
    assert canonical(said) == meant
    assert LABEL_SETS["fer2013"].labels[LABEL_SETS["fer2013"].index(said)] == meant


def test_what_is_no_emotion_is_named():
    with pytest.raises(DataError, match="expected an emotion out of neutral, .*, got 'hungry'"):
        canonical("hungry")
    with pytest.raises(UsageError, match="expected a label out of anger, .*, got 'contempt'"):
        LABEL_SETS["fer2013"].index("contempt")


def test_labels_of_ones_own_keep_their_spelling():
    own = LabelSet("mood", ("Happy", "bored"))
    assert own.index("Happy") == 0
    assert (len(own), list(own)) == (2, ["Happy", "bored"])


@pytest.mark.parametrize("labels", [(), ("anger", "anger")])
def test_labels_are_distinct_and_at_least_one(labels):
    with pytest.raises(DataError, match="expected distinct labels in label set 'mood'"):
        LabelSet("mood", labels)


def test_columns_in_another_order():
    ours, theirs = LABEL_SETS["ferplus"], LABEL_SETS["fer2013"]
    columns = ours.columns_in(theirs)
    assert columns[ours.index("contempt")] == -1
    assert [theirs.labels[k] for k in columns if k >= 0] == [label for label in ours if label != "contempt"]
