"""The turn of a head whose turn is known."""

import numpy as np
import pytest

from mien.core.errors import DataError
from mien.core.images import read_image
from mien.faces.landmarks import find_landmarks
from mien.faces.mtcnn import MtcnnDetector
from mien.faces.pose import NOSE_OVER_HALF_EYES, yaw_degrees

# Right eye, left eye, nose, corners of the mouth: x to the right of the picture, y down, z to the camera.
HEAD = np.array([[-1, 0, 0], [1, 0, 0], [0, 1.1, NOSE_OVER_HALF_EYES + 0.165], [-0.8, 2, 0.3], [0.8, 2, 0.3]])


def seen(yaw=0.0, tilt=0.0, nod=0.0, scale=20.0, at=(50, 60)):
    """Landmarks of a head from far away."""
    a, b, c = np.radians([yaw, nod, tilt])
    turn = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    nodded = np.array([[1, 0, 0], [0, np.cos(b), np.sin(b)], [0, -np.sin(b), np.cos(b)]])
    tilted = np.array([[np.cos(c), -np.sin(c)], [np.sin(c), np.cos(c)]])
    flat = (HEAD @ turn.T @ nodded.T)[:, :2] @ tilted.T
    return (flat * scale + at).astype(np.float32)


@pytest.mark.parametrize("tilt", [0, 35, -100])
@pytest.mark.parametrize("yaw", [-70, -30, 0, 12, 45])
def test_a_turn_is_found_whatever_the_tilt(yaw, tilt):
    assert yaw_degrees(seen(yaw, tilt)[None]) == pytest.approx([yaw], abs=0.01)


def test_a_nod_changes_little():
    found = yaw_degrees(np.stack([seen(30, nod=nod) for nod in (-20, 0, 20)]))
    assert np.abs(found - 30).max() < 5
    assert yaw_degrees(np.stack([seen(0, nod=nod) for nod in (-20, 20)])) == pytest.approx([0, 0], abs=0.01)


def test_what_is_not_known_is_nan():
    unknown, one_place = seen(), seen()
    unknown[2] = np.nan
    one_place[:2] = 3
    found = yaw_degrees(np.stack([seen(20), unknown, one_place]))
    assert found.dtype == np.float32 and found[0] == pytest.approx(20, abs=0.01) and np.isnan(found[1:]).all()
    assert yaw_degrees(np.empty((0, 5, 2), np.float32)).shape == (0,)
    with pytest.raises(DataError, match=r"landmarks of shape \(n, 5, 2\), got \(5, 2\)"):
        yaw_degrees(seen())


def test_a_mirrored_photograph_turns_the_other_way(samples):
    image = read_image(samples / "grace_hopper.jpg")
    boxes = MtcnnDetector(threads=1).detect(image).boxes[:1]
    width = image.shape[1]
    flipped = np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1)
    there = yaw_degrees(find_landmarks(image, boxes))
    back = yaw_degrees(find_landmarks(np.ascontiguousarray(image[:, ::-1]), flipped))
    assert there == pytest.approx(-back, abs=8)
    assert abs(there[0]) < 35
