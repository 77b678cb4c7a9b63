"""Lists drop and relabel what they name, and say what they cannot do in one line."""

import numpy as np
import pytest

from mien.core.errors import DataError
from mien.core.labels import LABEL_SETS
from mien.datasets import LabelColumn, Table
from mien.datasets.lists import COLUMNS, Entry, apply_lists, as_paths, ids_to_drop, new_labels, write_list

FER2013, FERPLUS = LABEL_SETS["fer2013"], LABEL_SETS["ferplus"]


def make(sources=("fer2013", "ferplus")):
    columns = {
        "fer2013": LabelColumn(FER2013, np.zeros(4, np.int16), rule="all rows"),
        "ferplus": LabelColumn(FERPLUS, np.zeros(4, np.int16), np.eye(8, dtype=np.float32)[:4]),
    }
    images = np.arange(4 * 64, dtype=np.uint8).reshape(4, 8, 8)
    split = ["train", "train", "valid", "valid"]
    return Table([f"f-{i}" for i in range(4)], images, split, {name: columns[name] for name in sources})


@pytest.fixture
def listed(tmp_path):
    path = tmp_path / "list.csv"
    entries = [
        Entry("f-0", "train", "blank", action="drop"),
        Entry(
            "f-1", "train", "label_conflict", "f-1", "relabel", "fer2013", "anger", "happiness", 'a "word", and more'
        ),
        Entry("f-2", "valid", "copy", action="review"),
        Entry("elsewhere-9", "train", "copy", action="drop"),
    ]
    write_list(entries, path)
    return path


def write(path, text):
    path.write_text(text, "utf-8")
    return path


def test_a_list_has_the_promised_columns(listed):
    assert listed.read_text("utf-8").splitlines()[0] == "id,split,problem,group,action,source,label,suggestion,detail"
    assert COLUMNS[0] == "id"


def test_each_option_takes_its_own_rows(listed):
    assert ids_to_drop(listed) == {"f-0", "elsewhere-9"}
    (new,) = new_labels(listed)
    assert (new.id, new.source, new.label) == ("f-1", "fer2013", "happiness") and new.where.endswith("list.csv, line 3")


def test_a_list_without_actions_means_all_of_its_rows(tmp_path):
    path = write(tmp_path / "mine.csv", "﻿id,source,suggestion\nf-0,fer2013,sad\n\n,,\nf-3,fer2013,fear\n")
    assert ids_to_drop(path) == {"f-0", "f-3"}
    assert [each.label for each in new_labels(path)] == ["sad", "fear"]


def test_lists_are_applied_and_remembered(listed, tmp_path):
    more = write(tmp_path / "more.csv", "id\nf-3\n")
    done = apply_lists(make(), drop=[listed, more], relabel=[listed])
    assert done.table.ids.tolist() == ["f-1", "f-2"]
    assert done.table.sources["fer2013"].names() == ["happiness", "anger"]
    assert done.table.sources["ferplus"].names() == ["neutral", "neutral"]
    assert list(done.lists) == ["--relabel list.csv", "--drop list.csv", "--drop more.csv"]
    assert done.lists["--drop list.csv"] == done.lists["--relabel list.csv"] != done.lists["--drop more.csv"]
    assert done.notes[0].startswith("1 images labelled anew by ")
    assert done.notes[1].endswith("list.csv; 1 that it names are not in the data")
    assert done.table.digest() != make().digest()


def test_nothing_given_changes_nothing():
    done = apply_lists(make())
    assert done.table.digest() == make().digest() and not done.lists and not done.notes


def test_lists_of_one_name_are_both_remembered(listed, tmp_path):
    (tmp_path / "other").mkdir()
    other = write(tmp_path / "other" / "list.csv", "id\nf-3\n")
    assert len(apply_lists(make(), drop=[listed, other]).lists) == 2


def test_a_new_label_takes_the_place_of_the_votes(tmp_path):
    path = write(tmp_path / "mine.csv", "id,source,suggestion\nf-0,ferplus,Happy\n")
    before, after = (table.sources["ferplus"] for table in (make(), make().relabel(path)))
    assert after.name_of(0) == "happiness" and np.isnan(after.soft[0]).all()
    np.testing.assert_array_equal(after.soft[1:], before.soft[1:])
    assert after.rule == "all labels, some labelled anew"


def test_one_source_need_not_be_named(tmp_path):
    path = write(tmp_path / "mine.csv", "id,suggestion\nf-0,fear\n")
    assert make(["fer2013"]).relabel(path).sources["fer2013"].name_of(0) == "fear"
    with pytest.raises(DataError, match=r"a label source out of fer2013, ferplus in .*mine\.csv, line 2, got ''"):
        make().relabel(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name\nf-0\n", r"expected a column id and suggestion in .*bad\.csv, got name"),
        ("id,label\nf-0,anger\n", r"expected a column suggestion in .*bad\.csv, got id, label"),
        ("", r"expected a column id and suggestion in .*bad\.csv, got no header"),
        ("id,source,suggestion\nf-0,fer2013,cheer\n", r"out of anger, .*, got 'cheer' \(.*bad\.csv, line 2\)"),
        ("id,source,suggestion\nf-0,rafdb,fear\n", r"a label source out of fer2013, ferplus in .*line 2, got 'rafdb'"),
        ("id,source,suggestion\nf-0,fer2013,\n", r"a label in the column suggestion in .*line 2, got none"),
        ("id,source,suggestion\nx-1,fer2013,fear\n", r"expected ids of this data in .*, such as \['f-0'\], got none"),
        ('id,source,suggestion\n"f-0\n' + "x" * 200_000, r"expected a csv of ids at .*bad\.csv, got: "),
    ],
)
def test_a_list_that_cannot_be_used_is_named(tmp_path, text, message):
    with pytest.raises(DataError, match=message) as caught:
        make().relabel(write(tmp_path / "bad.csv", text))
    assert "\n" not in str(caught.value)


def test_a_list_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(DataError, match=r"expected a csv of ids at .*absent\.csv, got: No such file"):
        make().drop(tmp_path / "absent.csv")
    (tmp_path / "binary.csv").write_bytes(b"id\n\xff\xfe\n")
    with pytest.raises(DataError, match=r"expected a csv of ids at .*binary\.csv, got: "):
        make().drop(tmp_path / "binary.csv")


def test_a_space_after_a_comma_of_the_header_hides_no_column(tmp_path):
    path = write(tmp_path / "spaced.csv", "id, action\nf-0,review\nf-1,drop\n")
    assert ids_to_drop(path) == {"f-1"}


@pytest.mark.parametrize("row", ["f-0,Drop", "f-0,remove", "f-0,", "f-0"])
def test_an_action_that_is_none_is_not_passed_over(tmp_path, row):
    path = write(tmp_path / "odd.csv", f"id,action\n{row}\n")
    with pytest.raises(DataError, match=r"expected an action out of drop, relabel, review in .*odd\.csv, line 2, got "):
        make().drop(path)


def test_none_one_or_several():
    assert as_paths(None) == () and as_paths("a.csv") == ("a.csv",) and as_paths(["a", "b"]) == ("a", "b")
