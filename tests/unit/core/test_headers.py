"""Sizes read from headers, against what the picture was made with; claims of too large a size are refused."""

import struct

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.errors import InputError
from mien.core.headers import picture_size
from mien.core.images import MOST_PIXELS, decode, encode

SUFFIXES = (".jpg", ".png", ".bmp", ".webp", ".tif", ".pgm", ".ppm")


def picture(width: int, height: int, *, gray: bool = False) -> np.ndarray:
    shape = (height, width) if gray else (height, width, 3)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(("width", "height"), [(1, 1), (37, 19), (300, 511)])
def test_the_size_is_what_the_decoder_finds(suffix, width, height, gray):
    if suffix == ".ppm" and gray:
        suffix = ".pgm"
    elif suffix == ".pgm" and not gray:
        suffix = ".ppm"
    data = encode(picture(width, height, gray=gray), suffix)
    assert picture_size(data) == (width, height)
    assert decode(data).shape[:2] == (height, width)


def test_webp_in_its_lossy_form_too():
    _, data = cv2.imencode(".webp", picture(64, 33), [cv2.IMWRITE_WEBP_QUALITY, 80])
    assert picture_size(data.tobytes()) == (64, 33)


def test_a_gif():
    assert picture_size(b"GIF89a" + struct.pack("<HH", 500, 281) + bytes(20)) == (500, 281)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif"])
def test_a_header_that_claims_too_much_is_refused_before_decoding(suffix):
    data = bytearray(encode(picture(40, 30, gray=True), suffix))
    side = int(MOST_PIXELS**0.5) + 1000
    if suffix == ".png":
        data[16:24] = struct.pack(">II", side, side)
    elif suffix == ".bmp":
        data[18:26] = struct.pack("<ii", side, -side)
    elif suffix == ".jpg":
        frame = data.index(b"\xff\xc0")
        data[frame + 5 : frame + 9] = struct.pack(">HH", side, side)
    else:
        start = struct.unpack_from("<I", data, 4)[0]
        for entry in range(struct.unpack_from("<H", data, start)[0]):
            where = start + 2 + 12 * entry
            if struct.unpack_from("<H", data, where)[0] in (256, 257):
                data[where + 2 : where + 12] = struct.pack("<HII", 4, 1, side)
    with pytest.raises(InputError, match=r"expected at most 200 megapixels in the given bytes, got a header that says"):
        decode(bytes(data))


@given(st.sampled_from(SUFFIXES), st.integers(0, 200), st.binary(max_size=40))
def test_a_damaged_header_gives_a_size_or_none(suffix, position, noise):
    data = bytearray(encode(picture(20, 10, gray=suffix == ".pgm"), suffix))
    data[position : position + len(noise)] = noise
    size = picture_size(bytes(data))
    assert size is None or (size[0] >= 0 and size[1] >= 0)


@given(st.binary(max_size=64))
def test_anything_else_has_no_size_or_some(data):
    picture_size(data)
