import numpy as np
import pytest

from mien.faces.scaled import scaled_gray


def test_the_smallest_face_fills_the_window():
    image = np.zeros((100, 200, 3), np.uint8)
    gray, back = scaled_gray(image, window=80, min_face=40, most_pixels=10**9)
    assert gray.shape == (200, 400)
    assert back == pytest.approx([0.5] * 4)
    gray, back = scaled_gray(image, window=20, min_face=40, most_pixels=10**9)
    assert gray.shape == (50, 100)
    assert back == pytest.approx([2] * 4)


def test_memory_is_bounded():
    gray, back = scaled_gray(np.zeros((300, 400, 3), np.uint8), window=80, min_face=1, most_pixels=120_000)
    assert gray.shape == (300, 400)
    assert back == pytest.approx([1] * 4)


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1)])
def test_thin_pictures_keep_a_pixel(shape):
    gray, _ = scaled_gray(np.zeros((*shape, 3), np.uint8), window=20, min_face=400, most_pixels=10**6)
    assert min(gray.shape) == 1
