"""What the words after `mien predict` stand for: photographs and clips, one by one, in a fixed order.

A folder stands for every photograph in it and in its folders, and every clip where clips are wanted, sorted by name. It
is walked lazily, so that a million photographs take no more memory than one. Nothing is dropped in silence: other files
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
from mien.core.video import moves

# In a folder these count as photographs. The last ones may not be readable; then their row says so.
PHOTOGRAPHS = frozenset({*SUFFIXES, ".jpe", ".jfif", ".pnm", ".jp2", ".heic", ".heif", ".avif"})
VIDEOS = frozenset({".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".mts", ".m2ts", ".3gp"})
_MAY_MOVE = frozenset({".gif", ".webp"})  # pictures, or clips where they hold several

# How the names of drawn copies end: they are no photographs to read.
ANNOTATED, EXPLAINED, BLOCKS = ".annotated.jpg", ".explained.png", ".blocks.png"
ANNOTATED_CLIP, TIMELINE = ".annotated.mp4", ".timeline.png"
_DRAWN = (ANNOTATED, EXPLAINED, BLOCKS, ANNOTATED_CLIP, TIMELINE)

_STREAM = re.compile(r"camera:.*|[a-z][a-z0-9+.-]+://.*", re.IGNORECASE)


@dataclass(frozen=True)
class Found:
    """One photograph or clip to read, or a source that cannot be walked.

    Attributes:
        source: the path as it stands in the table.
        error: why there is nothing to read; None for a photograph or clip.
        clip: whether it is a clip: a video, or an animated picture.
    """

    source: str
    error: str | None = None
    clip: bool = False


@dataclass(frozen=True)
class Contents:
    """How many photographs and clips sources hold; what cannot be walked counts as a photograph."""

    photographs: int
    clips: int

    @property
    def total(self) -> int:
        """All together."""
        return self.photographs + self.clips


@dataclass
class Skipped:
    """Counts the files of a folder that are not looked at, by suffix.

    Attributes:
        suffixes: suffix -> how many.
        clips: whether clips are looked at, too.
    """

    suffixes: dict[str, int] = field(default_factory=dict)
    clips: bool = False

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
        one, several = ("neither photograph nor clip", "neither") if self.clips else ("not a photograph", "not")
        several = f"{several} photographs nor clips" if self.clips else f"{several} photographs"
        files = f"1 file that is {one}" if self.total == 1 else f"{self.total} files that are {several}"
        return f"skipped {files}: {kinds}{more}"


def expand(
    sources: Sequence[str | os.PathLike[str]], *, skipped: Skipped | None = None, clips: bool = False
) -> Iterator[Found]:
    """The photographs, and clips if they are wanted, that `sources` stand for, in order.

    A path that is missing and a folder without any are yielded with their error.

    Args:
        sources: files and folders.
        skipped: counts the other files of folders.
        clips: whether clips are wanted; else an animated picture is a photograph, its first one.
    """
    skipped = skipped if skipped is not None else Skipped(clips=clips)
    for source in sources:
        name = os.fspath(source)
        if not os.path.isdir(name):
            is_clip = clips and _is_clip(name)
            missing = None if os.path.exists(name) else _missing(name, "clip" if is_clip else "picture")
            yield Found(name, missing, is_clip)
            continue
        any_found = False
        for found in _walk(name, skipped, clips, above=()):
            any_found = True
            yield found
        if not any_found:
            things = "photographs or clips" if clips else "photographs"
            yield Found(name, f"expected {things} in the folder {name}, got none: {_known(clips)}")


def check(sources: Sequence[str | os.PathLike[str]], *, clips: bool = False) -> Contents:
    """Look over the sources before any work starts.

    Returns:
        How many rows of pictures, and clips, `expand` will yield.

    Raises:
        UsageError: there is no source, or one is a camera, a stream, or a video and clips are not wanted.
        InputError: the only source is missing, or a folder without any.
    """
    if not sources:
        raise UsageError("expected a photograph or a folder, got nothing: name at least one source")
    for source in sources:
        _refuse_moving(os.fspath(source), clips)
    counts, error = [0, 0], None
    for found in expand(sources, clips=clips):
        counts[found.clip] += 1
        error = error or found.error
    contents = Contents(*counts)
    if contents.total == 1 and error:
        raise InputError(error)
    return contents


def _walk(folder: str, skipped: Skipped, clips: bool, *, above: tuple[tuple[int, int], ...]) -> Iterator[Found]:
    """What a folder holds and, where they stand in the sorted order, the folders in it."""
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
            yield from _walk(entry.path, skipped, clips, above=(*above, here))
        elif clips and not entry.name.startswith(".") and not entry.name.endswith(_DRAWN) and _is_clip(entry.path):
            yield Found(entry.path, clip=True)
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


def _is_clip(path: str) -> bool:
    suffix = Path(path).suffix.lower()
    return suffix in VIDEOS or (suffix in _MAY_MOVE and moves(path))


def _refuse_moving(name: str, clips: bool) -> None:
    if not name:
        raise UsageError("expected the path of a photograph or folder, got an empty one: name a source")
    kind = None
    if _STREAM.fullmatch(name) and not os.path.exists(name):
        kind = "a camera" if name.lower().startswith("camera") else "an address"
    elif Path(name).suffix.lower() in VIDEOS and not clips:
        kind = "a video"
    if kind and clips:
        raise UsageError(f"expected photographs, clips or folders, got {kind} ({name}): mien live reads those")
    if kind:
        raise UsageError(f"expected photographs or folders, got {kind} ({name}): only photographs are read here")


def _missing(name: str, kind: str) -> str:
    return f"expected a {kind} at {name}, got no such file: check the path"


def _known(clips: bool) -> str:
    photographs = f"files are known as photographs by {' '.join(SUFFIXES)}"
    return f"{photographs}, as clips by {' '.join(sorted(VIDEOS))}" if clips else photographs
