"""The folder that a distributed work fills: Parquet parts, which inputs each holds, and a manifest.

::

    faces/
      part-000000-RUN.parquet   rows, and so on; readers of Parquet take the folder as one table
      _manifest.json            the options with their hash; of each part that is done its counts and errors
      _inputs/000000.parquet    which inputs each part holds: a row group a part
      _clips/, _begun/          until all is done: the frames of long clips, and how often tasks were begun

Names that begin with a line are passed over by readers of Parquet. A part is written whole or not at all, under a name
that follows from its number and the run's, so that a part that is done twice is there once; then it is recorded. One
that was written but not recorded, for the first process was killed between, is known by what stands in its footer.
A run keeps its name until it is complete, however often it is broken off.
"""

import hashlib
import io
import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from mien.core import stores
from mien.core.errors import MALFORMED, InputError, MienError, OutputError
from mien.core.files import PARTIAL, unwritable
from mien.core.optional import require
from mien.datasets.parquet import MANIFEST
from mien.datasets.stored import Place
from mien.pipeline.parts import expect_same_plan

_FOLDERS = ("_inputs", "_clips", "_begun")
_RUN = re.compile(r"[0-9a-f]{8}")
_PART = re.compile(rf"part-\d{{6,}}-{_RUN.pattern}\.parquet")
_COUNTS = ("rows", "inputs", "pictures", "clips", "frames", "faces")  # of a part's record
_MOST_PARTS = 1_000_000  # far more than the inputs are divided into
_PROBE = ".probe"
_RECORD = b"mien_part"  # where a part's own record stands in its footer


@dataclass(frozen=True)
class Folder:
    """A folder on a disk that all machines see, or in an object store.

    Attributes:
        where: its path or address.
    """

    where: str

    @classmethod
    def at(cls, out: str) -> Self:
        """The folder that somebody named; OutputError where it is a file, or an address of no bucket, or a pattern."""
        if not stores.is_address(out):
            if os.path.exists(out) and not os.path.isdir(out):
                raise OutputError(
                    f"expected a folder for the parts of --engine ray at {out}, got a file: choose another name"
                )
            return cls(out.rstrip("/") or out)
        if any(sign in out for sign in "*?["):  # which fsspec takes for many names, where something is removed
            raise OutputError(f"expected an address without *, ? and [ in it for the result, got {out}: choose another")
        try:
            return cls(stores.tidy(out))
        except InputError as error:
            raise OutputError(str(error)) from error

    @property
    def stored(self) -> bool:
        """Whether it is in an object store."""
        return stores.is_address(self.where)

    def place(self, name: str) -> Place:
        """Where a file of it is."""
        return f"{self.where}/{name}" if self.stored else Path(self.where, name)

    def read(self, name: str) -> bytes | None:
        """The bytes of a file; None where there is none."""
        if not self.stored:
            try:
                return Path(self.where, name).read_bytes()
            except FileNotFoundError:
                return None
        files, key = stores.file_system(f"{self.where}/{name}")
        files.invalidate_cache()  # other processes write here, too

        def found() -> bytes | None:
            try:
                return bytes(files.cat_file(key))
            except FileNotFoundError:
                return None

        data: bytes | None = _told(found, self.where)
        return data

    def write(self, name: str, data: bytes) -> None:
        """Write a file whole or not at all: whoever looks sees what was there before, or all of it."""
        if self.stored:
            files, key = stores.file_system(f"{self.where}/{name}")
            _told(lambda: files.pipe_file(key, data), self.where)
            return
        path = Path(self.where, name)
        # Not by the number of a process, which may be the same on another machine.
        partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}{PARTIAL}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(partial, "wb") as file:
                file.write(data)
                os.fsync(file.fileno())
            os.replace(partial, path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise unwritable(path, error) from error

    def expect_writable(self) -> None:
        """See whether files can be written here, before any work starts; OutputError says why not."""
        self.write(_PROBE, b"")
        self.remove(_PROBE)

    def names(self) -> list[str]:
        """What is directly in it, without hidden files; nothing where it is not there."""
        if not self.stored:
            folder = Path(self.where)
            names = [each.name for each in folder.iterdir()] if folder.is_dir() else []
        else:
            files, key = stores.file_system(self.where)
            files.invalidate_cache()
            found = _told(lambda: files.ls(key, detail=False) if files.exists(key) else [], self.where)
            names = [each.rstrip("/").rpartition("/")[2] for each in found]
        return sorted(name for name in names if not name.startswith("."))

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with all that is in it, where it is there."""
        if self.stored:
            files, key = stores.file_system(f"{self.where}/{name}")
            files.invalidate_cache()  # other processes write here, too
            _told(lambda: files.rm(key, recursive=True) if files.exists(key) else None, self.where)
            return
        path = Path(self.where, name)
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove the beginnings of files that killed processes left."""
        if not self.stored:
            for folder in ("", *_FOLDERS):
                for partial in Path(self.where, folder).glob(f".*{PARTIAL}"):
                    partial.unlink(missing_ok=True)


def _told(request: Callable[[], Any], where: str) -> Any:
    """What a store answers to a request on the result's folder."""
    try:
        return request()
    except MienError:
        raise
    except Exception as error:  # each package for a store has a tree of exceptions of its own
        raise OutputError(str(stores.failed(error, where, "write"))) from error


@dataclass(frozen=True)
class Result:
    """A result that grows.

    Attributes:
        folder: where. run: its name. plan: what decides the rows, in plain values, under the names that a message
            calls them by.
    """

    folder: Folder
    run: str
    plan: Mapping[str, Any]

    def record(
        self,
        inputs: Mapping[str, int],
        parts: Iterable[Mapping[str, Any]],
        *,
        complete: bool,
        meta: Mapping[str, str] | None = None,
    ) -> None:
        """Write the manifest.

        Args:
            inputs: counts of what is to be done.
            parts: the records of what is done.
            complete: whether that is all.
            meta: what is known of all parts together, where they are a table of faces.
        """
        plan = json.dumps(self.plan, sort_keys=True).encode()
        said = {
            "run": self.run,
            "plan": self.plan,
            "plan_sha256": hashlib.sha256(plan).hexdigest(),
            "complete": complete,
            "inputs": dict(inputs),
            **({} if meta is None else {"meta": dict(meta)}),
            "parts": sorted(parts, key=lambda part: part["part"]),
        }
        self.folder.write(MANIFEST, json.dumps(said, indent=1, ensure_ascii=False).encode())

    def part_name(self, number: int) -> str:
        """The file of a part."""
        return _part_name(number, self.run)

    def write_part(self, number: int, table: Any, record: Mapping[str, Any], **how: Any) -> dict[str, Any]:
        """Write the rows of a part, an Arrow table, with its record in the footer.

        Args:
            number: of the part.
            table: its rows.
            record: what is to be known of it.
            **how: options of pyarrow's writer.

        Returns:
            The whole record; that of the part that is there already, whose actor may have outlived a first process.
        """
        if known := self.part(number):
            return known
        whole = {"part": number, "file": self.part_name(number), "rows": table.num_rows, **record}
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), _RECORD: json.dumps(whole)})
        file = io.BytesIO()
        require("pyarrow.parquet", extra="data").write_table(table, file, **{"compression": "zstd", **how})
        self.folder.write(whole["file"], file.getvalue())
        return whole

    def part(self, number: int) -> dict[str, Any] | None:
        """The record of a part that was written; None where there is none, or a damaged one."""
        data = self.folder.read(self.part_name(number))
        if data is None:
            return None
        parquet, pyarrow = require("pyarrow.parquet", extra="data"), require("pyarrow", extra="data")
        try:
            record = json.loads(parquet.read_metadata(io.BytesIO(data)).metadata[_RECORD])
            return dict(record) if _is_record(record, self.run) and record["part"] == number else None
        except (pyarrow.ArrowException, OSError, *MALFORMED):
            return None


def begin(
    folder: Folder, plan: Mapping[str, Any], *, resume: bool, overwrite: bool
) -> tuple[Result, dict[str, Any] | None]:
    """A new result, or the one that is there with its manifest.

    Raises:
        UsageError: to resume another plan.
        OutputError: there is a result, whole or not, and nothing says what to do with it; or something else.
    """
    names, manifest = folder.names(), read_manifest(folder)
    strange = [name for name in names if not is_ours(name)]
    if strange:
        raise OutputError(
            f"expected an empty folder, or a result of --engine ray, at {folder.where}, got {', '.join(strange[:3])} "
            "in it: choose another name"
        )
    if manifest and resume:
        expect_same_plan(plan, manifest["plan"], folder.where)
        return Result(folder, manifest["run"], plan), manifest
    if manifest and not overwrite:
        if manifest["complete"]:
            raise OutputError(f"expected no result at {folder.where}, got one: choose another, or give --overwrite")
        raise OutputError(
            f"expected no unfinished work on {folder.where}, got {len(manifest['parts'])} parts of it: go on with "
            "--resume, or start anew with --overwrite"
        )
    clear(folder)
    folder.expect_writable()
    return Result(folder, uuid.uuid4().hex[:8], plan), None


def clear(folder: Folder) -> None:
    """Remove a result."""
    for name in sorted(folder.names(), key=lambda name: name != MANIFEST):  # without it the rest is nothing
        folder.remove(name)


def read_manifest(folder: Folder) -> dict[str, Any] | None:
    """What the manifest of a folder says; None where there is none.

    Raises:
        InputError: it is damaged.
    """
    text = folder.read(MANIFEST)
    if text is None:
        return None
    try:
        said = json.loads(text)
        whole = _is_manifest(said)
    except MALFORMED:
        whole = False
    if not whole:
        raise InputError(f"expected a manifest in {folder.where}/{MANIFEST}, got a damaged one: choose another --out")
    return dict(said)


def _is_manifest(said: Any) -> bool:
    """Whether something holds what `Result.record` writes; one of `MALFORMED` where it is of another form.

    The names of files follow from that of the run, which must not lead out of the folder.
    """
    inputs = [said["inputs"][name] for name in ("photographs", "clips", "parts")]
    return (
        _RUN.fullmatch(said["run"]) is not None
        and isinstance(said["plan"], dict)
        and isinstance(said["complete"], bool)
        and all(map(_is_count, inputs))
        and inputs[2] <= _MOST_PARTS
        and all(_is_record(part, said["run"]) for part in said["parts"])
    )


def _is_record(part: Any, run: str) -> bool:
    """The same of a part's record, as `Result.write_part` gives it."""
    return (
        all(_is_count(part[name]) for name in ("part", *_COUNTS))
        and part["file"] == _part_name(part["part"], run)
        and all(isinstance(each, str) for item in part["failed"].items() for each in item)
    )


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and value >= 0


def _part_name(number: int, run: str) -> str:
    return f"part-{number:06}-{run}.parquet"


def is_ours(name: str) -> bool:
    """Whether something in a folder is called as what a result consists of."""
    return name in (MANIFEST, *_FOLDERS) or bool(_PART.fullmatch(name))
