"""A folder a class: what is read is checked by the contract; here what is not as it should be, and what is said."""

import os

import pytest

from mien.core.errors import DataError
from mien.datasets.labelmap import LabelMap
from mien.datasets.readers.folder import read_folder


def touch(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def test_a_class_that_is_no_emotion_is_named_with_what_to_do(tmp_path):
    touch(tmp_path, "happy/1.png", "hungry/1.png")
    with pytest.raises(DataError) as caught:
        read_folder(tmp_path)
    message = str(caught.value)
    assert f"got 'hungry' in the folder {tmp_path / 'hungry'}" in message
    assert "label map (--label-map FILE, or label_map=FILE)" in message and "\n" not in message
    assert read_folder(tmp_path, label_map=LabelMap(shared={"hungry": ""})).ids.tolist() == ["folder-happy/1.png"]
    with pytest.raises(DataError, match=r"label out of anger, got 'happy' in .*: say in .* map"):
        read_folder(tmp_path, label_map=LabelMap(labels=("anger",), shared={"hungry": "anger"}))


def test_a_map_without_labels_lets_no_other_name_through(tmp_path):
    touch(tmp_path, "1/1.png", "2/1.png")
    with pytest.raises(DataError, match="got '2' in the folder"):
        read_folder(tmp_path, label_map=LabelMap(shared={"1": "anger"}))


def test_a_part_of_the_map_for_this_data_alone(tmp_path):
    touch(tmp_path, "1/1.png")
    names = LabelMap(shared={"1": "anger"}, own={"mine": {"1": "fear"}})
    assert read_folder(tmp_path, label_map=names).sources["labels"].names() == ["anger"]
    mine = read_folder(tmp_path, label_map=names, name="mine")
    assert mine.sources["labels"].names() == ["fear"] and mine.ids.tolist() == ["mine-1/1.png"]


def test_the_classes_are_those_of_all_splits(tmp_path):
    touch(tmp_path, "train/sad/1.png", "train/happy/1.png", "test/sad/1.png", "test/disgust/notes.txt")
    for splits in (None, ["train"], ["test"]):
        assert read_folder(tmp_path, splits=splits).sources["labels"].label_set.labels == ("happiness", "sadness")


def test_what_is_left_out_is_said(tmp_path):
    touch(tmp_path, "sad/1.png", "sad/2.txt", "sad/a/b/3.png", "0.png", "list.csv", ".DS_Store", "sad/._1.png")
    assert read_folder(tmp_path).notes == (
        "no pictures, or deeper than one folder below a class, left out: 2, sad/2.txt, sad/a/b",
        "files and folders outside of the class folders, left out: 2, 0.png, list.csv",
    )
    touch(tmp_path, "train/happy/1.png", "train/x.png")
    data = read_folder(tmp_path, label_map=LabelMap(shared={"happy": "joyful", "fear": ""}))
    assert data.ids.tolist() == ["folder-train/happy/1.png"]
    assert data.notes == ("files and folders outside of the class folders, left out: 4, 0.png, list.csv, sad, …",)
    touch(tmp_path, "train/fear/1.png")
    data = read_folder(tmp_path, label_map=LabelMap(shared={"happy": "joyful", "fear": ""}))
    assert "pictures left out, for the label map drops train/fear: 1" in data.notes


@pytest.mark.parametrize("paths", [(), ("happy/notes.txt",), ("1.png", "2.png"), ("train/1.png",)])
def test_nothing_there(paths, tmp_path):
    touch(tmp_path, *paths)
    with pytest.raises(
        DataError, match=r"expected a folder a class with pictures in it \(\.jpg .*\) in .*, got none of it"
    ):
        read_folder(tmp_path)


def test_a_file_is_no_folder(tmp_path):
    with pytest.raises(DataError, match="got none of it"):
        read_folder(touch(tmp_path, "a.csv") / "a.csv")


@pytest.mark.skipif(os.name == "nt" or (hasattr(os, "geteuid") and os.geteuid() == 0), reason="root may write")
def test_a_folder_that_cannot_be_read(tmp_path):
    touch(tmp_path, "sad/1.png")
    (tmp_path / "sad").chmod(0)
    try:
        with pytest.raises(DataError, match="expected a readable folder at .*sad, got: "):
            read_folder(tmp_path)
    finally:
        (tmp_path / "sad").chmod(0o755)
