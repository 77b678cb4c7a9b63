import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mien.core.arrays import LONGEST_TEXT, read_npz, texts
from mien.core.errors import DataError


class _Call:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("1 / 0",)


def test_what_was_saved_is_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", ids=np.array(["a", "b"]), values=np.arange(3))
    found = read_npz(tmp_path / "a.npz")
    assert found["ids"].tolist() == ["a", "b"] and found["values"].tolist() == [0, 1, 2]


def test_pickles_are_not_run(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", evil=np.array([_Call()], dtype=object))
    (tmp_path / "b.npz").write_bytes(pickle.dumps(_Call()))
    for name in ("a.npz", "b.npz"):
        with pytest.raises(DataError, match=rf"expected an npz of arrays in .*{name}, got: .*allow_pickle"):
            read_npz(tmp_path / name)


@pytest.mark.parametrize("shape", ["(99999999999999,)", "(3", "(-1,)", "('a',)"])
def test_a_header_that_lies(shape: str, tmp_path: Path) -> None:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        file.writestr("values.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(24))
    with pytest.raises(DataError, match=r"expected an npz of arrays in .*a\.npz, got: "):
        read_npz(tmp_path / "a.npz")


def test_cut_off_or_missing(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", values=np.arange(300))
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(whole[: len(whole) // 2])
    for name in ("a.npz", "b.npz"):
        with pytest.raises(DataError, match="expected an npz of arrays"):
            read_npz(tmp_path / name)


def test_an_archive_with_a_password(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, values=np.arange(3))
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"expected an npz of arrays in .*a\.npz, got: .* password"):
        read_npz(path)


def test_texts_are_no_longer_than_paths() -> None:
    assert texts(["a", "ü" * LONGEST_TEXT, 3, None, [1, 2]], "here").shape == (5,)
    assert texts([], "here").shape == (0,)
    with pytest.raises(
        DataError, match="at most 1,024 characters in the ids, got one of 130,000 that begins with 'x{20}'"
    ):
        texts(["a"] * 100_000 + ["x" * 130_000], "the ids")  # 52 GB


def test_a_file_in_it_that_is_no_array(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        file.writestr("values.npy", b"something else")
    with pytest.raises(DataError, match=r"expected an npz of arrays in .*a\.npz, got: a file in it that is none"):
        read_npz(tmp_path / "a.npz")
