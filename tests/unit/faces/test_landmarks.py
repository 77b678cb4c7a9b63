import numpy as np
import pytest

from mien.core.images import read_image
from mien.faces.landmarks import find_landmarks, points, with_landmarks
from mien.faces.mtcnn import MtcnnDetector


def test_order_and_agreement_with_the_cascade(samples):
    image = read_image(samples / "grace_hopper.jpg")
    faces = MtcnnDetector(threads=1).detect(image)
    found = find_landmarks(image, faces.boxes)
    side = np.ptp(faces.boxes[0, 1::2])
    assert found.shape == (1, 5, 2)
    assert found.dtype == np.float32
    assert np.linalg.norm(found - faces.landmarks, axis=2).max() < 0.06 * side
    right_eye, left_eye, nose, right_mouth, left_mouth = found[0]
    assert right_eye[0] < nose[0] < left_eye[0]
    assert right_mouth[0] < left_mouth[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < min(right_mouth[1], left_mouth[1])


def test_landmarks_follow_the_picture(samples):
    image = read_image(samples / "grace_hopper.jpg")
    boxes = MtcnnDetector(threads=1).detect(image).boxes
    mirrored = np.ascontiguousarray(image[:, ::-1])
    width = image.shape[1]
    flipped = np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1)
    found, other = find_landmarks(image, boxes)[0], find_landmarks(mirrored, flipped)[0]
    back = other * np.float32([-1, 1]) + np.float32([width, 0])
    assert np.abs(back[[1, 0, 2, 4, 3]] - found).max() < 0.06 * np.ptp(boxes[0, 1::2])


def test_points_are_relative_to_the_box():
    answer = np.arange(10, dtype=np.float32)[None] / 10
    assert points(np.float32([[10, 20, 110, 220]]), answer)[0] == pytest.approx(
        np.asarray([(10, 120), (20, 140), (30, 160), (40, 180), (50, 200)])
    )


@pytest.mark.parametrize("count", [0, 1, 70])
def test_any_number_of_boxes_wherever_they_are(count):
    boxes = np.tile(np.float32([[-30, -20, 40, 90]]), (count, 1))
    found = find_landmarks(np.zeros((5, 4, 3), np.uint8), boxes)
    assert found.shape == (count, 5, 2)
    assert np.isfinite(found).all()


def test_boxes_and_scores_become_faces_best_first_and_large_enough():
    boxes = np.float32([[0, 0, 50, 60], [5, 5, 25, 35], [10, 0, 90, 70]])
    found = with_landmarks(np.zeros((80, 100, 3), np.uint8), boxes, np.float32([0.5, 0.9, 0.7]), min_face=40)
    assert found.boxes.tolist() == boxes[[2, 0]].tolist()
    assert found.scores.tolist() == np.float32([0.7, 0.5]).tolist()
    assert np.array_equal(found.landmarks, find_landmarks(np.zeros((80, 100, 3), np.uint8), boxes[[2, 0]]))
