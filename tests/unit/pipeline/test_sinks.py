import contextlib
import csv
import errno
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mien.core.errors import OutputError
from mien.pipeline import sinks
from mien.pipeline.sinks import Sink, check_target

COLUMNS = {"source": str, "face_id": int, "score": float, "error": str}
ROWS: list[dict[str, Any]] = [
    {"source": "ä, b.jpg", "face_id": 0, "score": 0.25, "error": None},
    {"source": 'c "d".jpg', "face_id": None, "score": None, "error": "no\nfile"},
]
SUFFIXES = [".csv", ".json", ".jsonl", ".parquet"]


def write(path: Path, rows: list[dict[str, Any]], **options: Any) -> None:
    with Sink(path, COLUMNS, **options) as sink:
        for row in rows:
            sink.write([row])


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".json":
        return json.loads(path.read_text("utf-8"))
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    if path.suffix == ".parquet":
        return pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist()
    with open(path, encoding="utf-8", newline="") as file:
        types = {"face_id": int, "score": float}
        return [{k: types.get(k, str)(v) if v else None for k, v in row.items()} for row in csv.DictReader(file)]


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".CSV"])
@pytest.mark.parametrize("rows", [ROWS, []], ids=["rows", "empty"])
def test_what_is_written_is_read_back(tmp_path: Path, suffix: str, rows: list[dict[str, Any]]) -> None:
    path = tmp_path / f"tafel ü{suffix}"
    write(path, rows)
    assert read(path.rename(path.with_suffix(suffix.lower()))) == rows
    assert len(list(tmp_path.iterdir())) == 1


def test_parquet_holds_the_columns_of_an_empty_table_and_many_row_groups(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    write(tmp_path / "empty.parquet", [])
    assert parquet.read_table(tmp_path / "empty.parquet").column_names == list(COLUMNS)
    write(tmp_path / "many.parquet", ROWS * 4500)
    assert parquet.ParquetFile(tmp_path / "many.parquet").num_row_groups == 3
    assert read(tmp_path / "many.parquet") == ROWS * 4500


def test_json_has_null_for_what_is_not_finite(tmp_path: Path) -> None:
    write(tmp_path / "t.json", [{"source": "a", "score": float("nan")}, {"source": "b", "score": float("inf")}])
    assert [row["score"] for row in read(tmp_path / "t.json")] == [None, None]


def test_an_unknown_suffix_lists_the_known() -> None:
    with pytest.raises(OutputError, match=r"ends in \.csv, \.json, \.jsonl, \.parquet, got faces\.xlsx"):
        check_target("faces.xlsx")
    with pytest.raises(OutputError, match=r"got faces$"):
        check_target("faces")


def test_an_existing_file_is_kept_unless_told(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("mine")
    with pytest.raises(
        OutputError, match=r"expected no file at .*t\.csv, got one: choose another name, or give --over"
    ):
        Sink(path, COLUMNS)
    assert path.read_text() == "mine"
    write(path, ROWS, overwrite=True)
    assert read(path) == ROWS


def test_a_missing_folder_and_a_folder_as_target(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"got no folder .*gone: make it first"):
        check_target(tmp_path / "gone" / "t.csv")
    (tmp_path / "t.csv").mkdir()
    with pytest.raises(OutputError, match=r"got a folder: name a file in it"):
        check_target(tmp_path / "t.csv", overwrite=True)


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(OutputError, match=r"expected to write .*t\.csv, got: Permission denied"):
        check_target(tmp_path / "t.csv")


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nothing_is_left_after_an_interruption(tmp_path: Path, suffix: str, stop: type[BaseException]) -> None:
    path = tmp_path / f"t{suffix}"
    path.write_text("before")
    with pytest.raises(stop), Sink(path, COLUMNS, overwrite=True) as sink:
        sink.write(ROWS)
        raise stop
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


class FullDisk:
    """A file that takes some bytes, then none."""

    def __init__(self, file: Any, room: int) -> None:
        self._file, self._room = file, room

    def write(self, data: bytes) -> int:
        self._room -= len(data)
        if self._room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return int(self._file.write(data))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@pytest.mark.parametrize("room", [0, 60, 100])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_is_one_line_and_leaves_nothing(
    tmp_path: Path, suffix: str, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        sinks, "open", lambda path, mode: FullDisk(io.FileIO(path, mode.replace("b", "")), room), raising=False
    )
    path = tmp_path / f"t{suffix}"
    with pytest.raises(OutputError) as error:
        write(path, ROWS * 3)
    assert str(error.value) == f"expected to write {path}, got: No space left on device; nothing was left there"
    assert list(tmp_path.iterdir()) == []


@contextlib.contextmanager
def room(most: int) -> Iterator[None]:
    """No file of this process may grow beyond so many bytes: what does not fit is cut, as on a full disk."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("most", [600, 601, 602, 603, 620, 640])
@pytest.mark.parametrize("suffix", [".csv", ".json", ".jsonl"])
def test_a_full_disk_keeps_the_whole_rows_of_a_recording(tmp_path: Path, suffix: str, most: int) -> None:
    path = tmp_path / f"t{suffix}"
    written = 0
    sink = Sink(path, COLUMNS, keep=True)
    with room(most), pytest.raises(OutputError) as error:
        for _ in range(100):
            sink.write(ROWS)
            written += 1
        sink.close()
    assert (
        str(error.value)
        == f"expected to write on into {path}, got: {os.strerror(errno.EFBIG)}; the rows before are kept"
    )
    assert written > 2 and read(path) == ROWS * (written - 1)
    sink.close()
    assert list(tmp_path.iterdir()) == [path]


def test_a_recording_whose_end_does_not_fit_is_kept(tmp_path: Path) -> None:
    write(tmp_path / "whole.json", ROWS * 4)
    path = tmp_path / "t.json"
    sink = Sink(path, COLUMNS, keep=True)
    for row in ROWS * 4:
        sink.write([row])
    with (
        room((tmp_path / "whole.json").stat().st_size - 1),
        pytest.raises(OutputError, match="the rows before are kept"),
    ):
        sink.close()
    assert read(path) == (ROWS * 4)[:-1]


def test_what_cannot_be_kept_leaves_nothing(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    sink = Sink(tmp_path / "t.parquet", COLUMNS, keep=True)
    sink.write(ROWS)
    with room(20), pytest.raises(OutputError, match="nothing was left there"):
        sink.close()
    sink = Sink(tmp_path / "t.csv", COLUMNS, keep=True)
    with room(40), pytest.raises(OutputError, match="nothing was left there"):  # not one row
        sink.write(ROWS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_recording_is_kept_after_an_interruption(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(KeyboardInterrupt), Sink(tmp_path / f"t{suffix}", COLUMNS, keep=True) as sink:
        sink.write(ROWS)
        raise KeyboardInterrupt
    assert read(tmp_path / f"t{suffix}") == ROWS
