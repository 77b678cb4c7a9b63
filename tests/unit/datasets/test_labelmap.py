"""Label maps: names in, names out, whatever the order of classes; and a broken file is named in one line."""

import itertools

import numpy as np
import pytest

from mien.core.errors import DataError, UsageError
from mien.core.labels import CANONICAL, LABEL_SETS, LabelSet
from mien.datasets import LabelColumn
from mien.datasets.labelmap import LabelMap, restrict

FERPLUS = LABEL_SETS["ferplus"]


def write(folder, text):
    path = folder / "map.toml"
    path.write_text(text, "utf-8")
    return path


def every_label(label_set):
    """An image of each class, and one without a label."""
    return LabelColumn(label_set, np.array([*range(len(label_set)), -1], np.int16))


@pytest.mark.parametrize(("one", "two"), list(itertools.permutations(LABEL_SETS, 2)))
def test_between_all_class_orders_a_label_keeps_its_name_and_comes_back(one, two):
    ours, theirs = LABEL_SETS[one], LABEL_SETS[two]
    drop = dict.fromkeys(CANONICAL, "")
    to = LabelMap("to", theirs.labels, drop | {each: each for each in theirs}).apply(every_label(ours))
    again = LabelMap("back", ours.labels, drop | {each: each for each in ours}).apply(to)
    shared = [each if each in theirs.labels else None for each in ours]
    assert to.names() == [*shared, None] == again.names()
    assert to.label_set.labels == theirs.labels and again.label_set.labels == ours.labels


@pytest.mark.parametrize("name", LABEL_SETS)
def test_all_of_them_meet_in_one_order(name):
    column = LabelMap("seven", CANONICAL).apply(every_label(LABEL_SETS[name]))
    assert column.label_set.labels == CANONICAL
    assert column.names() == [*LABEL_SETS[name], None]


def test_a_file(tmp_path):
    path = write(
        tmp_path,
        """
        name = "three"
        labels = ["Happy", "Calm", "anger"]
        [labels_map]
        "0" = "angry"
        Joy = "happiness"
        neutral = "Calm"
        contempt = ""
        [labels_map.ckplus]
        contempt = "anger"
        """,
    )
    read = LabelMap.load(path)
    assert (read.name, read.labels) == ("three", ("happiness", "Calm", "anger"))
    assert [read.rename(each) for each in ("0", "happy", "HAPPINESS", "Neutral", "anger", "contempt", "calm")] == [
        "anger",
        "happiness",
        "happiness",
        "Calm",
        "anger",
        "",
        "Calm",
    ]
    assert read.rename("contempt", "ckplus") == read.rename("contempt", "elsewhere", "ckplus") == "anger"
    with pytest.raises(
        DataError,
        match=r"expected a label out of happiness, Calm, anger, got 'fear' in ckplus: say in .*map\.toml which",
    ):
        read.rename("fear", "ckplus")


def test_labels_left_out_are_what_occurs_in_the_canonical_order():
    column = LabelMap(shared={"contempt": "", "anger": "wrath", "disgust": "wrath"}).apply(every_label(FERPLUS))
    assert column.label_set.labels == ("neutral", "happiness", "surprise", "sadness", "fear", "wrath")
    assert column.label_set.name == "labels"
    assert column.names() == ["neutral", "happiness", "surprise", "sadness", "wrath", "wrath", "fear", None, None]


def test_distributions_are_added_up_and_made_whole_again():
    soft = np.zeros((4, 8), np.float32)
    soft[0, [0, 4, 5]] = 0.5, 0.25, 0.25
    soft[1, [3, 7]] = 0.25, 0.75
    soft[2, 7] = 1
    soft[3] = np.nan
    column = LabelColumn(FERPLUS, np.array([0, 7, -1, 3], np.int16), soft, "majority", "votes.csv")
    to = LabelMap(
        labels=("sadness", "anger", "neutral"),
        shared={"disgust": "anger", **dict.fromkeys(("happiness", "surprise", "fear", "contempt"), "")},
    ).apply(column)
    assert to.names() == ["neutral", None, None, "sadness"]
    np.testing.assert_allclose(to.soft[0], [0, 0.5, 0.5])
    assert np.isnan(to.soft[1]).all(), "the image's own label is dropped"
    assert np.isnan(to.soft[2:]).all(), "nothing is left"
    assert (to.rule, to.file) == ("majority", "votes.csv")


def test_some_classes_alone():
    soft = np.tile(np.arange(8, dtype=np.float32) / 28, (2, 1))
    column = restrict(LabelColumn(FERPLUS, np.array([4, 1], np.int16), soft), ["sad", "anger"])
    assert (column.label_set.name, column.label_set.labels) == ("ferplus", ("sadness", "anger"))
    assert column.names() == ["anger", None]
    np.testing.assert_allclose(column.soft[0], [3 / 7, 4 / 7], rtol=1e-6)
    own = LabelColumn(LabelSet("mood", ("Happy", "Bored", "fear")), np.array([0, 1, 2], np.int16))
    assert restrict(own, ["Bored", "Happy"]).names() == ["Happy", "Bored", None]
    with pytest.raises(UsageError, match="expected a label out of neutral, .*, got 'boredom'"):
        restrict(every_label(FERPLUS), ["boredom"])
    with pytest.raises(UsageError, match="expected labels, each once, got happy, happiness"):
        restrict(every_label(FERPLUS), ["happy", "happiness"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = [", r"expected a label map in TOML at .*map\.toml, got: "),
        ("map = 1", r"expected a key out of name, labels, labels_map, got 'map'.* in .*map\.toml"),
        ("name = 7", r"expected a word as name in .*map\.toml, got 7"),
        ('labels = "anger"', r"expected labels as a list of names in .*map\.toml, got 'anger'"),
        ("labels = []", "expected labels as a list of names"),
        ('labels = ["sad", "sadness"]', "expected each name once in labels of .*, got sad, sadness"),
        ("labels_map = 3", r"expected a table \[labels_map\] in .*map\.toml, got 3"),
        ("[labels_map]\n1 = 2", r"""expected a name, or "", for '1' in \[labels_map\] of .*map\.toml, got 2"""),
        ("[labels_map.fer2013]\n1 = true", r"for '1' in \[labels_map.fer2013\] of .*, got True"),
        ('labels = ["fear"]\n[labels_map]\n1 = "sad"', r"expected '1' in \[labels_map\] .* one of fear, got 'sad'"),
        ('[labels_map]\nhappy = "a"\njoy = "b"', "expected one name for 'joy' in .*, got 'a' and 'b'"),
    ],
)
def test_a_file_that_is_none(text, message, tmp_path):
    with pytest.raises(DataError, match=message) as caught:
        LabelMap.load(write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_no_file(tmp_path):
    with pytest.raises(DataError, match=r"expected a label map at .*absent\.toml, got: No such file"):
        LabelMap.load(tmp_path / "absent.toml")
    with pytest.raises(DataError, match="expected a label at least, got none"):
        LabelMap(shared=dict.fromkeys(CANONICAL, "")).apply(every_label(FERPLUS))
