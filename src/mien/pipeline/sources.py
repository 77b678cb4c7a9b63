"""What the words after `mien predict` stand for: photographs and clips, one by one, in a fixed order.

A folder stands for every photograph in it and in its folders, and every clip where clips are wanted, sorted by name. It
is walked lazily, so that a million photographs take no more memory than one. A Parquet file with a column of pictures
stands for all its rows, and an address such as ``s3://bucket/folder`` for what an object store holds there. Nothing is
dropped in silence: other files are counted, and what cannot be read is yielded with its error.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mien.core import packed, stores
from mien.core.containers import moves
from mien.core.errors import InputError, UsageError
from mien.core.files import PARTIAL
from mien.core.images import SUFFIXES

# In a folder these count as photographs. The last ones may not be readable; then their row says so.
PHOTOGRAPHS = frozenset({*SUFFIXES, ".jpe", ".jfif", ".pnm", ".jp2", ".heic", ".heif", ".avif"})
VIDEOS = frozenset({".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".mts", ".m2ts", ".3gp"})
_MAY_MOVE = frozenset({".gif", ".webp"})  # pictures, or clips where they hold several

# How the names of drawn copies end: they are no photographs to read.
ANNOTATED, EXPLAINED, BLOCKS = ".annotated.jpg", ".explained.png", ".blocks.png"
ANNOTATED_CLIP, TIMELINE = ".annotated.mp4", ".timeline.png"
_DRAWN = (ANNOTATED, EXPLAINED, BLOCKS, ANNOTATED_CLIP, TIMELINE)

# The folders that are open, each in the one before it, by device and inode, with what is left of them. They may be
# nested more deeply than Python's calls.
_Levels = dict[tuple[int, int], Iterator[os.DirEntry[str]]]

_STREAM = re.compile(r"camera:.*|[a-z][a-z0-9+.-]+://.*", re.IGNORECASE)


@dataclass(frozen=True)
class Found:
    """One photograph or clip to read, or a source that cannot be walked.

    Attributes:
        source: the path as it stands in the table; of a picture in a Parquet file, ``FILE#ROW``.
        error: why there is nothing to read; None for a photograph or clip.
        clip: whether it is a clip: a video, or an animated picture.
        row: of a picture in a Parquet file, from 0.
    """

    source: str
    error: str | None = None
    clip: bool = False
    row: int | None = None

    @property
    def file(self) -> str:
        """The file that holds it."""
        return self.source if self.row is None else self.source.rpartition("#")[0]


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
    sources: Sequence[str | os.PathLike[str]],
    *,
    skipped: Skipped | None = None,
    clips: bool = False,
    stored_clips: bool = False,
) -> Iterator[Found]:
    """The photographs, and clips if they are wanted, that `sources` stand for, in order.

    A path that is missing and a folder without any are yielded with their error.

    Args:
        sources: files and folders.
        skipped: counts the other files of folders.
        clips: whether clips are wanted; else an animated picture is a photograph, its first one.
        stored_clips: whether those in an object store can be read, too; else each is yielded with an error.
    """
    skipped = skipped if skipped is not None else Skipped(clips=clips)
    for source in sources:
        name = os.fspath(source)
        if stores.is_address(name):
            stored = _at_address(name, skipped, clips)
            yield from stored if stored_clips else map(_not_stored, stored)
            continue
        if packed.is_parquet(name) and os.path.exists(name):
            yield from _rows_of(name)
            continue
        if not os.path.isdir(name):
            is_clip = clips and _is_clip(name)
            missing = None if os.path.exists(name) else _missing(name, "clip" if is_clip else "picture")
            yield Found(name, missing, is_clip)
            continue
        any_found = False
        for found in _walk(name, skipped, clips):
            any_found = True
            yield found
        if not any_found:
            yield _nothing_in(name, clips)


def check(sources: Sequence[str | os.PathLike[str]], *, clips: bool = False, stored_clips: bool = False) -> Contents:
    """Look over the sources before any work starts; see `expand` for the arguments.

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
    for found in expand(sources, clips=clips, stored_clips=stored_clips):
        counts[found.clip] += 1
        error = error or found.error
    contents = Contents(*counts)
    if contents.total == 1 and error:
        raise InputError(error)
    return contents


def _nothing_in(folder: str, clips: bool) -> Found:
    things = "photographs or clips" if clips else "photographs"
    return Found(folder, f"expected {things} in the folder {folder}, got none: {_known(clips)}")


def _at_address(address: str, skipped: Skipped, clips: bool) -> Iterator[Found]:
    """What an object store holds under an address: an object, or all below it."""
    try:
        if not stores.is_folder(address):
            yield from (
                _rows_of(address) if packed.is_parquet(address) else [Found(address, None, _is_object_clip(address))]
            )
            return
        any_found = False
        for below in stores.objects(address):
            each, name = f"{address.rstrip('/')}/{below}", below.rpartition("/")[2]
            if packed.holds_pictures(each):
                yield from _rows_of(each)
            elif is_photograph(name) or (clips and _is_object_clip(each)):
                yield Found(each, clip=clips and _is_object_clip(each))
            else:
                skipped.add(name)
                continue
            any_found = True
        if not any_found:
            yield _nothing_in(address, clips)
    except InputError as error:
        yield Found(address, str(error))


def _not_stored(found: Found) -> Found:
    if found.error or not found.clip:
        return found
    return replace(
        found, error=f"expected a clip on this machine, got {found.source}: copy it, or give --engine ray, which does"
    )


def _rows_of(file: str) -> Iterator[Found]:
    """The pictures of a Parquet file."""
    try:
        count = packed.count(file)
    except InputError as error:
        yield Found(file, str(error))
        return
    for row in range(count):
        yield Found(f"{file}#{row}", row=row)


def _is_object_clip(address: str) -> bool:
    """By its name alone: to look into an object costs a request each, so an animated picture counts as its first."""
    return Path(address).suffix.lower() in VIDEOS and not address.endswith(_DRAWN)


def _walk(folder: str, skipped: Skipped, clips: bool) -> Iterator[Found]:
    """What a folder holds and, where they stand in the sorted order, the folders in it."""
    levels: _Levels = {}
    yield from _enter(folder, levels)
    while levels:
        entry = next(next(reversed(levels.values())), None)
        if entry is None:
            levels.popitem()
        elif _is_folder(entry):
            yield from _enter(entry.path, levels)
        else:
            yield from _file_of(entry, skipped, clips)


def _enter(folder: str, levels: _Levels) -> Iterator[Found]:
    """Open a folder, whose entries come next; or yield why it cannot be opened."""
    try:
        status = os.stat(folder)
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield Found(folder, f"expected a readable folder at {folder}, got: {error.strerror}")
        return
    # A link that leads back up changes nothing: its pictures are listed already.
    levels.setdefault((status.st_dev, status.st_ino), iter(entries))


def _file_of(entry: os.DirEntry[str], skipped: Skipped, clips: bool) -> Iterator[Found]:
    """What a file of a folder stands for."""
    if clips and not entry.name.startswith(".") and not entry.name.endswith(_DRAWN) and _is_clip(entry.path):
        yield Found(entry.path, clip=True)
    elif is_photograph(entry.name):
        yield Found(entry.path)
    elif not entry.name.startswith(".") and packed.holds_pictures(entry.path):
        yield from _rows_of(entry.path)
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
    if _STREAM.fullmatch(name) and not stores.is_address(name) and not os.path.exists(name):
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
