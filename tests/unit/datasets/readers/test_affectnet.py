"""AffectNet: what its forms have in common, and what is not as it should be in each of them."""

import shutil

import numpy as np
import pytest
from layouts.affectnet import automatic, crops, kaggle, manual

from mien.core.errors import DataError, InputError, UsageError
from mien.core.labels import LABEL_SETS
from mien.datasets.readers.affectnet import read_affectnet
from mien.datasets.readers.affectnet_faces import PUBLISHED_2021, TRAIN_COUNTS

HANDED_OUT = "AffectNet is handed out by Mohammad Mahoor at the University of Denver, on request"
TRAINING = "Manually_Annotated_file_lists/training.csv"


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def message(root, **options):
    with pytest.raises(DataError) as caught:
        read_affectnet(root, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_published_counts():
    assert sum(TRAIN_COUNTS) == 287_651 and sum(PUBLISHED_2021) == 3_999


@pytest.mark.parametrize("form", [manual, crops, kaggle])
def test_seven_classes(form, tmp_path):
    root = form(tmp_path).root
    eight, seven = read_affectnet(root), read_affectnet(root, classes=7)
    names = eight.sources["affectnet"].names()
    kept = [label != "contempt" for label in names]
    assert seven.ids.tolist() == eight.ids[kept].tolist() and len(seven) == len(eight) - 1
    assert seven.sources["affectnet"].names() == [label for label in names if label != "contempt"]
    assert seven.sources["affectnet"].label_set.labels == LABEL_SETS["affectnet"].labels[:7]
    assert "contempt" not in seven.published.counts["train"]
    assert seven.notes[-1] == "faces left out, for their expression is contempt: 1"
    for split in eight.splits:
        assert set(read_affectnet(root, splits=[split], classes=7).ids) <= set(seven.ids)


def test_options_that_are_none(tmp_path):
    with pytest.raises(UsageError, match="expected classes to be 8, or 7 without contempt, got 6"):
        read_affectnet(tmp_path, classes=6)
    with pytest.raises(UsageError, match="expected a value of annotated out of manual, automatic, got 'auto'"):
        read_affectnet(tmp_path, annotated="auto")


# 2017 ----------------------------------------------------------------------------------------------------------------


def test_what_is_left_out_is_counted(tmp_path):
    assert read_affectnet(manual(tmp_path).root).notes == (
        "faces left out, for their expression is No-Face: 2",
        "faces left out, for their expression is None: 1",
        "faces left out, for their expression is Uncertain: 1",
        "faces left out, for their face_width is below 0: 1",
    )


def test_values_out_of_range_are_unknown_and_counted(tmp_path):
    root = manual(tmp_path).root
    edit(root / TRAINING, "0,0.01,-0.02", "0,1.5,")
    data = read_affectnet(root)
    assert np.isnan([data.extra["valence"][0], data.extra["arousal"][0]]).all()
    assert data.notes[-1] == "values of valence outside of -1..1, taken as unknown: 1, such as 1.5"


def test_people_before_the_net(tmp_path):
    root = automatic(tmp_path).root
    assert read_affectnet(root).form == read_affectnet(root, annotated="manual").form == "2017, manual"
    (root / "training.csv").unlink()
    assert read_affectnet(root).form == "2017, automatic"
    assert "expected Manually_Annotated_Images and training.csv and validation.csv in" in message(
        root, annotated="manual"
    )


@pytest.mark.parametrize("place", ["", "lists", "Manually_Annotated/Manually_Annotated_file_lists"])
def test_where_the_lists_may_lie(place, tmp_path):
    layout = manual(tmp_path)
    (layout.root / place).mkdir(parents=True, exist_ok=True)
    for name in ("training.csv", "validation.csv"):
        (layout.root / "Manually_Annotated_file_lists" / name).rename(layout.root / place / name)
    assert read_affectnet(layout.root).ids.tolist() == [row.id for row in layout.rows]


@pytest.mark.parametrize("place", ["Manually_Annotated_Images", "Manually_Annotated"])
def test_pictures_one_folder_deeper(place, tmp_path):
    root = manual(tmp_path).root
    (root / "Manually_Annotated_Images").rename(root / "moved")
    (root / place).mkdir()
    (root / "moved").rename(root / place / "Manually_Annotated_Images")
    assert read_affectnet(root)[0].image.shape == (96, 96, 3)


def test_lists_without_pictures(tmp_path):
    root = manual(tmp_path).root
    (root / "Manually_Annotated_Images").rename(tmp_path / "elsewhere")
    assert "expected the folder Manually_Annotated_Images in" in message(root)


def test_ids_do_not_move_when_the_other_list_is_gone(tmp_path):
    root = manual(tmp_path).root
    ids = read_affectnet(root, splits=["test"]).ids.tolist()
    (root / TRAINING).unlink()
    assert read_affectnet(root).ids.tolist() == ids == ["affectnet-val_1/aa.jpg", "affectnet-val_3/ii.jpg"]
    assert "expected the split 'train' in" in message(root, splits=["train"])


def test_rows_that_name_absent_pictures(tmp_path):
    root = manual(tmp_path).root
    (root / "Manually_Annotated_Images" / "2" / "ff.jpg").unlink()
    data = read_affectnet(root)
    with pytest.raises(InputError, match=r"2/ff.jpg, got no such file"):
        data[2].image  # noqa: B018


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (",0,0.01,-0.02", ",11,0.01,-0.02", "expected an expression in 0..10 in {}, line 2, got 11"),
        (",0,0.01,-0.02", ",0.5,0.01,-0.02", "expected an expression in 0..10 in {}, line 2, got 0.5"),
        (",0,0.01,-0.02", ",happy,0.01,-0.02", "expected a whole number in {}, line 2, got 'happy'"),
        (",0,0.01,-0.02", ",,0.01,-0.02", "expected an expression in 0..10 in {}, line 2, got nan"),
        (",0,0.01,-0.02", ",0,0.01", "expected 9 columns in {}, line 2, got 8: is the file cut off?"),
        (",0,0.01,-0.02", ",0,x,-0.02", "expected a valence in {}, line 2, got 'x'"),
        ("1/aa.jpg,5,6", "1/aa.jpg,left,6", "expected a box of four numbers in {}, line 2, got 'left'"),
        ("1/aa.jpg,5,6", ",5,6", "expected a path in {}, line 2"),
        ("20.0;", "", "expected 68 points x;y in {}, line 2"),
        (",arousal", ",arousals", "expected the column arousal in {}, got "),
    ],
)
def test_a_bad_row(old, new, expected, tmp_path):
    root = manual(tmp_path).root
    edit(root / TRAINING, old, new)
    text = message(root, landmarks=True)
    assert expected.format(root / TRAINING) in text and text.endswith(HANDED_OUT)


# 2021 ----------------------------------------------------------------------------------------------------------------


def test_landmarks_are_read_when_asked_for(tmp_path):
    root = crops(tmp_path).root
    (root / "train_set" / "annotations" / "2_lnd.npy").unlink()
    assert "landmarks" not in read_affectnet(root).extra
    assert (
        np.isnan(read_affectnet(root, landmarks=True).extra["landmarks"]).all(1).tolist() == [False, True] + [False] * 6
    )


def test_pictures_without_a_label_and_labels_without_a_picture(tmp_path):
    root = crops(tmp_path).root
    (root / "train_set" / "images" / "2.jpg").unlink()
    data = read_affectnet(root)
    assert data.notes == ("pictures without a label, left out: 1, such as train_set/images/7.jpg",)
    with pytest.raises(InputError, match=r"train_set/images/2.jpg, got no such file"):
        data[1].image  # noqa: B018


def test_a_set_without_its_annotations_is_named(tmp_path):
    root = crops(tmp_path).root
    shutil.rmtree(root / "train_set" / "annotations")
    assert read_affectnet(root).notes == (
        "train_set/annotations is not there, and so none of the pictures in train_set has a label",
    )


def test_faces_without_an_emotion_are_left_out_here_too(tmp_path):
    root = crops(tmp_path).root
    np.save(root / "train_set" / "annotations" / "2_exp.npy", np.array("9"))
    data = read_affectnet(root)
    assert len(data) == 7 and data.notes[0] == "faces left out, for their expression is Uncertain: 1"


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("5_exp.npy", np.array("12"), "expected an expression in 0..10 in {}, got 12"),
        ("5_exp.npy", np.array("sad"), "expected an npy file of numbers at {}, got values of the kind <U3"),
        ("5_exp.npy", np.array([1, 2]), "expected one number in {}, got 2"),
        ("5_aro.npy", np.zeros(0), "expected one number in {}, got 0"),
        ("5_lnd.npy", np.zeros(10), "expected 68 points in {}, got 10 numbers"),
    ],
)
def test_a_bad_file(file, content, expected, tmp_path):
    root = crops(tmp_path).root
    path = root / "train_set" / "annotations" / file
    np.save(path, content)
    text = message(root, landmarks=True)
    assert expected.format(path) in text and text.endswith(HANDED_OUT)


def test_a_pickle_is_not_opened(tmp_path):
    root = crops(tmp_path).root
    path = root / "val_set" / "annotations" / "2_exp.npy"
    np.save(path, np.array({"a": 1}), allow_pickle=True)
    assert f"expected an npy file of numbers at {path}, got" in message(root)


def test_two_files_with_one_name(tmp_path):
    root = crops(tmp_path).root
    (root / "val_set" / "images" / "2.png").write_bytes(b"")
    assert "expected each picture once in" in message(root) and "got 2.jpg and 2.png" in message(root)
    assert len(read_affectnet(root, splits=["train"])) == 6


def test_sets_without_their_parts(tmp_path):
    root = crops(tmp_path).root
    (root / "val_set" / "images").rename(tmp_path / "elsewhere")
    assert "expected a readable folder at" in message(root) and "val_set/images, got: No such file" in message(root)
    (root / "val_set" / "annotations").rename(tmp_path / "elsewhere too")
    assert read_affectnet(root).splits == ("train",)
    for path in (root / "train_set" / "annotations").iterdir():
        path.unlink()
    assert "expected files such as 0_exp.npy in" in message(root)


# Reworks -------------------------------------------------------------------------------------------------------------


def test_pictures_in_no_csv_are_counted(tmp_path):
    for form, folder in ((manual, "Manually_Annotated_Images"), (kaggle, "sad")):
        root = form(tmp_path / form.__name__).root
        before = read_affectnet(root).notes
        (root / folder / "more").mkdir()
        (root / folder / "more" / "0.jpg").write_bytes(b"")
        *notes, last = read_affectnet(root).notes
        assert last.startswith("pictures in no csv, left out: 1, such as ") and tuple(notes) == before
    assert "no csv" not in "".join(read_affectnet(tmp_path / "manual", splits=["test"]).notes)


def test_the_rework_is_named_and_its_csv_counts(tmp_path):
    data = read_affectnet(kaggle(tmp_path).root)
    assert data.notes[0].startswith("this is the Kaggle rework (noamsegal/affectnet-training-data), not the original: ")
    assert data.notes[1].startswith("pictures in the folder of another class than their label: 2, such as anger/")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("png,happy", "png,bored", "contempt in {}, line 5, got 'bored'"),
        (",0.75", "", "expected 4 columns in {}, line 5, got 3: is the file cut off?"),
        (",0.75", ",x", "expected a number relFCs in {}, line 5, got 'x'"),
        ("anger/image0000060.jpg", "anger/image0000006.jpg", "image0000006.jpg in lines 2 and 3: take one out"),
        ("anger/image0000060.jpg", "", "expected each picture once in {}, got an empty cell in line 3"),
    ],
)
def test_a_bad_row_of_the_rework(old, new, expected, tmp_path):
    root = kaggle(tmp_path).root
    edit(root / "labels.csv", old, new)
    text = message(root)
    assert expected.format(root / "labels.csv") in text and text.endswith(HANDED_OUT)


@pytest.mark.parametrize("place", ["", "train", "YOLO_format/train"])
def test_the_form_for_detectors_is_refused_by_name(place, tmp_path):
    for folder in ("images", "labels"):
        (tmp_path / place / folder).mkdir(parents=True)
    assert "expected train_set and val_set, or " in message(tmp_path)
    (tmp_path / place / "labels" / "0001.txt").write_text("3 0.5 0.5 0.9 0.9\n")
    text = message(tmp_path)
    assert "got the YOLO form with images and labels/*.txt in" in text and text.endswith(HANDED_OUT)
