"""From a photograph and its faces to what a net sees."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.core.errors import DataError
from mien.core.images import to_gray
from mien.core.types import Faces
from mien.runtime.card import CropGeometry, InputSpec
from mien.runtime.preprocess import crop_faces, fit_crops, to_tensor

GRAY = InputSpec(size=48, color="gray", mean=(0.5,), std=(0.25,))
RGB = InputSpec(size=32, color="rgb", mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
PLAIN = CropGeometry(scale=1.0)


def faces(*boxes: tuple[float, ...], landmarks: np.ndarray | None = None) -> Faces:
    points = np.full((len(boxes), 5, 2), np.nan) if landmarks is None else landmarks
    return Faces(np.asarray(boxes, np.float32).reshape(-1, 4), np.ones(len(boxes), np.float32), points)


def ramp(height: int = 200, width: int = 300) -> np.ndarray:
    """A picture whose red is its column and whose green is its row, both divided by two."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, :, 0] = np.arange(width) // 2
    image[:, :, 1] = np.arange(height)[:, None] // 2
    return image


def face_picture() -> tuple[np.ndarray, np.ndarray, tuple[float, ...]]:
    """A smooth face-like picture, the five landmarks on it, and its box."""
    yy, xx = np.mgrid[:400, :400].astype(np.float32)
    image = 90 + 50 * np.exp(-(((xx - 200) / 70) ** 2) - ((yy - 200) / 90) ** 2)
    landmarks = np.array([[170, 180], [230, 180], [200, 205], [178, 240], [222, 240]], np.float32)
    for depth, (x, y) in zip((60, 60, -30, 40, 20), landmarks, strict=True):
        image -= depth * np.exp(-(((xx - x) / 10) ** 2) - ((yy - y) / 8) ** 2)
    return np.repeat(image.clip(0, 255).astype(np.uint8)[:, :, None], 3, 2), landmarks, (140, 130, 260, 280)


# -------------------------------------------------------------------------------------------------------- crop_faces


def test_shapes_follow_the_input() -> None:
    some = faces((10, 10, 60, 60), (100, 50, 180, 150))
    assert crop_faces(ramp(), some, GRAY, PLAIN).shape == (2, 48, 48)
    assert crop_faces(ramp(), some, RGB, PLAIN).shape == (2, 32, 32, 3)
    assert crop_faces(ramp(), Faces.empty(), GRAY, PLAIN).shape == (0, 48, 48)
    assert crop_faces(ramp(), Faces.empty(), RGB, PLAIN).shape == (0, 32, 32, 3)


def test_a_box_of_the_very_size_is_copied() -> None:
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    found = crop_faces(image, faces((20, 30, 52, 62)), RGB, PLAIN)[0]
    np.testing.assert_array_equal(found, image[30:62, 20:52])


def test_a_grey_crop_is_the_luma_of_the_colour_crop() -> None:
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    found = crop_faces(image, faces((20, 30, 68, 78)), GRAY, PLAIN)[0]
    np.testing.assert_array_equal(found, to_gray(image[30:78, 20:68]))


@pytest.mark.parametrize(
    ("box", "crop", "centre", "side"),
    [
        ((100, 60, 164, 124), PLAIN, (132, 92), 64),
        ((100, 60, 164, 108), PLAIN, (132, 84), 64),  # a square about the centre, of the longer side
        ((100, 60, 164, 124), CropGeometry(scale=1.5), (132, 92), 96),
        ((100, 60, 164, 124), CropGeometry(scale=0.5, shift_x=0.25, shift_y=-0.125), (148, 84), 32),
    ],
)
def test_the_square_lies_where_the_card_says(
    box: tuple[float, ...], crop: CropGeometry, centre: tuple[float, float], side: float
) -> None:
    found = crop_faces(ramp(), faces(box), RGB, crop)[0].astype(float) * 2
    columns, rows = found[:, :, 0].mean(0), found[:, :, 1].mean(1)
    assert columns.mean() == pytest.approx(centre[0], abs=1)
    assert rows.mean() == pytest.approx(centre[1], abs=1)
    assert (columns[-1] - columns[0]) * 32 / 31 == pytest.approx(side, abs=2.5)


def test_beyond_the_picture_its_edge_goes_on() -> None:
    image = ramp()
    found = crop_faces(image, faces((-64, 50, 0, 114)), RGB, PLAIN)[0]
    assert (found[:, :, 0] == 0).all() and found[-1, 0, 1] > found[0, 0, 1]
    corner = crop_faces(image, faces((5000, 5000, 5100, 5100)), RGB, PLAIN)[0]
    np.testing.assert_array_equal(corner, np.broadcast_to(image[-1, -1], corner.shape))


def test_a_far_larger_face_is_averaged_not_sampled() -> None:
    """Stripes finer than a pixel of the crop become grey, not stripes of another width."""
    for side, period in ((480, 5), (1000, 7), (4000, 9)):
        stripes = np.where(np.arange(side) % period < period / 2, 0, 255).astype(np.uint8)
        image = np.repeat(np.broadcast_to(stripes, (side, side))[:, :, None], 3, 2)
        found = crop_faces(image, faces((0, 0, side, side)), GRAY, PLAIN)[0].astype(float)
        assert np.ptp(found.mean(0)) <= 255 * 2 * period * 48 / side / 4 + 4, side
        assert abs(found.mean() - stripes.mean()) < 3


@pytest.mark.parametrize("side", [4224, 4230, 4232, 4301])
def test_the_last_pixels_of_a_far_larger_face_count(side: int) -> None:
    image = np.zeros((60, 4400, 3), np.uint8)
    image[:, side - 3 :] = 255  # the last six columns of the box, and what lies beyond
    found = crop_faces(image, faces((3, 30 - side / 2, 3 + side, 30 + side / 2)), GRAY, PLAIN)[0].astype(float)
    assert found[:, -1] == pytest.approx(255 * 6 * 48 / side, abs=8)
    assert (found[:, :-1] == 0).all()


def test_large_and_small_copies_of_a_face_give_the_same_crop() -> None:
    image, _, box = face_picture()
    small = crop_faces(image, faces(box), GRAY, PLAIN)[0]
    for factor in (3, 5.5, 11):
        large = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
        found = crop_faces(large, faces(tuple(factor * each for each in box)), GRAY, PLAIN)[0]
        assert np.abs(found.astype(int) - small).max() <= 6, factor


@pytest.mark.parametrize("angle", [-170, -60, -20, 10, 45, 90, 135])
def test_an_aligned_crop_does_not_turn_with_the_picture(angle: float) -> None:
    image, landmarks, box = face_picture()
    align = CropGeometry(scale=0.9, shift_x=0.03, shift_y=0.05, align=True)
    upright = crop_faces(image, faces(box, landmarks=landmarks[None]), GRAY, align)[0]
    matrix = cv2.getRotationMatrix2D((199.5, 199.5), -angle, 1)
    turned = cv2.warpAffine(image, matrix, (400, 400), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    points = landmarks @ matrix[:, :2].T + matrix[:, 2]
    # The box of the turned face: the same centre and longer side, whichever way it is turned.
    x, y = np.array([200, 205]) @ matrix[:, :2].T + matrix[:, 2]
    found = crop_faces(turned, faces((x - 75, y - 60, x + 75, y + 60), landmarks=points[None]), GRAY, align)[0]
    difference = np.abs(found.astype(int) - upright)
    assert difference.mean() < 1.5 and difference.max() <= 12
    plain = crop_faces(turned, faces((x - 75, y - 60, x + 75, y + 60)), GRAY, CropGeometry(scale=0.9))[0]
    assert np.abs(plain.astype(int) - upright).mean() > 2 * difference.mean()


def test_without_landmarks_alignment_changes_nothing() -> None:
    image, landmarks, box = face_picture()
    known = landmarks.copy()
    known[1] = np.nan  # one eye will not do
    plain = crop_faces(image, faces(box, box), GRAY, PLAIN)
    asked = crop_faces(
        image, faces(box, box, landmarks=np.stack([known, np.full((5, 2), np.nan)])), GRAY, CropGeometry(1, align=True)
    )
    np.testing.assert_array_equal(asked, plain)


coordinates = (
    st.floats(-1e4, 1e4, width=32) | st.floats(-(2.0**127), 2.0**127, width=32) | st.sampled_from([0.0, 1.0, 150.0])
)


@given(
    size=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    box=st.tuples(coordinates, coordinates, coordinates, coordinates),
    points=st.lists(coordinates, min_size=10, max_size=10),
    spec=st.sampled_from([GRAY, RGB, InputSpec(1, "gray", (0,), (1,))]),
    crop=st.builds(CropGeometry, st.floats(0.01, 10), st.floats(-10, 10), st.floats(-10, 10), st.booleans()),
)
@settings(max_examples=200, deadline=None)
def test_any_box_on_any_picture_gives_a_crop(
    size: tuple[int, int], box: tuple[float, ...], points: list[float], spec: InputSpec, crop: CropGeometry
) -> None:
    image = np.full((*size, 3), 77, np.uint8)
    found = crop_faces(image, faces(box, landmarks=np.reshape(points, (1, 5, 2))), spec, crop)
    assert found.dtype == np.uint8
    assert found.shape == (1, spec.size, spec.size) + ((3,) if spec.color == "rgb" else ())
    assert (found == 77).all()  # of a picture of one colour there is no other crop


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_box_that_is_not_finite(bad: float) -> None:
    with pytest.raises(DataError, match="expected boxes of finite numbers"):
        crop_faces(ramp(), faces((0, 0, 10, 10), (0, bad, 10, 10)), GRAY, PLAIN)


# --------------------------------------------------------------------------------------------------------- fit_crops


def test_crops_that_fit_come_back_as_they_are() -> None:
    gray, colour = np.zeros((3, 48, 48), np.uint8), np.zeros((3, 32, 32, 3), np.uint8)
    assert fit_crops(gray, GRAY) is gray
    assert fit_crops(colour, RGB) is colour


@given(st.integers(0, 3), st.integers(1, 90), st.integers(1, 90), st.booleans(), st.sampled_from([GRAY, RGB]))
@settings(max_examples=60, deadline=None)
def test_crops_of_any_size_are_fitted_once(n: int, height: int, width: int, colour: bool, spec: InputSpec) -> None:
    crops = np.random.default_rng(n).integers(0, 256, (n, height, width, *((3,) if colour else ())), np.uint8)
    fitted = fit_crops(crops, spec)
    assert fitted.shape == (n, spec.size, spec.size) + ((3,) if spec.color == "rgb" else ())
    assert fitted.dtype == np.uint8
    assert fit_crops(fitted, spec) is fitted


def test_grey_becomes_three_equal_channels_and_colour_its_luma() -> None:
    rng = np.random.default_rng(0)
    gray, colour = rng.integers(0, 256, (2, 32, 32), np.uint8), rng.integers(0, 256, (2, 48, 48, 3), np.uint8)
    np.testing.assert_array_equal(fit_crops(gray, RGB), np.repeat(gray[..., None], 3, 3))
    np.testing.assert_array_equal(fit_crops(colour, GRAY), np.stack([to_gray(each) for each in colour]))


@pytest.mark.parametrize(
    "crops",
    [
        np.zeros((48, 48), np.uint8),
        np.zeros((1, 48, 48), np.float32),
        np.zeros((1, 48, 48, 4), np.uint8),
        np.zeros((1, 0, 48), np.uint8),
        np.zeros((1, 1, 48, 48, 3), np.uint8),
    ],
)
def test_what_is_no_crop(crops: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"expected faces of shape \(n, H, W\) or \(n, H, W, 3\) of uint8, got"):
        fit_crops(crops, GRAY)


# --------------------------------------------------------------------------------------------------------- to_tensor


@pytest.mark.parametrize("spec", [GRAY, RGB])
def test_the_tensor_is_what_the_card_says(spec: InputSpec) -> None:
    shape = (4, spec.size, spec.size, *((3,) if spec.color == "rgb" else ()))
    crops = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    crops.reshape(-1)[:256] = np.arange(256)
    tensor = to_tensor(crops, spec)
    assert tensor.dtype == np.float32 and tensor.flags.c_contiguous
    assert tensor.shape == (4, spec.channels, spec.size, spec.size)
    wanted = (crops.reshape(4, spec.size, spec.size, -1) / 255 - np.array(spec.mean)) / np.array(spec.std)
    np.testing.assert_allclose(tensor, wanted.transpose(0, 3, 1, 2), atol=2e-6)
    assert to_tensor(crops[:0], spec).shape == (0, spec.channels, spec.size, spec.size)
