"""Temperature scaling: one number that brings a head's confidence in line with its accuracy.

Guo et al. 2017, "On Calibration of Modern Neural Networks", https://proceedings.mlr.press/v70/guo17a.html.
"""

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError
from mien.core.optional import require
from mien.evaluation.bootstrap import Floats, Ints
from mien.evaluation.metrics import calibration_error
from mien.runtime.temperature import apply_temperature, logarithms

RANGE = (0.05, 20.0)  # a temperature outside says that there is nothing to fit, not that it is right


def fit_temperature(probabilities: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """The temperature T at which p^(1/T) has the least negative log likelihood.

    That likelihood is convex in 1/T, so its slope is 0 at one place, which Brent's method finds (needs the extra
    `data`). Where it never is, as when every face is right, the nearer end of `RANGE` is returned.

    Args:
        probabilities: (N, K), rows sum to 1.
        labels: (N,) class ids.

    Raises:
        DataError: no faces, or labels that are not class ids.
    """
    logits = logarithms(np.asarray(probabilities, np.float64))
    ids = _checked(logits, labels)
    own = logits[np.arange(len(ids)), ids].mean()

    def slope(inverse: float) -> float:
        """Derivative of the mean negative log likelihood by 1/T."""
        scaled = inverse * logits
        weights = np.exp(scaled - scaled.max(1, keepdims=True))
        weights /= weights.sum(1, keepdims=True)
        return float((weights * logits).sum(1).mean() - own)

    coldest, hottest = 1 / RANGE[0], 1 / RANGE[1]
    if slope(coldest) <= 0:
        return RANGE[0]
    if slope(hottest) >= 0:
        return RANGE[1]
    inverse: float = require("scipy.optimize", extra="data").brentq(slope, hottest, coldest, xtol=1e-9)
    return 1 / inverse


def cross_fitted(probabilities: npt.ArrayLike, labels: npt.ArrayLike, *, folds: int = 5, seed: int = 0) -> Floats:
    """(N, K) probabilities, each scaled by a temperature that was fitted on other faces.

    Faces are dealt to `folds` at random; each fold gets the temperature fitted on the others.

    Raises:
        DataError: fewer faces than folds, or fewer than 2 folds.
    """
    array = np.asarray(probabilities, np.float64)
    ids = _checked(array, labels)
    if not 2 <= folds <= len(ids):
        raise DataError(f"expected 2 to {len(ids)} folds for {len(ids)} faces, got {folds}")
    order = np.random.default_rng(seed).permutation(len(ids))
    scaled = np.empty_like(array)
    for fold in range(folds):
        held = order[fold::folds]
        others = np.setdiff1d(order, held)
        scaled[held] = apply_temperature(array[held], fit_temperature(array[others], ids[others]))
    return scaled


def cross_fitted_ece(probabilities: npt.ArrayLike, labels: npt.ArrayLike, *, folds: int = 5, seed: int = 0) -> float:
    """The calibration error (15 equal-width bins) of `cross_fitted`, of all folds together; raises as that does."""
    scaled = cross_fitted(probabilities, labels, folds=folds, seed=seed)
    return calibration_error(scaled.max(1), scaled.argmax(1) == np.asarray(labels))


def _checked(array: Floats, labels: npt.ArrayLike) -> Ints:
    ids = np.asarray(labels, np.int64)
    if array.ndim != 2 or ids.shape != array.shape[:1] or not len(ids):
        raise DataError(f"expected probabilities (N, K) and N labels, N > 0, got {array.shape} and {ids.shape}")
    if ids.min() < 0 or ids.max() >= array.shape[1]:
        raise DataError(f"expected class ids in 0..{array.shape[1] - 1}, got {ids.min()}..{ids.max()}")
    return ids
