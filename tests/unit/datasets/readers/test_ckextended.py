"""ckextended.csv: what the battery over all readers does not ask."""

import pytest
from layouts.ckextended import folder

from mien.core.errors import DataError
from mien.datasets.readers.ckextended import read_ckextended


@pytest.fixture
def root(tmp_path):
    folder(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\n7,", "\n8,", "expected an emotion in 0..7 in .*ckextended.csv, line 5, got '8'"),
        ("\n7,", "\n,", "expected an emotion in 0..7 in .*ckextended.csv, line 5, got ''"),
        ("Usage", "usage of it", "expected the column Usage in .*ckextended.csv"),
        ("PrivateTest", "Private", "expected a Usage out of Training, .*, line 8, got 'Private'"),
    ],
)
def test_a_row_that_is_not_as_it_should_be(old, new, message, root):
    path = root / "ckextended.csv"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=message) as caught:
        read_ckextended(root)
    assert str(caught.value).endswith("the data set is handed out by Kaggle's user davilsena (ckdataset)")


def test_it_warns_of_its_splits(root):
    data = read_ckextended(root)
    assert "names no subjects" in data.notes[0] and "subject" not in data.extra
    assert sum(data.published.pictures(split) for split in ("train", "valid", "test")) == 920
