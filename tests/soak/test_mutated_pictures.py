"""Ten thousand mutated pictures: each decodes to a picture or is refused in one sentence; the recogniser takes all."""

import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien import Recognizer
from mien.core.errors import InputError
from mien.core.images import decode, encode, read_image

SAMPLES = Path(__file__).resolve().parents[2] / "src" / "mien" / "samples"
COUNT = int(os.environ.get("MIEN_SOAK_MUTATIONS", "10000"))
SEED = 20131201
LARGEST = (
    4_000_000  # pixels: a header mutated to a giant picture is decoded, but a search for faces in it proves nothing
)

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]


def originals() -> list[bytes]:
    """One small portrait in each format that mien reads."""
    portrait = cv2.resize(read_image(SAMPLES / "astronaut.jpg")[:256, 96:352], (96, 96))
    gray = np.ascontiguousarray(portrait[:, :, 0])
    formats = (".jpg", ".png", ".webp", ".bmp", ".tiff", ".ppm", ".gif")
    return [encode(portrait, suffix) for suffix in formats] + [
        encode(gray, suffix) for suffix in (".jpg", ".png", ".pgm")
    ]


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """One of: bits flipped, bytes replaced, a piece cut out, repeated, or moved; the end cut off."""
    raw = np.frombuffer(data, np.uint8).copy()
    kind = rng.integers(6)
    # Half of the damage goes to the header, where most of the decisions are made.
    reach = min(len(raw), 64) if rng.random() < 0.5 else len(raw)
    places = rng.integers(0, reach, rng.integers(1, 9))
    start, length = int(rng.integers(0, reach)), int(rng.integers(1, 65))
    piece = raw[start : start + length]
    if kind == 0:
        raw[places] ^= np.uint8(1) << rng.integers(0, 8, len(places), np.uint8)
    elif kind == 1:
        raw[places] = rng.integers(0, 256, len(places), np.uint8)
    elif kind == 2:
        raw = np.delete(raw, slice(start, start + length))
    elif kind == 3:
        raw = np.insert(raw, start, piece)
    elif kind == 4:
        raw = np.insert(
            np.delete(raw, slice(start, start + length)), int(rng.integers(0, reach)) % max(1, len(raw) - length), piece
        )
    else:
        raw = raw[: rng.integers(0, len(raw))]
    return raw.tobytes()


def mutations() -> Iterator[bytes]:
    rng, sources = np.random.default_rng(SEED), originals()
    for number in range(COUNT):
        yield mutate(sources[number % len(sources)], rng)


def test_every_mutation_is_a_picture_or_one_sentence() -> None:
    recognizer = Recognizer(threads=1)
    read = refused = 0
    for data in mutations():
        try:
            image = decode(data)
        except InputError as error:
            assert "expected" in str(error)
            assert "\n" not in str(error)
            refused += 1
            continue
        read += 1
        assert image.dtype == np.uint8
        assert image.ndim == 3
        assert image.shape[2] == 3
        assert image.flags.c_contiguous
        if image.shape[0] * image.shape[1] <= LARGEST:
            found = recognizer.predict(image)
            assert np.isfinite(found.boxes).all()
            assert np.allclose(found.probabilities.sum(1), 1, atol=1e-4)
    print(f"{read} read, {refused} refused")
    assert read > COUNT // 20, "mutations too rough: nothing was read"
    assert refused > COUNT // 20, "mutations too mild: nothing was refused"
