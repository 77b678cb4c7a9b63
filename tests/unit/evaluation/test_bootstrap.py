"""The bootstrap's samples against drawing faces or people one by one."""

import math

import numpy as np
import pytest

from mien.evaluation.bootstrap import draws, percentiles, resampled_counts, resampled_sums, units_of

CELLS = np.array([0, 0, 1, 4, 5, 8])


def test_counts_are_those_of_drawing_faces():
    counts = resampled_counts(CELLS, 9, seed=0, resamples=4000)
    assert counts.shape == (4000, 9) and (counts.sum(1) == 6).all()
    drawn = np.random.default_rng(1).integers(0, 6, (4000, 6))
    brute = np.stack([np.bincount(CELLS[each], minlength=9) for each in drawn])
    np.testing.assert_allclose(counts.mean(0), brute.mean(0), atol=0.1)
    np.testing.assert_allclose(np.cov(counts.T), np.cov(brute.T), atol=0.12)


def test_a_person_is_drawn_with_all_faces():
    counts = resampled_counts(CELLS, 9, np.array(list("aabbbb")), seed=0, resamples=300)
    a, b = np.bincount(CELLS[:2], minlength=9), np.bincount(CELLS[2:], minlength=9)
    seen = {tuple(each) for each in counts}
    assert seen == {tuple(2 * a), tuple(a + b), tuple(2 * b)}


def test_faces_of_nobody_known_are_not_of_one_person():
    assert units_of(np.array(["b", "", "a", "b", ""]), 5).tolist() == [1, 2, 0, 1, 3]
    assert units_of(np.array(["", ""]), 2).tolist() == [0, 1] and units_of(None, 2).tolist() == [0, 1]
    counts = resampled_counts(CELLS, 9, np.array([""] * 6), seed=0, resamples=4000)
    assert (counts.sum(1) == 6).all() and counts.std(0)[0] == pytest.approx(np.sqrt(6 * (1 / 3) * (2 / 3)), abs=0.05)


def test_sums_are_those_of_the_drawn_faces():
    values, unit = np.array([[1.0, 10], [2, 20], [4, 40]]), units_of(np.array(["x", "y", "x"]), 3)
    sums = resampled_sums(values, unit, seed=3, resamples=50)
    times = np.concatenate(list(draws(2, seed=3, resamples=50)))
    np.testing.assert_allclose(sums, times @ np.array([[5.0, 50], [2, 20]]))
    assert (times.sum(1) == 2).all() and len(np.unique(times, axis=0)) == 3


def test_many_units_are_drawn_a_few_samples_at_a_time():
    parts = list(draws(1_000_000, seed=0, resamples=3))
    assert [each.shape for each in parts] == [(2, 1_000_000), (1, 1_000_000)]
    assert all((each.sum(1) == 1_000_000).all() for each in parts)
    assert parts[0][0].var() == pytest.approx(1, abs=0.01)  # nearly Poisson


def test_quantiles_leave_out_what_is_not_defined():
    assert percentiles(np.array([math.nan, *np.linspace(0, 1, 41)])) == pytest.approx((0.025, 0.975))
    assert all(map(math.isnan, percentiles(np.full(3, math.nan))))
