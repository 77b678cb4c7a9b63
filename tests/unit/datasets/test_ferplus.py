"""FER+: the official majority rule, soft labels, and a join that refuses files that do not belong together."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.errors import DataError
from mien.core.labels import LABEL_SETS
from mien.datasets.ferplus import read_ferplus
from mien.datasets.ferplus_rules import majority, soften

HEADER = "emotion,pixels,Usage"


@pytest.fixture
def root(tmp_path, rows, write_csv, votes_header, vote_rows):
    write_csv(tmp_path / "fer2013.csv", HEADER, rows)
    write_csv(tmp_path / "fer2013new.csv", votes_header, vote_rows)
    return tmp_path


def test_both_label_sources(root, images):
    table = read_ferplus(root).table()
    np.testing.assert_array_equal(table.images, images)
    assert list(table.sources) == ["fer2013", "ferplus"]
    assert table.sources["ferplus"].names() == ["neutral", None, None, "happiness"]
    np.testing.assert_allclose(table.sources["ferplus"].soft[0], [1, 0, 0, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(table.sources["ferplus"].soft[1], [0.5, 0.5, 0, 0, 0, 0, 0, 0])
    assert np.isnan(table.sources["ferplus"].soft[2]).all()
    np.testing.assert_allclose(table.sources["ferplus"].soft[3], [0, 5 / 7, 0, 0, 0, 0, 0, 2 / 7])
    assert table.extra["votes"].dtype == np.int8 and table.extra["votes"][3].tolist() == [0, 5, 1, 1, 1, 0, 0, 2, 0, 0]
    assert table.extra["image_name"][1] == "fer0000001.png"
    assert table.sources["ferplus"].rule == "official majority rule on fer2013new.csv"


def test_one_split_takes_its_own_votes(root):
    table = read_ferplus(root, splits=["test"]).table()
    assert table.ids.tolist() == ["fer2013-00003"] and table.sources["ferplus"].names() == ["happiness"]
    assert table.extra["votes"].shape == (1, 10)


@pytest.mark.parametrize("place", ["FERPlus/fer2013new.csv", "fer2013/fer2013new.csv"])
def test_votes_in_other_usual_places(place, tmp_path, rows, write_csv, votes_header, vote_rows):
    path = write_csv(tmp_path / "fer2013" / "fer2013.csv", HEADER, rows)
    write_csv(tmp_path / place, votes_header, vote_rows)
    assert len(read_ferplus(tmp_path)) == 4
    if place.startswith("fer2013/"):
        assert len(read_ferplus(path)) == 4


@pytest.mark.parametrize(
    ("votes", "label"),
    [
        ([5, 5, 0, 0, 0, 0, 0, 0, 0, 0], None),  # half is no majority
        ([5, 3, 1, 1, 0, 0, 0, 0, 0, 0], "neutral"),  # 5 of the 8 left
        ([4, 2, 2, 1, 1, 0, 0, 0, 0, 0], None),  # 4 of the 8 left
        ([0, 0, 0, 0, 0, 0, 0, 0, 6, 4], None),  # unknown wins
        ([4, 0, 0, 0, 0, 0, 0, 0, 0, 6], None),  # no face wins
        ([1, 1, 1, 1, 1, 1, 1, 1, 1, 1], None),  # nothing left
        ([0, 0, 0, 0, 0, 0, 0, 9, 0, 0], "contempt"),  # nine votes in all: one row has them
        ([0, 0, 0, 0, 0, 0, 0, 0, 0, 0], None),
    ],
)
def test_the_majority_rule(votes, label):
    id_ = majority(np.array([votes], np.int8))[0]
    assert (LABEL_SETS["ferplus"].labels[id_] if id_ >= 0 else None) == label


def test_no_soft_label_where_most_see_no_face():
    votes = np.array([[4, 0, 0, 0, 0, 0, 0, 0, 0, 6], [5, 0, 0, 0, 0, 0, 0, 0, 0, 5]], np.int8)
    assert np.isnan(soften(votes)).all(1).tolist() == [True, False]  # a tie goes to the emotion


@given(st.lists(st.lists(st.integers(0, 10), min_size=10, max_size=10), min_size=1, max_size=20))
def test_soft_labels_are_distributions_that_agree_with_the_majority(rows):
    votes = np.array(rows, np.int8)
    ids, soft = majority(votes), soften(votes)
    known = ~np.isnan(soft).any(1)
    assert (np.isnan(soft).all(1) == ~known).all()  # a row is whole or absent
    np.testing.assert_allclose(soft[known].sum(1), 1, atol=1e-6)
    assert ((soft[known] == 0) | (votes[known, :8] > 1)).all()
    labelled = ids >= 0
    assert known[labelled].all()
    np.testing.assert_array_equal(soft[labelled].argmax(1), ids[labelled])


def test_votes_of_other_rows_are_refused(root, write_csv, votes_header, vote_rows):
    write_csv(root / "fer2013new.csv", votes_header, vote_rows[:3])
    with pytest.raises(DataError, match=r"as many rows in .*fer2013new\.csv as in .*fer2013\.csv, 4, got 3"):
        read_ferplus(root)
    write_csv(root / "fer2013new.csv", votes_header, [vote_rows[k] for k in (0, 2, 1, 3)])
    with pytest.raises(DataError, match=r"the same Usage row by row .* got 2 rows that differ, the first in line 3"):
        read_ferplus(root)


@pytest.mark.parametrize(
    ("cell", "value", "message"),
    [
        (2, "3.5", "expected votes as whole numbers of 0 or more in FILE, line 3, got '3.5'"),
        (2, "-1", "line 3, got '-1'"),
        (11, "", "line 3, got ''"),
        (2, "9" * 5000, "expected votes as whole numbers of 0 or more in FILE, line 3, got '99999"),
        (0, "Test", "expected a Usage out of Training, PublicTest, PrivateTest in FILE, line 3, got 'Test'"),
    ],
)
def test_a_bad_vote_is_named(cell, value, message, root, write_csv, votes_header, vote_rows):
    vote_rows[1][cell] = value
    path = write_csv(root / "fer2013new.csv", votes_header, vote_rows)
    with pytest.raises(DataError, match=re.escape(message.replace("FILE", str(path)))):
        read_ferplus(root)


def test_missing_columns_and_cut_rows(root, write_csv, votes_header, vote_rows):
    path = write_csv(root / "fer2013new.csv", votes_header.replace(",NF", ""), [row[:-1] for row in vote_rows])
    with pytest.raises(DataError, match=r"expected the columns NF in .*fer2013new\.csv, got Usage, Image name"):
        read_ferplus(root)
    write_csv(path, votes_header, [*vote_rows[:3], vote_rows[3][:5]])
    with pytest.raises(DataError, match=r"expected 12 columns in .*, line 5, got 5: is the file cut off\?"):
        read_ferplus(root)
    write_csv(path, votes_header.replace("Image name", '"a\nb"'), vote_rows)
    with pytest.raises(DataError, match=r"expected the columns Image name in .*, got Usage, a b, neutral, "):
        read_ferplus(root)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"expected the columns Usage, Image name, neutral.* got none"):
        read_ferplus(root)


def test_missing_votes_say_where_they_come_from(tmp_path, rows, write_csv):
    write_csv(tmp_path / "fer2013.csv", HEADER, rows)
    with pytest.raises(DataError, match=r"expected fer2013new\.csv in .*: .* microsoft/FERPlus on GitHub"):
        read_ferplus(tmp_path)
