"""A data set as distributed: validated, selectable, read lazily, and a table where its pictures make one."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from layouts.faces import face

from mien.core.errors import DataError, InputError, UsageError
from mien.core.images import write_image
from mien.core.labels import LABEL_SETS
from mien.datasets import READERS, open_dataset
from mien.datasets.dataset import DataSet, PictureFile, PictureRows, Published, not_there
from mien.datasets.table import LabelColumn

ROOT = Path(__file__).resolve().parents[3]
MMI = LABEL_SETS["mmi"]
LABELS = ("anger", "fear", "fear", "sadness", None)
SOFT = np.array([[1, 0, 0, 0, 0, 0]] * 4 + [[np.nan] * 6], np.float32)


@pytest.fixture
def data(tmp_path):
    """Five pictures on disk: two clips whose frames are mixed, and one picture by itself."""
    for k, label in enumerate(LABELS):
        write_image(tmp_path / f"{k}.png", face(label or "neutral", seed=k, size=20))
    ids = [-1 if label is None else MMI.index(label) for label in LABELS]
    return DataSet(
        name="mmi",
        root=tmp_path,
        form="made up",
        origin="nobody",
        ids=[f"mmi-{k}" for k in range(5)],
        split=["train", "train", "test", "train", "test"],
        pictures=[PictureFile(str(tmp_path), f"{k}.png") for k in range(5)],
        sources={"mmi": LabelColumn(MMI, np.array(ids, np.int16), SOFT, "made up", "here")},
        extra={"clip_id": np.array(["b", "a", "b", "a", ""]), "frame": np.array([7, 5, 3, 2, 0], np.int32)},
        faces=True,
        gray=True,
    )


@pytest.fixture
def in_memory(data):
    """The same with its pixels in memory."""
    images = np.stack([data[k].image[:, :, 0] for k in range(5)])
    return replace(data, pictures=PictureRows(images, [f"a.csv, row {k}" for k in range(5)]))


def test_a_sample_holds_all_that_is_known(data):
    sample = data[1]
    assert (sample.id, sample.split, sample.labels, sample.picture.where) == (
        "mmi-1",
        "train",
        {"mmi": "fear"},
        "1.png",
    )
    assert sample.extra == {"clip_id": "a", "frame": 5} and sample.soft["mmi"].tolist() == [1, 0, 0, 0, 0, 0]
    assert sample.image.shape == (20, 20, 3)
    assert data[4].labels == {"mmi": None} and np.isnan(data[4].soft["mmi"]).all()
    assert [each.id for each in data] == data.ids.tolist() and len(data) == 5


def test_nothing_is_opened_before_it_is_asked_for(data, tmp_path):
    (tmp_path / "2.png").unlink()
    (tmp_path / "3.png").write_bytes(b"no picture")
    assert [sample.split for sample in data] == ["train", "train", "test", "train", "test"]
    for row, said in ((2, "got no such file"), (3, "not one")):
        with pytest.raises(InputError, match=said):
            data[row].image  # noqa: B018
    assert data[4].image.shape == (20, 20, 3)


@pytest.mark.parametrize("which", [[3, 0], slice(1, 4), np.array([True, False, True, False, True])])
def test_select(data, in_memory, which):
    rows = np.arange(5)[which]
    for each in (data, in_memory):
        some = each.select(which)
        assert some.ids.tolist() == each.ids[rows].tolist()
        assert [sample.labels for sample in some] == [each[row].labels for row in rows]
        assert some.extra["frame"].tolist() == each.extra["frame"][rows].tolist()
        for sample, row in zip(some, rows, strict=True):
            np.testing.assert_array_equal(sample.image, each[row].image)
            assert sample.picture.where == each[row].picture.where


def test_splits(data):
    assert data.splits == ("train", "test") and data.of_splits(None) is data
    assert data.of_splits(["test"]).ids.tolist() == ["mmi-2", "mmi-4"]
    assert data.of_splits(["test", "train"]).ids.tolist() == data.ids.tolist()
    with pytest.raises(DataError, match=r"expected the split 'valid' in .*, got train, test only"):
        data.of_splits(["valid"])
    with pytest.raises(UsageError, match="out of train, valid, test, got 'dev'"):
        data.of_splits(["dev"])


def test_clips_give_their_frames_in_order(data):
    clips = {name: clip.ids.tolist() for name, clip in data.clips()}
    assert clips == {"a": ["mmi-3", "mmi-1"], "b": ["mmi-2", "mmi-0"]}
    assert dict(replace(data, extra={}).clips()) == {} == dict(data.select([]).clips())


def test_a_table_of_it(data, in_memory):
    one, two = data.table(), in_memory.table()
    assert one.digest() == two.digest()
    assert one.images.shape == (5, 20, 20) and one.meta == {"name": "mmi", "form": "made up"}
    assert replace(data, gray=False).table().images.shape == (5, 20, 20, 3)
    assert data.select([]).table().images.shape[0] == 0


def test_what_makes_no_table(data, tmp_path):
    with pytest.raises(
        DataError, match=r"expected face crops in .*, got photographs \(made up\): prepare it: mien data"
    ):
        replace(data, faces=False).table()
    write_image(tmp_path / "3.png", face("fear", seed=3, size=30))
    with pytest.raises(DataError, match=r"of one size in .*, got \(20, 20\) and \(30, 30\) \(3\.png\): .* --size 112$"):
        data.table()
    (tmp_path / "1.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"got an empty file: .*; the data set is handed out by nobody"):
        data.table()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ids": ["a"] * 5}, "ids that are distinct"),
        ({"split": ["train"] * 4}, "expected 5 rows in split, one an image, got 4"),
        ({"split": ["dev"] * 5}, "splits out of"),
        ({"extra": {"subject": np.zeros(3)}}, "expected 5 rows in subject"),
        ({"sources": {"mmi": LabelColumn(MMI, np.zeros(3, np.int16))}}, "expected 5 rows in labels of mmi"),
    ],
)
def test_what_is_no_data_set(data, changes, message):
    with pytest.raises(DataError, match=message):
        replace(data, **changes)


def test_pictures_in_memory():
    rows = PictureRows(np.arange(24, dtype=np.uint8).reshape(3, 2, 4), ["a", "b", "c"])
    assert len(rows) == 3 and [each.where for each in rows] == ["a", "b", "c"]
    assert [each.where for each in rows[1:]] == ["b", "c"] and rows[-1].read()[0, 0] == 16
    assert rows.take(np.array([2, 0])).names == ["c", "a"]
    with pytest.raises(DataError, match="expected a name for each of 3 pictures, got 2"):
        PictureRows(rows.images, ["a", "b"])


def test_published_counts_in_all():
    published = Published("mmi", {"train": {"fear": 3, "anger": 4}}, unlabelled={"train": 2}, totals={"test": 9})
    assert [published.pictures(split) for split in ("train", "valid", "test")] == [9, None, 9]


def test_nothing_there_says_what_was_looked_for(tmp_path):
    said = str(not_there(tmp_path / "absent", "a.csv", "nobody"))
    absent = tmp_path / "absent"
    assert said == f"expected a.csv in {absent}, got no such file or folder: the data set is handed out by nobody"
    assert "got none of it" in str(not_there(tmp_path, "a.csv", "nobody"))


@pytest.mark.parametrize(
    ("spec", "option", "value", "message"),
    [
        ("affectnet", "landmarks", "no", "expected landmarks to be true or false, got 'no'"),
        ("folder", "faces", 0, "expected faces to be true or false, got 0"),
        ("csv", "gray", "yes", "expected gray to be true or false, got 'yes'"),
        ("csv", "images", ["a"], r"expected images to be a text, got \['a'\]"),
        ("folder", "label_map", True, "expected label_map to be a text, got True"),
        ("mmi", "dual", 1, "expected a dual out of left, right, got '1'"),
        ("mmi", "peek", 3, "expected an option out of peak, .*; did you mean 'peak'"),
    ],
)
def test_an_option_of_another_type(spec, option, value, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        open_dataset(f"{spec}={tmp_path}", options={option: value})


def test_a_number_is_a_text_where_a_text_is_wanted(tmp_path):
    (tmp_path / "happy").mkdir()
    (tmp_path / "happy" / "1.png").write_bytes(b"")
    assert open_dataset(f"folder={tmp_path}", options={"name": 24}).ids.tolist() == ["24-happy/1.png"]


def test_the_home_folder_by_its_sign(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "own" / "happy").mkdir(parents=True)
    (tmp_path / "own" / "happy" / "1.png").write_bytes(b"")
    assert open_dataset("folder=~/own").root == tmp_path / "own"


def test_one_split_by_its_name(tmp_path):
    for split in ("train", "test"):
        (tmp_path / split / "happy").mkdir(parents=True)
        (tmp_path / split / "happy" / f"{split}.png").write_bytes(b"")
    assert open_dataset(f"folder={tmp_path}", splits="test").split.tolist() == ["test"]


def test_every_reader_is_in_the_table_of_the_documentation():
    page = (ROOT / "docs" / "data.md").read_text("utf-8")
    assert set(re.findall(r"^\| `([a-z0-9]+)` \|", page.partition("## `")[0], re.MULTILINE)) == set(READERS)


def test_the_reader_in_the_documentation(tmp_path, monkeypatch):
    page = (ROOT / "docs" / "data.md").read_text("utf-8")
    section = page.partition("## A reader of your own")[2]
    code = section.partition("```python\n")[2].partition("```")[0]
    monkeypatch.setattr(READERS, "_factories", dict(READERS._factories))
    exec(code, {})
    write_image(tmp_path / "a.png", face("fear", seed=0))
    (tmp_path / "moods.csv").write_text("name,mood\na.png,Scared\nb.png,joy\n", "utf-8")
    data = open_dataset(f"moods={tmp_path}")
    assert [sample.labels["ferplus"] for sample in data] == ["fear", "happiness"]
    assert [sample.id for sample in data] == ["moods-a", "moods-b"] and data[0].image.shape == (48, 48, 3)
    with pytest.raises(
        DataError, match=r"expected moods\.csv in .*, got no such file or folder: the data set is handed out"
    ):
        open_dataset(f"moods={tmp_path / 'absent'}")


@pytest.mark.parametrize("where", ["../secret.png", "a/../../secret.png", "{outside}/secret.png"])
def test_a_path_that_leads_out_of_its_folder_is_not_opened(where, tmp_path):
    write_image(tmp_path / "secret.png", np.zeros((8, 8), np.uint8))
    (tmp_path / "data" / "a").mkdir(parents=True)
    where = where.format(outside=tmp_path)
    with pytest.raises(
        InputError, match=r"expected a picture in .*data, got the path .*secret\.png, which leads out of"
    ):
        PictureFile(str(tmp_path / "data"), where).read()
    assert PictureFile(str(tmp_path), str(tmp_path / "secret.png")).read().shape == (8, 8, 3)
