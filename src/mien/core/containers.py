"""What stands in the frame of a video file: whether it ends early, and why nothing of it can be read.

Only the outermost structure is looked at, so a file of any size takes a few reads.
"""

import itertools
import os
from collections.abc import Iterator
from typing import IO

from mien.core.headers import MOST_PARTS, gif_frames, riff_chunks

_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"  # how Matroska and WebM begin, and what holds the frames
# How lists of further files begin; the last is a tag of sound, which FFmpeg passes over before it looks for one.
_LISTS = (b"#EXTM3U", b"ffconcat", b"<", b"ID3")


def cut_off(path: str | os.PathLike[str]) -> bool:
    """Whether a file ends before its own headers say: MP4 and QuickTime, AVI, Matroska and WebM. Else False.

    Transport streams and the like do not say where they end.
    """
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        head = file.read(12)
        if _is_iso(head):
            return any(end > size for _, _, end in _boxes(file, 0, size))
        if head.startswith(b"RIFF"):
            return any(end > size for _, end in riff_chunks(file, 0))
        if head.startswith(_EBML):
            return _matroska_end(file) > size
    return False


def names_others(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins as lists of further files do: their signs, markup, or a tag of sound before them.

    FFmpeg takes HLS playlists, its own concatenations and the like for videos, and opens whatever they name: a file
    from strangers would be a picture of one's own files.
    """
    with open(path, "rb") as file:
        return file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(_LISTS)


def why_unreadable(path: str | os.PathLike[str]) -> str:
    """What to say of a file that FFmpeg does not open: what was got, and what to do."""
    size = os.path.getsize(path)
    if not size:
        return "an empty file: copy it again"
    with open(path, "rb") as file:
        if _is_iso(file.read(12)):
            return _why_not_iso(file, size)
    return f"{size:,} bytes that FFmpeg does not read as one: copy it again, or convert it"


def pictures_in_webp(path: str | os.PathLike[str]) -> int:
    """How many pictures the header of a WebP says: 1 of a still one; 0 where it is no WebP."""
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:12] != b"WEBP":
            return 0
        return max(1, sum(kind == b"ANMF" for kind, _ in riff_chunks(file, 12)))


def moves(path: str | os.PathLike[str]) -> bool:
    """Whether a file that is called a GIF or WebP holds several pictures; False where it cannot be read.

    Nothing is decoded for that: who asks may meet a file that brings a decoder down.
    """
    try:
        if not os.path.isfile(path):  # a pipe of that name would wait for somebody to write
            return False
        if os.fspath(path).lower().endswith(".webp"):
            return pictures_in_webp(path) > 1
        with open(path, "rb") as file:
            head = file.read(12)
            if head.startswith(b"GIF8"):
                return sum(1 for _ in itertools.islice(gif_frames(file), 2)) > 1
            # Some sites hand out videos under the name of a GIF.
            return _is_iso(head) or head.startswith(_EBML) or (head[:4] == b"RIFF" and head[8:12] == b"AVI ")
    except (OSError, ValueError):
        return False


def _is_iso(head: bytes) -> bool:
    return head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")


def _boxes(file: IO[bytes], start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start of the content and end of each box of ISO/IEC 14496-12; the last may end beyond the file."""
    size = file.seek(0, os.SEEK_END)
    for _ in range(MOST_PARTS):
        if start + 8 > min(end, size):  # file systems refuse places far beyond the end
            return
        file.seek(start)
        header = file.read(16)
        length, kind, content = int.from_bytes(header[:4], "big"), header[4:8], start + 8
        if length == 1 and len(header) == 16:
            length, content = int.from_bytes(header[8:], "big"), start + 16
        elif length == 0:  # to the end of the file
            length = end - start
        if length < content - start:
            return
        yield kind, content, start + length
        start += length


def _why_not_iso(file: IO[bytes], size: int) -> str:
    index = next(((start, end) for kind, start, end in _boxes(file, 0, size) if kind == b"moov"), None)
    if index is None:
        return "one without its index (moov), as a recording leaves that was broken off: copy it again"
    codecs = [codec for track in _inside(file, *index, b"trak") if (codec := _codec(file, *track))]
    if not codecs:
        return "a file without pictures, such as sound alone: give a video"
    return f"pictures in the codec {', '.join(codecs)}, which FFmpeg does not read or finds damaged: convert it"


def _inside(file: IO[bytes], start: int, end: int, *path: bytes) -> list[tuple[int, int]]:
    """Start and end of the boxes that lie so inside each other."""
    spans = [(start, end)]
    for kind in path:
        spans = [(s, e) for a, b in spans for found, s, e in list(_boxes(file, a, b)) if found == kind]
    return spans


def _codec(file: IO[bytes], start: int, end: int) -> str | None:
    """Name of the codec of a track of pictures; None of another track."""
    for handler, _ in _inside(file, start, end, b"mdia", b"hdlr"):
        file.seek(handler + 8)
        if file.read(4) != b"vide":
            return None
    for entry, _ in _inside(file, start, end, b"mdia", b"minf", b"stbl", b"stsd"):
        file.seek(entry + 12)
        return file.read(4).decode("latin-1").strip()
    return None


def _matroska_end(file: IO[bytes]) -> int:
    """Where a Matroska file should end; 0 where it does not say, as of a broadcast."""
    position, size = 0, file.seek(0, os.SEEK_END)
    for wanted in (_EBML, _SEGMENT):
        if position > size:
            return position
        file.seek(position)
        header = file.read(12)
        octets = 9 - header[4].bit_length() if len(header) > 4 else 9
        if header[:4] != wanted or octets > 8 or len(header) < 4 + octets:
            return 0
        length = int.from_bytes(header[4 : 4 + octets], "big") - (1 << 7 * octets)
        if length == (1 << 7 * octets) - 1:  # all ones: not known
            return 0
        end = position + 4 + octets + length
        position = end
    return position
