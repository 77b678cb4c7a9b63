"""Who is who from frame to frame: boxes of faces in, a number for each person out.

A Kalman filter says where each face should be now, and the Hungarian method gives the boxes found to the faces so that
they overlap as much as they can together. Boxes alone decide: no picture is looked at.

Source: Bewley et al., "Simple online and realtime tracking", ICIP 2016, doi:10.1109/ICIP.2016.7533003; here with steps
of any length, noise in units of the face, and patience in seconds.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError, UsageError
from mien.core.optional import require
from mien.core.types import Floats
from mien.faces.boxes import Indices
from mien.faces.pairing import LEAST_OVERLAP, pairs

Ids = npt.NDArray[np.int64]

# Of the motion, in units of the face's size (root of its area), so that near and far faces are alike.
_JITTER = 0.05  # of a detector's centre: standard deviation
_UNREST = 3.0  # change of the velocity in a second: standard deviation, in sizes a second
_FIRST_SPEED = 3.0  # of a new face, in sizes a second: standard deviation
_COASTING_S = 1.0  # after which a velocity has faded to 1/e: a face that is not seen does not fly away

# What overlap counts with a face that the frame before had lost: it may be behind another, and the box the other's.
_LOST = 0.7
# A box that overlaps no face is the nearest one's, within this many standard deviations of its place, and sizes of it.
_SURE, _FARTHEST = 2.0, 2.0


@dataclass
class _Tracks:
    """Faces that are followed: a struct of T rows.

    Attributes:
        ids: (T,). seen_s: (T,) when each was last found.
        centers, velocities: (T, 2) in pixels, and pixels a second.
        sizes: (T, 2) width and height in pixels.
        spread: (T, 2, 2) covariance of place and velocity along either axis, in squared sizes.
    """

    ids: Ids
    seen_s: npt.NDArray[np.float64]
    centers: npt.NDArray[np.float64]
    velocities: npt.NDArray[np.float64]
    sizes: npt.NDArray[np.float64]
    spread: npt.NDArray[np.float64]

    def __getitem__(self, which: Any) -> "_Tracks":
        return _Tracks(*(getattr(self, name)[which] for name in self.__dataclass_fields__))

    def joined(self, other: "_Tracks") -> "_Tracks":
        """Those of both."""
        return _Tracks(
            *(np.concatenate([getattr(self, name), getattr(other, name)]) for name in self.__dataclass_fields__)
        )

    @property
    def boxes(self) -> Floats:
        """(T, 4) where they should be."""
        return np.hstack([self.centers - self.sizes / 2, self.centers + self.sizes / 2]).astype(np.float32)


class Tracker:
    """IoU with Kalman-predicted boxes and Hungarian assignment; ids are stable through short occlusions.

    A face keeps its number as long as each of its boxes overlaps the one foreseen, or lies within reach of it, which
    grows while it is out of sight. Where all boxes jump, as at a cut, all are new faces. The same boxes at the same
    times give the same numbers; what is kept is the faces in sight and those lost for less than `patience_s`, so that
    memory is bounded. Not safe to share between threads.

    Args:
        patience_s: a face that was not found for longer, while others or nobody were, is a new one when it comes back.
            A face found in the frame before may go on after any time: few frames a second are no occlusion.
        least_overlap: intersection over union that a box must share with the one foreseen.

    Raises:
        UsageError: patience or overlap are out of range.
        MissingExtraError: SciPy is not installed.

    >>> tracker = Tracker()
    >>> tracker.update(np.float32([[0, 0, 50, 50], [90, 0, 140, 50]]), 0.0)
    array([0, 1])
    >>> tracker.update(np.float32([[92, 0, 142, 50], [2, 0, 52, 50], [200, 0, 250, 50]]), 0.04)
    array([1, 0, 2])
    """

    def __init__(self, *, patience_s: float = 1.0, least_overlap: float = LEAST_OVERLAP) -> None:
        if not 0 <= patience_s < np.inf:
            raise UsageError(f"expected patience_s in seconds from 0, got {patience_s:g}")
        if not 0 < least_overlap <= 1:
            raise UsageError(f"expected least_overlap above 0 and up to 1, got {least_overlap:g}")
        require("scipy.optimize", extra="video")
        self._patience_s, self._least_overlap = patience_s, least_overlap
        self._next = 0  # id of the next new face
        self.reset()

    def reset(self) -> None:
        """Let go of all faces, as at a cut; those that come get numbers that no face had before."""
        self._now: float | None = None
        self._tracks = _new_tracks(np.empty((0, 4), np.float32), 0.0, 0)

    def update(self, boxes: Floats, time_s: float) -> Ids:
        """Whose the boxes of the next frame are.

        Args:
            boxes: (n, 4) x1 y1 x2 y2 in pixels, in any order; n may be 0, and such frames should not be left out.
            time_s: of the frame; never before that of the frame before.

        Returns:
            (n,) int64: the ids of these faces, all different, in the order of the boxes; from 0, new ones for new
            faces.

        Raises:
            DataError: boxes of another shape, empty or not finite, or a time that runs backwards.
        """
        boxes = _checked(boxes)
        if not np.isfinite(time_s) or (self._now is not None and time_s < self._now):
            raise DataError(f"expected a time from {self._now or 0:g} s on for the next frame, got {time_s:g} s")
        step = 0.0 if self._now is None else time_s - self._now
        tracks = _foreseen(self._still_wanted(time_s), step)
        rows, which = self._matched(tracks, boxes)
        _correct(tracks, rows, boxes[which], time_s)
        ids = np.full(len(boxes), -1, np.int64)
        ids[which] = tracks.ids[rows]
        new = np.flatnonzero(ids < 0)
        ids[new] = self._next + np.arange(len(new))
        self._tracks = tracks.joined(_new_tracks(boxes[new], time_s, self._next))
        self._next += len(new)
        self._now = time_s
        return ids

    def _still_wanted(self, time_s: float) -> _Tracks:
        seen = self._tracks.seen_s
        return self._tracks[(seen == self._now) | (time_s - seen <= self._patience_s)]

    def _matched(self, tracks: _Tracks, boxes: Floats) -> tuple[Indices, Indices]:
        """Row numbers of the faces and of the boxes that belong together."""
        reach = np.minimum(_SURE * np.sqrt(tracks.spread[:, 0, 0]), _FARTHEST)
        weights = np.where(tracks.seen_s == self._now, 1, _LOST)
        return pairs(tracks.boxes, boxes, reach=reach, weights=weights, least_overlap=self._least_overlap)


def _checked(boxes: Floats) -> Floats:
    boxes = np.asarray(boxes, np.float32)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise DataError(f"expected boxes of shape (n, 4), got {boxes.shape}")
    bad = ~(np.isfinite(boxes).all(1) & (boxes[:, 2:] > boxes[:, :2]).all(1))
    if bad.any():
        raise DataError(f"expected finite boxes with x1 < x2 and y1 < y2, got {boxes[bad][0].tolist()}")
    return boxes


def _new_tracks(boxes: Floats, time_s: float, first: int) -> _Tracks:
    """Faces whose velocity is not known yet, numbered from `first`."""
    n, wide = len(boxes), boxes.astype(np.float64)
    return _Tracks(
        ids=first + np.arange(n, dtype=np.int64),
        seen_s=np.full(n, time_s),
        centers=(wide[:, :2] + wide[:, 2:]) / 2,
        velocities=np.zeros((n, 2)),
        sizes=wide[:, 2:] - wide[:, :2],
        spread=np.tile(np.diag([_JITTER**2, _FIRST_SPEED**2]), (n, 1, 1)),
    )


def _foreseen(tracks: _Tracks, step: float) -> _Tracks:
    """The faces `step` seconds later: they go on with a velocity that fades, at the size they have."""
    kept = np.exp(-step / _COASTING_S)
    motion = np.array([[1, _COASTING_S * (1 - kept)], [0, kept]])
    unrest = _UNREST**2 * np.array([[step**3 / 3, step**2 / 2], [step**2 / 2, step]])
    tracks.centers += motion[0, 1] * tracks.velocities
    tracks.velocities *= kept
    tracks.spread = motion @ tracks.spread @ motion.T + unrest
    return tracks


def _correct(tracks: _Tracks, rows: npt.NDArray[np.intp], boxes: Floats, time_s: float) -> None:
    """Bring the faces of these rows to the boxes that were found for them, in place."""
    found = _new_tracks(boxes, time_s, 0)
    spread = tracks.spread[rows]
    gain = spread[:, :, 0] / (spread[:, :1, 0] + _JITTER**2)  # (m, 2): of place and velocity
    off = found.centers - tracks.centers[rows]
    tracks.centers[rows] += gain[:, :1] * off
    tracks.velocities[rows] += gain[:, 1:] * off
    tracks.sizes[rows] += gain[:, :1] * (found.sizes - tracks.sizes[rows])
    tracks.spread[rows] = spread - gain[:, :, None] * spread[:, :1, :]
    tracks.seen_s[rows] = time_s
