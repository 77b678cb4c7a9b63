"""What is known of many inputs, kept as soon as it is known, so that nothing is done twice where a run is broken off.

A line an input, in files of 256 inputs in a row: no more than those of one file are in memory.
"""

import json
import os
from pathlib import Path
from typing import IO, Any

from mien.core.files import make_folder, unwritable

TOGETHER = 256  # inputs in a file


class Journal:
    """The lines of one kind of inputs.

    Args:
        folder: where the files are; made when there is something to keep. name: which the files begin with.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._known: dict[str, Any] = {}
        self._read = -1  # number of the file whose lines are known
        self._written = -1  # of the one that is open
        self._file: IO[bytes] | None = None

    def find(self, number: int, key: Any) -> Any:
        """What was kept of an input, or None.

        Args:
            number: of the input among all.
            key: of its state, in plain values; what was kept of another does not count.
        """
        part = number // TOGETHER
        if part != self._read:
            self._known, self._read = _lines(self._path(part)), part
        return self._known.get(json.dumps(key))

    def keep(self, number: int, key: Any, value: Any) -> None:
        """Add a line. OutputError: the disk is full, say."""
        part = number // TOGETHER
        try:
            if self._file is None or part != self._written:
                self.close()
                make_folder(self._folder)
                self._file, self._written = _open_to_add(self._path(part)), part
            self._file.write(json.dumps([key, value]).encode() + b"\n")
            self._file.flush()  # into the system's hands: it outlives this process
        except OSError as error:
            raise unwritable(self._path(part), error) from error

    def close(self) -> None:
        """Close the file that is open."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _path(self, part: int) -> Path:
        return self._folder / f"{self._name}-{part:06}.jsonl"


def _lines(path: Path) -> dict[str, Any]:
    """Key -> value of each whole line of a file, which need not be there."""
    known = {}
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError:
        return {}
    for line in lines:
        try:
            key, value = json.loads(line)
        except (ValueError, TypeError):
            continue  # broken off: done again
        known[json.dumps(key)] = value
    return known


def _open_to_add(path: Path) -> IO[bytes]:
    file = open(path, "a+b")  # noqa: SIM115 - closed by the journal
    if file.tell():
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            file.write(b"\n")  # ends a line that was broken off
    return file
