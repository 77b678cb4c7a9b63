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
    for entry in _entries(folder):
        if entry.is_dir():
            yield from (f"{entry.name}/{path}" for path in walk(entry.path))
        else:
            yield entry.name


def files_in(folder: str | os.PathLike[str]) -> list[str]:
    """The names of the files in a folder itself, as in `walk`."""
    return [entry.name for entry in _entries(folder) if not entry.is_dir()]


def folders_in(folder: str | os.PathLike[str]) -> list[str]:
    """The names of the folders in a folder itself, as in `walk`."""
    return [entry.name for entry in _entries(folder) if entry.is_dir()]


def first_folder(root: Path, names: tuple[str, ...]) -> Path | None:
    """The first of some folders under `root` that is there."""
    return next((root / name for name in names if (root / name).is_dir()), None)


def _entries(folder: str | os.PathLike[str]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            there = [entry for entry in entries if not entry.name.startswith(".") and entry.name not in _LITTER]
    except OSError as error:
        raise DataError(f"expected a readable folder at {os.fspath(folder)}, got: {error.strerror or error}") from error
    return sorted(there, key=lambda entry: entry.name)
