"""Our cascade against the package mtcnn-runtime, whose boxes `scripts/reference_mtcnn.py` wrote down."""

import json
from pathlib import Path

import numpy as np
import pytest

from mien.core.images import read_image
from mien.core.types import Faces
from mien.faces.boxes import not_inside, overlaps
from mien.faces.mtcnn import MtcnnDetector

REFERENCE = json.loads(Path(__file__).with_name("mtcnn_runtime.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def both(data_dir: Path) -> list[tuple[str, list[dict], Faces]]:
    """Name, the reference's faces, and ours, of each photograph that is there.

    The reference drops a box that shares 80 % with a better one; at our 70 % the second boxes of two faces go.
    """
    detector = MtcnnDetector()
    paths = {name: data_dir / "wild" / "images" / name for name in REFERENCE["pictures"]}
    there = {name: path for name, path in paths.items() if path.exists()}
    if len(there) < 40:
        pytest.skip(f"expected the wild photographs, got {len(there)} of {len(paths)}")
    return [
        (name, once(REFERENCE["pictures"][name]), detector.detect(read_image(path), min_face=REFERENCE["min_face"]))
        for name, path in there.items()
    ]


def once(faces: list[dict]) -> list[dict]:
    """Each face once."""
    boxes = np.asarray([face["box"] for face in faces], np.float32).reshape(-1, 4)
    scores = np.asarray([face["score"] for face in faces], np.float32)
    return [faces[row] for row in not_inside(boxes, scores, overlap=0.7)]


def test_every_face_of_the_reference_is_found_and_no_other_beside_it(both):
    different = [
        (name, len(wanted), len(found)) for name, wanted, found in both if wanted and len(found) != len(wanted)
    ]
    assert not different


def test_where_the_reference_finds_nobody_one_face_at_most_is_added(both):
    assert max((len(found) for _, wanted, found in both if not wanted), default=0) <= 1


def test_boxes_and_landmarks_are_those_of_the_reference(both):
    overlap, distance = [], []
    for _, wanted, found in both:
        if wanted:
            boxes = np.asarray([face["box"] for face in wanted], np.float32)
            mine = overlaps(boxes, found.boxes)
            overlap += mine.max(1).tolist()
            sides = (boxes[:, 2:] - boxes[:, :2]).max(1)
            gap = np.asarray([face["landmarks"] for face in wanted]) - found.landmarks[mine.argmax(1)]
            distance += (np.linalg.norm(gap, axis=2).mean(1) / sides).tolist()
    assert len(overlap) >= 50
    assert min(overlap) >= 0.9
    assert np.median(overlap) >= 0.99
    assert np.median(distance) < 0.02  # the reference measures them from the trimmed box, ours from the crop
