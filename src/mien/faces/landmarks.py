"""Five points of a face in any box, by MTCNN's O-Net: so alignment works whatever the detector.

Order as in `mien.core.types.LANDMARKS`: right eye, left eye, nose, right and left corner of the mouth, the person's own
right and left; in a picture of an upright face they run from left to right.
"""

import numpy as np

from mien.core.images import as_image
from mien.core.types import Faces, Floats, Image
from mien.faces.boxes import sides, squares
from mien.faces.networks import run
from mien.faces.pyramid import Pyramid


def find_landmarks(image: Image, boxes: Floats, *, threads: int | None = None, device: str = "auto") -> Floats:
    """Five landmarks in each box.

    Args:
        image: RGB uint8 (H, W, 3).
        boxes: (n, 4) float32 in MTCNN's convention; they may reach past the picture's edge.
        threads: for the network; None for one, and all cores for many faces.
        device: where the network runs.

    Returns:
        (n, 5, 2) float32, x y in pixels. A box without a face in it has points too: they mean nothing.
    """
    if not len(boxes):
        return np.empty((0, 5, 2), np.float32)
    crops, cut = Pyramid(as_image(image)).crops(squares(np.asarray(boxes, np.float32)), 48)
    answer = run("onet", crops, threads=threads, device=device)
    return points(cut, answer["landmarks"])


def with_landmarks(
    image: Image, boxes: Floats, scores: Floats, *, min_face: float, threads: int | None = None, device: str = "auto"
) -> Faces:
    """The faces of a detector that gives boxes and scores alone: best first, those under `min_face` left out.

    Args:
        image: RGB uint8 (H, W, 3).
        boxes: (n, 4) float32 in MTCNN's convention.
        scores: (n,) float32.
        min_face: least longer side in pixels.
        threads: see `find_landmarks`.
        device: see `find_landmarks`.
    """
    order = np.argsort(-scores, kind="stable")
    order = order[sides(boxes[order]).max(1) >= min_face]
    found = boxes[order]
    return Faces(found, scores[order], find_landmarks(image, found, threads=threads, device=device))


def points(boxes: Floats, answer: Floats) -> Floats:
    """O-Net's answer (n, 10), x of five points then y in units of the box, as (n, 5, 2) pixels."""
    relative = answer.reshape(-1, 2, 5).transpose(0, 2, 1)
    result: Floats = boxes[:, None, :2] + relative * sides(boxes)[:, None]
    return result
