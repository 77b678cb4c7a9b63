"""How large a picture says it is, read from its first bytes: what decides whether decoding it is safe."""

import struct
from collections.abc import Iterator

Size = tuple[int, int]  # width, height


def picture_size(data: bytes) -> Size | None:
    """Width and height in pixels as the header of a JPEG, PNG, GIF, BMP, WebP, TIFF or PNM states them.

    None where the format is another, or the header is too damaged to say.
    """
    try:
        for magic, read in _READERS:
            if data.startswith(magic):
                return read(data)
    except (struct.error, IndexError, ValueError):
        pass
    return None


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Marker and position of each segment of a JPEG, up to its first scan (marker 0xDA)."""
    position = 2
    while data[position : position + 1] == b"\xff" and position + 1 < len(data):
        marker = data[position + 1]
        yield marker, position
        if marker == 0xDA:
            return
        position += 1 if marker == 0xFF else 2 + int.from_bytes(data[position + 2 : position + 4], "big")


def _jpeg(data: bytes) -> Size | None:
    for marker, position in jpeg_segments(data):
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # the frame headers among these
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
    order = "<" if data[:2] == b"II" else ">"
    start = struct.unpack_from(order + "I", data, 4)[0]
    sizes = {}
    for entry in range(struct.unpack_from(order + "H", data, start)[0]):
        tag, kind = struct.unpack_from(order + "HH", data, start + 2 + 12 * entry)
        if tag in (256, 257):  # ImageWidth, ImageLength, as a short or a long
            sizes[tag] = struct.unpack_from(order + ("H" if kind == 3 else "I"), data, start + 10 + 12 * entry)[0]
    return (sizes[256], sizes[257]) if len(sizes) == 2 else None


def _pnm(data: bytes) -> Size:
    lines = (line.partition(b"#")[0] for line in data[2:512].splitlines())
    width, height = b" ".join(lines).split()[:2]
    return int(width), int(height)


_READERS = (
    (b"\xff\xd8", _jpeg),
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"GIF8", _gif),
    (b"BM", _bmp),
    (b"RIFF", _webp),
    (b"II*\0", _tiff),
    (b"MM\0*", _tiff),
    *((b"P" + digit, _pnm) for digit in (b"1", b"2", b"3", b"4", b"5", b"6")),
)
