from itertools import pairwise

import numpy as np
import pytest

from mien.core.errors import UsageError
from mien.core.images import read_image
from mien.faces import mtcnn
from mien.faces.boxes import overlaps
from mien.faces.mtcnn import CELL, FIRST_LOOK, MtcnnDetector, propose, scales


def test_scales_go_from_the_smallest_face_to_the_whole_picture():
    found = scales((480, 640), 40)
    assert found[0] == pytest.approx(CELL / 40)
    assert all(b / a == pytest.approx(mtcnn.FACTOR) for a, b in pairwise(found))
    assert 480 * found[-1] > CELL >= 480 * found[-1] * mtcnn.FACTOR
    assert scales((40, 400), 40) == []
    assert scales((1, 1), 12) == []


def test_strips_find_what_the_whole_finds(samples, monkeypatch):
    image = read_image(samples / "astronaut.jpg")[:301, :333]
    whole = propose(image, 0.77, 0.3)
    monkeypatch.setattr(mtcnn, "STRIP", 7)
    strips = propose(image, 0.77, 0.3)
    assert len(whole[0]) > 50
    assert np.array_equal(whole[0], strips[0])
    assert np.allclose(whole[1], strips[1], atol=1e-5)
    assert np.allclose(whole[2], strips[2], atol=1e-5)


def test_too_many_windows_leave_the_best(samples, monkeypatch):
    image = read_image(samples / "astronaut.jpg")
    everything = propose(image, 0.3, 0.2)[1]
    monkeypatch.setattr(mtcnn, "MOST_WINDOWS", 5)
    assert sorted(propose(image, 0.3, 0.2)[1]) == sorted(everything)[-5:]


def test_a_face_that_fills_the_picture_is_found_at_the_second_look(samples):
    image = read_image(samples / "astronaut.jpg")
    detector = MtcnnDetector(threads=1)
    face = detector.detect(image)
    x1, y1, x2, y2 = face.boxes[0].astype(int)
    close = np.ascontiguousarray(image[y1 + 14 : y2 - 3, x1 + 6 : x2 - 6])
    assert not detector._cascade(close, 40, FIRST_LOOK)
    found = detector.detect(close)
    assert len(found) == 1
    moved = found.boxes + np.float32([x1 + 6, y1 + 14, x1 + 6, y1 + 14])
    assert overlaps(moved, face.boxes)[0, 0] > 0.6
    eyes = found.landmarks[0, :2] + np.float32([x1 + 6, y1 + 14])
    assert np.abs(eyes - face.landmarks[0, :2]).max() < 6


@pytest.mark.parametrize("min_face", [0, -3, float("nan")])
def test_min_face_below_one_is_wrong_use(min_face):
    with pytest.raises(UsageError, match=f"expected min_face of 1 pixel or more, got {min_face}"):
        MtcnnDetector(threads=1).detect(np.zeros((50, 50, 3), np.uint8), min_face=min_face)
