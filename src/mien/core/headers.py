"""How large a picture says it is, and whether its bytes can hold that: what decides if decoding it is safe."""

import io
import math
import os
import re
import struct
import zlib
from collections.abc import Iterator
from typing import IO

Size = tuple[int, int]  # width, height

MOST_PARTS = 100_000  # boxes or chunks that are looked at: a file may hold many fragments
_MOST_BLOCKS = 1_000_000  # of a GIF, 255 bytes each where they are not made to take time: a quarter of a gigabyte

PNG = b"\x89PNG\r\n\x1a\n"  # how a PNG begins

# How many bytes one byte of a TIFF can stand for at most, by its compression. Four for none: subsampled colour.
# LZW: 12 bits for 4,096 bytes. JPEG: as below, of three bytes a pixel. Others, such as fax, where a blank line takes a
# bit, have no bound worth the name.
_TIFF_GAIN = {1: 4, 5: 2731, 7: 3 * 512, 8: 1032, 32946: 1032, 32773: 64}
_GIF_GAIN = 2731  # LZW again: 12 bits for 4,096 pixels
_JPEG_GAIN = 512  # one bit at least for each block of 64 pixels, in the scan that brings its mean


def picture_size(data: bytes) -> Size | None:
    """Width and height in pixels as the header of a JPEG, PNG, GIF, BMP, WebP, TIFF or PNM states them.

    None where the format is another, or the header is too damaged to say.
    """
    try:
        for magic, read in _READERS:
            if data.startswith(magic):
                return read(data)
    except (struct.error, LookupError, ValueError):
        pass
    return None


def pixels_that_fit(data: bytes) -> float:
    """How many pixels so many bytes can hold in their format at most; infinite where the format sets no limit.

    A limit of the coding, not a guess: no whole file is above it. PNG and the like need none, their decoders refuse
    a file as soon as it ends; those of JPEG, GIF and TIFF fill up what is missing.
    """
    try:
        if data.startswith(b"\xff\xd8"):
            # Huffman coding, which the first three frame headers stand for, takes a bit or more for each symbol.
            frame = next((marker for marker, _ in jpeg_segments(data) if marker in _JPEG_FRAMES), 0)
            return _JPEG_GAIN * len(data) if frame in (0xC0, 0xC1, 0xC2) else math.inf
        if data.startswith(b"GIF8"):
            return _GIF_GAIN * len(data)
        if data.startswith((b"II*\0", b"MM\0*")):
            return _tiff_pixels(data)
    except (struct.error, LookupError, ValueError):
        pass
    return math.inf


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Marker and position of each segment of a JPEG, up to its first scan (marker 0xDA)."""
    position = 2
    while found := _JPEG_MARKER.match(data, position):
        marker, position = found[1][0], found.end() - 2
        yield marker, position
        if marker == 0xDA:
            return
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Kind and end (one past its checksum) of each chunk of a PNG, up to IEND; the last may end beyond the data."""
    position = 8
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        position += 12 + length
        yield kind, position
        if kind == b"IEND":
            return


def png_is_whole(data: bytes) -> bool:
    """Whether no chunk of a PNG ends beyond the data, and those that the pixels need have the right checksums."""
    start = 8
    for kind, end in png_chunks(data):
        if end > len(data):
            return False
        if kind in (b"IHDR", b"PLTE", b"IDAT"):
            chunk = memoryview(data)[start + 4 : end - 4]
            if zlib.crc32(chunk) != int.from_bytes(data[end - 4 : end], "big"):
                return False
        start = end
    return True


def frame_count(data: bytes) -> int:
    """How many frames a GIF, WebP or PNG holds; 1 of a still picture, of another format, and where it is damaged."""
    try:
        if data.startswith(b"GIF8"):
            return max(1, sum(1 for _ in gif_frames(io.BytesIO(data))))
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return max(1, sum(kind == b"ANMF" for kind, _ in riff_chunks(io.BytesIO(data), 12)))
        if data.startswith(PNG):
            end = next((end for kind, end in png_chunks(data) if kind == b"acTL"), None)
            return max(1, struct.unpack_from(">I", data, end - 12)[0]) if end is not None else 1
    except (struct.error, IndexError):
        pass
    return 1


def gif_frames(file: IO[bytes]) -> Iterator[int]:
    """Where the codes of each frame of a GIF begin, up to where the file ends or is no GIF any more."""
    file.seek(10)
    position, blocks = 13 + _color_table(file.read(1)), 0
    while blocks < _MOST_BLOCKS:
        file.seek(position)
        kind = file.read(1)
        if kind == b",":  # a frame: its place, its colours, the size of its codes
            position += 10 + _color_table(file.read(9)[8:]) + 1
        elif kind == b"!":  # an extension: its kind
            position += 2
        else:
            return
        file.seek(position)
        length = file.read(1)
        if kind == b"," and length:
            yield position
        while length not in (b"\0", b""):  # blocks, each after its length, up to an empty one
            file.seek(length[0], os.SEEK_CUR)
            length, blocks = file.read(1), blocks + 1
        position, blocks = file.tell(), blocks + 1


def _color_table(flags: bytes) -> int:
    """Bytes of a GIF's table of colours."""
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0


def riff_chunks(file: IO[bytes], start: int) -> Iterator[tuple[bytes, int]]:
    """Kind and end of each chunk of RIFF, of which large AVI files have several; the last may end beyond the file."""
    size = file.seek(0, os.SEEK_END)
    for _ in range(MOST_PARTS):
        if start + 8 > size:
            return
        file.seek(start)
        header = file.read(8)
        end = start + 8 + int.from_bytes(header[4:], "little")
        yield header[:4], end
        start = end + end % 2


def _jpeg(data: bytes) -> Size | None:
    for marker, position in jpeg_segments(data):
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, position + 5)
            return width, height
    return None


def _png(data: bytes) -> Size:
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _gif(data: bytes) -> Size:
    width, height = struct.unpack_from("<HH", data, 6)
    return width, height


def _bmp(data: bytes) -> Size:
    if struct.unpack_from("<I", data, 14)[0] == 12:  # the header of OS/2
        width, height = struct.unpack_from("<HH", data, 18)
    else:
        width, height = struct.unpack_from("<ii", data, 18)
    return abs(width), abs(height)  # a height below 0 says that the first row is the upper one


def _webp(data: bytes) -> Size | None:
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _tiff(data: bytes) -> Size | None:
    tags = _tiff_tags(data)
    return (tags[256], tags[257]) if 256 in tags and 257 in tags else None


def _tiff_pixels(data: bytes) -> float:
    tags = _tiff_tags(data)
    samples = tags.get(277, 1)
    bits = tags.get(258, 1) if samples == 1 else 8 * samples  # fewer bits a sample exist with one sample only
    gain = _TIFF_GAIN.get(tags.get(259, 1), math.inf)
    return gain * len(data) * 8 / max(1, bits)


def _tiff_tags(data: bytes) -> dict[int, int]:
    """Width 256, height 257, bits 258, compression 259, samples 277: what of these the first directory holds."""
    order = "<" if data[:2] == b"II" else ">"
    start = struct.unpack_from(order + "I", data, 4)[0]
    tags = {}
    for entry in range(struct.unpack_from(order + "H", data, start)[0]):
        tag, kind = struct.unpack_from(order + "HH", data, start + 2 + 12 * entry)
        if tag in (256, 257, 258, 259, 277) and tag not in tags:  # of several libtiff takes the first, too
            # A short or a long each; of other kinds, which libtiff knows, this place may hold where the number stands.
            tags[tag] = struct.unpack_from(order + {3: "H", 4: "I"}[kind], data, start + 10 + 12 * entry)[0]
    return tags


def _pnm(data: bytes) -> Size:
    lines = (line.partition(b"#")[0] for line in data[2:512].splitlines())
    width, height = b" ".join(lines).split()[:2]
    return int(width), int(height)


# A marker with a length after it; 0xff may fill up the space before, and so may markers without one, as for libjpeg.
_JPEG_MARKER = re.compile(rb"(?:\xff++[\x00\x01\xd0-\xd9])*+\xff++([^\xff])", re.DOTALL)
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def _jpeg_2000(data: bytes) -> Size:
    """Of its codestream, which two markers begin; the largest of several places that look like one."""
    starts = [each.start() for each in re.finditer(rb"\xff\x4f\xff\x51", data)]
    return max((struct.unpack_from(">II", data, start + 8) for start in starts), key=math.prod)  # ValueError if none


_READERS = (
    (b"\0\0\0\x0cjP  ", _jpeg_2000),
    (b"\xff\xd8", _jpeg),
    (PNG, _png),
    (b"GIF8", _gif),
    (b"BM", _bmp),
    (b"RIFF", _webp),
    (b"II*\0", _tiff),
    (b"MM\0*", _tiff),
    *((b"P" + digit, _pnm) for digit in (b"1", b"2", b"3", b"4", b"5", b"6")),
)
