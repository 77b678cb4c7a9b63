"""Deletion and insertion of a model that is known, and rank correlation against scipy's."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from mien.core.errors import DataError
from mien.explanation.faithfulness import against_random, deletion_and_insertion, random_maps, rank_correlation


def sees_one_spot(pictures):
    """Class 1 as far as the pixel at (2, 5) is white."""
    bright = pictures[:, 2, 5].astype(np.float32) / 255
    return np.stack([1 - bright, bright], 1)


@pytest.fixture
def picture():
    made = np.zeros((1, 8, 8), np.uint8)
    made[0, 2, 5] = 255
    return made


def heat(row, column):
    made = np.zeros((1, 8, 8), np.float32)
    made[0, row, column] = 1
    return made


def test_a_map_that_is_right_deletes_at_once_and_inserts_at_once(picture):
    found = deletion_and_insertion(sees_one_spot, picture, heat(2, 5), [1], steps=64)
    assert found.shares[0] == 0 and found.shares[-1] == 1
    assert found.deletion[0, 0] == 1 and found.deletion[0, 1:].max() < 0.02  # the mean of the picture is 4
    assert found.insertion[0, 0] < 0.4 and found.insertion[0, 1:].min() == 1
    assert found.deletion_area[0] < 0.03
    assert found.insertion_area[0] > 0.98


def test_a_map_that_is_wrong_deletes_late(picture):
    wrong = 1 - heat(2, 5)  # the spot comes last
    found = deletion_and_insertion(sees_one_spot, picture, wrong, [1], steps=64)
    assert found.deletion_area[0] > 0.98
    assert found.insertion_area[0] < 0.4


def test_the_area_is_that_of_the_trapezoids(picture):
    found = deletion_and_insertion(sees_one_spot, picture, heat(2, 5), [1], steps=4)
    np.testing.assert_allclose(found.shares, [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(found.deletion_area, np.trapezoid(found.deletion, found.shares, axis=1), rtol=1e-5)


def test_maps_of_another_size_are_refused(picture):
    with pytest.raises(DataError, match=r"expected maps of shape \(1, 8, 8\), as the pictures, got \(1, 4, 4\)"):
        deletion_and_insertion(sees_one_spot, picture, np.zeros((1, 4, 4), np.float32), [1])


def test_random_maps_are_smooth_and_follow_their_seed():
    one, same, other = (random_maps((2, 48, 48), seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.1
    assert one.min() >= 0 and one.max() <= 1
    assert np.abs(np.diff(one, axis=2)).max() < 0.25  # no white noise
    assert random_maps((0, 8, 8)).shape == (0, 8, 8)


def test_rank_correlation_is_that_of_scipy():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 6, (2, 3, 7, 7)).astype(np.float32)  # with ties
    theirs = [spearmanr(x.ravel(), y.ravel()).statistic for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(rank_correlation(a, b), theirs, atol=1e-6)
    np.testing.assert_allclose(rank_correlation(a, a), 1, atol=1e-6)
    assert np.isnan(rank_correlation(a, np.zeros_like(a))).all()


def test_random_maps_stand_beside_a_map_that_is_right(picture):
    own, random = against_random(sees_one_spot, picture, heat(2, 5), [1], others=3, seed=4)
    each = [deletion_and_insertion(sees_one_spot, picture, random_maps((1, 8, 8), seed=4 + k), [1]) for k in range(3)]
    assert random.deletion_area == pytest.approx(np.mean([one.deletion_area for one in each], 0), abs=1e-6)
    assert random.insertion_area == pytest.approx(np.mean([one.insertion_area for one in each], 0), abs=1e-6)
    assert own.deletion_area[0] < random.deletion_area[0] and own.insertion_area[0] > random.insertion_area[0]
