"""Script of test_mutated_pictures.py: START STOP REPORT FORMAT PHOTOGRAPHS."""

import io
import struct
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
from fuzzing.cases import work
from fuzzing.damage import mutate

from mien import Recognizer, sample
from mien.core.errors import MienError
from mien.core.headers import png_chunks
from mien.core.images import Image, decode, encode, read_image

SEED = 20131201
LARGEST = 4_000_000  # pixels: a larger picture is decoded, but a search for faces in it proves nothing more


def photographs(folder: Path) -> list[Image]:
    """Photographs of faces at 128 pixels, two of them in colour."""
    paths = [sample("astronaut"), sample("grace_hopper"), *sorted(folder.iterdir())[::64]]
    return [cv2.resize(read_image(path), (128, 128), interpolation=cv2.INTER_AREA) for path in paths]  # type: ignore[misc]


def pillow(image: Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(image).save(file, form, **options)
    return file.getvalue()


def originals(kind: str, folder: Path) -> list[bytes]:
    """Photographs as files of one format, in the forms it comes in."""
    found = []
    for image in photographs(folder):
        gray = np.ascontiguousarray(image[:, :, 1])
        if kind == "jpeg":
            found += [encode(image, ".jpg"), pillow(image, "JPEG", progressive=True), encode(gray, ".jpg")]
        elif kind == "png":
            deep = cv2.imencode(".png", image.astype(np.uint16) * 257)[1].tobytes()
            found += [encode(image, ".png"), encode(gray, ".png"), deep]
        elif kind == "webp":
            found += [pillow(image, "WEBP", quality=80), pillow(image, "WEBP", lossless=True)]
        elif kind == "bmp":
            found += [encode(image, ".bmp"), encode(gray, ".bmp")]
        elif kind == "tiff":
            found += [pillow(image, "TIFF", compression=each) for each in ("raw", "tiff_lzw", "tiff_adobe_deflate")]
            found += [pillow(image, "TIFF", compression="jpeg"), pillow(gray, "TIFF", compression="packbits")]
        elif kind == "gif":
            found.append(pillow(image, "GIF"))
        else:
            found += [encode(image, ".ppm"), encode(gray, ".pgm")]
    if kind == "jpeg":  # files from the world, as they are
        found += [path.read_bytes() for path in sorted(folder.iterdir())[::32]]
    return found


def with_right_sums(data: bytes) -> bytes:
    """A PNG whose chunks' checksums are right again, so that the damage is not noticed at once."""
    raw, position = bytearray(data), 8
    while position + 12 <= len(raw):
        end = position + 8 + struct.unpack_from(">I", raw, position)[0]
        if end + 4 > len(raw):
            break
        struct.pack_into(">I", raw, end, zlib.crc32(raw[position + 4 : end]))
        position = end + 4
    return bytes(raw)


def mutate_scanlines(data: bytes, rng: np.random.Generator) -> bytes:
    """A PNG whose damage lies under its compression: in the filters and pixels."""
    position, packed = 8, b""
    for kind, end in png_chunks(data):
        if kind == b"IDAT":
            packed += data[position + 8 : end - 4]
        position = end
    body = zlib.compress(mutate(zlib.decompress(packed), rng))
    return with_right_sums(
        data[:33] + struct.pack(">I", len(body)) + b"IDAT" + body + bytes(4) + struct.pack(">I", 0) + b"IEND" + bytes(4)
    )


def main(start: str, stop: str, report: str, kind: str, folder: str) -> None:
    recognizer, sources = Recognizer(threads=1), originals(kind, Path(folder))

    def case(number: int) -> str:
        rng = np.random.default_rng((SEED, number))
        data = mutate(sources[number % len(sources)], rng)
        if kind == "png" and number % 4 == 1:
            data = with_right_sums(data)
        elif kind == "png" and number % 4 > 1:
            data = mutate_scanlines(sources[number % len(sources)], rng)
        try:
            image = decode(data)
        except MienError as error:
            assert "expected" in str(error) and "\n" not in str(error), str(error)
            return "refused"
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.flags.c_contiguous
        if image.shape[0] * image.shape[1] > LARGEST:
            return "read, large"
        found = recognizer.predict(image)
        assert np.isfinite(found.boxes).all()
        assert np.allclose(found.probabilities.sum(1), 1, atol=1e-4)
        return "read, with a face" if len(found) else "read, no face"

    work(case, int(start), int(stop), Path(report))


if __name__ == "__main__":
    main(*sys.argv[1:])
