"""The folder that a distributed work fills: Parquet parts, which inputs each holds, and a manifest.

::

    faces/
      part-000000.parquet ...   rows; readers of Parquet take the folder as one table
      _manifest.json            the options with their hash; of each part that is done its counts and errors
      _inputs/000000.parquet    which inputs each part holds: a row group a part
      _clips/                   what is known of long clips until their parts are done

Names that begin with a line are passed over by readers of Parquet. A part is written whole or not at all, under a name
that follows from its number, so that a part that is done twice is there once; then it is recorded. One that was
written but not recorded, for the first process was killed between, is known by what stands in its footer.
"""

import hashlib
import io
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mien.core.errors import InputError, MienError, OutputError
from mien.core.files import PARTIAL, unwritable
from mien.core.optional import require
from mien.pipeline import stores

MANIFEST = "_manifest.json"
_RECORD = b"mien"  # where a part's own record stands in its footer


@dataclass(frozen=True)
class Folder:
    """A folder on a disk that all machines see, or in an object store.

    Attributes:
        where: its path or address.
    """

    where: str

    @property
    def stored(self) -> bool:
        """Whether it is in an object store."""
        return stores.is_address(self.where)

    def read(self, name: str) -> bytes | None:
        """The bytes of a file; None where there is none."""
        if not self.stored:
            try:
                return Path(self.where, name).read_bytes()
            except FileNotFoundError:
                return None
        files, path = stores.file_system(f"{self.where}/{name}")
        return _told(lambda: files.cat_file(path) if files.exists(path) else None, self.where)

    def write(self, name: str, data: bytes) -> None:
        """Write a file whole or not at all: whoever looks sees what was there before, or all of it."""
        if self.stored:
            files, path = stores.file_system(f"{self.where}/{name}")
            _told(lambda: files.pipe_file(path, data), self.where)
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

    def names(self) -> list[str]:
        """What is directly in it, without hidden files; nothing where it is not there."""
        if not self.stored:
            folder = Path(self.where)
            names = [each.name for each in folder.iterdir()] if folder.is_dir() else []
        else:
            files, path = stores.file_system(self.where)
            files.invalidate_cache()
            found = _told(lambda: files.ls(path, detail=False) if files.exists(path) else [], self.where)
            names = [each.rstrip("/").rpartition("/")[2] for each in found]
        return sorted(name for name in names if not name.startswith("."))

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with all that is in it, where it is there."""
        if self.stored:
            files, path = stores.file_system(f"{self.where}/{name}")
            _told(lambda: files.rm(path, recursive=True) if files.exists(path) else None, self.where)
            return
        path = Path(self.where, name)
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove the beginnings of files that killed processes left."""
        if not self.stored:
            for partial in Path(self.where).rglob(f".*{PARTIAL}"):
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
        folder: where. plan: what decides the rows, in plain values, under the names that a message calls them by.
    """

    folder: Folder
    plan: Mapping[str, Any]

    @property
    def key(self) -> str:
        """A hash of the plan: it stands in each part."""
        return hashlib.sha256(json.dumps(self.plan, sort_keys=True).encode()).hexdigest()[:16]

    def manifest(self) -> dict[str, Any] | None:
        """What the manifest says; None where there is none."""
        text = self.folder.read(MANIFEST)
        try:
            return None if text is None else dict(json.loads(text))
        except ValueError as error:
            raise InputError(
                f"expected a manifest in {self.folder.where}/{MANIFEST}, got a damaged one: choose another --out"
            ) from error

    def record(self, inputs: Mapping[str, int], parts: Iterable[Mapping[str, Any]], *, complete: bool) -> None:
        """Write the manifest.

        Args:
            inputs: counts of what is to be done. parts: the records of what is done. complete: whether that is all.
        """
        said = {
            "plan": self.plan,
            "plan_sha256": self.key,
            "complete": complete,
            "inputs": dict(inputs),
            "parts": sorted(parts, key=lambda part: part["part"]),
        }
        self.folder.write(MANIFEST, json.dumps(said, indent=1, ensure_ascii=False).encode())

    def write_part(self, number: int, table: Any, record: Mapping[str, Any]) -> dict[str, Any]:
        """Write the rows of a part, an Arrow table, with its record in the footer. Returns the whole record."""
        whole = {"part": number, "file": part_name(number), "rows": table.num_rows, **record, "plan_sha256": self.key}
        table = table.replace_schema_metadata({_RECORD: json.dumps(whole)})
        file = io.BytesIO()
        require("pyarrow.parquet", extra="data").write_table(table, file, compression="zstd")
        self.folder.write(part_name(number), file.getvalue())
        return whole

    def part(self, number: int) -> dict[str, Any] | None:
        """The record of a part that was written by this plan; None where there is none."""
        data = self.folder.read(part_name(number))
        if data is None:
            return None
        parquet, pyarrow = require("pyarrow.parquet", extra="data"), require("pyarrow", extra="data")
        try:
            footer = parquet.read_metadata(io.BytesIO(data)).metadata or {}
            record = dict(json.loads(footer.get(_RECORD, b"null")))
        except (pyarrow.ArrowException, OSError, ValueError, TypeError):
            return None  # damaged, or another's: made again
        return record if record.get("plan_sha256") == self.key and record.get("part") == number else None


def part_name(number: int) -> str:
    """The file of a part."""
    return f"part-{number:06}.parquet"
