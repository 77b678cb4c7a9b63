"""Rows of a csv, one at a time."""

import pytest

from mien.core.errors import DataError
from mien.datasets.readers.csv_rows import read_rows

HANDED_OUT = "they are handed out by somebody"


def rows(path, data, *columns, **options):
    path.write_bytes(data)
    return list(read_rows(path, columns, handed_out=HANDED_OUT, **options))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.csv"


def test_columns_by_name(path):
    data = b'\xef\xbb\xbfA, b ,C\r\n1, 2 ,3\r\n\r\n , ,\r\n4,"5,\n6",7'
    assert rows(path, data, "c", "B") == [(2, ["3", "2"]), (6, ["7", "5,\n6"])]


def test_a_file_without_a_header(path):
    assert rows(path, b"1,2\n3,4\n", "b", without_header=("a", "b")) == [(1, ["2"]), (2, ["4"])]
    assert rows(path, b"b,a\n3,4\n", "b", without_header=("a", "b")) == [(2, ["3"])]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "expected rows in"),
        (b"a,b\n", "expected rows in"),
        (b"a,c\n1,2\n", "expected the column b in .* got 'a, c'"),
        (b"a,b\n1,2\n3\n", "expected 2 columns in .*a.csv, line 3, got 1: is the file cut off"),
        (b"a,b\n1,\xff\n", "expected a csv in UTF-8 at .*a.csv"),
        (b'a,b\n1,"' + b"x" * 200_000, "expected a csv in UTF-8 at .*a.csv, got: field larger"),
    ],
)
def test_what_is_no_such_csv(path, data, expected):
    with pytest.raises(DataError, match=expected) as caught:
        rows(path, data, "a", "b")
    assert str(caught.value).endswith(HANDED_OUT) and "\n" not in str(caught.value)


def test_a_file_that_is_not_there(path):
    with pytest.raises(DataError, match="expected a readable csv at .*a.csv, got: No such file"):
        list(read_rows(path, ("a",), handed_out=HANDED_OUT))
