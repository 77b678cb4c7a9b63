"""Corruptions: each does what it says, in both directions, on grey and on colour, and changes nothing else."""

import cv2
import numpy as np
import pytest

from mien.core.corruptions import CORRUPTIONS, blur, colour_cast, exposure, grey, jpeg, resolution, roll, shift, yaw
from mien.core.images import read_image

SIDE = 48
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE].astype(np.float32)


def spot(x: float, y: float, sigma: float = 2.0) -> np.ndarray:
    """A bright spot at (x, y), in pixels off the centre."""
    middle = (SIDE - 1) / 2
    far = (COLUMNS - middle - x) ** 2 + (ROWS - middle - y) ** 2
    return np.rint(250 * np.exp(-far / (2 * sigma**2))).astype(np.uint8)


def place(picture: np.ndarray) -> tuple[float, float]:
    """Where the spot is: the centre of brightness, off the middle."""
    light = picture.astype(np.float64)
    middle = (SIDE - 1) / 2
    return (light * COLUMNS).sum() / light.sum() - middle, (light * ROWS).sum() / light.sum() - middle


@pytest.fixture(scope="module")
def portrait(samples) -> np.ndarray:
    return np.ascontiguousarray(read_image(samples / "astronaut.jpg")[60:260, 120:320])


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_on_grey_and_colour_deterministic_and_without_touching_the_original(name, portrait):
    each = CORRUPTIONS[name]
    assert len(each.strengths) >= 2 and each.moderate
    for picture in (portrait, cv2.cvtColor(portrait, cv2.COLOR_RGB2GRAY)):
        before = picture.copy()
        for strength in each.strengths:
            first, again = each.apply(picture, strength, 3), each.apply(picture, strength, 3)
            assert first.dtype == np.uint8
            np.testing.assert_array_equal(first, again)
            if name != "colour cast":
                assert first.ndim == picture.ndim
        np.testing.assert_array_equal(picture, before)


@pytest.mark.parametrize("name", [name for name in CORRUPTIONS if name not in ("resolution", "colour cast")])
def test_stronger_is_further_away(name, portrait):
    each = CORRUPTIONS[name]
    far = [np.abs(each.apply(portrait, strength, 0).astype(float) - portrait).mean() for strength in each.strengths]
    assert far == sorted(far) and far[0] > 0


def test_colour(portrait):
    flat = grey(portrait, 1.0, 0)
    assert np.ptp(flat, axis=2).max() == 0
    np.testing.assert_allclose(flat[:, :, 0], cv2.cvtColor(portrait, cv2.COLOR_RGB2GRAY), atol=1)
    one = np.full((4, 4), 100, np.uint8)
    np.testing.assert_array_equal(grey(one, 1.0, 0), one)
    np.testing.assert_array_equal(colour_cast(one, 0.0, 0), np.full((4, 4, 3), 100))
    assert colour_cast(one, 0.2, 1)[0, 0].tolist() == [120, 100, 80]
    assert colour_cast(one, 0.2, 2)[0, 0].tolist() == [80, 100, 120]


def test_resolution_and_blur():
    assert [resolution(spot(0, 0), side, 0).shape for side in (20, 400)] == [(20, 20), (400, 400)]
    # Variances add: a spot of deviation 3 blurred by 0.05 x 48 = 2.4 has deviation 3.84.
    wide = blur(spot(0, 0, 3.0), 0.05, 0).astype(float)
    variance = (wide * (COLUMNS - (SIDE - 1) / 2) ** 2).sum() / wide.sum()
    assert variance**0.5 == pytest.approx((3.0**2 + 2.4**2) ** 0.5, rel=0.03)
    assert blur(np.full((48, 48), 77, np.uint8), 0.05, 0).tolist() == np.full((48, 48), 77).tolist()


def test_jpeg_keeps_the_colours_in_their_order(portrait):
    red = np.zeros((48, 48, 3), np.uint8)
    red[:, :, 0] = 200
    np.testing.assert_allclose(jpeg(red, 90, 0), red, atol=6)
    loss = [np.abs(jpeg(portrait, quality, 0).astype(float) - portrait).mean() for quality in (95, 30, 5)]
    assert loss == sorted(loss)


def test_exposure_doubles_the_light():
    light = np.array([[20, 60, 128, 250]], np.uint8)
    np.testing.assert_array_equal(exposure(light, 0.0, 0), light)
    brighter = exposure(light, 1.0, 0)
    np.testing.assert_allclose((brighter[0, :3] / 255) ** 2.2, 2 * (light[0, :3] / 255) ** 2.2, rtol=0.05)
    assert brighter[0, 3] == 255
    assert exposure(light, -1.0, 0)[0, 2] == round(128 * 2 ** (-1 / 2.2))


def test_roll_turns_to_either_side():
    for number, sign in ((1, -1), (2, 1)):  # image y points down
        x, y = place(roll(spot(12, 0), 30, number))
        assert (x, y) == pytest.approx((12 * np.cos(np.pi / 6), sign * 12 * np.sin(np.pi / 6)), abs=0.1)


def test_shift_goes_in_four_directions():
    for number, wanted in enumerate(((4.8, 0), (-4.8, 0), (0, 4.8), (0, -4.8))):
        assert place(shift(spot(0, 0), 0.1, number)) == pytest.approx(wanted, abs=0.1)


def test_yaw_is_a_flat_picture_seen_from_the_side():
    half, angle, distance = SIDE / 2, np.radians(30), 4.0
    for number, sign in ((1, 1), (2, -1)):
        for x, y in ((12.0, 6.0), (-12.0, 6.0)):
            depth = distance + x / half * np.sin(sign * angle)
            wanted = (distance * x * np.cos(angle) / depth, distance * y / depth)
            assert place(yaw(spot(x, y), 30, number)) == pytest.approx(wanted, abs=0.15)
    # Mirror images of each other.
    face = spot(5, 3) // 2 + spot(-9, -4) // 2
    turned = yaw(np.ascontiguousarray(face[:, ::-1]), 30, 2)[:, ::-1]
    np.testing.assert_allclose(yaw(face, 30, 1).astype(int), turned.astype(int), atol=2)
