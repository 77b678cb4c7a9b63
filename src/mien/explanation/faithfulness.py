"""Whether a heat map shows what the model goes by: take away, or put in, what it marks, and ask the model again."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError
from mien.core.types import Floats
from mien.explanation.occlusion import Pictures, Predict

STEPS = 24


@dataclass(frozen=True, eq=False)
class Curves:
    """The probability of a class while the pixels of a face go, or come, the most important first.

    Attributes:
        shares: (S,) of the pixels that were changed, 0..1.
        deletion: (n, S) pixels become the face's mean grey. A map that is right makes it fall early.
        insertion: (n, S) pixels come into the blurred face. A map that is right makes it rise early.
    """

    shares: Floats
    deletion: Floats
    insertion: Floats

    @property
    def deletion_area(self) -> Floats:
        """(n,) area under the curve of deletion, in 0..1; lower is better."""
        return _area(self.deletion, self.shares)

    @property
    def insertion_area(self) -> Floats:
        """(n,) area under the curve of insertion, in 0..1; higher is better."""
        return _area(self.insertion, self.shares)


def deletion_and_insertion(
    predict: Predict,
    pictures: Pictures,
    maps: Floats,
    classes: Sequence[int] | npt.NDArray[np.intp],
    *,
    steps: int = STEPS,
) -> Curves:
    """Delete and insert pixels in the order of their heat (Petsiuk et al. 2018, arXiv:1806.07421).

    The areas say something beside those of another order, such as `random_maps`: a net that is easily misled by any
    missing pixels has low areas of deletion for any map.

    Args:
        predict: pictures -> (n, K) probabilities.
        pictures: (n, H, W) grey or (n, H, W, 3) RGB uint8.
        maps: (n, H, W).
        classes: (n,) ids of the class that each curve is for.
        steps: in how many equal parts pixels are changed.

    Raises:
        DataError: maps of another size than the pictures.
    """
    if maps.shape != pictures.shape[:3]:
        raise DataError(f"expected maps of shape {pictures.shape[:3]}, as the pictures, got {maps.shape}")
    pixels = maps.shape[1] * maps.shape[2]
    counts = np.rint(np.linspace(0, pixels, steps + 1)).astype(np.intp)
    deleted, inserted = np.empty((2, len(maps), len(counts)), np.float32)
    for i, (picture, heat, which) in enumerate(zip(pictures, maps, classes, strict=True)):
        order = np.argsort(-heat.ravel(), kind="stable")
        gray = np.broadcast_to(np.rint(picture.mean((0, 1))).astype(np.uint8), picture.shape)
        deleted[i] = predict(_exchanged(picture, gray, order, counts))[:, int(which)]
        inserted[i] = predict(_exchanged(_blurred(picture), picture, order, counts))[:, int(which)]
    return Curves((counts / pixels).astype(np.float32), deleted, inserted)


def against_random(
    predict: Predict,
    pictures: Pictures,
    maps: Floats,
    classes: Sequence[int] | npt.NDArray[np.intp],
    *,
    others: int,
    seed: int = 0,
) -> tuple[Curves, Curves]:
    """The curves of maps and, for each face, the mean of those of `others` maps that know nothing.

    See `deletion_and_insertion`; the areas under mean curves are the means of the areas.
    """
    own = deletion_and_insertion(predict, pictures, maps, classes)
    random = [
        deletion_and_insertion(predict, pictures, random_maps(maps.shape, seed=seed + k), classes)
        for k in range(others)
    ]
    deletion, insertion = (np.mean([getattr(each, name) for each in random], 0) for name in ("deletion", "insertion"))
    return own, Curves(own.shares, deletion, insertion)


def random_maps(shape: tuple[int, int, int], *, seed: int = 0, grain: int = 8) -> Floats:
    """Maps (n, H, W) in 0..1 that know nothing: smooth noise of `grain` hills a side, as smooth as a heat map is."""
    n, height, width = shape
    noise = np.random.default_rng(seed).random((n, grain, grain), np.float32)
    smooth = [cv2.resize(each, (width, height), interpolation=cv2.INTER_LINEAR) for each in noise]
    return np.stack(smooth).astype(np.float32) if n else np.empty(shape, np.float32)


def rank_correlation(a: Floats, b: Floats) -> Floats:
    """Spearman's rank correlation of two maps each, (n, H, W) both: (n,) in -1..1; NaN where a map is flat."""
    found = np.full(len(a), np.nan, np.float32)
    for i, (one, other) in enumerate(zip(a, b, strict=True)):
        x, y = _ranks(one), _ranks(other)
        spread = float(np.sqrt((x @ x) * (y @ y)))
        if spread > 0:
            found[i] = x @ y / spread
    return found


def _ranks(heat: Floats) -> npt.NDArray[np.float64]:
    """Ranks of a map's values about their mean; equal ones share theirs."""
    _, inverse, counts = np.unique(heat.ravel(), return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    centred: npt.NDArray[np.float64] = ranks[inverse] - ranks[inverse].mean()
    return centred


def _exchanged(
    picture: Pictures, other: Pictures, order: npt.NDArray[np.intp], counts: npt.NDArray[np.intp]
) -> Pictures:
    """(S, H, W[, 3]): the first so many pixels of `order` as they are in `other`."""
    flat = picture.reshape(len(order), -1)
    taken = other.reshape(len(order), -1)
    made = np.repeat(flat[None], len(counts), 0)
    for one, count in zip(made, counts, strict=True):
        one[order[:count]] = taken[order[:count]]
    return made.reshape(len(counts), *picture.shape)


def _blurred(picture: Pictures) -> Pictures:
    """So much that no expression is left: by a tenth of the side."""
    blurred: Pictures = cv2.GaussianBlur(picture, (0, 0), max(picture.shape[0] / 10, 1.0))  # type: ignore[assignment]
    return blurred


def _area(curves: Floats, shares: Floats) -> Floats:
    area: Floats = ((curves[:, 1:] + curves[:, :-1]) / 2 @ np.diff(shares)).astype(np.float32)
    return area
