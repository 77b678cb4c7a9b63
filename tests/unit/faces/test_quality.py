import cv2
import numpy as np
import pytest

from mien import sample
from mien.core.images import read_image
from mien.faces.quality import blur_and_brightness

BOX = np.float32([[180, 59, 268, 174]])


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    return read_image(sample("astronaut"))


def test_blur_falls_where_the_picture_is_softened(photograph: np.ndarray) -> None:
    found = [blur_and_brightness(cv2.GaussianBlur(photograph, (0, 0), s), BOX)[0][0] for s in (0.1, 1, 2, 4)]
    assert found == sorted(found, reverse=True) and found[0] > 10 * found[-1]


def test_blur_is_the_variance_of_the_laplacian_of_the_face_at_96_pixels(photograph: np.ndarray) -> None:
    small = cv2.resize(photograph[59:174, 180:268], (round(88 * 96 / 115), 96), interpolation=cv2.INTER_AREA)
    gray = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(float)
    padded = np.pad(gray, 1, mode="reflect")
    laplacian = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:] - 4 * gray
    blur, brightness = blur_and_brightness(photograph, BOX)
    assert blur[0] == pytest.approx(laplacian.var(), rel=1e-5)
    assert brightness[0] == pytest.approx(gray.mean(), rel=1e-5)


def test_a_face_that_is_larger_in_the_picture_is_not_sharper_for_it(photograph: np.ndarray) -> None:
    large = cv2.resize(photograph, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    near, far = blur_and_brightness(large, 3 * BOX), blur_and_brightness(photograph, BOX)
    assert near[0][0] == pytest.approx(far[0][0], rel=0.2)
    assert near[1][0] == pytest.approx(far[1][0], abs=1)


def test_brightness_is_a_mean_of_grey_levels() -> None:
    image = np.full((50, 80, 3), 200, np.uint8)
    image[:, 40:] = 100
    blur, brightness = blur_and_brightness(image, np.float32([[0, 0, 40, 40], [40, 0, 80, 40]]))
    assert brightness.tolist() == [200, 100] and blur.tolist() == [0, 0]


def test_boxes_past_the_edge_count_what_is_inside() -> None:
    image = np.full((50, 50, 3), 120, np.uint8)
    boxes = np.float32([[-20, -20, 20, 20], [60, 60, 90, 90], [10.2, 10, 10.3, 30]])
    blur, brightness = blur_and_brightness(image, boxes)
    assert brightness[0] == 120
    assert np.isnan(brightness[1:]).all() and np.isnan(blur[1:]).all()
    assert [len(each) for each in blur_and_brightness(image, np.empty((0, 4), np.float32))] == [0, 0]
