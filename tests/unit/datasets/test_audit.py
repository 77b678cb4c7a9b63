"""Each problem is planted once, found, counted and given its remedy; clean data are left alone."""

import cv2
import numpy as np
import pytest

from mien.core.errors import DataError
from mien.core.labels import LABEL_SETS
from mien.datasets import LabelColumn, Table
from mien.datasets.audit import audit
from mien.datasets.readers.ferplus_rules import VOTES
from mien.datasets.remedies import OVERSAMPLED

FER2013 = LABEL_SETS["fer2013"]


def scene(seed, size=48):
    rng = np.random.default_rng(seed)
    return cv2.resize(rng.integers(0, 256, (5, 5)).astype(np.uint8), (size, size), interpolation=cv2.INTER_CUBIC)


def near(image):
    return (image * 0.6 + 50).astype(np.uint8)


def table(rows, *, prefix="f", label_set=FER2013, source="fer2013", name="made up", extra=None):
    """Of (picture, split, label): a picture is the seed of a scene or an array; a label may be None."""
    images = np.stack([scene(each) if isinstance(each, int) else each for each, _, _ in rows])
    ids = np.array([-1 if label is None else label_set.index(label) for _, _, label in rows], np.int16)
    names = [f"{prefix}-{i}" for i in range(len(rows))]
    sources = {source: LabelColumn(label_set, ids)}
    return Table(names, images, [split for _, split, _ in rows], sources, extra or {}, {"name": name})


def todo(found):
    return [(each.id, each.problem, each.action) for each in found.entries]


def test_clean_data_are_clean():
    found = audit([table([(0, "train", "anger"), (1, "train", "fear"), (2, "valid", "anger")])])
    assert found.clean and not found.entries
    assert found.rows == 3 and found.data == {"made up": {"train": 2, "valid": 1}}
    assert found.cross_split["train|valid"]["images"] == 0
    assert found.within_split["train"]["most_copies"] == 1
    assert found.subjects_crossing is None and found.clips_crossing is None and found.no_face is None


def test_a_copy_in_a_later_split_is_dropped_from_the_earlier():
    found = audit([table([(0, "train", "anger"), (1, "valid", "anger"), (0, "valid", "anger"), (1, "test", "anger")])])
    assert todo(found) == [("f-0", "copy_across_splits", "drop"), ("f-1", "copy_across_splits", "drop")]
    assert found.entries[0].detail == "stands in valid: f-2" and found.entries[1].detail == "stands in test: f-3"
    counted = {pair: (each["images"], each["groups"]) for pair, each in found.cross_split.items()}
    assert counted == {"train|valid": (1, 1), "train|test": (0, 0), "valid|test": (1, 1)}
    assert not found.clean


def test_images_are_counted_in_the_later_split():
    rows = [(0, "train", "anger")] * 2 + [(0, "valid", "anger")] * 3
    shared = audit([table(rows)]).cross_split["train|valid"]
    assert (shared["images"], shared["groups"]) == (3, 1)


def test_a_near_copy_across_splits_is_dropped_too():
    found = audit(
        [table([(0, "train", "anger"), (near(scene(0)), "valid", "fear"), (scene(0)[:, ::-1], "test", None)])]
    )
    assert todo(found) == [("f-0", "near_copy_across_splits", "drop"), ("f-1", "near_copy_across_splits", "drop")]
    assert [each["near_images"] for each in found.cross_split.values()] == [1, 1, 1]
    assert [each["images"] for each in found.cross_split.values()] == [0, 0, 0]
    assert not found.clean


def test_contradicting_labels_across_splits_are_for_review_where_they_are_evaluated():
    found = audit([table([(0, "train", "anger"), (0, "valid", "fear"), (1, "train", "fear"), (1, "valid", None)])])
    assert todo(found) == [
        ("f-0", "copy_across_splits", "drop"),
        ("f-2", "copy_across_splits", "drop"),
        ("f-1", "label_conflict", "review"),
    ]
    assert (found.entries[2].source, found.entries[2].label, found.entries[2].group) == ("fer2013", "fear", "f-0")
    shared = found.cross_split["train|valid"]
    assert shared["label_conflicts"] == 1 and shared["label_conflicts_by_source"] == {"fer2013": 1}


def test_of_copies_in_a_split_one_is_kept():
    found = audit([table([(0, "train", "anger"), (1, "train", "fear"), (0, "train", "anger"), (0, "train", None)])])
    assert todo(found) == [("f-2", "copy", "drop"), ("f-3", "copy", "drop")]
    figures = found.within_split["train"]
    assert (figures["images"], figures["groups"], figures["label_conflicts"], figures["most_copies"]) == (2, 1, 0, 3)
    assert found.clean  # copies within a split leak nothing


@pytest.mark.parametrize("split", ["train", "valid"])
def test_the_majority_decides(split):
    found = audit([table([(0, split, "fear"), (0, split, "anger"), (0, split, "anger"), (0, split, None)])])
    assert todo(found) == [
        ("f-0", "label_conflict", "relabel"),
        ("f-1", "copy", "drop"),
        ("f-2", "copy", "drop"),
        ("f-3", "copy", "drop"),
    ]
    assert (found.entries[0].label, found.entries[0].suggestion) == ("fear", "anger")
    assert found.entries[0].detail == "labels of its copies: 2 anger, 1 fear"
    assert not found.clean


def test_a_kept_image_with_the_majoritys_label_needs_none():
    found = audit([table([(0, "train", "anger"), (0, "train", "fear"), (0, "train", "anger")])])
    assert [each.action for each in found.entries] == ["drop", "drop"]


@pytest.mark.parametrize(("split", "action"), [("train", "drop"), ("valid", "review"), ("test", "review")])
def test_a_tie_drops_all_from_train_and_is_for_review_elsewhere(split, action):
    found = audit([table([(0, split, "fear"), (0, split, "anger"), (1, split, "anger")])])
    assert todo(found) == [("f-0", "label_conflict", action), ("f-1", "label_conflict", action)]


def test_near_copies_in_a_split_are_for_review():
    rows = [
        (0, "train", "fear"),
        (near(scene(0)), "train", "fear"),
        (1, "train", "fear"),
        (near(scene(1)), "train", "sad"),
    ]
    found = audit([table(rows)])
    assert todo(found) == [
        ("f-0", "near_copy", "review"),
        ("f-1", "near_copy", "review"),
        ("f-2", "near_copy_label_conflict", "review"),
        ("f-3", "near_copy_label_conflict", "review"),
    ]
    assert found.entries[3].label == "sadness" and found.entries[3].group == "f-2"
    assert found.within_split["train"]["near_images"] == 2


def test_many_copies_of_one_image_are_oversampling():
    copies = [(scene(0) // 2 + np.uint8(k), "train", "fear") for k in range(OVERSAMPLED)]
    found = audit([table([*copies, (1, "train", "fear"), (near(scene(1)), "train", "fear")])])
    assert found.oversampled == OVERSAMPLED and found.within_split["train"]["most_copies"] == OVERSAMPLED
    assert [each.problem for each in found.entries] == ["oversampled"] * OVERSAMPLED + ["near_copy"] * 2


def test_blank_images_are_dropped_and_nobodys_copies():
    blank, faint = np.full((48, 48), 7, np.uint8), (np.arange(48 * 48).reshape(48, 48) % 9).astype(np.uint8)
    found = audit(
        [table([(blank, "train", "fear"), (blank, "valid", "anger"), (faint, "train", "fear"), (0, "train", "fear")])]
    )
    assert todo(found) == [("f-0", "blank", "drop"), ("f-1", "blank", "drop"), ("f-2", "blank", "drop")]
    assert found.blank == 3 and found.within_split["train"]["blank"] == 2
    assert found.cross_split["train|valid"]["images"] == 1  # their pixels are equal all the same


def test_images_without_a_face_by_the_raters():
    votes = np.zeros((3, len(VOTES)), np.int8)
    votes[0, VOTES.index("NF")], votes[1, VOTES.index("NF")] = 10, 6
    votes[1, 0], votes[2, VOTES.index("NF")], votes[2, 0] = 4, 5, 5
    found = audit([table([(0, "train", None), (1, "valid", None), (2, "train", None)], extra={"votes": votes})])
    assert found.no_face == 2
    assert todo(found) == [("f-0", "no_face", "drop"), ("f-1", "no_face", "review")]


def test_votes_that_a_merged_table_lacks_are_no_votes():
    votes = np.full((1, len(VOTES)), -1, np.int8)
    assert audit([table([(0, "train", "fear")], extra={"votes": votes})]).no_face == 0


def test_images_without_a_face_by_a_detector_are_for_review():
    found = audit([table([(0, "train", None), (1, "train", None)])], not_found=np.array([False, True]))
    assert found.no_face_found == 1 and todo(found) == [("f-1", "no_face", "review")]


def test_subjects_and_clips_that_cross_splits():
    extra = {"subject": np.array(["a", "b", "a", ""]), "clip_id": np.array(["1", "2", "3", "2"])}
    rows = [(0, "train", "fear"), (1, "train", "fear"), (2, "valid", "fear"), (3, "test", "fear")]
    found = audit([table(rows, extra=extra)])
    assert (found.subjects_crossing, found.clips_crossing) == (1, 1) and not found.clean
    assert todo(found) == [("f-0", "subject_across_splits", "review"), ("f-1", "clip_across_splits", "review")]


def test_frames_of_one_clip_are_no_near_copies():
    rows = [(0, "train", "fear"), (near(scene(0)), "train", "fear")]
    clips = {"clip_id": np.array(["1", "1"]), "frame": np.arange(2, dtype=np.int32)}
    assert not audit([table(rows, extra=clips)]).entries
    unknown = {"clip_id": np.array(["", ""]), "frame": np.arange(2, dtype=np.int32)}
    assert len(audit([table(rows, extra=unknown)]).entries) == 2


def test_subjects_of_two_data_sets_are_different_people():
    one = table([(0, "train", "fear")], extra={"subject": np.array(["a"])})
    two = table([(1, "test", "fear")], prefix="g", extra={"subject": np.array(["a"])})
    assert audit([one, two]).subjects_crossing == 0


def test_copies_between_data_of_other_size_colour_and_classes():
    rafdb = LABEL_SETS["rafdb"]
    color = np.repeat(scene(0, 100)[:, :, None], 3, 2)
    other = np.repeat(scene(9, 100)[:, :, None], 3, 2)
    one = table([(0, "train", "fear"), (1, "train", "fear")], name="one")
    two = table(
        [(color, "train", "anger"), (other, "train", "fear")], prefix="g", label_set=rafdb, source="rafdb", name="two"
    )
    found = audit([one, two])
    assert found.between_data["one|two"]["near_images"] == 1 and found.between_data["one|two"]["images"] == 0
    assert todo(found) == [("g-0", "copy_between_data", "review")]
    assert found.data == {"one": {"train": 2}, "two": {"train": 2}}


def test_labels_of_two_data_sets_are_compared_by_name():
    ck = LABEL_SETS["ckplus"]
    one = table([(0, "train", "fear"), (1, "train", "anger")])
    same = table([(0, "train", "fear"), (1, "train", "sad")], prefix="g", label_set=ck, source="ckplus")
    between = audit([one, same]).between_data
    assert list(between) == ["made up|made up-2"]
    assert between["made up|made up-2"]["images"] == 2 and between["made up|made up-2"]["label_conflicts"] == 1


def test_an_image_in_two_tables_is_not_dropped_from_both():
    found = audit([table([(0, "train", "fear")]), table([(0, "valid", "fear")])])
    assert ("f-0", "copy_across_splits", "review") in todo(found)
    assert not any(each.action == "drop" for each in found.entries)


def test_an_image_has_one_row_that_changes_anything():
    rng = np.random.default_rng(3)
    names = [*FER2013.labels, None]
    rows = [
        (near(scene(seed)) if rng.random() < 0.3 else int(seed), ("train", "valid", "test")[rng.integers(3)], names[k])
        for seed, k in zip(rng.integers(0, 20, 120).tolist(), rng.integers(0, 8, 120).tolist(), strict=True)
    ]
    found = audit([table(rows)])
    changing = [each.id for each in found.entries if each.action != "review"]
    assert len(changing) > 30 and len(set(changing)) == len(changing)
    # What is left after the drops holds no copy across splits.
    dropped = {each.id for each in found.entries if each.action == "drop"}
    kept = [i for i in range(len(rows)) if f"f-{i}" not in dropped]
    again = audit([table(rows).select(kept)])
    assert all(each["images"] == each["near_images"] == 0 for each in again.cross_split.values())
    assert all(each["images"] == 0 for each in again.within_split.values() if not each["label_conflicts"])


def test_no_images_are_no_audit():
    with pytest.raises(DataError, match="expected images to look at, got none"):
        audit([table([(0, "train", "fear")]).select([])])


def test_tables_are_told_apart_whatever_they_are_called():
    images = np.random.default_rng(0).integers(0, 256, (3, 1, 48, 48), np.uint8)
    names = ("x", "x-3", "x")
    tables = [
        Table([f"{k}"], image, ["train"], meta={"name": name})
        for k, (image, name) in enumerate(zip(images, names, strict=True))
    ]
    found = audit(tables)
    assert found.rows == 3 and len(found.data) == len(found.between_data) == 3
