"""CK+48: what the battery over all readers does not ask."""

from collections import Counter

import pytest
from layouts.ck48 import archive

from mien.core.errors import DataError
from mien.datasets.readers.ck48 import read_ck48

# As its files are counted.
COUNTS = {"anger": 135, "contempt": 54, "disgust": 177, "fear": 75, "happiness": 207, "sadness": 84, "surprise": 249}


@pytest.fixture
def root(tmp_path):
    archive(tmp_path)
    return tmp_path


def test_a_complete_copy_has_the_published_counts(tmp_path):
    number = 0
    for label, n in COUNTS.items():
        folder = tmp_path / "CK+48" / {"happiness": "happy"}.get(label, label)
        folder.mkdir(parents=True)
        for _ in range(n):
            (folder / f"S{number // 50:03d}_{number % 50:03d}_00000017.png").write_bytes(b"")
            number += 1
    data = read_ck48(tmp_path)
    assert len(data) == 981 and data.published.certain
    assert data.published.counts == {"train": Counter(data.sources["ck48"].names())} == {"train": COUNTS}


def test_a_split_by_subject_is_recommended(root):
    assert "split it by subject" in read_ck48(root).notes[0]
    assert set(read_ck48(root).extra["subject"]) == {"S010", "S011", "S050", "S138"}


def test_a_folder_that_is_no_class(root):
    (root / "CK+48" / "neutral").mkdir()
    with pytest.raises(
        DataError, match=r"expected folders out of anger, .* in .*CK\+48, got 'neutral': .* handed out by"
    ):
        read_ck48(root)


def test_a_picture_in_two_classes(root):
    path = root / "CK+48" / "fear" / "S010_006_00000015.png"
    path.write_bytes(b"")
    with pytest.raises(
        DataError, match=r"expected each picture once in .*, got CK\+48/fear/S010.* and CK\+48/happy/S010"
    ):
        read_ck48(root)


def test_files_with_other_names_are_left_out_and_counted(root):
    (root / "CK+48" / "fear" / "flipped.png").write_bytes(b"")
    data = read_ck48(root)
    assert len(data) == 9 and "left out: 1 of 10 files" in data.notes[1] and "CK+48/fear/flipped.png" in data.notes[1]


def test_class_folders_without_pictures(tmp_path):
    (tmp_path / "anger").mkdir()
    with pytest.raises(DataError, match=r"expected the folders anger, .* in .*, got none of it: .* handed out by"):
        read_ck48(tmp_path)
