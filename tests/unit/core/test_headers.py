"""Sizes read from headers, against what the picture was made with; claims of too large a size are refused."""

import io
import struct

import cv2
import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.errors import InputError
from mien.core.headers import frame_count, picture_size, pixels_that_fit
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
    size = picture_size(data)
    assert size is None or [type(each) for each in size] == [int, int]


def claiming(suffix: str, side: int) -> bytes:
    """A picture of 40x30 whose header says that it is `side` pixels wide and high."""
    data = bytearray(cv2.imencode(suffix, picture(40, 30))[1].tobytes())
    if suffix == ".jpg":
        frame = data.index(b"\xff\xc0")
        data[frame + 5 : frame + 9] = struct.pack(">HH", side, side)
    elif suffix == ".gif":
        data[6:10] = struct.pack("<HH", side, side)
    else:
        start = struct.unpack_from("<I", data, 4)[0]
        for entry in range(struct.unpack_from("<H", data, start)[0]):
            where = start + 2 + 12 * entry
            if struct.unpack_from("<H", data, where)[0] in (256, 257, 278):  # 278: all rows in one strip
                data[where + 2 : where + 12] = struct.pack("<HII", 4, 1, side)
    return bytes(data)


@pytest.mark.parametrize("suffix", [".jpg", ".gif", ".tif"])
def test_a_size_that_the_bytes_cannot_hold_is_refused_before_decoding(suffix):
    # The decoders of these formats would fill 600 MB with grey.
    with pytest.raises(InputError, match=r"got a header that says 14000 x 14000 over [\d,]+ bytes, which cannot hold"):
        decode(claiming(suffix, 14000))


@pytest.mark.parametrize(
    ("form", "mode", "options"),
    [
        ("JPEG", "L", {"optimize": True}),
        ("JPEG", "L", {"progressive": True, "quality": 1}),
        ("JPEG", "RGB", {"quality": 1, "subsampling": 2}),
        ("JPEG", "RGB", {"progressive": True, "optimize": True, "quality": 1, "subsampling": 2}),
        ("GIF", "P", {}),
        ("TIFF", "1", {"compression": "raw"}),
        ("TIFF", "1", {"compression": "group4"}),
        ("TIFF", "1", {"compression": "tiff_lzw"}),
        ("TIFF", "1", {"compression": "tiff_adobe_deflate"}),
        ("TIFF", "L", {"compression": "packbits"}),
        ("TIFF", "RGB", {"compression": "tiff_lzw"}),
        ("TIFF", "RGB", {"compression": "tiff_adobe_deflate"}),
        ("PNG", "1", {"optimize": True}),
    ],
)
def test_the_emptiest_picture_still_fits(form, mode, options):
    file = io.BytesIO()
    PIL.Image.new(mode, (6000, 4000)).save(file, form, **options)
    data = file.getvalue()
    assert picture_size(data) == (6000, 4000)
    assert pixels_that_fit(data) >= 6000 * 4000
    assert decode(data).shape == (4000, 6000, 3)


def test_a_chunk_that_claims_more_than_the_file_is_refused_before_decoding():
    data = bytearray(encode(picture(40, 30), ".png"))
    place = data.index(b"IDAT") - 4
    data[place : place + 4] = struct.pack(">I", 1 << 30)
    with pytest.raises(InputError, match="expected a whole PNG in the given bytes, got one that is cut off or damaged"):
        decode(bytes(data))


def test_a_damaged_png_gives_one_line_and_nothing_on_stderr(capfd):
    data = bytearray(encode(picture(400, 300), ".png"))
    data[5000] ^= 4
    with pytest.raises(InputError, match="expected a whole PNG"):
        decode(bytes(data))
    assert capfd.readouterr() == ("", "")


def test_what_follows_a_png_does_not_count():
    image = picture(40, 30)
    assert np.array_equal(decode(encode(image, ".png") + b"\x7f" * 50), image)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_frames_are_counted(format, count):
    pictures = [PIL.Image.new("RGB", (20, 10), (30 * i, 0, 200)) for i in range(count)]
    file = io.BytesIO()
    pictures[0].save(file, format, save_all=True, append_images=pictures[1:])
    assert frame_count(file.getvalue()) == count


@given(st.sampled_from([b"GIF89a", b"RIFF\0\0\0\0WEBP", b"\x89PNG\r\n\x1a\n", b"\xff\xd8"]), st.binary(max_size=200))
def test_of_damaged_pictures_some_frames_are_counted(head, rest):
    assert frame_count(head + rest) >= 1


def test_jpeg_2000_has_a_size_and_formats_without_one_are_refused():
    image = np.zeros((80, 90, 3), np.uint8)
    data = encode(image, ".jp2")
    assert picture_size(data) == (90, 80)
    assert decode(data).shape == (80, 90, 3)
    large = data.replace(bytes([0, 0, 0, 90, 0, 0, 0, 80, 0, 0]), bytes([0, 1, 0, 0, 0, 1, 0, 0, 0, 0]))
    with pytest.raises(InputError, match="expected at most 200 megapixels in the given bytes, got a header that says"):
        decode(large)
    for other in (".hdr", ".sr", ".pfm"):
        array = image.astype(np.float32) if other != ".sr" else image
        with pytest.raises(InputError, match="expected a picture in the given bytes, got .* bytes that are not one"):
            decode(cv2.imencode(other, array)[1].tobytes())


@pytest.mark.parametrize("marker", [b"\xff\x01", b"\xff\xd3", b"\xff\x00", b"\xff\xff\x01\xff\xd0"])
def test_markers_of_a_jpeg_without_a_length_hide_no_size(marker):
    data = encode(picture(64, 48), ".jpg")
    # The next marker, 0xffe2, taken for a length, would lead to a frame of 8x8 that no decoder sees.
    frame = struct.pack(">HHBHHB", 0xFFC0, 11, 8, 8, 8, 1) + b"\x01\x11\x00"
    hidden = bytes(0xFFE2 - 4) + frame
    data = data[:2] + marker + b"\xff\xe2" + struct.pack(">H", 2 + len(hidden)) + hidden + data[2:]
    assert picture_size(data) == (64, 48)
    assert decode(data).shape == (48, 64, 3)


def test_a_long_run_between_the_markers_of_a_jpeg_is_passed_over():
    data = encode(picture(64, 48), ".jpg")
    for run in (b"\xff", b"\xff\x01"):
        assert picture_size(data[:2] + 1_000_000 * run + data[2:]) == (64, 48)


def with_tags(data: bytes, *more: bytes) -> bytes:
    """A little-endian TIFF with a directory that has further entries, each after those of the same tag."""
    start = struct.unpack_from("<I", data, 4)[0] + 2
    count = struct.unpack_from("<H", data, start - 2)[0]
    entries = [data[start + 12 * k : start + 12 * k + 12] for k in range(count)]
    entries = sorted([*entries, *more], key=lambda entry: struct.unpack_from("<H", entry))
    place, length = struct.pack("<I", len(data)), struct.pack("<H", len(entries))
    return data[:4] + place + data[8:] + length + b"".join(entries) + bytes(4)


def test_of_a_tag_that_a_tiff_has_twice_the_first_counts_as_for_the_decoder():
    data = encode(picture(64, 48), ".tif")
    data = with_tags(data, *(struct.pack("<HHII", tag, 4, 1, 8) for tag in (256, 257)))
    assert picture_size(data) == (64, 48)
    assert decode(data).shape == (48, 64, 3)


def test_a_size_of_a_tiff_that_stands_elsewhere_is_refused():
    data = bytearray(encode(picture(64, 48), ".tif"))
    start = struct.unpack_from("<I", data, 4)[0]
    for entry in range(struct.unpack_from("<H", data, start)[0]):
        where = start + 2 + 12 * entry
        if struct.unpack_from("<H", data, where)[0] in (256, 257):
            data[where + 2 : where + 12] = struct.pack("<HII", 16, 1, 8)  # 64 bits at the place 8
    assert picture_size(bytes(data)) is None
    with pytest.raises(InputError, match="expected a whole TIFF"):
        decode(bytes(data))
