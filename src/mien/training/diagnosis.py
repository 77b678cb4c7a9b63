"""What the curves of a training say, in words: over- and underfitting, too few epochs, a wrong learning rate.

Thresholds are rules of thumb, stated here and in the sentences, so that a reader can disagree with them. Training
accuracy is measured on augmented faces with dropout, validation accuracy on faces as they are with the averaged
weights: so training may well read lower, and a gap the other way says all the more.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FEWEST_EPOCHS = 5  # below it the curves say nothing
GAP = 0.10  # training accuracy above validation accuracy, at the best epoch: overfitting
RISE = 1.05  # validation loss at the end over its minimum
STILL_RISING = 0.005  # accuracy gained from the last but one tenth of the epochs to the last
NOTHING = 0.02  # training accuracy gained in all
JUMP = 1.20  # training loss over that of the epoch before
EVEN = 0.8  # fall of the training loss in the last third over that in the first


@dataclass(frozen=True)
class Curves:
    """The columns of a `metrics.csv` that are judged: a value an epoch; accuracies are means over the heads.

    Attributes:
        train_loss, valid_loss, train_accuracy, valid_accuracy: empty where the log has none of it.
        best: place of the selected epoch.
    """

    train_loss: tuple[float, ...]
    valid_loss: tuple[float, ...]
    train_accuracy: tuple[float, ...]
    valid_accuracy: tuple[float, ...]
    best: int

    @property
    def epochs(self) -> int:
        """How many there are."""
        return len(self.train_loss)


def read_curves(rows: Sequence[Mapping[str, Any]]) -> Curves:
    """The curves of a log, whose values may be text."""
    selection = _column(rows, "selection")
    return Curves(
        _column(rows, "train_loss"),
        _column(rows, "valid_loss"),
        _column(rows, "train_accuracy"),
        _column(rows, "valid_accuracy"),
        max(range(len(selection)), key=selection.__getitem__, default=0),
    )


def diagnose(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """One sentence for each thing that the log of a training shows; at least one.

    Args:
        rows: of `metrics.csv`, in order of the epochs.
    """
    curves = read_curves(rows)
    if curves.epochs < FEWEST_EPOCHS:
        return (f"too few epochs to judge the curves: {curves.epochs}, expected {FEWEST_EPOCHS} or more",)
    signs = [_overfitting, _overconfidence, _underfitting, _learnt_nothing, _jumps, _slow]
    found = tuple(said for sign in signs if (said := sign(curves)))
    return found or ("the curves show neither over- nor underfitting",)


def _overfitting(curves: Curves) -> str:
    """Training accuracy far above validation accuracy."""
    if not (curves.train_accuracy and curves.valid_accuracy):
        return ""
    train, valid = curves.train_accuracy[curves.best], curves.valid_accuracy[curves.best]
    if train - valid < GAP:
        return ""
    return (
        f"overfitting: at the best epoch ({curves.best}) accuracy is {_percent(train)} in training and "
        f"{_percent(valid)} in validation, {100 * (train - valid):.1f} points apart: more data, augmentation, dropout "
        "or weight_decay, or a smaller net"
    )


def _overconfidence(curves: Curves) -> str:
    """Validation loss that rises after its minimum."""
    loss = curves.valid_loss
    if not loss:
        return ""
    lowest, end = min(range(len(loss)), key=loss.__getitem__), _mean(loss[-3:])
    if len(loss) - 1 - lowest < 3 or end < RISE * loss[lowest]:
        return ""
    return (
        f"overfitting: validation loss rose from {loss[lowest]:.3f} at epoch {lowest} to {end:.3f} at the end: fewer "
        "epochs, or more augmentation, dropout or label_smoothing"
    )


def _underfitting(curves: Curves) -> str:
    """Validation accuracy that still rises at the end, with no gap to training."""
    accuracy, tenth = curves.valid_accuracy, max(2, curves.epochs // 10)
    if not accuracy or not curves.train_accuracy:
        return ""
    gain = _mean(accuracy[-tenth:]) - _mean(accuracy[-2 * tenth : -tenth])
    if gain < STILL_RISING or curves.train_accuracy[curves.best] - accuracy[curves.best] >= GAP:
        return ""
    return (
        f"underfitting: validation accuracy still rose by {100 * gain:.1f} points from the last but one to the last "
        f"{tenth} epochs: more epochs, or a larger net"
    )


def _learnt_nothing(curves: Curves) -> str:
    """Training accuracy that hardly moved."""
    accuracy = curves.train_accuracy
    if not accuracy or max(accuracy) - accuracy[0] >= NOTHING or accuracy[0] > 1 - 2 * NOTHING:
        return ""
    return (
        f"nothing learnt: training accuracy went from {_percent(accuracy[0])} to {_percent(max(accuracy))} at best: "
        "look at the labels, then try a lower and a higher learning_rate"
    )


def _jumps(curves: Curves) -> str:
    """Training loss that leaps up: the steps are too large."""
    loss = curves.train_loss
    jumps = [epoch for epoch in range(1, len(loss)) if loss[epoch] > JUMP * loss[epoch - 1]]
    if not jumps and loss[-1] <= loss[0]:
        return ""
    if jumps:
        many = f"in {len(jumps)} epochs, first in epoch {jumps[0]}" if len(jumps) > 1 else f"in epoch {jumps[0]}"
        said = f"training loss jumped by more than {100 * (JUMP - 1):.0f} % {many}"
    else:
        said = f"training loss ended higher than it began ({loss[-1]:.3f} after {loss[0]:.3f})"
    return f"learning rate too high: {said}: lower learning_rate, or a longer warmup"


def _slow(curves: Curves) -> str:
    """Training loss that falls little and evenly to the end: the steps are too small."""
    loss, third = curves.train_loss, curves.epochs // 3
    first, last = loss[0] - loss[third], loss[-1 - third] - loss[-1]
    if last <= 0 or last < EVEN * first or loss[-1] < 0.7 * loss[0]:
        return ""
    return (
        f"learning rate too low: training loss fell evenly to the end, from {loss[0]:.3f} to {loss[-1]:.3f} only: "
        "raise learning_rate, or train longer"
    )


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> tuple[float, ...]:
    """A column, or the mean of those of several heads (`name_<head>`); empty where any value is missing."""
    names = [key for key in (rows[0] if rows else {}) if key == name or key.startswith(f"{name}_")]
    try:
        values = tuple(_mean([float(row[each]) for each in names]) for row in rows) if names else ()
    except (KeyError, TypeError, ValueError):
        return ()
    return values if all(map(math.isfinite, values)) else ()


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
