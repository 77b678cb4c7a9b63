"""What people's files hold, decoded to one form: RGB uint8, upright."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from mien.core.errors import InputError
from mien.core.images import as_image, decode, read_image


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """A smooth picture, wider than high, whose four corners differ in colour."""
    y, x = np.mgrid[0:48, 0:64]
    return np.stack([x * 4, y * 5, 255 - x * 2 - y], 2).astype(np.uint8)


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "WEBP"])
def test_lossless_formats_come_back_exactly(picture, form):
    options = {"lossless": True} if form == "WEBP" else {}
    assert np.array_equal(decode(encoded(Image.fromarray(picture), form, **options)), picture)


def test_16_bit_is_scaled_to_8(picture):
    deep = cv2.imencode(".png", picture[:, :, ::-1].astype(np.uint16) * 257)[1].tobytes()
    assert np.array_equal(decode(deep), picture)
    assert np.array_equal(as_image(picture.astype(np.uint16) * 257), picture)


def test_alpha_is_dropped_and_grey_repeated(picture):
    image = Image.fromarray(picture)
    assert np.array_equal(decode(encoded(image.convert("RGBA"), "PNG")), picture)
    gray = decode(encoded(image.convert("L"), "PNG"))
    assert gray.shape == picture.shape
    assert np.array_equal(gray[:, :, 0], gray[:, :, 2])


def test_cmyk_jpeg_has_the_right_colours(picture):
    found = decode(encoded(Image.fromarray(picture).convert("CMYK"), "JPEG", quality=98))
    assert np.abs(found.astype(int) - picture).mean() < 4


@pytest.mark.parametrize(("orientation", "turn"), [(3, 2), (6, 1), (8, 3)])
def test_exif_rotation_is_applied(picture, orientation, turn):
    exif = Image.Exif()
    exif[0x112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(np.rot90(picture, turn)))
    found = decode(encoded(stored, "JPEG", quality=98, exif=exif.tobytes()))
    assert found.shape == picture.shape
    assert np.abs(found.astype(int) - picture).mean() < 6


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95, 0.999])
def test_a_jpeg_that_is_cut_off_is_an_error(picture, progressive, share):
    large = Image.fromarray(picture).resize((640, 480))
    data = encoded(large, "JPEG", progressive=progressive)
    with pytest.raises(InputError, match="expected a whole JPEG in the given bytes, got one that is cut off"):
        decode(data[: int(len(data) * share)])


def test_a_jpeg_with_a_thumbnail_that_is_cut_off_is_an_error(picture):
    thumbnail = encoded(Image.fromarray(picture), "JPEG")
    exif = b"Exif\x00\x00" + thumbnail  # its end marker stands before the picture's own scan
    data = encoded(Image.fromarray(picture).resize((640, 480)), "JPEG", exif=exif)
    assert decode(data).shape == (480, 640, 3)
    with pytest.raises(InputError, match="cut off"):
        decode(data[:-500])


def test_bytes_after_the_end_of_a_jpeg_do_not_matter(picture):
    data = encoded(Image.fromarray(picture), "JPEG")
    assert np.array_equal(decode(data + b"\x00\xff\xda a phone's clip"), decode(data))


@pytest.mark.parametrize("form", ["PNG", "BMP", "WEBP", "TIFF"])
def test_other_formats_that_are_cut_off_are_errors(picture, form):
    data = encoded(Image.fromarray(picture).resize((640, 480)), form)
    with pytest.raises(
        InputError, match=f"expected a whole {form.replace('WEBP', 'WebP')} in .*, got one that is cut off"
    ):
        decode(data[: len(data) // 2])


@pytest.mark.parametrize(
    "data", [b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xda", b"\xff\xd8\xff\xe0\x00\x00" * 9, b"text"]
)
def test_scraps_are_errors(data):
    with pytest.raises(InputError):
        decode(data)


def test_a_picture_is_found_under_a_name_with_umlauts(picture, tmp_path):
    path = tmp_path / "Grüße 顔.png"
    path.write_bytes(encoded(Image.fromarray(picture), "PNG"))
    assert np.array_equal(read_image(path), picture)
