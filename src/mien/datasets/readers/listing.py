"""The files of a folder tree, in a fixed order and without what systems leave in it."""

import os
from collections.abc import Iterator
from pathlib import Path

from mien.core.errors import DataError

_LITTER = frozenset({"Thumbs.db", "desktop.ini", "__MACOSX"})


def walk(folder: str | os.PathLike[str]) -> Iterator[str]:
    """The path of each file in a folder and the folders in it, relative to it, with ``/`` between; sorted by folder.

    Hidden files, such as ``.DS_Store`` and ``._a.png``, and other litter are left out.

    Raises:
        DataError: a folder cannot be read.
    """
    levels = [("", iter(_entries(folder)))]  # the open folders, each in the one before it: more than Python's calls
    while levels:
        above, entries = levels[-1]
        entry = next(entries, None)
        if entry is None:
            levels.pop()
        elif _is_folder(entry):
            levels.append((f"{above}{entry.name}/", iter(_entries(entry.path))))
        else:
            yield f"{above}{entry.name}"


def files_in(folder: str | os.PathLike[str]) -> list[str]:
    """The names of the files in a folder itself, as in `walk`."""
    return [entry.name for entry in _entries(folder) if not _is_folder(entry)]


def folders_in(folder: str | os.PathLike[str]) -> list[str]:
    """The names of the folders in a folder itself, as in `walk`."""
    return [entry.name for entry in _entries(folder) if _is_folder(entry)]


def first_folder(root: Path, names: tuple[str, ...]) -> Path | None:
    """The first of some folders under `root` that is there."""
    return next((root / name for name in names if (root / name).is_dir()), None)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Where that cannot be told, as of a link to itself, it counts as a file, and fails as one."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _entries(folder: str | os.PathLike[str]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            there = [entry for entry in entries if not entry.name.startswith(".") and entry.name not in _LITTER]
    except OSError as error:
        raise DataError(f"expected a readable folder at {os.fspath(folder)}, got: {error.strerror or error}") from error
    return sorted(there, key=lambda entry: entry.name)
