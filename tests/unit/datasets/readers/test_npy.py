"""Small npy files."""

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.errors import DataError
from mien.datasets.readers.npy import NpyFiles


def encode(array, **options):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array), **options)
    return buffer.getvalue()


def header(kind, shape):
    text = f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}}}".encode()
    return b"\x93NUMPY\x01\0" + len(text).to_bytes(2, "little") + text


@pytest.fixture
def path(tmp_path):
    return tmp_path / "1_exp.npy"


def read(path, data, files=None):
    path.write_bytes(data)
    return (files or NpyFiles("handed out by somebody")).read(str(path))


@pytest.mark.parametrize(
    "array", [3, "3", b"3", 3.0, np.float32(3), np.int16(3), np.array(["3"]), np.array([3], ">i4"), np.array([[3]])]
)
def test_a_number_in_any_kind(path, array):
    assert read(path, encode(array)).tolist() == [3.0]


def test_many_files_of_a_few_kinds(path):
    files = NpyFiles("")
    for value in ("0.25", "-0.125", "-2", 7, 8, "0.25", 9.5):
        assert read(path, encode(value), files).tolist() == [float(value)]
    points = np.arange(136).reshape(68, 2)
    assert read(path, encode(points), files).tolist() == list(range(136))


def test_a_file_that_is_not_there(path):
    assert NpyFiles("").read(str(path)) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x93NUMPY",
        b"PK\x03\x04 something else",
        encode(3)[:-1],
        encode(3) + b"\0",
        encode("no number"),
        encode(1 + 2j),
        encode(np.array([(1, 2)], [("a", "i4"), ("b", "i4")])),
        encode(np.array([None]), allow_pickle=True),
        encode(np.asfortranarray(np.zeros((3, 2)))),
        encode(3).replace(b"'shape': ()", b"'shape': (9,)"),
        encode(3).replace(b"'shape': ()", b"'shape': (99999999999,)"),
        encode(3).replace(b"{", b"["),
        header("'<f8'", f"({'-' * 9000}1,)"),
        header("()", "()"),
        header("'|O'", f"(0x{'f' * 5000},)"),
    ],
)
def test_what_is_no_such_file(path, data):
    with pytest.raises(
        DataError, match=r"expected an npy file of numbers at .*1_exp.npy, got .*: copy it again"
    ) as error:
        read(path, data)
    assert str(error.value).endswith("handed out by somebody") and "\n" not in str(error.value)


@given(st.data())
def test_damage_is_a_data_error_or_another_number(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "damaged.npy"
    good = bytearray(encode(data.draw(st.sampled_from([3, "3", 0.25, "-0.125"]))))
    for _ in range(data.draw(st.integers(1, 3))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(DataError):
        assert read(path, bytes(good)).dtype == np.float64
