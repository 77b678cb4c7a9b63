"""FER2013's csv: read exactly, or refused in one line that names file and line."""

import re

import numpy as np
import pytest

from mien.core.errors import DataError, UsageError
from mien.datasets import fer2013, fer2013_csv
from mien.datasets.fer2013 import read_fer2013

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
    assert "\n" not in str(caught.value)


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
    with pytest.raises(DataError, match=r"absent, got no such folder"):
        read_fer2013(tmp_path / "absent")
