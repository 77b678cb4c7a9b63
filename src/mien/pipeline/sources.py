"""What the words after `mien predict` stand for: photographs, one by one, in a fixed order.

A folder stands for every photograph in it and in its folders, sorted by name. It is walked lazily, so that a
million photographs take no more memory than one. Nothing is dropped in silence: files that are not photographs
are counted, and what cannot be read is yielded with its error.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mien.core.errors import InputError, UsageError
from mien.core.files import PARTIAL
from mien.core.images import SUFFIXES

# In a folder these count as photographs. The last ones may not be readable; then their row says so.
PHOTOGRAPHS = frozenset({*SUFFIXES, ".jpe", ".jfif", ".pnm", ".jp2", ".heic", ".heif", ".avif"})
VIDEOS = frozenset({".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".mts", ".m2ts", ".3gp"})

# How the names of drawn copies end: they are no photographs to read.
ANNOTATED, EXPLAINED, BLOCKS = ".annotated.jpg", ".explained.png", ".blocks.png"
_DRAWN = (ANNOTATED, EXPLAINED, BLOCKS)

_STREAM = re.compile(r"camera:.*|[a-z][a-z0-9+.-]+://.*", re.IGNORECASE)


@dataclass(frozen=True)
class Found:
    """One photograph to read, or a source that cannot be walked.

    Attributes:
        source: the path as it stands in the table.
        error: why there is nothing to read; None for a photograph.
    """

    source: str
    error: str | None = None


@dataclass
class Skipped:
    """Counts the files of a folder that are not photographs, by suffix."""

    suffixes: dict[str, int] = field(default_factory=dict)

    def add(self, name: str) -> None:
        """Count one file."""
        drawn = next((each for each in _DRAWN if name.endswith(each)), None)
        suffix = drawn or os.path.splitext(name)[1].lower() or name
        self.suffixes[suffix] = self.suffixes.get(suffix, 0) + 1

    @property
    def total(self) -> int:
        """How many."""
        return sum(self.suffixes.values())

    def __str__(self) -> str:
        """One line: ``skipped 3 files that are not photographs: 2 .txt, 1 .DS_Store``."""
        common = sorted(self.suffixes.items(), key=lambda item: (-item[1], item[0]))
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in common[:5])
        more = ", …" if len(common) > 5 else ""
        files = "1 file that is not a photograph" if self.total == 1 else f"{self.total} files that are not photographs"
        return f"skipped {files}: {kinds}{more}"


def expand(sources: Sequence[str | os.PathLike[str]], *, skipped: Skipped | None = None) -> Iterator[Found]:
    """The photographs that `sources` stand for, in order.

    A path that is missing and a folder without a photograph are yielded with their error.

    Args:
        sources: photographs and folders.
        skipped: counts the files of folders that are not photographs.
    """
    skipped = skipped if skipped is not None else Skipped()
    for source in sources:
        name = os.fspath(source)
        if not os.path.isdir(name):
            missing = None if os.path.exists(name) else _missing(name)
            yield Found(name, missing)
            continue
        any_photograph = False
        for found in _walk(name, skipped, above=()):
            any_photograph = True
            yield found
        if not any_photograph:
            yield Found(name, f"expected photographs in the folder {name}, got none: {_known()}")


def check(sources: Sequence[str | os.PathLike[str]]) -> int:
    """Look over the sources before any work starts.

    Returns:
        How many rows of pictures `expand` will yield.

    Raises:
        UsageError: there is no source, or one is a camera, stream or video.
        InputError: the only source is missing, or a folder without a photograph.
    """
    if not sources:
        raise UsageError("expected a photograph or a folder, got nothing: name at least one source")
    for source in sources:
        _refuse_moving(os.fspath(source))
    total, error = 0, None
    for found in expand(sources):
        total += 1
        error = error or found.error
    if total == 1 and error:
        raise InputError(error)
    return total


def _walk(folder: str, skipped: Skipped, *, above: tuple[tuple[int, int], ...]) -> Iterator[Found]:
    """Photographs of a folder and, where they stand in the sorted order, of the folders in it."""
    try:
        status = os.stat(folder)
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield Found(folder, f"expected a readable folder at {folder}, got: {error.strerror}")
        return
    here = (status.st_dev, status.st_ino)
    if here in above:  # a link that leads back up: its pictures are listed already
        return
    for entry in entries:
        if _is_folder(entry):
            yield from _walk(entry.path, skipped, above=(*above, here))
        elif is_photograph(entry.name):
            yield Found(entry.path)
        elif not (entry.name.startswith(".") and entry.name.endswith(PARTIAL)):  # a table that is being written here
            skipped.add(entry.name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether to walk it. Where that cannot be told, as of a link to itself, it counts as a file, and fails as one."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def is_photograph(name: str) -> bool:
    """Whether a file of this name counts as a photograph in a folder.

    Hidden files, such as ``._a.jpg``, do not, nor do the copies that mien itself drew on.
    """
    return not name.startswith(".") and not name.endswith(_DRAWN) and os.path.splitext(name)[1].lower() in PHOTOGRAPHS


def _refuse_moving(name: str) -> None:
    if not name:
        raise UsageError("expected the path of a photograph or folder, got an empty one: name a source")
    kind = None
    if _STREAM.fullmatch(name) and not os.path.exists(name):
        kind = "a camera" if name.lower().startswith("camera") else "an address"
    elif Path(name).suffix.lower() in VIDEOS:
        kind = "a video"
    if kind:
        raise UsageError(f"expected photographs or folders, got {kind} ({name}): this version reads photographs only")


def _missing(name: str) -> str:
    return f"expected a picture at {name}, got no such file: check the path"


def _known() -> str:
    return f"files are known as photographs by {' '.join(SUFFIXES)}"
