"""Pictures in and out. BGR exists only here; everywhere else a picture is RGB uint8 (H, W, 3)."""

import os
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from mien.core.errors import InputError, OutputError
from mien.core.files import replacing
from mien.core.headers import PNG, jpeg_segments, picture_size, pixels_that_fit, png_is_whole
from mien.core.types import Image

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".ppm", ".gif")

# What the largest cameras give; decoding it takes 1.3 GB. A few bytes may claim any size.
MOST_PIXELS = 200_000_000
# Above this a picture must be plausible: its bytes must be able to hold so many pixels.
_FREE_PIXELS = 16_000_000
_STRIP = 256  # rows

# First bytes of formats that people have and OpenCV's wheels may not read.
_ISO_BRANDS = {
    b"heic": "HEIC",
    b"heix": "HEIC",
    b"heim": "HEIC",
    b"heis": "HEIC",
    b"hevc": "HEIC",
    b"hevx": "HEIC",
    b"heif": "HEIF",
    b"mif1": "HEIF",
    b"msf1": "HEIF",
    b"avif": "AVIF",
    b"avis": "AVIF",
}

# First bytes of formats that OpenCV reads, where it finds them whole.
_MAGIC = {
    b"\xff\xd8\xff": "JPEG",
    PNG: "PNG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
}


def read_image(source: str | os.PathLike[str] | bytes) -> Image:
    """Read a picture, upright (its EXIF rotation applied), 8 bit, without alpha.

    Args:
        source: a path, or the bytes of an encoded picture.

    Returns:
        RGB uint8 (H, W, 3).

    Raises:
        InputError: missing, empty, not a picture, cut off, or in a format that cannot be read.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return decode(bytes(source), name="the given bytes")
    path = Path(source)
    return decode(encoded(path), name=str(path))


def encoded(path: Path) -> bytes:
    """The bytes of a file that should be a picture, for `decode`.

    Raises:
        InputError: missing, or it cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"expected a picture at {path}, got no such file: check the path") from None
    except IsADirectoryError:
        raise InputError(f"expected a picture at {path}, got a folder: give a file") from None
    except OSError as error:
        raise InputError(f"expected a readable picture at {path}, got: {error.strerror}") from error
    except ValueError as error:  # a name that no file can have
        raise InputError(f"expected a picture at {str(path)!r}, got: {error}") from error


def decode(data: bytes, *, name: str = "the given bytes") -> Image:
    """Decode an encoded picture; see `read_image`. `name` stands for it in an error's message."""
    if not data:
        raise InputError(f"expected a picture in {name}, got an empty file: copy it again")
    _check_size(data, name)
    if _cut_off(data):  # OpenCV up to 4.10 returns the upper part and a grey rest, later versions nothing
        raise InputError(f"expected a whole JPEG in {name}, got one that is cut off: copy it again")
    # OpenCV reserves what a chunk claims, two gigabytes if it says so, and of wrong checksums libpng writes to stderr.
    if data.startswith(PNG) and not png_is_whole(data):
        raise InputError(f"expected a whole PNG in {name}, got one that is cut off or damaged: copy it again")
    array: npt.NDArray[np.uint8] | None
    try:
        # IMREAD_COLOR drops alpha, repeats grey, brings CMYK and 16 bit to 8 bit BGR, and applies EXIF rotation.
        array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)  # type: ignore[assignment]
    except cv2.error as error:
        raise InputError(f"expected a picture in {name}, got one that OpenCV refuses: {error.err}") from error
    if array is None:
        raise InputError(_why_not(data, name))
    return from_bgr(array)


def from_bgr(array: npt.NDArray[np.uint8]) -> Image:
    """A picture as OpenCV decodes it, BGR (H, W, 3), brought to RGB where it stands."""
    for top in range(0, len(array), _STRIP):  # in strips it needs no second picture
        strip = array[top : top + _STRIP]
        cv2.cvtColor(strip, cv2.COLOR_BGR2RGB, dst=strip)
    return array


def _why_not(data: bytes, name: str) -> str:
    """What to say of bytes that OpenCV does not decode, from the first of them."""
    brand = _ISO_BRANDS.get(data[8:12]) if data[4:8] == b"ftyp" else None
    if brand:
        return f"expected a JPEG, PNG, WebP, BMP or TIFF in {name}, got {brand}: convert it first"
    kind = next((kind for magic, kind in _MAGIC.items() if data.startswith(magic)), None)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":  # others, such as sounds, start with RIFF too
        kind = "WebP"
    if kind:
        return (
            f"expected a whole {kind} in {name}, got one that is cut off, damaged or of a kind that OpenCV does not "
            "read: copy it again, or convert it"
        )
    return f"expected a picture in {name}, got {len(data)} bytes that are not one: give a JPEG, PNG, WebP, BMP or TIFF"


def _check_size(data: bytes, name: str) -> None:
    """Refuse a header that claims a size which would take gigabytes or which the bytes cannot hold, or says none."""
    size = picture_size(data)
    if size is None:  # OpenCV knows formats beside ours, and would reserve whatever their headers claim
        raise InputError(_why_not(data, name))
    pixels = size[0] * size[1]
    if pixels > MOST_PIXELS:
        raise InputError(
            f"expected at most {MOST_PIXELS / 1e6:.0f} megapixels in {name}, got a header that says "
            f"{size[0]} x {size[1]}: make it smaller first"
        )
    if pixels > _FREE_PIXELS and pixels > pixels_that_fit(data):
        raise InputError(
            f"expected a whole picture in {name}, got a header that says {size[0]} x {size[1]} over {len(data):,} "
            "bytes, which cannot hold that: copy it again"
        )


def _cut_off(data: bytes) -> bool:
    """Whether a JPEG ends before its end marker; what follows that marker (a phone's clip, say) does not count."""
    if data[:2] != b"\xff\xd8":
        return False
    end = 2
    for marker, position in jpeg_segments(data):
        if marker == 0xDA:  # in a scan 0xff is never followed by 0xd9 but at the end
            return b"\xff\xd9" not in data[position:]
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return end >= len(data)


def as_image(array: npt.NDArray[np.generic]) -> Image:
    """Bring an array in any usual form to RGB uint8 (H, W, 3).

    Takes grey (H, W) or (H, W, 1), RGB and RGBA; uint8, uint16 (scaled by 1/257), bool, and floats in 0..1.

    Raises:
        InputError: another shape or type.
    """
    image = np.asarray(array)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    if image.size == 0 or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (3, 4))):
        raise InputError(f"expected a picture of shape (H, W), (H, W, 3) or (H, W, 4), got {image.shape}")
    if image.dtype == np.uint16:
        image = (image // 257).astype(np.uint8)
    elif image.dtype == np.bool_:
        image = image.astype(np.uint8) * np.uint8(255)
    elif np.issubdtype(image.dtype, np.floating):
        if not (np.isfinite(image).all() and image.min() >= 0 and image.max() <= 1):
            raise InputError("expected a float picture in 0..1, got values outside: scale it, or give uint8")
        image = (image * 255 + 0.5).astype(np.uint8)
    elif image.dtype != np.uint8:
        raise InputError(f"expected a picture of type uint8, uint16, bool or float, got {image.dtype}")
    if image.ndim == 2:
        image = np.repeat(image[:, :, None], 3, axis=2)
    return np.ascontiguousarray(image[:, :, :3])


def to_gray(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """RGB (H, W, 3) to luma (H, W), with the weights of ITU-R BT.601 that FER2013-era tools use."""
    gray: npt.NDArray[np.uint8] = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)  # type: ignore[assignment]
    return gray


def encode(image: npt.NDArray[np.uint8], suffix: str = ".png", *, small: bool = False) -> bytes:
    """Encode grey (H, W) or RGB (H, W, 3) uint8 in the format of `suffix`.

    Args:
        image: what to encode.
        suffix: of the format.
        small: a third fewer bytes of a colour PNG, in twice the time.

    Raises:
        OutputError: the suffix names no format that can be written.
    """
    array = image if image.ndim == 2 else np.ascontiguousarray(image[:, :, ::-1])
    try:
        done, data = cv2.imencode(suffix, array, [cv2.IMWRITE_PNG_COMPRESSION, 1] if small else [])
    except cv2.error:
        done = False
    if not done:
        raise OutputError(f"expected a picture suffix such as .png or .jpg, got {suffix!r}")
    return bytes(data)


def write_image(path: str | os.PathLike[str], image: npt.NDArray[np.uint8]) -> None:
    """Write grey or RGB uint8 to a file, complete or not at all, in the format of its suffix.

    Raises:
        OutputError: the suffix is not known, or the file cannot be written.
    """
    data = encode(image, Path(path).suffix)  # in memory: OpenCV itself cannot write every path on every system
    with replacing(path) as partial:
        partial.write_bytes(data)
