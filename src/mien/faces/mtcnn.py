"""MTCNN: Zhang et al. 2016, "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks".

doi 10.1109/LSP.2016.2603342. P-Net looks at every window of the picture at many sizes, R-Net and O-Net look again at
what it proposes, each more closely. `scripts/export_mtcnn.py` made the networks.

Which of a dozen good boxes of one face wins hangs on fine details, so those of the first look are the ones of the
implementation that most tools descend from, which `tests/parity/test_mtcnn.py` compares: linear interpolation, whole
pixels, windows that start one pixel late, boxes trimmed to the picture before they are moved.
"""

import math
from dataclasses import dataclass
from typing import TypedDict

import cv2
import numpy as np

from mien.core.images import as_image
from mien.core.types import Faces, Floats, Image
from mien.faces import check_min_face
from mien.faces.boxes import distinct, not_inside, shifted, sides, squares, trimmed
from mien.faces.landmarks import points
from mien.faces.networks import run
from mien.faces.pyramid import Pyramid

CELL = 12  # side of P-Net's window
STRIDE = 2
FACTOR = 0.707  # from one size to the next: half the area
STRIP = 512  # rows of P-Net's answer computed at once: bounds the memory of large pictures
MOST_WINDOWS = 20_000  # of one size
MOST_PROPOSALS = 5_000  # of one picture
SMALL = 640  # longer side of the copy for the second look
BORDER = 0.2  # of that copy, in units of its longer side


@dataclass(frozen=True)
class Thresholds:
    """Least scores of the three stages, and the overlaps above which the lesser of two boxes is dropped."""

    proposal: float = 0.7
    refined: float = 0.7
    output: float = 0.7
    overlap_in_size: float = 0.5
    overlap_of_sizes: float = 0.6
    overlap: float = 0.7


FIRST_LOOK = Thresholds()
SECOND_LOOK = Thresholds(proposal=0.5, refined=0.6)


class Options(TypedDict):
    """How to run the networks, see `mien.faces.networks.run`."""

    threads: int | None
    device: str


class MtcnnDetector:
    """Faces and five landmarks by MTCNN. Thread-safe.

    Where nobody is found, a second look searches for a face that fills the picture, which P-Net misses as it shows too
    little around it: the picture gets a border, and more boxes go on to O-Net, which is as strict as before.

    Args:
        threads: for the networks; None for one, and all cores for large pictures and many faces.
        device: where the networks run.
    """

    def __init__(self, *, threads: int | None = None, device: str = "auto") -> None:
        self._options: Options = {"threads": threads, "device": device}
        for name, side in (("pnet", CELL), ("rnet", 24), ("onet", 48)):  # loads them, and says now what does not work
            run(name, np.zeros((1, side, side, 3), np.uint8), **self._options)

    def detect(self, image: Image, /, *, min_face: int = 40) -> Faces:
        """Faces at least `min_face` pixels wide or high, best score first.

        Args:
            image: RGB uint8 (H, W, 3), or any form that `as_image` takes.
            min_face: in pixels. Faces under 12 pixels cannot be found, whatever it is.

        Raises:
            UsageError: `min_face` is less than 1.
        """
        check_min_face(min_face)
        image = as_image(image)
        faces = self._cascade(image, max(min_face, CELL), FIRST_LOOK) or self._second_look(image, min_face)
        return faces[sides(faces.boxes).max(1, initial=0) >= min_face]

    def _second_look(self, image: Image, min_face: int) -> Faces:
        """A face that fills at least an eighth of the picture, on a small copy with a border."""
        longest = max(image.shape[:2])
        shrink = min(SMALL / longest, 1.0)
        height, width = (max(round(side * shrink), 1) for side in image.shape[:2])
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        border = round(BORDER * max(height, width))
        framed: Image = np.pad(small, ((border, border), (border, border), (0, 0)), mode="edge")
        faces = self._cascade(framed, max(min_face * shrink, longest * shrink / 8, CELL), SECOND_LOOK)
        back = np.float32(1 / shrink)
        return Faces((faces.boxes - border) * back, faces.scores, (faces.landmarks - border) * back)

    def _cascade(self, image: Image, min_face: float, limits: Thresholds) -> Faces:
        """The three stages, one after the other."""
        pyramid = Pyramid(image)
        boxes = self._propose(pyramid, min_face, limits)
        boxes = self._refine(pyramid, boxes, limits)
        return self._output(pyramid, boxes, limits)

    def _propose(self, pyramid: Pyramid, min_face: float, limits: Thresholds) -> Floats:
        """P-Net over all sizes: (n, 4) squares."""
        found = [propose(pyramid.image, s, limits.proposal, **self._options) for s in scales(pyramid.shape, min_face)]
        if not found:
            return np.empty((0, 4), np.float32)
        boxes, scores, offsets = (np.concatenate(parts) for parts in zip(*found, strict=True))
        sizes = np.repeat(np.arange(len(found), dtype=np.int32), [len(part[0]) for part in found])
        kept = distinct(boxes, scores, overlap=limits.overlap_in_size, groups=sizes)
        boxes, scores, offsets = boxes[kept], scores[kept], offsets[kept]
        kept = distinct(boxes, scores, overlap=limits.overlap_of_sizes)[:MOST_PROPOSALS]
        return squares(shifted(boxes[kept], offsets[kept]))

    def _refine(self, pyramid: Pyramid, boxes: Floats, limits: Thresholds) -> Floats:
        """R-Net: the squares that look like a face at 24 x 24, moved onto it."""
        if not len(boxes):
            return boxes
        crops, cut = pyramid.crops(boxes, 24)
        boxes = trimmed(cut, pyramid.shape)
        answer = run("rnet", crops, **self._options)
        scores = answer["score"][:, 0]
        sure = np.flatnonzero(scores > limits.refined)
        sure = sure[distinct(boxes[sure], scores[sure], overlap=limits.overlap)]
        return squares(shifted(boxes[sure], answer["offsets"][sure]))

    def _output(self, pyramid: Pyramid, boxes: Floats, limits: Thresholds) -> Faces:
        """O-Net: the squares that look like a face at 48 x 48, moved onto it, with landmarks."""
        if not len(boxes):
            return Faces.empty()
        crops, cut = pyramid.crops(boxes, 48)
        answer = run("onet", crops, **self._options)
        scores = answer["score"][:, 0]
        sure = np.flatnonzero(scores > limits.output)
        boxes = shifted(trimmed(cut, pyramid.shape)[sure], answer["offsets"][sure])
        kept = not_inside(boxes, scores[sure], overlap=limits.overlap)
        rows = sure[kept]
        return Faces(boxes[kept], scores[rows], points(cut[rows], answer["landmarks"][rows]))


def scales(shape: tuple[int, int], min_face: float) -> list[float]:
    """Factors by which to shrink a picture so that P-Net's window is a face of `min_face` pixels, and of more and more.

    Args:
        shape: height and width of the picture.
        min_face: the smallest face.

    Returns:
        Factors, largest first; empty if the picture is smaller than the smallest face.
    """
    found = [CELL / min_face]
    while min(shape) * found[-1] > CELL:
        found.append(found[-1] * FACTOR)
    return found[:-1]


def propose(
    image: Image, scale: float, threshold: float, *, threads: int | None = None, device: str = "auto"
) -> tuple[Floats, Floats, Floats]:
    """P-Net's windows above the threshold at one size: boxes (n, 4), scores (n,), offsets (n, 4)."""
    height, width = (math.ceil(side * scale) for side in image.shape[:2])
    small: Image = cv2.resize(image, (width, height))[None]  # type: ignore[assignment]
    rows = (height - CELL) // STRIDE + 1
    found = []
    for top in range(0, rows, STRIP):
        bottom = height if top + STRIP >= rows else STRIDE * (top + STRIP) + CELL - STRIDE
        answer = run("pnet", small[:, STRIDE * top : bottom], threads=threads, device=device)
        score, offsets = answer["score"][0, 0], answer["offsets"][0]
        y, x = np.nonzero(score > threshold)
        found.append((np.stack([x, y + top], 1), score[y, x], offsets[:, y, x].T))
    cells, scores, offsets = (np.concatenate(parts) for parts in zip(*found, strict=True))
    if len(scores) > MOST_WINDOWS:
        best = np.argpartition(-scores, MOST_WINDOWS)[:MOST_WINDOWS]
        cells, scores, offsets = cells[best], scores[best], offsets[best]
    first = STRIDE * cells + 1
    last = first + CELL
    boxes = np.hstack([np.rint(first / scale), np.rint(last / scale) + 1]).astype(np.float32)
    return boxes, scores, offsets
