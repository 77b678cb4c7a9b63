"""How near predicted valence and arousal are to those that people saw."""

import math

import numpy as np
import numpy.typing as npt

from mien.evaluation.bootstrap import Floats, percentiles, resampled_sums, units_of
from mien.evaluation.metrics import Estimate, ratio, undefined

DIMENSIONS = ("valence", "arousal")


def affect_figures(
    truth: npt.NDArray[np.floating],
    predicted: npt.NDArray[np.floating],
    subjects: npt.NDArray[np.str_] | None = None,
    *,
    seed: int = 0,
) -> dict[str, Estimate]:
    """``valence_mae``, ``valence_rmse``, ``valence_ccc``, and the same of arousal, with bootstrap intervals.

    Each dimension counts the faces where both values are known, which is its figures' n.

    Args:
        truth: (n, 2) valence and arousal, -1..1; NaN where not known.
        predicted: (n, 2) the same.
        subjects: (n,) who is seen, so that people are drawn; None: faces are.
        seed: of the bootstrap.
    """
    figures: dict[str, Estimate] = {}
    for column, name in enumerate(DIMENSIONS):
        x, y = (np.asarray(each[:, column], np.float64) for each in (truth, predicted))
        known = np.isfinite(x) & np.isfinite(y)
        who = None if subjects is None else subjects[known]
        figures |= _figures(name, x[known], y[known], who, seed)
    return figures


def concordance(truth: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Lin's concordance correlation coefficient (1989, https://doi.org/10.2307/2532051), in -1..1.

    2 s_xy / (s_x^2 + s_y^2 + (m_x - m_y)^2), with moments over n as Lin's; NaN where both are one and the same
    constant, or there are no values.

    >>> concordance([0, 0.5, 1], [0, 0.5, 1]), concordance([0, 1], [1, 0])
    (1.0, -1.0)
    """
    x, y = np.asarray(truth, np.float64), np.asarray(predicted, np.float64)
    return float(_concordance(_sums(x, y).sum(0))) if len(x) else math.nan


def _figures(name: str, x: Floats, y: Floats, subjects: npt.NDArray[np.str_] | None, seed: int) -> dict[str, Estimate]:
    kinds = {"mae": _mean_absolute, "rmse": _root_mean_square, "ccc": _concordance}
    n = len(x)
    if not n:
        return {f"{name}_{kind}": undefined(f"{name}_{kind}", f"no face has a known {name}") for kind in kinds}
    sums, unit = _sums(x, y), units_of(subjects, n)
    samples = resampled_sums(sums, unit, seed=seed) if unit.max() > 0 else None
    figures = {}
    for kind, figure in kinds.items():
        value = float(figure(sums.sum(0)))
        low, high = (math.nan, math.nan) if samples is None else percentiles(figure(samples))
        figures[f"{name}_{kind}"] = Estimate(value, low, high, n)
        if math.isnan(value):
            undefined(f"{name}_{kind}", "truth and predictions are one and the same constant")
    return figures


def _sums(x: Floats, y: Floats) -> Floats:
    """(n, 8) columns whose sums tell all figures; about the mean of both, so that squares of equals cancel well."""
    centre = (x.mean() + y.mean()) / 2
    x, y = x - centre, y - centre
    return np.stack([np.ones(len(x)), x, y, x * x, y * y, x * y, np.abs(x - y), np.square(x - y)], axis=1)


def _mean_absolute(sums: Floats) -> Floats:
    return np.asarray(sums[..., 6] / sums[..., 0], np.float64)


def _root_mean_square(sums: Floats) -> Floats:
    return np.asarray(np.sqrt(sums[..., 7] / sums[..., 0]), np.float64)


def _concordance(sums: Floats) -> Floats:
    n, x, y, xx, yy, xy = (sums[..., column] for column in range(6))
    covariance = xy / n - x * y / n**2
    apart = xx / n + yy / n - 2 * x * y / n**2  # s_x^2 + s_y^2 + (m_x - m_y)^2
    return ratio(2 * covariance, np.where(apart > 1e-15, apart, 0))  # below that is what rounding leaves of 0
