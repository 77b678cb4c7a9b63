import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mien.runtime.temperature import apply_temperature

logits = arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(2, 8)), elements=st.floats(-60, 60, width=32))


def softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values - values.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


@given(logits, st.floats(0.05, 20))
@settings(max_examples=100, deadline=None)
def test_calibrated_probabilities_are_probabilities_in_the_same_order(values: np.ndarray, temperature: float) -> None:
    raw = softmax(values)
    found = apply_temperature(raw, temperature)
    assert found.dtype == np.float32 and np.isfinite(found).all() and (found >= 0).all()
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
    top = raw.argmax(1)
    np.testing.assert_allclose(found[np.arange(len(found)), top], found.max(1), rtol=1e-5)


@given(logits)
@settings(max_examples=50, deadline=None)
def test_temperature_one_changes_nothing(values: np.ndarray) -> None:
    raw = softmax(values)
    np.testing.assert_allclose(apply_temperature(raw, 1.0), raw, atol=2e-6)


def test_calibration_equals_a_softmax_of_divided_logits() -> None:
    values = np.random.default_rng(0).normal(scale=4, size=(50, 7)).astype(np.float32)
    for temperature in (0.5, 1.3, 4.0):
        np.testing.assert_allclose(
            apply_temperature(softmax(values), temperature), softmax(values / temperature), atol=2e-6
        )


def test_certainty_stays_certain() -> None:
    sure = np.array([[1, 0, 0]], np.float32)
    np.testing.assert_allclose(apply_temperature(sure, 1.5), sure, atol=1e-6)
    np.testing.assert_allclose(apply_temperature(sure, 0.5), sure, atol=1e-6)


def test_precision_is_that_of_what_is_given() -> None:
    raw = np.random.default_rng(0).dirichlet(np.ones(5), 20)
    exact = raw**0.7 / (raw**0.7).sum(1, keepdims=True)
    np.testing.assert_allclose(apply_temperature(raw, 1 / 0.7), exact, rtol=1e-12)
    assert apply_temperature(raw.astype(np.float32), 1 / 0.7).dtype == np.float32


def test_float32_noughts_stay_numbers_at_any_temperature() -> None:
    raw = np.array([[1, 0, 0]], np.float32)
    for temperature in (0.01, 1.0, 100.0):
        assert np.isfinite(apply_temperature(raw, temperature)).all()
