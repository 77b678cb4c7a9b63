import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.errors import DataError
from mien.core.images import read_image
from mien.faces.align import TEMPLATE, align, roll, similarity
from mien.faces.landmarks import find_landmarks
from mien.faces.mtcnn import MtcnnDetector


@given(st.floats(-180, 180), st.floats(0.1, 10), st.floats(-500, 500), st.floats(-500, 500))
def test_similarity_is_found_again(angle, scale, x, y):
    turn = math.radians(angle)
    matrix = scale * np.asarray([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    target = TEMPLATE @ matrix.T + [x, y]
    found = similarity(TEMPLATE, target.astype(np.float32))
    assert np.allclose(found, np.hstack([matrix, [[x], [y]]]), atol=2e-2)


def test_similarity_never_mirrors():
    mirrored = TEMPLATE * np.float32([-1, 1])
    found = similarity(TEMPLATE, mirrored)
    assert np.linalg.det(found[:, :2]) > 0


@pytest.mark.parametrize("points", [np.full((5, 2), 3.0), np.full((5, 2), np.nan)])
def test_similarity_needs_points_in_different_places(points):
    with pytest.raises(DataError, match="expected landmarks in different places"):
        similarity(points.astype(np.float32), TEMPLATE)


def test_roll_of_level_and_tilted_eyes():
    level = np.tile(TEMPLATE, (3, 1, 1))
    level[1, 1] = level[1, 0] + [0.1, 0.1]
    level[2] = np.nan
    assert roll(level)[:2] == pytest.approx([0, 45])
    assert np.isnan(roll(level)[2])
    assert roll(level[:0]).shape == (0,)


@pytest.mark.parametrize("size", [32, 112, 400])
def test_landmarks_of_an_aligned_crop_lie_on_the_template(samples, size):
    image = read_image(samples / "grace_hopper.jpg")
    landmarks = MtcnnDetector(threads=1).detect(image).landmarks[0]
    crop = align(image, landmarks, size)
    assert crop.shape == (size, size, 3)
    assert crop.dtype == np.uint8
    whole = np.float32([[0, 0, size, size]])
    found = find_landmarks(crop, whole)[0]
    assert np.abs(found / size - TEMPLATE).max() < 0.08


def test_align_to_the_same_place_is_the_picture_itself(samples):
    image = read_image(samples / "astronaut.jpg")[:128, :128]
    assert np.array_equal(align(image, TEMPLATE * 128, 128), image)


def test_align_averages_when_it_shrinks():
    board = np.indices((512, 512)).sum(0) % 2 * 255
    image = np.repeat(board[:, :, None], 3, 2).astype(np.uint8)
    crop = align(image, TEMPLATE * 512, 64)
    assert np.abs(crop[4:-4, 4:-4].astype(int) - 127).max() <= 2
