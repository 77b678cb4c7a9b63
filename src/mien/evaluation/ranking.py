"""How well scores rank a class's faces before all others: area under the ROC curve, and average precision.

Both are computed of weighted faces, for 10,000 bootstrap samples at a time: what a sample changes is how often a face
counts, not the order of the scores, so that the faces are sorted once.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.core.optional import require
from mien.evaluation.bootstrap import RESAMPLES, Floats, Ints, draws, units_of


@dataclass(frozen=True, eq=False)
class Ranking:
    """One class against the rest, for each of K classes; NaN where a class or its rest has no faces.

    Attributes:
        auc: (K,) areas under the ROC curve: how probable it is that a face of the class has a higher score than one of
            the rest; equal scores count half (Hanley and McNeil 1982, https://doi.org/10.1148/radiology.143.1.7063747).
        precision: (K,) average precisions: sum over distinct scores, from the highest, of the precision among the faces
            of that score or more, times the recall that this score adds; as scikit-learn defines it. Of a class
            without a rest it is 1.
        auc_samples, precision_samples: (B, K) the same of bootstrap samples.
    """

    auc: Floats
    precision: Floats
    auc_samples: Floats
    precision_samples: Floats


@dataclass(frozen=True, eq=False)
class _Sorted:
    """The faces of a class and its rest, by the G distinct scores that the class's faces have, lowest first.

    Sparse matrices (G, units): how many faces of each unit are `inside` the class at a score, in the rest `below` it
    but not below the score before, and in the rest `at` it. rest: (units,) all of the rest.
    """

    inside: Any
    below: Any
    at: Any
    rest: Floats


def rank(
    probabilities: Floats,
    labels: Ints,
    subjects: npt.NDArray[np.str_] | None = None,
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> Ranking:
    """The ranking of n faces (n > 0) by each class's probability.

    Args:
        probabilities: (n, K).
        labels: (n,) class ids.
        subjects: (n,) who is seen, so that people are drawn; None: faces are.
        seed: of the bootstrap.
        resamples: how many samples.
    """
    n, k = probabilities.shape
    unit = units_of(subjects, n)
    units = int(unit.max()) + 1
    classes = [_sort(probabilities[:, each], labels == each, unit, units) for each in range(k)]
    value = np.stack([_figures(each, np.ones((units, 1))) for each in classes], axis=-1)  # (2, 1, K)
    parts = []
    for times in draws(units, seed=seed, resamples=resamples):
        columns = np.ascontiguousarray(times.T)  # (units, B): a sparse product adds rows
        parts.append(np.stack([_figures(each, columns) for each in classes], axis=-1))  # (2, B, K)
    samples = np.concatenate(parts, axis=1)
    return Ranking(value[0, 0], value[1, 0], samples[0], samples[1])


def _sort(scores: Floats, inside: npt.NDArray[np.bool_], unit: npt.NDArray[np.intp], units: int) -> _Sorted:
    sparse = require("scipy.sparse", extra="data")
    levels = np.unique(scores[inside])

    def counts(rows: npt.NDArray[np.intp], which: npt.NDArray[np.bool_]) -> Any:
        """Faces by level and unit."""
        ones = np.ones(int(which.sum()))
        return sparse.csr_array((ones, (rows[which], unit[which])), shape=(len(levels), units))

    first = np.searchsorted(levels, scores, side="left")  # the lowest level that is not below the score
    above = np.searchsorted(levels, scores, side="right")  # the lowest level that is above it
    tied = above > first
    rest = np.bincount(unit[~inside], minlength=units).astype(np.float64)
    return _Sorted(
        counts(first, inside), counts(above, ~inside & (above < len(levels))), counts(first, ~inside & tied), rest
    )


def _figures(faces: _Sorted, times: Floats) -> Floats:
    """(2, B): the area and the average precision, where each unit counts (units, B) times."""
    inside = faces.inside @ times  # (G, B)
    below = np.cumsum(faces.below @ times, axis=0)
    rest, all_inside = faces.rest @ times, inside.sum(0)
    beaten = np.einsum("gb,gb->b", inside, below)
    if faces.at.nnz:
        beaten += np.einsum("gb,gb->b", inside, faces.at @ times) / 2
    found = np.cumsum(inside[::-1], axis=0)[::-1]  # of the class with this score or more
    called = found + rest - below
    precision = np.divide(found, called, out=np.zeros_like(found), where=called > 0)
    gained = np.einsum("gb,gb->b", inside, precision)
    figures = np.full((2, times.shape[1]), np.nan)
    np.divide(beaten, all_inside * rest, out=figures[0], where=all_inside * rest > 0)
    np.divide(gained, all_inside, out=figures[1], where=all_inside > 0)
    return figures
