"""FER+: the official rules, soft labels, joins that refuse files that do not belong together, and folders."""

import re
import shutil

import layouts.fer2013
import layouts.ferplus
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.errors import DataError, InputError, UsageError
from mien.core.labels import LABEL_SETS
from mien.datasets.readers import fer2013, ferplus
from mien.datasets.readers.ferplus import read_ferplus
from mien.datasets.readers.ferplus_rules import majority, multi_target, probability, soften

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
    with pytest.raises(DataError, match=r"expected 12 columns in .*, line 5, got 5: is the file cut off\? FER"):
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


def gathered(row):
    """The probability rule, a vote at a time: kept shares by class, None where the image is to be left out."""
    left = {k: votes for k, votes in enumerate(row) if votes > 1}
    total, taken = sum(left.values()), {}
    while left and sum(taken.values()) < 0.75 * total and len(taken) < 3:
        most = max(left.values())
        top = sorted(k for k, votes in left.items() if votes == most)
        taken.update({k: left.pop(k) for k in top if k < 8})
        if top[-1] >= 8:  # unknown or no face ends it
            break
    return taken if sum(taken.values()) > total / 2 and len(taken) <= 3 else None


def targets(row):
    """The multi-target rule, likewise."""
    left = {k: votes for k, votes in enumerate(row) if votes > 1}
    total = sum(left.values())
    many = {k: votes for k, votes in left.items() if votes >= total * 3 / 10}
    if sum(many.values()) <= total / 2 or max(many, key=lambda k: (many[k], -k)) >= 8:
        return None
    return {k: votes for k, votes in many.items() if k < 8}


@pytest.mark.parametrize(("rule", "reference"), [(probability, gathered), (multi_target, targets)])
@given(rows=st.lists(st.lists(st.integers(0, 10), min_size=10, max_size=10), min_size=1, max_size=20))
def test_the_other_rules_against_slow_ones(rule, reference, rows):
    ids, soft = rule(np.array(rows, np.int8))
    for row, id_, shares in zip(rows, ids, soft, strict=True):
        kept = reference(row)
        if not kept:
            assert id_ == -1 and np.isnan(shares).all()
            continue
        assert id_ == max(kept, key=lambda k: (kept[k], -k))
        worth = dict.fromkeys(kept, 1) if rule is multi_target else kept
        np.testing.assert_allclose(shares, [worth.get(k, 0) / sum(worth.values()) for k in range(8)], atol=1e-6)


@pytest.mark.parametrize(
    ("votes", "of_probability", "of_targets"),
    [
        ([0, 0, 0, 5, 5, 0, 0, 0, 0, 0], "sadness", "sadness"),
        ([3, 3, 2, 2, 0, 0, 0, 0, 0, 0], None, "neutral"),  # four emotions, two of which have 30 %
        ([4, 0, 2, 0, 0, 0, 0, 0, 4, 0], None, "neutral"),  # unknown is as strong, and ends the gathering at 4 of 10
        ([6, 0, 0, 0, 0, 0, 0, 0, 4, 0], "neutral", "neutral"),
        ([4, 0, 0, 0, 0, 0, 0, 0, 6, 0], None, None),
        ([2, 2, 2, 2, 2, 0, 0, 0, 0, 0], None, None),
        ([1, 1, 1, 1, 1, 1, 1, 1, 1, 1], None, None),
    ],
)
def test_the_other_rules_by_hand(votes, of_probability, of_targets):
    for rule, label in ((probability, of_probability), (multi_target, of_targets)):
        id_ = rule(np.array([votes], np.int8))[0][0]
        assert (LABEL_SETS["ferplus"].labels[id_] if id_ >= 0 else None) == label, rule


def test_a_mode_says_its_rule_and_an_unknown_one_the_known(root):
    for mode in ("majority", "probability", "multi-target"):
        column = read_ferplus(root, mode=mode).sources["ferplus"]
        assert (column.rule, column.file) == (f"official {mode} rule on fer2013new.csv", "fer2013new.csv")
    with pytest.raises(
        UsageError, match=r"a mode out of majority, probability, multi-target, got 'multi_target'; did you mean"
    ):
        read_ferplus(root, mode="multi_target")


def test_published_counts():
    published = ferplus.PUBLISHED
    assert {split: sum(counts.values()) for split, counts in published.counts.items()} == {
        "train": 25_060,
        "valid": 3_199,
    }
    for split, labelled in {"train": 25_060, "valid": 3_199, "test": 3_153}.items():
        assert published.pictures(split) - published.unlabelled[split] == labelled
        assert published.pictures(split) == fer2013.PUBLISHED.pictures(split)
    assert published.counts["train"]["contempt"] == 119 and published.counts["valid"]["disgust"] == 24


# Pictures by row -----------------------------------------------------------------------------------------------------


def test_pictures_that_are_no_rows_cannot_be_joined(tmp_path, write_csv, votes_header, vote_rows):
    root = layouts.fer2013.kaggle_folder(tmp_path).root
    write_csv(root / "fer2013new.csv", votes_header, vote_rows)
    with pytest.raises(DataError, match=r"whose names are rows of fer2013\.csv.*take fer2013\.csv.* handed out by"):
        read_ferplus(root)


def test_pictures_of_rows_without_votes_or_of_another_split(tmp_path, write_csv, votes_header, vote_rows):
    (tmp_path / "train" / "sad").mkdir(parents=True)
    (tmp_path / "train" / "sad" / "Training_2.jpg").write_bytes(b"")
    path = write_csv(tmp_path / "fer2013new.csv", votes_header, vote_rows)
    with pytest.raises(
        DataError, match=r"the same Usage .*fer2013new\.csv .*, got 1 rows that differ, the first in line 4"
    ):
        read_ferplus(tmp_path)
    write_csv(path, votes_header, vote_rows[:2])
    with pytest.raises(DataError, match=r"expected rows up to 2 of fer2013\.csv in .*fer2013new\.csv, got 2 rows"):
        read_ferplus(tmp_path)


# Folders with label.csv ----------------------------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path):
    return layouts.ferplus.label_folders(tmp_path / "FERPlus").root


def test_folders_say_which_votes_they_hold(folders, tmp_path):
    data = read_ferplus(folders)
    assert (data.sources["ferplus"].rule, data.sources["ferplus"].file) == (
        "official majority rule on label.csv",
        "label.csv",
    )
    assert [note.partition(":")[0] for note in data.notes] == [
        "FER2013Train",
        "FER2013Train",
        "FER2013Valid",
        "FER2013Test",
    ]
    assert "differ from fer2013new.csv" in data.notes[0] and data.notes[1].endswith("does not name, left out: 1")
    generated = read_ferplus(layouts.ferplus.generated_folders(tmp_path / "other").root)
    assert len(generated.notes) == 2 and all("some names to two images" in note for note in generated.notes)
    assert data.published.pictures("train") == 28_558


@pytest.mark.parametrize("place", ["", "data", "..", "../.."])
def test_folders_in_usual_places(place, folders):
    if place == "../..":
        with pytest.raises(DataError, match=r"expected FER2013 and fer2013new\.csv, or FER2013Train, .*handed out by"):
            read_ferplus(folders / place)
    else:
        assert len(read_ferplus(folders / place)) == 9


def test_folders_of_some_splits(folders):
    shutil.rmtree(folders / "data" / "FER2013Valid")
    assert read_ferplus(folders).splits == ("train", "test")
    with pytest.raises(DataError, match="expected the split 'valid' in .*, got train, test only"):
        read_ferplus(folders, splits=["valid"])


def test_a_picture_that_is_named_and_not_there(folders):
    (folders / "data/FER2013Train/fer0000001.png").unlink()
    data = read_ferplus(folders)
    assert len(data) == 9 and data[0].image.shape == (48, 48, 3)
    with pytest.raises(InputError, match=r"expected a picture at .*fer0000001\.png, got no such file"):
        data[1].image  # noqa: B018
    with pytest.raises(
        DataError, match=r"fer0000001\.png, got no such file.* handed out by .*microsoft/FERPlus"
    ) as caught:
        data.table()
    assert "\n" not in str(caught.value)


def test_a_repository_without_pictures_says_how_they_are_made(folders):
    for path in (folders / "data").rglob("*.png"):
        path.unlink()
    with pytest.raises(
        DataError, match=r"label\.csv names, such as fer0000000\.png, .*none of 4: .*generate_training_data\.py"
    ):
        read_ferplus(folders)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            'fer1.png,"(0, 0, 48, 48)",1,2',
            "expected a name, a box and 10 votes .or no box. in .*label.csv, line 1, got 4 cells",
        ),
        ("fer1.png,1,0,0,0,0,0,0,0,0,x", "expected votes as whole numbers of 0 or more in .*, line 1, got 'x'"),
        (",1,0,0,0,0,0,0,0,0,0", "expected the name of a picture in .*, line 1, got ''"),
        ('"a\nb.png",1,0,0,0,0,0,0,0,0,0', r"expected the name of a picture in .*, line 1, got 'a\\nb.png'"),
        ("../a.png,1,0,0,0,0,0,0,0,0,0", "expected the name of a picture in .*, line 1, got '../a.png'"),
        ("", "expected rows in .*label.csv, got none"),
    ],
)
def test_a_bad_row_of_label_csv_is_named(line, message, folders):
    (folders / "data" / "FER2013Valid" / "label.csv").write_text(line)
    with pytest.raises(DataError, match=message + ".*handed out by .*FERPlus") as caught:
        read_ferplus(folders)
    assert "FER2013Valid" in str(caught.value) and "\n" not in str(caught.value)


def test_a_name_in_two_folders_is_refused(folders):
    path = folders / "data" / "FER2013Valid" / "label.csv"
    path.write_text(path.read_text() + "fer0000001.png,1,9,0,0,0,0,0,0,0,0\n")
    message = r"a picture in one folder alone, got .*FER2013Train/fer0000001\.png and .*FER2013Valid/fer0000001\.png: "
    with pytest.raises(DataError, match=message):
        read_ferplus(folders)
    assert len(read_ferplus(folders, splits=["valid"])) == 3


def test_a_folder_without_its_label_csv(folders):
    (folders / "data" / "FER2013Test" / "label.csv").unlink()
    with pytest.raises(
        DataError, match=r"FER2013Test/label\.csv, got: No such file or directory; FER\+ is handed out by"
    ):
        read_ferplus(folders)
    assert read_ferplus(folders, splits=["train"]).splits == ("train",)
