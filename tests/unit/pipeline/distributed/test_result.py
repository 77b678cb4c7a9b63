"""The folder of a distributed work, as strangers may have made it."""

import json
from pathlib import Path
from typing import Any

import pytest

from mien.core.errors import InputError, OutputError
from mien.core.files import PARTIAL
from mien.pipeline.distributed.result import MANIFEST, Folder, Result, read_manifest

pyarrow = pytest.importorskip("pyarrow")

COUNTS = {"rows": 1, "inputs": 1, "pictures": 1, "clips": 0, "frames": 0, "faces": 1}
PART = {
    "part": 0,
    "file": "part-000000-00c0ffee.parquet",
    **COUNTS,
    "failed": {"a.jpg": "expected a picture, got none"},
}
SAID: dict[str, Any] = {
    "run": "00c0ffee",
    "plan": {"smooth": None},
    "complete": False,
    "inputs": {"photographs": 2, "clips": 0, "parts": 2},
    "parts": [PART],
}


@pytest.fixture
def result(tmp_path: Path) -> Result:
    return Result(Folder(str(tmp_path / "out")), "00c0ffee", SAID["plan"])


@pytest.mark.parametrize(("out", "where"), [("a/b//", "a/b"), ("/", "/"), ("S3://Bucket/a/", "s3://Bucket/a")])
def test_a_folder_as_somebody_wrote_it(out: str, where: str) -> None:
    assert Folder.at(out).where == where


@pytest.mark.parametrize("out", ["s3://", "s3:///a", "s3://bucket/run[1]"])
def test_an_address_that_is_none_for_a_result(out: str) -> None:
    """The first would else be a folder `s3:` on this machine."""
    with pytest.raises(OutputError, match="^expected .*, got s3:.*: "):
        Folder.at(out)


def test_what_is_recorded_is_read(result: Result) -> None:
    assert read_manifest(result.folder) is None
    result.record(SAID["inputs"], SAID["parts"], complete=False)
    found = read_manifest(result.folder)
    assert found is not None and {name: found[name] for name in SAID} == SAID


@pytest.mark.parametrize(
    "said",
    [
        [1],
        None,
        "text",
        {},
        {"run": "00c0ffee"},
        SAID | {"run": "/../../x"},
        SAID | {"run": "00c0ffee/../x"},
        SAID | {"run": 3},
        SAID | {"plan": []},
        SAID | {"complete": "yes"},
        SAID | {"inputs": [1]},
        SAID | {"inputs": {"photographs": 2, "clips": -1, "parts": 2}},
        SAID | {"inputs": {"photographs": 2, "clips": 0, "parts": 10**15}},
        SAID | {"parts": {"a": 1}},
        SAID | {"parts": [PART | {"file": "../part-000000-00c0ffee.parquet"}]},
        SAID | {"parts": [PART | {"failed": ["a.jpg"]}]},
        SAID | {"parts": [{name: value for name, value in PART.items() if name != "faces"}]},
    ],
)
def test_a_manifest_of_another_form(result: Result, said: Any) -> None:
    result.folder.write(MANIFEST, json.dumps(said).encode())
    with pytest.raises(
        InputError, match=r"expected a manifest in .*_manifest\.json, got a damaged one: choose another"
    ):
        read_manifest(result.folder)


def test_a_manifest_that_is_no_json(result: Result) -> None:
    for data in (b"", b"\xff", b"[" * 100_000, b"9" * 5000):
        result.folder.write(MANIFEST, data)
        with pytest.raises(InputError, match="got a damaged one"):
            read_manifest(result.folder)


def test_a_part_whose_record_is_of_another_form_is_not_there(result: Result) -> None:
    table, record = pyarrow.table({"a": [1]}), {name: PART[name] for name in (*COUNTS, "failed") if name != "rows"}
    assert result.write_part(0, table, record) == result.part(0) == PART
    assert result.write_part(0, table, record | {"faces": 0}) == PART  # by an actor that has outlived its first process
    for other in ({}, record | {"faces": "many"}, record | {"part": 1}, record | {"file": "../x"}):
        result.folder.remove(PART["file"])
        result.write_part(0, table, other)
        assert result.part(0) is None


def test_beginnings_of_files_are_removed(result: Result) -> None:
    for name in ("a.parquet", "_inputs/000000.parquet", "_begun/000000"):
        result.folder.write(name, b"")
        path = Path(result.folder.where, name)
        path.with_name(f".{path.name}.0{PARTIAL}").write_bytes(b"")
    result.folder.sweep()
    assert not list(Path(result.folder.where).rglob(f"*{PARTIAL}")) and result.folder.names() == [
        "_begun", "_inputs", "a.parquet"
    ]  # fmt: skip
