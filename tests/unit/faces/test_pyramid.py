import numpy as np
import pytest

from mien.faces.pyramid import FINE, Pyramid


@pytest.fixture
def ramp() -> np.ndarray:
    y, x = np.mgrid[0:100, 0:120]
    return np.stack([x, y, x + y], 2).astype(np.uint8)


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.asarray(rows, np.float32)


def test_a_crop_of_its_own_size_is_the_picture(ramp):
    crops, cut = Pyramid(ramp).crops(boxes((10.4, 20.4, 34.4, 44.4)), 24)
    assert cut.tolist() == [[10, 20, 34, 44]]
    assert np.array_equal(crops[0], ramp[20:44, 10:34])


def test_beyond_the_edge_is_black(ramp):
    crops, cut = Pyramid(ramp).crops(boxes((-12, -12, 12, 12), (500, 500, 524, 524)), 24)
    assert not crops[0, :12].any()
    assert not crops[0, :, :12].any()
    assert np.array_equal(crops[0, 12:, 12:], ramp[:12, :12])
    assert not crops[1].any()
    assert cut[0].tolist() == [-12, -12, 12, 12]


def test_crops_shrink_by_averaging(ramp):
    crops, _ = Pyramid(ramp).crops(boxes((0, 0, 48, 48)), 24)
    mean = ramp[:48, :48].reshape(24, 2, 24, 2, 3).mean((1, 3))
    assert np.abs(crops[0] - mean).max() <= 0.5


def test_a_large_crop_comes_from_a_halving_and_looks_the_same():
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 256, (30, 30, 3), dtype=np.uint8)
    image = np.kron(coarse, np.ones((40, 40, 1), np.uint8))
    pyramid = Pyramid(image)
    crops, cut = pyramid.crops(boxes((80.6, 41, 1040.6, 1001)), 24)
    assert 2 * FINE * 24 < 960
    assert len(pyramid._levels) == 2
    assert np.abs(cut - boxes((80.6, 41, 1040.6, 1001))).max() <= 1
    assert np.abs(crops[0].astype(int) - coarse[1:25, 2:26]).mean() < 8


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (3, 5)])
def test_tiny_pictures(shape):
    image = np.full((*shape, 3), 200, np.uint8)
    crops, _ = Pyramid(image).crops(boxes((0, 0, 1, 1), (-900, -900, 900, 900), (0.2, 0.2, 0.3, 0.3)), 24)
    assert crops.shape == (3, 24, 24, 3)
    assert (crops[0] == 200).all()


def test_no_boxes(ramp):
    crops, cut = Pyramid(ramp).crops(np.empty((0, 4), np.float32), 24)
    assert crops.shape == (0, 24, 24, 3)
    assert cut.shape == (0, 4)
