"""Models resampled together: the bootstrap of their scores, and the swapping of their predictions.

Images are drawn or swapped, or all images of a subject at once where subjects are known. Needs the extra `data`.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from mien.core.optional import require
from mien.evaluation.bootstrap import RESAMPLES
from mien.evaluation.metrics import f1_by_class
from mien.evaluation.paired import Floats, Ints, Paired
from mien.evaluation.statistics import Finding, is_enumerated, permutation, swaps

_AT_ONCE = 1000


def bootstrap(paired: Paired, *, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Floats]:
    """Scores of all models on the same draws of images or subjects, with replacement.

    Args:
        paired: the models.
        resamples: how many draws, B.
        seed: of them.

    Returns:
        ``accuracy`` and ``macro_f1``, each (B, m), mean over the repeats.
    """
    m, repeats, k = len(paired.names), paired.repeats, len(paired.label_set)
    unit, counts = _units(paired, range(m))
    cells = [[_counts_by_cell(paired, unit, i, r) for r in range(repeats)] for i in range(m)]
    shares, draws = counts / counts.sum(), int(counts.sum())
    generator = np.random.default_rng(seed)
    accuracy, f1 = np.zeros((2, resamples, m))
    for start in range(0, resamples, _AT_ONCE):
        size = min(_AT_ONCE, resamples - start)
        # The cells of a unit hold all images of its kind, of which one is drawn at a time.
        times = generator.multinomial(draws, shares, size=size).astype(np.float64).T / counts[:, None]
        for i in range(m):
            for matrix in cells[i]:
                confusion = (matrix @ times).T.reshape(size, k, k)
                accuracy[start : start + size, i] += np.trace(confusion, axis1=1, axis2=2) / confusion.sum((1, 2))
                f1[start : start + size, i] += np.nanmean(f1_by_class(confusion), axis=1)
    return {"accuracy": accuracy / repeats, "macro_f1": f1 / repeats}


def swap_accuracy(paired: Paired, first: int, second: int, *, resamples: int = RESAMPLES, seed: int = 0) -> Finding:
    """The permutation test of the difference of two accuracies, by image or by subject; exact where it can be.

    Returns:
        statistic: the difference. n: images or subjects.
    """
    # Counted, not averaged: means of seeds would differ by rounding where the models do not.
    more = paired.correct[first].sum(0) - paired.correct[second].sum(0)
    by_unit = more
    if paired.subjects is not None:
        _, who = np.unique(paired.subjects, return_inverse=True)
        by_unit = np.bincount(who, more)
    found = permutation(by_unit, resamples=resamples, seed=seed)
    return Finding(
        found.test, float(more.sum()) / (paired.repeats * len(paired)), found.p, found.n, (), found.effects, found.also
    )


def swap_macro_f1(paired: Paired, first: int, second: int, *, resamples: int = RESAMPLES, seed: int = 0) -> Finding:
    """The permutation test of the difference of two macro F1, by image or by subject.

    Which model said what is swapped at random: Yeh 2000, "More accurate tests for the statistical significance of
    result differences", https://aclanthology.org/C00-2137/. All cases where they are few, else a seeded sample.

    Returns:
        statistic: the difference. n: images or subjects.
    """
    k, repeats = len(paired.label_set), paired.repeats
    unit, counts = _units(paired, (first, second))
    cells = [
        np.stack([_counts_by_cell(paired, unit, i, r).toarray().T for r in range(repeats)], 1) for i in (first, second)
    ]
    a, b = (each.sum(0) for each in cells)  # (R, K * K)
    change = (cells[1] - cells[0]).reshape(len(counts), -1)
    differ = np.abs(change).sum(1) > 0
    alike = counts[differ]
    change = change[differ] / alike[:, None]

    def f1(flat: npt.NDArray[Any]) -> Floats:
        scores: Floats = np.nanmean(f1_by_class(flat.reshape(-1, repeats, k, k)), axis=2).mean(1)
        return scores

    seen = float(f1(a[None])[0] - f1(b[None])[0])
    hits = weight = 0.0
    for swapped, weights in swaps(alike, resamples=resamples, seed=seed):
        moved = (swapped @ change).reshape(-1, *a.shape)
        off = f1(a + moved) - f1(b - moved)
        hits += float(weights[np.abs(off) >= abs(seen) - 1e-12].sum())
        weight += float(weights.sum())
    exact = is_enumerated(alike)
    p = min(1.0, hits / weight) if exact else (hits + 1) / (weight + 1)
    n = len(paired) if paired.subjects is None else len(counts)
    return Finding("permutation", seen, p, n, also={"exact": float(exact)})


def _units(paired: Paired, models: Any) -> tuple[npt.NDArray[np.intp], Ints]:
    """What is drawn or swapped: the unit of each image (n,), and how many there are of each (U,).

    Without subjects images with one label of which the models say the same are one kind, and need not be told apart.
    """
    if paired.subjects is not None:
        _, unit = np.unique(paired.subjects, return_inverse=True)
        return unit, np.ones(int(unit.max()) + 1, np.int64)
    rows = np.column_stack([paired.labels, *(paired.predicted[i].T for i in models)])
    _, unit, counts = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    return unit.reshape(-1), counts


def _counts_by_cell(paired: Paired, unit: npt.NDArray[np.intp], model: int, repeat: int) -> Any:
    """Sparse (K * K, U): how often each unit falls into each cell of a model's confusion matrix."""
    k = len(paired.label_set)
    cell = paired.labels * k + paired.predicted[model, repeat]
    shape = (k * k, int(unit.max()) + 1)
    return require("scipy.sparse", extra="data").csr_matrix((np.ones(len(unit)), (cell, unit)), shape=shape)
