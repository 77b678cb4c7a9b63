"""Temperatures: found where they are known, monotone, and judged on faces they did not see."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.core.errors import DataError
from mien.evaluation import cross_fitted_ece, fit_temperature
from mien.evaluation.calibration import RANGE
from mien.evaluation.metrics import calibration_error
from mien.runtime.temperature import apply_temperature


def calibrated(n=4000, k=5, seed=0):
    """Probabilities, and labels drawn from them."""
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.full(k, 0.5), n)
    labels = (generator.random((n, 1)) > probabilities.cumsum(1)).sum(1)
    return np.maximum(probabilities, 1e-12), labels


def nll(probabilities, labels):
    return -np.log(probabilities[np.arange(len(labels)), labels]).mean()


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_a_known_temperature_is_found(temperature):
    probabilities, labels = calibrated()
    bent = apply_temperature(probabilities, 1 / temperature)  # too sure where temperature > 1
    assert fit_temperature(bent, labels) == pytest.approx(temperature, rel=0.05)


def test_it_is_the_best_of_its_neighbours():
    probabilities, labels = calibrated(500, seed=3)
    best = fit_temperature(probabilities, labels)
    least = nll(apply_temperature(probabilities, best), labels)
    for other in (best * 0.98, best * 1.02):
        assert nll(apply_temperature(probabilities, other), labels) > least


def test_float32_noughts_do_no_harm():
    probabilities = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0], [0.6, 0.3, 0.1]], np.float32)
    temperature = fit_temperature(probabilities, [0, 1, 2, 0])
    assert RANGE[0] <= temperature <= RANGE[1]
    scaled = apply_temperature(probabilities, temperature)
    assert np.isfinite(scaled).all()
    np.testing.assert_allclose(scaled.sum(1), 1, rtol=1e-6)


def test_the_ends_of_the_range():
    right = np.array([[0.9, 0.1], [0.2, 0.8]])
    assert fit_temperature(right, [0, 1]) == RANGE[0]  # never wrong: the surer the better
    assert fit_temperature(right, [1, 0]) == RANGE[1]  # always wrong


@settings(deadline=None, max_examples=40)
@given(st.floats(0.1, 10), st.integers(0, 99))
def test_a_temperature_keeps_the_order(temperature, seed):
    probabilities, _ = calibrated(20, seed=seed)
    scaled = apply_temperature(probabilities, temperature)
    np.testing.assert_array_equal(scaled.argmax(1), probabilities.argmax(1))
    np.testing.assert_allclose(scaled.sum(1), 1)
    np.testing.assert_allclose(apply_temperature(probabilities, 1), probabilities / probabilities.sum(1, keepdims=True))


def test_cross_fitting_repairs_what_a_temperature_can_repair():
    probabilities, labels = calibrated()
    bent = apply_temperature(probabilities, 0.4)
    before = calibration_error(bent.max(1), bent.argmax(1) == labels)
    after = cross_fitted_ece(bent, labels)
    assert before > 0.1 and after < 0.03
    assert cross_fitted_ece(bent, labels, seed=1) != after == cross_fitted_ece(bent, labels, seed=0)


def test_cross_fitting_sees_no_face_twice():
    """The pooled error is that of temperatures from the other folds, worked out one fold at a time."""
    probabilities, labels = calibrated(101, seed=5)
    order = np.random.default_rng(0).permutation(101)
    scaled = np.empty_like(probabilities)
    for fold in range(5):
        held = set(order[fold::5].tolist())
        others = [k for k in range(101) if k not in held]
        temperature = fit_temperature(probabilities[others], labels[others])
        for k in held:
            scaled[k] = apply_temperature(probabilities[[k]], temperature)
    expected = calibration_error(scaled.max(1), scaled.argmax(1) == labels)
    assert cross_fitted_ece(probabilities, labels) == pytest.approx(expected, abs=1e-9)


def test_bad_input_is_refused():
    with pytest.raises(DataError, match=r"N > 0, got \(0, 3\) and \(0,\)"):
        fit_temperature(np.empty((0, 3)), [])
    with pytest.raises(DataError, match=r"class ids in 0\.\.1, got 0\.\.2"):
        fit_temperature([[0.5, 0.5], [0.5, 0.5]], [0, 2])
    with pytest.raises(DataError, match="expected 2 to 3 folds for 3 faces, got 5"):
        cross_fitted_ece(np.full((3, 2), 0.5), [0, 1, 0])
