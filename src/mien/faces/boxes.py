"""Arithmetic on boxes: (n, 4) float32, x1 y1 x2 y2. Pixel i covers i..i+1, so a box is x2 - x1 wide."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from mien.core.types import Floats

Indices = npt.NDArray[np.intp]


def sides(boxes: Floats) -> Floats:
    """(n, 2) widths and heights."""
    result: Floats = boxes[:, 2:] - boxes[:, :2]
    return result


def shifted(boxes: Floats, offsets: Floats) -> Floats:
    """Boxes with each edge moved by an offset in units of the box's width or height."""
    result: Floats = boxes + offsets * np.tile(sides(boxes), 2)
    return result


def squares(boxes: Floats) -> Floats:
    """Squares around the same centres, as large as the longer side."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = sides(boxes).max(1, keepdims=True) / 2
    return np.hstack([centres - half, centres + half])


def trimmed(boxes: Floats, shape: tuple[int, int]) -> Floats:
    """Boxes without what reaches past the edge of a picture of `shape` (height, width)."""
    height, width = shape
    limits = np.asarray([width, height, width, height], np.float32)
    result: Floats = np.clip(boxes, np.float32(0), limits)
    return result


@dataclass(frozen=True)
class BoxFit:
    """How the boxes of one detector become boxes in MTCNN's convention; `scripts/fit_boxes.py` fits it.

    Attributes:
        scale: width and height of the new box in units of the old ones.
        shift: of the centre, right and down, in units of the old width and height.
    """

    scale: tuple[float, float]
    shift: tuple[float, float]

    def apply(self, boxes: Floats) -> Floats:
        """The boxes (n, 4) in MTCNN's convention."""
        old = sides(boxes)
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2 + old * np.asarray(self.shift, np.float32)
        half = old * np.asarray(self.scale, np.float32) / 2
        return np.hstack([centres - half, centres + half])


def overlaps(boxes: Floats, others: Floats, *, of_smaller: bool = False) -> Floats:
    """(n, m) intersection over union, or over the smaller of both areas."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.maximum(high - low, 0).prod(2)
    area, other = sides(boxes).prod(1)[:, None], sides(others).prod(1)[None]
    whole = np.minimum(area, other) if of_smaller else area + other - shared
    result: Floats = shared / np.maximum(whole, np.float32(1e-9))
    return result


def distinct(boxes: Floats, scores: Floats, *, overlap: float, groups: npt.NDArray[np.int32] | None = None) -> Indices:
    """Greedy non-maximum suppression by intersection over union.

    Args:
        boxes: (n, 4).
        scores: (n,), positive.
        overlap: a box that shares more than this with a better one is dropped.
        groups: (n,) numbers; boxes of different groups leave each other alone.

    Returns:
        Row numbers of the boxes kept, best score first.
    """
    if not len(boxes):
        return np.empty(0, np.intp)
    rectangles = np.hstack([boxes[:, :2], sides(boxes)]).astype(np.float64)
    if groups is None:
        kept = cv2.dnn.NMSBoxes(rectangles, scores, 0.0, overlap)  # type: ignore[arg-type]
    else:
        kept = cv2.dnn.NMSBoxesBatched(rectangles, scores, groups, 0.0, overlap)  # type: ignore[arg-type]
    return np.asarray(kept, np.intp).reshape(-1)


def not_inside(boxes: Floats, scores: Floats, *, overlap: float) -> Indices:
    """As `distinct`, but by the share of the smaller box: a box inside a better one is dropped too. For few boxes."""
    order = np.argsort(-scores, kind="stable")
    clash = overlaps(boxes[order], boxes[order], of_smaller=True) > overlap
    kept: list[int] = []
    for row in range(len(order)):
        if not clash[row, kept].any():
            kept.append(row)
    return order[kept]
