"""Which boxes of two frames belong to the same faces."""

import numpy as np
import numpy.typing as npt

from mien.core.optional import require
from mien.core.types import Floats
from mien.faces.boxes import Indices, overlaps, sides

LEAST_OVERLAP = 0.2  # intersection over union of one face's boxes
_ALIKE = 1.5  # a box that is larger or smaller by more than this factor, and does not overlap, is another face


def pairs(
    foreseen: Floats,
    found: Floats,
    *,
    reach: npt.NDArray[np.float64],
    weights: npt.NDArray[np.float64] | None = None,
    least_overlap: float = LEAST_OVERLAP,
) -> tuple[Indices, Indices]:
    """Pair boxes so that they overlap as much as they can together (the Hungarian method); then the rest by distance.

    Args:
        foreseen: (n, 4) where faces should be.
        found: (m, 4) where they are.
        reach: (n,) how far from its place a face may be that overlaps no box, in units of its size.
        weights: (n,) what overlap with each counts; 1 if None.
        least_overlap: pairs that overlap less are left to distance.

    Returns:
        Row numbers of both, as many of the one as of the other.

    Raises:
        MissingExtraError: SciPy is not installed.
    """
    shared = overlaps(foreseen, found).astype(np.float64)
    shared[shared < least_overlap] = 0
    rows, others = _best(shared if weights is None else shared * weights[:, None])
    left, free = np.setdiff1d(np.arange(len(foreseen)), rows), np.setdiff1d(np.arange(len(found)), others)
    if not (len(left) and len(free)):
        return rows, others
    more, far = _best(_nearness(foreseen[left], found[free], reach[left]))
    return np.concatenate([rows, left[more]]), np.concatenate([others, free[far]])


def _best(worth: npt.NDArray[np.float64]) -> tuple[Indices, Indices]:
    """The pairs that are worth the most together; none that is worth nothing."""
    rows, others = require("scipy.optimize", extra="video").linear_sum_assignment(worth, maximize=True)
    good = worth[rows, others] > 0
    return rows[good], others[good]


def _nearness(foreseen: Floats, found: Floats, reach: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(n, m) from 1 in the same place down to 0 out of reach; 0 for boxes that are not alike in size."""
    size, other = np.sqrt(sides(foreseen).prod(1)), np.sqrt(sides(found).prod(1))
    apart = (foreseen[:, None, :2] + foreseen[:, None, 2:] - found[None, :, :2] - found[None, :, 2:]) / 2
    distance = np.linalg.norm(apart, axis=2) / size[:, None]
    ratio = np.abs(np.log(size[:, None] / other[None]))
    near = 1 - distance / np.maximum(reach[:, None], 1e-9)
    return np.where(ratio < np.log(_ALIKE), np.maximum(near, 0), 0)
