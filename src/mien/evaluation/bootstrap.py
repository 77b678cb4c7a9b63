"""The bootstrap (Efron 1979, https://doi.org/10.1214/aos/1176344552): 10,000 samples of the same faces, or people.

Where it is known who is seen, people are drawn with all of their faces: faces of one person are no independent facts.
"""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

CONFIDENCE = 0.95
RESAMPLES = 10_000

_RESAMPLES_AT_ONCE = 1000
_NUMBERS_AT_ONCE = 2_000_000  # 16 MB of float64: what stays in the processor's cache is counted several times faster


def units_of(subjects: npt.NDArray[np.str_] | None, n: int) -> npt.NDArray[np.intp]:
    """(n,) number, from 0 without a gap, of what each face is drawn with: its person, or itself.

    Faces of nobody known ("") are drawn by themselves: they are not all of one person.
    """
    if subjects is None:
        return np.arange(n)
    known = subjects != ""
    unit = np.empty(n, np.intp)
    people, unit[known] = np.unique(subjects[known], return_inverse=True)
    unit[~known] = len(people) + np.arange(n - np.count_nonzero(known))
    return unit


def draws(units: int, *, seed: int | tuple[int, ...], resamples: int = RESAMPLES) -> Iterator[Floats]:
    """How often each unit stands in each bootstrap sample: (B, units) at a time, `resamples` in all."""
    generator = np.random.default_rng(seed)
    at_once = max(1, min(_RESAMPLES_AT_ONCE, _NUMBERS_AT_ONCE // max(1, units)))
    for start in range(0, resamples, at_once):
        rows = min(at_once, resamples - start)
        drawn = generator.integers(0, units, (rows, units)) + units * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * units).reshape(rows, units).astype(np.float64)


def resampled_sums(values: Floats, unit: npt.NDArray[np.intp], *, seed: int, resamples: int = RESAMPLES) -> Floats:
    """Sums of columns over bootstrap samples: (resamples, m) of (n, m) values of n faces.

    A mean, a variance or a correlation is a ratio of such sums; one column of ones counts the faces that were drawn.
    """
    totals = np.zeros((int(unit.max()) + 1, values.shape[1]))
    np.add.at(totals, unit, values)
    return np.concatenate([times @ totals for times in draws(len(totals), seed=seed, resamples=resamples)])


def resampled_counts(
    cells: npt.NDArray[np.integer],
    size: int,
    subjects: npt.NDArray[np.str_] | None = None,
    *,
    seed: int | tuple[int, ...],
    resamples: int = RESAMPLES,
) -> Ints:
    """How many faces fall into each cell, such as of a confusion matrix, in bootstrap samples: (resamples, size).

    Drawing n faces with replacement and counting them is drawing the counts of the cells from a multinomial
    distribution, which is exact and needs no faces. With subjects, people are drawn instead.

    Args:
        cells: (n,) the number, in 0..size-1, of the cell that each face falls into; n > 0.
        size: how many cells there are.
        subjects: (n,) who is seen; None: every face by itself.
        seed: of the generator.
        resamples: how many samples.
    """
    if subjects is not None:
        unit = units_of(subjects, len(cells))
        owned = np.zeros((int(unit.max()) + 1, size))
        np.add.at(owned, (unit, cells), 1)
        parts = [(times @ owned).astype(np.int64) for times in draws(len(owned), seed=seed, resamples=resamples)]
        return np.concatenate(parts)
    counts = np.bincount(cells, minlength=size)
    there = np.flatnonzero(counts)
    found = np.zeros((resamples, size), np.int64)
    found[:, there] = np.random.default_rng(seed).multinomial(len(cells), counts[there] / len(cells), size=resamples)
    return found


def percentiles(samples: Floats) -> tuple[float, float]:
    """The interval between the 2.5 % and 97.5 % quantiles; samples where the figure is not defined are left out."""
    defined = samples[~np.isnan(samples)]
    if not len(defined):
        return math.nan, math.nan
    low, high = np.quantile(defined, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    return float(low), float(high)
