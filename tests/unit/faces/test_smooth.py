import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.errors import DataError, UsageError
from mien.faces.smooth import SMOOTHINGS, Smoother, bayesian

ONE = np.array([0])


def run(method: str, values: np.ndarray, times: np.ndarray, memory_s: float = 0.5) -> np.ndarray:
    smoother = Smoother(method, memory_s=memory_s)
    return np.vstack([smoother.update(ONE, row[None], t) for row, t in zip(values, times, strict=True)])


def step_change(fps: float, seconds: float = 4.0) -> tuple[np.ndarray, np.ndarray]:
    """Sad at 0.7 for half of the time, then happy at 0.7."""
    times = np.arange(round(fps * seconds) + 1) / fps
    values = np.where((times < seconds / 2)[:, None], [0.7, 0.2, 0.1], [0.1, 0.2, 0.7]).astype(np.float32)
    return values, times


@pytest.mark.parametrize("method", SMOOTHINGS)
@given(
    rows=st.lists(st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4).filter(lambda r: sum(r) > 0.01), min_size=1),
    steps=st.lists(st.floats(0, 5), min_size=1, max_size=50),
)
def test_rows_sum_to_1_and_the_first_is_as_it_was(method, rows, steps):
    n = min(len(rows), len(steps))
    values = np.asarray(rows[:n]) / np.sum(rows[:n], axis=1, keepdims=True)
    smoothed = run(method, values, np.cumsum(steps[:n]))
    assert smoothed.dtype == np.float32
    assert smoothed.sum(1) == pytest.approx(np.ones(n), abs=1e-5)
    assert (smoothed >= 0).all()
    assert smoothed[0] == pytest.approx(values[0], abs=1e-6)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=40), st.floats(0.05, 3))
def test_exponential_is_the_mean_with_weights_that_fade(shares, memory_s):
    values = np.stack([shares, 1 - np.asarray(shares)], 1)
    times = np.arange(len(shares)) * 0.1
    fade = np.exp(-0.1 / memory_s)
    weights = (1 - fade) * fade ** np.arange(len(shares))[::-1]
    weights[0] = fade ** (len(shares) - 1)  # the first stands for all that was before
    assert run("exponential", values, times, memory_s)[-1] == pytest.approx(weights @ values, abs=1e-5)


@pytest.mark.parametrize("method", SMOOTHINGS)
def test_seconds_count_and_not_frames(method):
    slow, fast = (run(method, *step_change(fps)) for fps in (10, 60))
    assert fast[::6] == pytest.approx(slow, abs=0.1)  # a change comes between two frames


@pytest.mark.parametrize("method", SMOOTHINGS)
def test_a_single_wrong_frame_does_not_change_the_label_and_a_lasting_change_does(method):
    values, times = step_change(30)
    values[30] = [0, 0.05, 0.95]
    top = run(method, values, times).argmax(1)
    assert (top[:60] == 0).all()
    assert (top[60 + 20 :] == 2).all()


def test_bayesian_agrees_with_the_forward_algorithm_of_a_hidden_markov_model():
    """Frames far apart are independent evidence: the filter is then the textbook's, with a transition matrix."""
    rng = np.random.default_rng(5)
    values = rng.dirichlet(np.ones(4), 12)
    stay = np.exp(-100 / (4 * 5.0))
    transition = np.full((4, 4), (1 - stay) / 4) + stay * np.eye(4)
    alpha = values[0].copy()
    for k, now in enumerate(values[1:], 1):
        alpha = (alpha @ transition) * now
        alpha /= alpha.sum()
        got = run("bayesian", values[: k + 1], 100.0 * np.arange(k + 1), memory_s=5.0)[-1]
        assert got == pytest.approx(alpha, abs=1e-5)


def test_bayesian_lets_an_emotion_come_back_that_a_frame_ruled_out():
    belief = bayesian(np.array([0.5, 0.5]), np.array([1.0, 0.0]), 10.0, memory_s=0.5)
    assert 0 < belief[1] < 1e-4
    assert bayesian(belief, np.array([0.1, 0.9]), 10.0, memory_s=0.5)[1] > 0.85


def test_faces_are_smoothed_each_by_itself_and_forgotten_after_a_while():
    smoother = Smoother(memory_s=0.5)
    a, b = np.float32([[1, 0]]), np.float32([[0, 1]])
    smoother.update(np.array([3, 8]), np.vstack([a, b]), 0.0)
    assert smoother.update(np.array([8, 3]), np.vstack([b, a]), 0.1).tolist() == [[0, 1], [1, 0]]
    for face in range(100, 1000):
        smoother.update(np.array([face]), a, float(face))
    assert len(smoother._past) <= 11
    assert smoother.update(np.array([3]), b, 1000.0).tolist() == [[0, 1]]
    smoother.reset()
    assert smoother.update(np.array([999]), a, 0.0).tolist() == [[1, 0]]  # and the clock starts anew


def test_wrong_input_is_refused():
    with pytest.raises(UsageError, match="expected a smoothing out of exponential, bayesian, got 'bayes'"):
        Smoother("bayes")
    with pytest.raises(UsageError, match="expected memory_s in seconds above 0, got 0"):
        Smoother(memory_s=0)
    smoother = Smoother()
    with pytest.raises(DataError, match=r"expected probabilities of shape \(1, K\) for as many ids, got \(2, 3\)"):
        smoother.update(ONE, np.ones((2, 3)) / 3, 0.0)
    with pytest.raises(DataError, match=r"expected rows of probabilities that sum to 1, got \[0.9, 0.9\]"):
        smoother.update(ONE, np.float32([[0.9, 0.9]]), 0.0)
    smoother.update(ONE, np.float32([[0.5, 0.5]]), 1.0)
    with pytest.raises(DataError, match="expected a time from 1 s on for the next frame, got 0.5 s"):
        smoother.update(ONE, np.float32([[0.5, 0.5]]), 0.5)
