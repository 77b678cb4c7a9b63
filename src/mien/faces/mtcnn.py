"""The cascade of Zhang et al. 2016, "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks".

doi 10.1109/LSP.2016.2603342. P-Net looks at every window of the picture at many sizes, R-Net and O-Net look again at what
it proposes, each more closely. The networks are MTCNN's own; see `scripts/export_mtcnn.py`.
"""

import math
from dataclasses import dataclass

import numpy as np

from mien.core.errors import UsageError
from mien.core.images import as_image
from mien.core.types import Faces, Floats, Image
from mien.faces.boxes import distinct, not_inside, shifted, sides, squares
from mien.faces.landmarks import points
from mien.faces.networks import Device, network, run_crops
from mien.faces.pyramid import Pyramid
from mien.runtime.session import Session

CELL = 12  # side of P-Net's window
STRIDE = 2
FACTOR = 0.709  # from one size to the next: half the area
STRIP = 512  # rows of P-Net's answer computed at once: bounds the memory of large pictures
MOST_WINDOWS = 20_000  # of one size
MOST_PROPOSALS = 5_000  # of one picture


@dataclass(frozen=True)
class Thresholds:
    """Least scores of the three stages, and the overlaps above which the lesser of two boxes is dropped."""

    proposal: float = 0.6
    refined: float = 0.7
    output: float = 0.7
    overlap_in_size: float = 0.5
    overlap: float = 0.7


class MtcnnDetector:
    """Faces and five landmarks by MTCNN. Thread-safe.

    Args:
        thresholds: of the three stages.
        threads: for the networks; None for all cores.
        device: where the networks run.
    """

    def __init__(
        self, *, thresholds: Thresholds = Thresholds(), threads: int | None = None, device: Device = "auto"
    ) -> None:
        self.thresholds = thresholds
        self._pnet, self._rnet, self._onet = (network(name, threads, device) for name in ("pnet", "rnet", "onet"))

    def detect(self, image: Image, /, *, min_face: int = 40) -> Faces:
        """Faces at least `min_face` pixels wide or high, best score first.

        Args:
            image: RGB uint8 (H, W, 3), or any form that `as_image` takes.
            min_face: in pixels. Faces under 12 pixels cannot be found, whatever it is.

        Raises:
            UsageError: `min_face` is less than 1.
        """
        check_min_face(min_face)
        pyramid = Pyramid(as_image(image))
        boxes = self._propose(pyramid, max(min_face, CELL))
        boxes = self._refine(pyramid, boxes)
        faces = self._output(pyramid, boxes)
        return faces[sides(faces.boxes).max(1, initial=0) >= min_face]

    def _propose(self, pyramid: Pyramid, min_face: int) -> Floats:
        """P-Net over all sizes: (n, 4) squares."""
        limit = self.thresholds
        found = [propose(self._pnet, pyramid, scale, limit.proposal) for scale in scales(pyramid.shape, min_face)]
        if not found:
            return np.empty((0, 4), np.float32)
        boxes, scores, offsets = (np.concatenate(parts) for parts in zip(*found, strict=True))
        sizes = np.repeat(np.arange(len(found), dtype=np.int32), [len(part[0]) for part in found])
        kept = distinct(boxes, scores, overlap=limit.overlap_in_size, groups=sizes)
        boxes, scores, offsets = boxes[kept], scores[kept], offsets[kept]
        kept = distinct(boxes, scores, overlap=limit.overlap)[:MOST_PROPOSALS]
        return squares(shifted(boxes[kept], offsets[kept]))

    def _refine(self, pyramid: Pyramid, boxes: Floats) -> Floats:
        """R-Net: the squares that look like a face at 24 x 24, moved onto it."""
        if not len(boxes):
            return boxes
        crops, boxes = pyramid.crops(boxes, 24)
        answer = run_crops(self._rnet, crops, batch=256)
        scores = answer["score"][:, 0]
        sure = np.flatnonzero(scores > self.thresholds.refined)
        sure = sure[distinct(boxes[sure], scores[sure], overlap=self.thresholds.overlap)]
        return squares(shifted(boxes[sure], answer["offsets"][sure]))

    def _output(self, pyramid: Pyramid, boxes: Floats) -> Faces:
        """O-Net: the squares that look like a face at 48 x 48, moved onto it, with landmarks."""
        if not len(boxes):
            return Faces.empty()
        crops, boxes = pyramid.crops(boxes, 48)
        answer = run_crops(self._onet, crops, batch=64)
        scores = answer["score"][:, 0]
        sure = np.flatnonzero(scores > self.thresholds.output)
        final = shifted(boxes[sure], answer["offsets"][sure])
        kept = not_inside(final, scores[sure], overlap=self.thresholds.overlap)
        rows = sure[kept]
        return Faces(final[kept], scores[rows], points(boxes[rows], answer["landmarks"][rows]))


def check_min_face(min_face: int) -> None:
    """Raise UsageError unless `min_face` is at least one pixel."""
    if not min_face >= 1:
        raise UsageError(f"expected min_face of at least 1 pixel, got {min_face}")


def scales(shape: tuple[int, int], min_face: int) -> list[float]:
    """Sizes at which P-Net's window of 12 pixels is a face of `min_face` pixels and more, up to the picture's height.

    Args:
        shape: height and width of the picture.
        min_face: the smallest face.

    Returns:
        Factors by which to shrink the picture, largest first; empty if no window fits.
    """
    first = CELL / min_face
    count = math.floor(math.log(min(shape) * first / CELL) / -math.log(FACTOR)) + 1 if min(shape) * first >= CELL else 0
    return [first * FACTOR**power for power in range(count)]


def propose(pnet: Session, pyramid: Pyramid, scale: float, threshold: float) -> tuple[Floats, Floats, Floats]:
    """P-Net's windows above the threshold at one size: boxes (n, 4), scores (n,), offsets (n, 4)."""
    full = np.asarray(pyramid.shape)
    height, width = np.ceil(full * scale - 1e-6).astype(int).tolist()
    image = pyramid.resized(height, width)[None]
    rows = (height - CELL) // STRIDE + 1
    found = []
    for top in range(0, max(rows, 1), STRIP):
        bottom = height if top + STRIP >= rows else STRIDE * (top + STRIP) + CELL - STRIDE
        answer = pnet.run(None, image=image[:, STRIDE * top : bottom])
        score, offsets = answer["score"][0, 0], answer["offsets"][0]
        y, x = np.nonzero(score > threshold)
        found.append((np.stack([x, y + top], 1), score[y, x], offsets[:, y, x].T))
    cells, scores, offsets = (np.concatenate(parts) for parts in zip(*found, strict=True))
    if len(scores) > MOST_WINDOWS:
        best = np.argpartition(-scores, MOST_WINDOWS)[:MOST_WINDOWS]
        cells, scores, offsets = cells[best], scores[best], offsets[best]
    corner = STRIDE * cells
    shrink = np.asarray([width, height]) / full[::-1]
    boxes = np.hstack([corner / shrink, (corner + CELL) / shrink]).astype(np.float32)
    return boxes, scores, offsets
