"""FER2013: its csv read exactly, or refused in one line that names file and line; what its other forms tell."""

import re

import layouts.fer2013
import numpy as np
import pytest

from mien.core.errors import DataError, UsageError
from mien.datasets.readers import fer2013, fer2013_csv
from mien.datasets.readers.fer2013 import read_fer2013

HEADER = "emotion,pixels,Usage"


def test_reads_pixels_labels_and_splits(tmp_path, images, rows, write_csv):
    write_csv(tmp_path / "fer2013.csv", HEADER, rows)
    table = read_fer2013(tmp_path).table()
    np.testing.assert_array_equal(table.images, images)
    assert table.split.tolist() == ["train", "train", "valid", "test"]
    assert table.sources["fer2013"].names() == ["anger", "disgust", "fear", "happiness"]
    assert table.ids.tolist() == [f"fer2013-0000{k}" for k in range(4)]
    assert table.sources["fer2013"].file == "fer2013.csv"


@pytest.mark.parametrize("name", fer2013.FILES)
def test_finds_every_usual_place(name, tmp_path, images, rows, write_csv):
    if "icml" in name:  # its header has spaces, and its columns stand in another order
        path = write_csv(tmp_path / name, "emotion, Usage, pixels", [(e, u, p) for e, p, u in rows])
    else:
        path = write_csv(tmp_path / name, HEADER, rows)
    for root in (tmp_path, path, str(path)):
        np.testing.assert_array_equal(read_fer2013(root).table().images, images)


def test_prefers_fer2013_csv(tmp_path, rows, write_csv):
    write_csv(tmp_path / "fer2013" / "fer2013.csv", HEADER, rows)
    write_csv(tmp_path / "icml_face_data.csv", "emotion, Usage, pixels", [])
    assert len(read_fer2013(tmp_path)) == 4


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("change", ["plain", "quoted", "wide", "bom", "blank lines", "no end"])
def test_reads_other_spellings_of_the_same(change, end, tmp_path, images, rows, write_csv):
    path = tmp_path / "fer2013.csv"
    if change == "quoted":
        rows = [(e, f'"{p}"', u) for e, p, u in rows]
    elif change == "wide":
        rows = [(f" {e}", f"  {p.replace(' ', '  ')} ", f" {u} ") for e, p, u in rows]
    write_csv(path, HEADER, rows, end=end)
    if change == "bom":
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    elif change == "blank lines":
        path.write_bytes(path.read_bytes().replace(end.encode(), 2 * end.encode()) + end.encode())
    elif change == "no end":
        path.write_bytes(path.read_bytes().rstrip())
    np.testing.assert_array_equal(read_fer2013(path).table().images, images)


def test_every_grey_value_is_read(tmp_path, write_csv):
    values = np.resize(np.arange(256, dtype=np.uint8), 2304)
    rows = [(0, " ".join(map(str, np.roll(values, shift))), "Training") for shift in range(3)]
    table = read_fer2013(write_csv(tmp_path / "a.csv", HEADER, rows)).table()
    for shift, image in enumerate(table.images):
        np.testing.assert_array_equal(image.ravel(), np.roll(values, shift))


def test_rows_written_as_usual_are_never_read_one_by_one(tmp_path, images, rows, write_csv, monkeypatch):
    """Else the fast way could be wrong, or never taken, and no other test would tell."""
    monkeypatch.setattr(fer2013_csv, "_parse_row", None)
    np.testing.assert_array_equal(read_fer2013(write_csv(tmp_path / "a.csv", HEADER, rows)).table().images, images)


def test_more_rows_than_a_block(tmp_path, rows, images, write_csv):
    path = write_csv(tmp_path / "a.csv", HEADER, rows * 40)  # 160 rows, in blocks of 64
    np.testing.assert_array_equal(read_fer2013(path).table().images, np.tile(images, (40, 1, 1)))


def test_splits_asked_for_alone(tmp_path, images, rows, write_csv):
    path = write_csv(tmp_path / "a.csv", HEADER, rows)
    table = read_fer2013(path, splits=["valid"]).table()
    assert table.ids.tolist() == ["fer2013-00002"]  # the id does not depend on what else was read
    np.testing.assert_array_equal(table.images, images[2:3])


def test_a_split_that_is_not_there_names_those_that_are(tmp_path, rows, write_csv):
    path = write_csv(tmp_path / "a.csv", HEADER, rows[:3])
    with pytest.raises(DataError, match=r"the split 'test' in .*a\.csv, got train, valid only"):
        read_fer2013(path, splits=["test"])
    with pytest.raises(UsageError, match="out of train, valid, test, got 'tests'; did you mean 'test'"):
        read_fer2013(path, splits=["tests"])


def broken(rows, line, cell, value):
    changed = list(rows[line - 2])
    changed[cell] = value
    return [*rows[: line - 2], changed, *rows[line - 1 :]]


PIXELS = ["7"] * 2304


@pytest.mark.parametrize(
    ("cell", "value", "message"),
    [
        (1, " ".join(PIXELS[:2303]), "expected 2,304 pixels in FILE, line 4, got 2,303"),
        (1, " ".join([*PIXELS, "1"]), "expected 2,304 pixels in FILE, line 4, got 2,305"),
        (1, "", "expected 2,304 pixels in FILE, line 4, got 0"),
        (1, " ".join([*PIXELS[1:], "256"]), "expected grey values in 0..255 in FILE, line 4, got '256'"),
        (1, " ".join([*PIXELS[1:], "-1"]), "expected grey values in 0..255 in FILE, line 4, got '-1'"),
        (1, " ".join([*PIXELS[1:], "1.5"]), "expected grey values in 0..255 in FILE, line 4, got '1.5'"),
        (1, " ".join([*PIXELS[1:], "0012"]), None),
        (1, " ".join([*PIXELS[1:], "1012"]), "expected grey values in 0..255 in FILE, line 4, got '1012'"),
        (1, " ".join([*PIXELS[1:], "9" * 5000]), "expected grey values in 0..255 in FILE, line 4, got '99999"),
        (1, " ".join([*PIXELS[2:], "", "5"]), "expected 2,304 pixels in FILE, line 4, got 2,303"),
        (1, " ".join([*PIXELS[1:], "x"]), "expected grey values in 0..255 in FILE, line 4, got 'x'"),
        (0, "7", "expected an emotion in 0..6 in FILE, line 4, got '7'"),
        (0, "-1", "expected an emotion in 0..6 in FILE, line 4, got '-1'"),
        (0, "", "expected an emotion in 0..6 in FILE, line 4, got ''"),
        (0, "happy", "expected an emotion in 0..6 in FILE, line 4, got 'happy'"),
        (2, "Test", "expected a Usage out of Training, PublicTest, PrivateTest in FILE, line 4, got 'Test'"),
        (2, "PublicTes", "got 'PublicTes'"),
    ],
)
def test_a_bad_row_is_named(cell, value, message, tmp_path, rows, write_csv):
    path = write_csv(tmp_path / "fer2013.csv", HEADER, broken(rows, 4, cell, value))
    if message is None:
        assert len(read_fer2013(path)) == 4
        return
    with pytest.raises(DataError, match=re.escape(message.replace("FILE", str(path)))) as caught:
        read_fer2013(path)
    assert "\n" not in str(caught.value) and "handed out by Kaggle" in str(caught.value)


def test_a_file_cut_off_is_named_by_its_last_line(tmp_path, rows, write_csv):
    path = write_csv(tmp_path / "fer2013.csv", HEADER, rows)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"expected 3 columns in .*, line 5, got 2: is the file cut off\?"):
        read_fer2013(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a header emotion,pixels,Usage in .*, got an empty line or file"),
        (b"emotion,pixels,Usage\r\n", "expected rows in .*, got its header alone"),
        (b"emotion,pixels\r\n0,1 2\r\n", "expected the column Usage in .*, got 'emotion', 'pixels'"),
        (b"pixels\n1 2\n", "expected the column emotion, Usage in .*, got 'pixels'"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "expected the column emotion, pixels, Usage"),
        (bytes(1 << 17), "expected a row of FER2013's csv in .*, line 1, got a line of over 65536 bytes"),
    ],
)
def test_another_file_is_refused(content, message, tmp_path):
    path = tmp_path / "fer2013.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_fer2013(path)


def test_nothing_there_says_what_was_looked_for_and_where_it_comes_from(tmp_path):
    with pytest.raises(DataError, match=r"fer2013\.csv, .*icml_face_data\.csv.* none of it: .* Kaggle"):
        read_fer2013(tmp_path)
    with pytest.raises(DataError, match=r"absent, got no such file or folder"):
        read_fer2013(tmp_path / "absent")


# A csv a split -------------------------------------------------------------------------------------------------------


def test_the_contest_s_test_csv_is_left_out_and_said_so(tmp_path):
    data = read_fer2013(layouts.fer2013.train_test(tmp_path).root)
    (note,) = data.notes
    assert "test.csv has no labels" in note and "its 4 pictures are left out" in note
    with pytest.raises(DataError, match="expected the split 'test' in .*, got train only"):
        read_fer2013(tmp_path, splits=["test"])


def test_a_file_a_split_is_named_a_rework(tmp_path):
    data = read_fer2013(layouts.fer2013.split_csv(tmp_path).root)
    assert not data.original and "cut by somebody" in data.notes[0]
    assert data.pictures[8].where == "val.csv, row 0" and data.sources["fer2013"].file == "train.csv, val.csv, test.csv"
    assert read_fer2013(tmp_path / "val.csv").ids.tolist() == ["fer2013-val_00000", "fer2013-val_00001"]
    assert read_fer2013(tmp_path, splits=["valid"]).sources["fer2013"].file == "val.csv"


def test_only_the_files_asked_for_are_read(tmp_path):
    layouts.fer2013.split_csv(tmp_path)
    (tmp_path / "train.csv").write_text("emotion,pixels\nbroken")
    assert len(read_fer2013(tmp_path, splits=["valid", "test"])) == 4
    with pytest.raises(
        DataError, match=r"expected 2 columns in .*train\.csv, line 2, got 1: is the file cut off\? FER"
    ):
        read_fer2013(tmp_path)


def test_a_usage_that_contradicts_the_name_is_not_passed_over(tmp_path, rows, write_csv):
    path = write_csv(tmp_path / "train.csv", HEADER, rows)
    with pytest.raises(DataError, match=r"expected no column Usage in .*train\.csv, .*: give it as ROOT itself"):
        read_fer2013(tmp_path)
    assert read_fer2013(path).splits == ("train", "valid", "test")


# Folders -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "notes"),
    [
        (
            "kaggle-folder",
            ["Kaggle's msambare/fer2013.*not the csv.*JPEG", "no pictures by their names, .*, left out: 1"],
        ),
        ("row-folder", ["Kaggle's msambare/fer2013.*not the csv.*JPEG", "numbers .* are taken as rows"]),
        (
            "images-folder",
            [
                "Kaggle's jonathanoheix/",
                "numbers .* are taken as rows",
                "another split .*: 5, such as images/train/neutral/35886.jpg; the rows",
            ],
        ),
        (
            "copies-folder",
            [
                "msambare",
                "files in train whose names do not tell their split, taken as train: 1",
                "files in test whose names do not tell their split, taken as test: 1",
                "another split .*: 1, such as train/sad/PrivateTest_5.jpg; the prefixes",
                "several files have one name, such as train/angry/Training_1.jpg and train/angry/Training_1.png",
            ],
        ),
    ],
)
def test_what_the_names_of_files_told_is_said(form, notes, tmp_path):
    got = read_fer2013(layouts.fer2013.FORMS[form](tmp_path).root).notes
    assert len(got) == len(notes)
    for note, expected in zip(got, notes, strict=True):
        assert re.search(expected, note), note


def test_one_foreign_name_and_no_number_is_a_row(tmp_path):
    """Else ids of rows would stand for pictures that are not those of the rows."""
    root = layouts.fer2013.row_folder(tmp_path).root
    (root / "fer2013/train/sad/Training_28709.jpg").write_bytes(b"")  # a row of PublicTest
    assert "fer2013-Training_2" in read_fer2013(root).ids.tolist()
    assert read_fer2013(root, splits=["test"]).ids.tolist() == [
        "fer2013-PrivateTest_32298",
        "fer2013-PrivateTest_35886",
    ]


def test_few_pictures_of_kaggles_whose_numbers_could_be_rows(tmp_path):
    """Their ids are those that they have in all of Kaggle's form, and never stand for rows that they are not."""
    (tmp_path / "train" / "angry").mkdir(parents=True)
    for number in (3908, 1206):
        (tmp_path / "train" / "angry" / f"Training_{number}.jpg").write_bytes(b"")
    data = read_fer2013(tmp_path)
    assert data.ids.tolist() == ["fer2013-Training_1206", "fer2013-Training_3908"]
    assert "not taken as rows" in data.notes[1]
    for number in range(70):
        (tmp_path / "train" / "angry" / f"Training_{number}.jpg").write_bytes(b"")
    assert "fer2013-03908" in read_fer2013(tmp_path).ids.tolist()


def test_numbers_alone_are_rows_only_where_the_division_is_known(tmp_path):
    for folder in ("train/happy", "test/sad"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "train/happy/7.png").write_bytes(b"")
    (tmp_path / "test/sad/8.png").write_bytes(b"")
    data = read_fer2013(tmp_path)
    assert data.ids.tolist() == ["fer2013-7", "fer2013-8"] and data.split.tolist() == ["train", "test"]
    assert "JPEG" not in data.notes[0]


def test_a_class_that_fer2013_has_not(tmp_path):
    root = layouts.fer2013.kaggle_folder(tmp_path).root
    (root / "train" / "contempt").mkdir()
    with pytest.raises(
        DataError, match=r"named after the emotions anger, .* in .*train, got 'contempt': .* handed out by"
    ):
        read_fer2013(root)


def test_folders_without_a_picture(tmp_path):
    (tmp_path / "train" / "happy").mkdir(parents=True)
    with pytest.raises(DataError, match=r"expected pictures in the folders of .*, got none: FER2013 is handed out by"):
        read_fer2013(tmp_path)


def test_a_csv_comes_before_folders(tmp_path):
    layouts.fer2013.kaggle_folder(tmp_path)
    layouts.fer2013.icml(tmp_path)
    assert read_fer2013(tmp_path).form == "icml_face_data.csv"


def test_published_counts_add_up():
    assert [fer2013.PUBLISHED.pictures(split) for split in ("train", "valid", "test")] == [28_709, 3_589, 3_589]
    assert fer2013.PUBLISHED.counts["train"]["disgust"] == 436 and fer2013.PUBLISHED.counts["test"]["neutral"] == 626


def test_csv_files_of_something_else_beside_folders(tmp_path):
    layouts.fer2013.row_folder(tmp_path)
    (tmp_path / "train.csv").write_text("path,label\na.jpg,3\n")
    assert len(read_fer2013(tmp_path)) == 9
    (tmp_path / "test.csv").write_text('pixels\n"1 2 3"\n')  # the contest's, with nothing that could be read of it
    (tmp_path / "train.csv").unlink()
    assert len(read_fer2013(tmp_path)) == 9
