"""Probabilities of a face over time, made steady: two ways, chosen by name.

Both count seconds, not frames, so that a clip gives the same curve at 10 frames a second as at 60.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError, UsageError
from mien.core.registry import unknown
from mien.core.types import Floats
from mien.faces.track import Ids

Wide = npt.NDArray[np.float64]

_LEAST = 1e-6  # probability: an emotion that a frame rules out may come back with the next


def exponential(before: Wide, now: Wide, step_s: float, *, memory_s: float) -> Wide:
    """Mean that forgets: what lies `memory_s` back counts 1/e as much.

    Args:
        before: (K,) smoothed probabilities of the frame before.
        now: (K,) probabilities of this frame.
        step_s: seconds between the two.
        memory_s: time constant.
    """
    mean: Wide = now + np.exp(-step_s / memory_s) * (before - now)
    return mean


def bayesian(before: Wide, now: Wide, step_s: float, *, memory_s: float) -> Wide:
    """Forward filter of a hidden Markov model whose states are the K emotions.

    A face stays in its emotion for some time: within t seconds it has drawn another, any of the K, with probability
    1 - exp(-t / 4 m), m being `memory_s`. The frame's probabilities are the evidence, on a flat prior. Frames that are
    close in time show the same picture, and so are no independent evidence: each counts with the exponent
    1 - exp(-t / m), fully where frames are far apart, and together about once in m seconds.

    It switches later than the mean but then quickly, and what several frames agree on becomes more certain than in any
    of them: good for labels and episodes, while the mean keeps what the model said of how sure it is.

    Args:
        before: as in `exponential`.
        now: the same.
        step_s: the same.
        memory_s: how long frames count as one piece of evidence.

    Source: Rabiner, "A tutorial on hidden Markov models", Proc. IEEE 77 (1989), eq. 19-20, doi:10.1109/5.18626.
    """
    stays = np.exp(-step_s / (4 * memory_s))
    weight = 1 - np.exp(-step_s / memory_s)
    prior = stays * before + (1 - stays) / len(before)
    belief: Wide = prior * np.maximum(now, _LEAST) ** weight
    belief /= belief.sum()
    return belief


SMOOTHINGS: dict[str, Callable[..., Wide]] = {"exponential": exponential, "bayesian": bayesian}


@dataclass
class _Past:
    values: Wide  # (K,) float64
    time_s: float


class Smoother:
    """Smooths the probabilities of each face by itself; a new id starts with the values of its first frame.

    An id that did not come for twenty times `memory_s` is forgotten: nothing of its past would count any more. So
    memory is bounded. Not safe to share between threads.

    Args:
        method: a name out of `SMOOTHINGS`.
        memory_s: how far back it looks, in seconds; 0.5 is about as quick as a face changes.

    Raises:
        UsageError: an unknown method, or a memory out of range.

    >>> smoother = Smoother(memory_s=1.0)
    >>> smoother.update(np.array([0]), np.float32([[1, 0]]), 0.0)
    array([[1., 0.]], dtype=float32)
    >>> smoother.update(np.array([0]), np.float32([[0, 1]]), 1.0).round(2)
    array([[0.37, 0.63]], dtype=float32)
    """

    def __init__(self, method: str = "exponential", *, memory_s: float = 0.5) -> None:
        if method not in SMOOTHINGS:
            raise UsageError(unknown("smoothing", method, list(SMOOTHINGS)))
        if not 0 < memory_s < np.inf:
            raise UsageError(f"expected memory_s in seconds above 0, got {memory_s:g}")
        self._step, self._memory_s = SMOOTHINGS[method], memory_s
        self.reset()

    def reset(self) -> None:
        """Forget all faces."""
        self._past: dict[int, _Past] = {}

    def update(self, ids: Ids, probabilities: Floats, time_s: float) -> Floats:
        """The smoothed values of one frame's faces.

        Args:
            ids: (n,) whose they are, see `mien.faces.track.Tracker`.
            probabilities: (n, K), rows sum to 1.
            time_s: of the frame; never before that of the frame before.

        Returns:
            (n, K) float32, rows sum to 1.

        Raises:
            DataError: shapes that do not fit, values that are no probabilities, or a time that runs backwards.
        """
        values = _checked(ids, probabilities)
        smoothed = np.empty(values.shape, np.float64)
        for row, (face, now) in enumerate(zip(ids.tolist(), values, strict=True)):
            past = self._past.get(face)
            if past and time_s < past.time_s:
                raise DataError(f"expected a time from {past.time_s:g} s on for the next frame, got {time_s:g} s")
            smoothed[row] = self._step(past.values, now, time_s - past.time_s, memory_s=self._memory_s) if past else now
            self._past[face] = _Past(smoothed[row], time_s)
        self._forget(time_s)
        return smoothed.astype(np.float32)

    def _forget(self, time_s: float) -> None:
        old = [face for face, past in self._past.items() if time_s - past.time_s > 20 * self._memory_s]
        for face in old:
            del self._past[face]


def _checked(ids: Ids, probabilities: Floats) -> Wide:
    values = np.asarray(probabilities, np.float64)
    if values.ndim != 2 or len(values) != len(ids):
        raise DataError(f"expected probabilities of shape ({len(ids)}, K) for as many ids, got {values.shape}")
    if len(values) and not (values.min() >= 0 and np.allclose(values.sum(1), 1, atol=1e-3)):  # NaN fails, too
        raise DataError(f"expected rows of probabilities that sum to 1, got {values[0].round(3).tolist()}")
    return values
