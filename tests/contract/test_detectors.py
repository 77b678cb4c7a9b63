"""What every detector keeps: one battery over the registry; a new detector is tested by being registered."""

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mien.core.errors import UsageError
from mien.core.images import decode, read_image
from mien.core.types import Detector, Faces
from mien.faces import DETECTORS
from mien.faces.boxes import overlaps, sides

# Where a person sees the face: from the brows to the chin.
FACES = {"astronaut.jpg": (178, 62, 270, 178), "grace_hopper.jpg": (178, 120, 358, 345)}


@pytest.fixture(scope="module", params=list(DETECTORS))
def detector(request: pytest.FixtureRequest) -> Detector:
    if request.param == "dlib":
        pytest.importorskip("dlib")
    return DETECTORS.create(request.param, threads=1)


@pytest.fixture(scope="module")
def photo(samples: Path) -> np.ndarray:
    """The upper left of the astronaut: a face, quick to search."""
    return np.ascontiguousarray(read_image(samples / "astronaut.jpg")[:300, 60:400])


def check(faces: Faces, min_face: int = 40) -> None:
    """Whatever the picture, the answer has this form."""
    n = len(faces)
    for array, shape in ((faces.boxes, (n, 4)), (faces.scores, (n,)), (faces.landmarks, (n, 5, 2))):
        assert array.dtype == np.float32
        assert array.shape == shape
        assert np.isfinite(array).all()
    assert (np.diff(faces.scores) <= 0).all()
    assert ((faces.scores > 0) & (faces.scores <= 1)).all()
    assert (sides(faces.boxes) > 0).all()
    assert (sides(faces.boxes).max(1, initial=min_face) >= min_face).all()


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


ARRAYS = {
    "1x1": noise(1, 1, 3),
    "20x20": noise(20, 20, 3),
    "1x500": noise(1, 500, 3),
    "500x2": noise(500, 2, 3),
    "41x41": noise(41, 41, 3),
    "black": np.zeros((240, 320, 3), np.uint8),
    "white": np.full((240, 320, 3), 255, np.uint8),
    "noise": noise(240, 320, 3),
    "grey": noise(120, 160),
    "one channel": noise(120, 160, 1),
    "RGBA": noise(120, 160, 4),
    "16 bit": noise(120, 160, 3).astype(np.uint16) * 257,
    "float": noise(120, 160, 3) / np.float32(255),
    "bool": noise(120, 160) > 127,
    "not contiguous": noise(160, 120, 3).transpose(1, 0, 2)[::-1],
    "read-only": np.frombuffer(bytes(120 * 160 * 3), np.uint8).reshape(120, 160, 3),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_no_picture_raises(detector, name):
    check(detector.detect(ARRAYS[name]))


@pytest.mark.parametrize("min_face", [1, 5, 12, 13, 200, 10**6])
def test_no_size_of_face_raises(detector, min_face):
    check(detector.detect(noise(50, 70, 3), min_face=min_face), min_face)


def test_a_large_picture_is_searched(detector, photo):
    large = np.zeros((6000, 8000, 3), np.uint8)
    large[1000:4000, 2000:5400] = cv2.resize(photo, (3400, 3000))
    faces = detector.detect(large, min_face=600)
    check(faces, 600)
    assert len(faces) == 1
    small = detector.detect(photo)
    assert overlaps(faces.boxes, small.boxes * 10 + np.float32([2000, 1000, 2000, 1000]))[0, 0] > 0.6


@pytest.mark.parametrize("name", FACES)
def test_the_face_of_the_samples_is_found(detector, samples, name):
    faces = detector.detect(read_image(samples / name))
    check(faces)
    assert len(faces) == 1
    assert overlaps(faces.boxes, np.float32([FACES[name]]))[0, 0] > 0.6
    right_eye, left_eye, nose, right_mouth, left_mouth = faces.landmarks[0]
    assert right_eye[0] < nose[0] < left_eye[0]
    assert right_eye[1] < nose[1] < right_mouth[1]
    assert right_mouth[0] < left_mouth[0]


@pytest.mark.parametrize("form", ["grey", "RGBA", "16 bit", "EXIF-rotated JPEG", "CMYK JPEG"])
def test_the_face_is_found_in_every_form_of_the_picture(detector, photo, form):
    image = Image.fromarray(photo)
    exif = Image.Exif()
    exif[0x112] = 6
    files = {
        "grey": lambda: encoded(image.convert("L"), "PNG"),
        "RGBA": lambda: encoded(image.convert("RGBA"), "PNG"),
        "16 bit": lambda: cv2.imencode(".png", photo[:, :, ::-1].astype(np.uint16) * 257)[1].tobytes(),
        "EXIF-rotated JPEG": lambda: encoded(image.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif.tobytes()),
        "CMYK JPEG": lambda: encoded(image.convert("CMYK"), "JPEG"),
    }
    faces = detector.detect(decode(files[form]()))
    check(faces)
    assert len(faces) == 1
    assert overlaps(faces.boxes, detector.detect(photo).boxes)[0, 0] > 0.7


def test_min_face_is_kept(detector, photo):
    side = float(sides(detector.detect(photo).boxes).max())
    assert len(detector.detect(photo, min_face=int(side * 0.8))) == 1
    assert len(detector.detect(photo, min_face=int(side * 1.25))) == 0
    shrunk = cv2.resize(photo, None, fx=60 / side, fy=60 / side, interpolation=cv2.INTER_AREA)
    assert len(detector.detect(shrunk, min_face=40)) == 1


def test_min_face_below_one_is_wrong_use(detector, photo):
    with pytest.raises(UsageError, match="expected min_face of 1 pixel or more, got 0"):
        detector.detect(photo, min_face=0)


def test_a_face_partly_outside_is_found_once(detector, photo):
    _, y1, x2, _ = detector.detect(photo).boxes[0].astype(int)
    cut = np.ascontiguousarray(photo[max(y1 - 20, 0) :, : x2 + 6])
    faces = detector.detect(cut)
    check(faces)
    assert len(faces) == 1


def test_the_picture_is_left_as_it_was(detector, photo):
    before = photo.copy()
    detector.detect(photo)
    assert np.array_equal(photo, before)


def test_threads_find_what_one_finds_and_so_do_repeated_calls(detector, samples, photo):
    pictures = [photo, read_image(samples / "grace_hopper.jpg"), ARRAYS["noise"], photo[:, ::-1]] * 2
    serial = [detector.detect(picture) for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        parallel = list(pool.map(detector.detect, pictures))
    assert sum(map(len, serial)) >= 6
    for one, other in zip(serial, parallel, strict=True):
        assert np.array_equal(one.boxes, other.boxes)
        assert np.array_equal(one.scores, other.scores)
        assert np.array_equal(one.landmarks, other.landmarks)
    for first, again in zip(serial[:4], serial[4:], strict=True):
        assert np.array_equal(first.boxes, again.boxes)


def test_an_unknown_name_lists_the_known():
    with pytest.raises(
        UsageError, match="expected a detector out of mtcnn, haar, dlib, got 'mtcn'; did you mean 'mtcnn'"
    ):
        DETECTORS.create("mtcn")
