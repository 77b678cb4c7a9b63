"""What an upload is, by its bytes; never by its name or by what the client calls it."""

from pathlib import PurePosixPath

from mien.core.files import printable
from mien.core.headers import frame_count, picture_size
from mien.web.refusals import Refusal

HEAD = 512  # bytes that tell a video

_NAME = 200  # characters of an upload's name that are kept
_VIDEOS = {  # how files of moving pictures begin
    b"\x1aE\xdf\xa3": "Matroska or WebM",
    b"OggS": "Ogg",
    b"FLV\x01": "Flash video",
    b"0&\xb2u\x8ef\xcf\x11": "Windows Media",
    b"\0\0\x01\xba": "MPEG",
    b"\0\0\x01\xb3": "MPEG",
    b"GIF8": "GIF",
}
_PICTURE_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"heif", b"mif1", b"avif")  # of what begins as MP4 does
_STILL = "a JPEG, PNG, WebP, BMP, TIFF or GIF"


def upload_name(name: str | None) -> str:
    """An upload's name without folders and control characters; "upload" if it has none."""
    last = PurePosixPath(printable(name or "").replace("\\", "/")).name
    kept = "".join(letter for letter in last if letter.isprintable())[:_NAME]
    return kept or "upload"


def check_picture(data: bytes, name: str, *, most_megapixels: float) -> str | None:
    """See whether bytes are a picture that may be decoded.

    Returns:
        What to say of one that moves: only its first frame is looked at; else None.

    Raises:
        Refusal: empty (422), no picture (415), or too many pixels (413).
    """
    if not data:
        raise Refusal(422, f"expected a picture in {name}, got no bytes: choose another file")
    size = picture_size(data)
    if size is None:
        raise Refusal(415, f"expected {_STILL} in {name}, got {_instead(data)}")
    if size[0] * size[1] > most_megapixels * 1e6:
        raise Refusal(
            413,
            f"expected at most {most_megapixels:g} megapixels in {name}, got {size[0]} x {size[1]}: make it smaller",
        )
    frames = frame_count(data)
    return f"The first of {frames} frames; as a video all are read." if frames > 1 else None


def _instead(data: bytes) -> str:
    if data[4:8] == b"ftyp" and data[8:12] in _PICTURE_BRANDS:
        return "HEIC or AVIF: convert it first"
    kind = video_kind(data[:HEAD])
    return f"{kind}: send a video to /videos" if kind else f"{len(data):,} bytes of something else: convert it first"


def video_kind(head: bytes) -> str | None:
    """The format of a file of moving pictures, from its first bytes; None if they are none that is known."""
    if head[4:8] == b"ftyp" and head[8:12] not in _PICTURE_BRANDS:
        return "MP4 or QuickTime"
    if head[4:8] in (b"moov", b"mdat", b"wide", b"skip", b"free"):  # older QuickTime
        return "QuickTime"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "AVI"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP" and head[12:16] == b"VP8X" and head[20] & 2:
        return "animated WebP"
    if len(head) > 188 and head[0] == head[188] == 0x47:
        return "MPEG transport stream"
    return next((kind for magic, kind in _VIDEOS.items() if head.startswith(magic)), None)
