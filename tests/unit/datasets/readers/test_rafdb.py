"""RAF-DB: what its forms have in common, and what is not as it should be in each of them."""

import numpy as np
import pytest
from layouts.rafdb import aligned, imagefolder, kaggle, original

from mien.core.errors import DataError, InputError, UsageError
from mien.datasets.readers.rafdb import read_rafdb

LIST = "EmoLabel/list_patition_label.txt"
HANDED_OUT = "RAF-DB is handed out by Shan Li and Weihong Deng"


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def message(root, **options):
    with pytest.raises(DataError) as caught:
        read_rafdb(root, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_forms_tell_the_same(tmp_path):
    roots = [form(tmp_path / form.__name__).root for form in (aligned, original, kaggle, imagefolder)]
    first, *others = map(read_rafdb, roots)
    for other in others:
        assert other.ids.tolist() == first.ids.tolist() and other.split.tolist() == first.split.tolist()
        assert other.sources["rafdb"].names() == first.sources["rafdb"].names()


def test_published_counts():
    from mien.datasets.readers.rafdb import _COUNTS

    assert sum(_COUNTS["train"]) == 12_271 and sum(_COUNTS["test"]) == 3_068


def test_which_pictures_are_read(tmp_path):
    root = aligned(tmp_path).root
    crops, photographs = read_rafdb(root), read_rafdb(root, images="original")
    assert crops.faces and crops.published.size == (100, 100) and crops[0].image.shape == (100, 100, 3)
    assert "box" not in crops.extra and "landmarks" not in crops.extra
    assert not photographs.faces and photographs.published.size is None and photographs[0].image.shape == (120, 120, 3)
    assert photographs.extra["landmarks"].shape == (8, 10) and photographs.extra["box"].shape == (8, 4)
    (root / "basic" / "Image" / "aligned").rename(tmp_path / "elsewhere")
    assert read_rafdb(root).form == "basic, original"
    assert "expected the folder Image/aligned in" in message(root, images="aligned")
    with pytest.raises(UsageError, match="expected a value of images out of aligned, original, got 'aligned-'; did"):
        read_rafdb(root, images="aligned-")


def test_photographs_are_not_among_the_folders_of_others(tmp_path):
    text = message(kaggle(tmp_path).root, images="original")
    assert text.startswith(f"expected basic/{LIST} in") and "train/1" not in text


def test_zips_unpacked_into_folders_of_their_names(tmp_path):
    root = aligned(tmp_path).root
    for folder in ("Image/aligned", "Annotation/manual"):
        inner = root / "basic" / folder / folder.partition("/")[2]
        (root / "basic" / folder).rename(tmp_path / "moved")
        inner.parent.mkdir()
        (tmp_path / "moved").rename(inner)
    data = read_rafdb(root)
    assert data[0].image.shape == (100, 100, 3) and data.extra["group_gender"][0] == "male"


def test_without_annotations(tmp_path):
    root = aligned(tmp_path).root
    (root / "basic" / "Annotation").rename(tmp_path / "elsewhere")
    assert dict(read_rafdb(root, images="original").extra) == {}


def test_pictures_in_no_list_are_counted(tmp_path):
    assert read_rafdb(aligned(tmp_path).root).notes == (
        "pictures in no list, left out: 1, such as train_00099_aligned.jpg",
    )


def test_pictures_that_are_listed_and_not_there_come_up_when_they_are_read(tmp_path):
    root = aligned(tmp_path).root
    with open(root / "basic" / LIST, "a") as file:
        file.write("\ntrain_05000.jpg 3\n")
    data = read_rafdb(root)
    row = data.ids.tolist().index("rafdb-train_05000")
    assert len(data) == 9 and data.sources["rafdb"].name_of(row) == "disgust"
    assert data.extra["group_age"][row] == ""
    with pytest.raises(InputError, match="train_05000_aligned.jpg, got no such file"):
        data[row].image  # noqa: B018


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("train_00002.jpg 1", "train_00002.jpg 8", ("expected a class in 1..7", "line 2, got '8'")),
        ("train_00002.jpg 1", "train_00002.jpg 0", ("expected a class in 1..7", "line 2, got '0'")),
        ("train_00002.jpg 1", "train_00002.jpg", ("expected rows such as 'train_00001.jpg 5'", "line 2", "cut off?")),
        ("train_00002.jpg 1", "picture2.jpg 1", ("line 2, got 'picture2.jpg 1'",)),
        ("train_00002.jpg 1", "train_00001.jpg 1", ("got train_00001 in lines 1 and 2",)),
    ],
)
def test_a_bad_list(old, new, expected, tmp_path):
    root = aligned(tmp_path).root
    edit(root / "basic" / LIST, old, new)
    text = message(root)
    for part in (LIST, *expected):
        assert part in text
    assert HANDED_OUT in text


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("manual/train_00001_manu_attri.txt", "\n0\n1", "\n3\n1", "expected gender in 0..2 in"),
        ("manual/train_00001_manu_attri.txt", "\n0\n1\n2", "\n0\n1\n5", "expected age in 0..4 in"),
        ("manual/train_00001_manu_attri.txt", "\n0\n1\n2", "\n0\n1", "then gender, race and age in"),
        ("manual/train_00001_manu_attri.txt", "30.5000", "x", "expected 5 rows of x and y"),
        ("boundingbox/test_0001_boundingbox.txt", " 80.0", "", "got 3 numbers"),
        ("boundingbox/test_0001_boundingbox.txt", "80.0", "nan", "expected x1 y1 x2 y2 in"),
    ],
)
def test_bad_annotations(file, old, new, expected, tmp_path):
    root = original(tmp_path).root
    edit(root / "Annotation" / file, old, new)
    text = message(root, images="original")
    assert expected in text and file in text and HANDED_OUT in text


def test_a_csv_that_contradicts_the_folders(tmp_path):
    root = kaggle(tmp_path).root
    edit(root / "train_labels.csv", "train_00002_aligned.jpg,1", "train_00002_aligned.jpg,4")
    text = message(root)
    assert "surprise, for DATASET/train/1/train_00002_aligned.jpg in" in text
    assert "train_labels.csv, line 3, got 4 (happiness)" in text


def test_a_csv_that_names_absent_pictures(tmp_path):
    root = kaggle(tmp_path).root
    (root / "DATASET" / "test" / "6" / "test_0002_aligned.jpg").unlink()
    data = read_rafdb(root)
    sample = data[data.ids.tolist().index("rafdb-test_0002")]
    assert sample.labels == {"rafdb": "anger"}
    with pytest.raises(InputError, match=r"test_0002_aligned.jpg, got no such file"):
        sample.image  # noqa: B018


def test_class_folders_are_read_without_the_csv_files(tmp_path):
    layout = kaggle(tmp_path)
    for split in ("train", "test"):
        (layout.root / f"{split}_labels.csv").unlink()
    for root in (layout.root, layout.root / "DATASET"):
        data = read_rafdb(root)
        assert data.form == "a folder a class under train and test" and len(data) == len(layout.rows)


def test_reworks_are_named(tmp_path):
    (note,) = read_rafdb(kaggle(tmp_path / "a").root).notes
    assert note.startswith("this is the Kaggle rework (shuvoalok/raf-db-dataset), not the original: ")
    first, second = read_rafdb(imagefolder(tmp_path / "b").root).notes
    assert first.startswith("this is somebody's rework, not the original: ")
    assert second.startswith("its valid is RAF-DB's test split under another name")


def test_the_name_of_a_picture_says_its_split(tmp_path):
    root = imagefolder(tmp_path).root
    (root / "train" / "sad" / "train_00001_aligned.jpg").rename(root / "valid" / "Happy" / "train_00001_aligned.jpg")
    (root / "train" / "fear" / "copy of it.jpg").write_bytes(b"")
    data = read_rafdb(root)
    assert data.split.tolist() == ["train"] * 5 + ["test"] * 3 and data[0].labels["rafdb"] == "happiness"
    assert data.notes[2].startswith("pictures in the folder of another split than their name says: 1, such as")
    assert data.notes[3] == (
        "pictures that are not named as train_00001_aligned.jpg is, left out: 1, such as train/fear/copy of it.jpg"
    )


def test_two_files_with_one_name(tmp_path):
    root = imagefolder(tmp_path).root
    data = (root / "train" / "sad" / "train_00001_aligned.jpg").read_bytes()
    (root / "train" / "fear" / "train_00001_aligned.jpg").write_bytes(data)
    assert "train/fear/train_00001_aligned.jpg and train/sad/train_00001_aligned.jpg: remove one" in message(root)


def test_a_folder_that_is_no_class(tmp_path):
    root = imagefolder(tmp_path).root
    (root / "train" / "contempt").mkdir()
    assert len(read_rafdb(root)) == 8
    (root / "train" / "contempt" / "a.jpg").write_bytes(b"")
    text = message(root)
    assert "expected a class in 1..7 in the name of the folder" in text and "got 'contempt'" in text


def test_nothing_named_as_in_rafdb(tmp_path):
    folder = tmp_path / "train" / "happy"
    folder.mkdir(parents=True)
    (folder / "Training_1.jpg").write_bytes(b"")
    assert "expected pictures named as train_00001_aligned.jpg in the folders of" in message(tmp_path)


def test_rows_have_one_order_whatever_the_order_of_the_list(tmp_path):
    root = aligned(tmp_path).root
    path = root / "basic" / LIST
    before = read_rafdb(root).ids
    path.write_text("\n".join(reversed(path.read_text().split("\n"))))
    np.testing.assert_array_equal(read_rafdb(root).ids, before)
