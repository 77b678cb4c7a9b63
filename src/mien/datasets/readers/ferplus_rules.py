"""How ten raters' votes become labels: the rules of FER+'s authors.

Barsoum et al. 2016, "Training Deep Networks for Facial Expression Recognition with Crowd-Sourced Label
Distribution", https://doi.org/10.1145/2993148.2993165, section 3; details after `src/ferplus.py` of their repository.
Every rule first takes out single votes: a class that one rater alone saw counts as not seen.
"""

import numpy as np
import numpy.typing as npt

from mien.core.labels import LABEL_SETS
from mien.datasets.table import LabelColumn

VOTES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")

_LABELS = LABEL_SETS["ferplus"]
_EMOTIONS = len(_LABELS)
_NO_FACE = VOTES.index("NF")
_MOST_EMOTIONS = 3  # of an image, by the probability rule

Votes = npt.NDArray[np.int8]
Counts = npt.NDArray[np.int16]
Ids = npt.NDArray[np.int16]
Soft = npt.NDArray[np.float32]


def label_column(votes: Votes, *, mode: str, file: str) -> LabelColumn:
    """The label source ``ferplus`` by one of `MODES`; `file` names where the votes are from."""
    ids, soft = MODES[mode](votes)
    return LabelColumn(_LABELS, ids, soft, f"official {mode} rule on {file}", file)


def majority(votes: Votes) -> Ids:
    """The label of each row of votes by FER+'s official majority rule.

    The top class is the label if it has more than half of the votes that are left and is an emotion.

    Args:
        votes: (n, 10) int8, columns as in `VOTES`.

    Returns:
        (n,) int16 class ids of the label set ``ferplus``, -1 where there is no majority, or for unknown or no face.
    """
    left = _without_single_votes(votes)
    top = left.argmax(1)
    kept = (2 * left.max(1, initial=0) > left.sum(1)) & (top < _EMOTIONS)
    return np.where(kept, top, -1).astype(np.int16)


def soften(votes: Votes) -> Soft:
    """The distribution of votes over the eight emotions, single votes taken out.

    Args:
        votes: (n, 10) int8, columns as in `VOTES`.

    Returns:
        (n, 8) float32, rows sum to 1; NaN rows where no emotion has votes left or most see no face.
    """
    left = _without_single_votes(votes)
    emotions = left[:, :_EMOTIONS]
    return _shares(emotions, (emotions.sum(1) > 0) & (left.argmax(1) != _NO_FACE))


def probability(votes: Votes) -> tuple[Ids, Soft]:
    """Labels and distributions by FER+'s official probability rule.

    Classes are gathered from the top on, equal ones together, until they hold three quarters of the votes that are
    left, or three emotions, or unknown or no face comes up. Their shares are the distribution, unless they hold no
    more than half of the votes, or are more than three. The authors draw a label from it anew in each epoch; the
    label here is the top class.

    Args:
        votes: (n, 10) int8, columns as in `VOTES`.

    Returns:
        (n,) int16 class ids, -1 where there is none; (n, 8) float32 whose rows sum to 1, NaN rows where there is none.
    """
    left = _without_single_votes(votes)
    total = left.sum(1)
    gathered = np.zeros_like(left[:, :_EMOTIONS])
    going = np.ones(len(left), np.bool_)
    for _ in range(_MOST_EMOTIONS):
        held, count = gathered.sum(1), (gathered > 0).sum(1)
        going &= (4 * held < 3 * total) & (count < _MOST_EMOTIONS)
        top = (left == left.max(1, keepdims=True, initial=0)) & (left > 0) & going[:, None]
        gathered += np.where(top, left, 0)[:, :_EMOTIONS]
        going &= ~top[:, _EMOTIONS:].any(1)
        left = np.where(top, 0, left)
    fit = (2 * gathered.sum(1) > total) & ((gathered > 0).sum(1) <= _MOST_EMOTIONS)
    return _top(gathered, fit), _shares(gathered, fit)


def multi_target(votes: Votes) -> tuple[Ids, Soft]:
    """Labels and targets by FER+'s official multi-target rule.

    Each emotion with at least 30 % of the votes that are left is a target, and all are worth the same. There is none
    where the classes with so many votes hold no more than half of them, or the top one is unknown or no face.

    Args:
        votes: (n, 10) int8, columns as in `VOTES`.

    Returns:
        (n,) int16 class ids of the top emotion, -1 where there is none; (n, 8) float32, equal for all targets of a
        row, whose rows sum to 1, NaN rows where there is none.
    """
    left = _without_single_votes(votes)
    total = left.sum(1)
    kept = np.where(10 * left >= 3 * total[:, None], left, 0)
    fit = (2 * kept.sum(1) > total) & (kept.argmax(1) < _EMOTIONS)
    emotions = kept[:, :_EMOTIONS]
    return _top(emotions, fit), _shares((emotions > 0).astype(np.int16), fit)


# A mode -> the labels and the distributions that it gives.
MODES = {
    "majority": lambda votes: (majority(votes), soften(votes)),
    "probability": probability,
    "multi-target": multi_target,
}


def _without_single_votes(votes: Votes) -> Counts:
    return np.where(votes == 1, 0, votes).astype(np.int16)


def _top(emotions: Counts, fit: npt.NDArray[np.bool_]) -> Ids:
    """The first class with the most votes, -1 where a row is not fit."""
    return np.where(fit, emotions.argmax(1), -1).astype(np.int16)


def _shares(emotions: Counts, fit: npt.NDArray[np.bool_]) -> Soft:
    """(n, 8) shares of the votes for each emotion, NaN where a row is not fit."""
    shares = np.full(emotions.shape, np.nan, np.float32)
    shares[fit] = emotions[fit] / emotions[fit].sum(1, keepdims=True, dtype=np.float32)
    return shares
