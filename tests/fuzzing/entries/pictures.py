"""Pictures, by format."""

import io
import struct
import zlib
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
from layouts.faces import face

from fuzzing.damage import binary
from fuzzing.entry import Entry, entry
from mien.core.headers import frame_count, picture_size
from mien.core.images import Image, encode, read_image


def pillow(image: Image, form: str, **options: object) -> bytes:
    """A picture as Pillow writes it."""
    file = io.BytesIO()
    PIL.Image.fromarray(image).save(file, form, **options)
    return file.getvalue()


def _opencv(image: Image, suffix: str) -> bytes:
    done, data = cv2.imencode(suffix, image)
    assert done
    return data.tobytes()


def originals(kind: str) -> list[bytes]:
    """A drawn face in the forms of one format."""
    gray, color = face("fear", seed=1, size=64), face("happiness", seed=2, size=64, color=True)
    if kind == "jpeg":
        return [encode(color, ".jpg"), pillow(color, "JPEG", progressive=True), encode(gray, ".jpg")]
    if kind == "png":
        return [encode(color, ".png"), encode(gray, ".png"), _opencv(color.astype(np.uint16) * 257, ".png")]
    if kind == "webp":
        return [pillow(color, "WEBP", quality=80), pillow(color, "WEBP", lossless=True)]
    if kind == "tiff":
        forms = ("raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg")
        return [pillow(color, "TIFF", compression=each) for each in forms]
    if kind == "gif":
        return [pillow(color, "GIF")]
    suffixes = {"bmp": (".bmp",), "pnm": (".ppm", ".pgm"), "others": (".jp2", ".avif", ".hdr", ".sr", ".pfm", ".pam")}
    pixels = {".pgm": gray} | dict.fromkeys((".hdr", ".pfm"), color.astype(np.float32) / 255)
    return [_opencv(pixels.get(each, color), each) for each in suffixes[kind]]


def with_right_sums(data: bytes, rng: np.random.Generator) -> bytes:
    """A damaged PNG, most of whose checksums are right again, so that the damage is not noticed at once.

    Of a third it is the pixels that are damaged, which are packed anew.
    """
    raw, position = bytearray(_other_pixels(data, rng) if rng.random() < 1 / 3 else binary(data, rng)), 8
    while position + 12 <= len(raw) and rng.random() < 0.9:
        end = position + 8 + struct.unpack_from(">I", raw, position)[0]
        if end + 4 > len(raw):
            break
        struct.pack_into(">I", raw, end, zlib.crc32(raw[position + 4 : end]))
        position = end + 4
    return bytes(raw)


def _other_pixels(data: bytes, rng: np.random.Generator) -> bytes:
    """A PNG whose pixels, before they were packed, are damaged."""
    chunks, position = [], 8
    while position < len(data):
        end = position + 12 + struct.unpack_from(">I", data, position)[0]
        chunks.append((data[position + 4 : position + 8], data[position + 8 : end - 4]))
        position = end
    pixels = zlib.decompress(b"".join(held for kind, held in chunks if kind == b"IDAT"))
    first, *_, last = chunks  # the size, and the end
    made = (first, (b"IDAT", zlib.compress(binary(pixels, rng))), last)
    return data[:8] + b"".join(struct.pack(">I", len(held)) + kind + held + bytes(4) for kind, held in made)


def _read(path: Path) -> None:
    frame_count(path.read_bytes())
    image, said = read_image(path), picture_size(path.read_bytes())
    # Or the size that decides whether it is decoded is not that of what is.
    assert said is not None and image.shape[0] * image.shape[1] <= said[0] * said[1]
    assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3


def _make(kind: str, folder: Path) -> Entry:
    damage = {".png": with_right_sums} if kind == "png" else {}
    return Entry({f"{k}.{kind}": data for k, data in enumerate(originals(kind))}, _read, damage)


for _kind in ("jpeg", "png", "webp", "bmp", "tiff", "gif", "pnm"):
    entry(f"picture-{_kind}")(partial(_make, _kind))


@entry("picture-others")
def others(folder: Path) -> Entry:
    """Formats that OpenCV knows beside those: read if mien knows their size, else refused."""
    seeds = {f"{k}.bin": data for k, data in enumerate(originals("others"))}
    return Entry(seeds, _read, both=False)
