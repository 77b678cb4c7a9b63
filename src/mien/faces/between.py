"""Faces of the frames between two in which faces were looked for."""

import numpy as np

from mien.core.types import Faces
from mien.faces.boxes import Indices
from mien.faces.pairing import pairs

_REACH = 1.2  # how far a face may jump from one detection to the next, in units of its size


def same_faces(before: Faces, after: Faces) -> tuple[Indices, Indices]:
    """Row numbers of the faces that are in both: those that overlap as much as they can together, then the nearest.

    Raises:
        MissingExtraError: SciPy is not installed.
    """
    return pairs(before.boxes, after.boxes, reach=np.full(len(before), _REACH))


def between(before: Faces, after: Faces, share: float) -> Faces:
    """The faces at some time between two detections.

    Boxes, landmarks and scores of a face that is in both lie on the straight line between them. A face that is in one
    of them alone stands still on that side of the middle, and is not there on the other.

    Args:
        before: what was found before.
        after: what was found after.
        share: of the time between them that has passed, above 0 and below 1.

    Returns:
        Faces, best score first.

    Raises:
        MissingExtraError: SciPy is not installed.

    >>> box = np.float32([[0, 0, 10, 10]])
    >>> before = Faces(box, np.ones(1), np.zeros((1, 5, 2)))
    >>> after = Faces(box + 4, np.ones(1), np.zeros((1, 5, 2)))
    >>> between(before, after, 0.25).boxes
    array([[ 1.,  1., 11., 11.]], dtype=float32)
    """
    first, second = same_faces(before, after)
    now = np.float32(share)
    nearer, paired = (before, first) if share <= 0.5 else (after, second)
    alone = nearer[np.setdiff1d(np.arange(len(nearer)), paired)]
    names = ("boxes", "scores", "landmarks")
    moved = {name: getattr(before, name)[first] for name in names}
    parts = {
        name: np.concatenate([start + now * (getattr(after, name)[second] - start), getattr(alone, name)])
        for name, start in moved.items()
    }
    order = np.argsort(-parts["scores"], kind="stable")
    return Faces(**{name: values[order] for name, values in parts.items()})
