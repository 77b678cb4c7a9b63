"""The learning rate of each step: a function of how far a run has come and of what it has reached so far.

Nothing is kept from step to step, so a resumed run has the rates of an unbroken one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mien.core.registry import Registry

if TYPE_CHECKING:
    from mien.training.config import TrainConfig

SCHEDULES: Registry[float] = Registry("schedule")


@dataclass(frozen=True)
class Progress:
    """How far a run has come.

    Attributes:
        step: steps of the optimiser so far. steps: in the whole run. epoch: that is trained now, from 0.
        history: the selection figure of each epoch so far; larger is better.
    """

    step: int
    steps: int
    epoch: int
    history: Sequence[float] = ()


def learning_rate(config: "TrainConfig", at: Progress) -> float:
    """The rate of the next step, by the schedule that the settings name."""
    return SCHEDULES.create(config.schedule, config=config, at=at)


@SCHEDULES.register("one-cycle")
def one_cycle(*, config: "TrainConfig", at: Progress) -> float:
    """From 1/25 of the peak up to it and down to 1/250,000, both along half a cosine.

    Smith and Topin 2019 (doi:10.1117/12.2520589), in the two-phase form of torch's `OneCycleLR`.
    """
    peak = config.learning_rate
    low = peak / 25
    steps = max(3, at.steps)  # each of the two phases has a length
    turn = float(max(config.warmup, 2 / steps) * steps) - 1
    if at.step <= turn:
        return _half_cosine(low, peak, at.step / turn)
    return _half_cosine(peak, low / 1e4, min(1.0, (at.step - turn) / (steps - 1 - turn)))


@SCHEDULES.register("cosine")
def cosine(*, config: "TrainConfig", at: Progress) -> float:
    """Linear warm-up, then half a cosine to 0 (Loshchilov and Hutter 2017, arXiv:1608.03983, without restarts)."""
    begin = config.warmup * at.steps
    share = (at.step - begin) / max(1.0, at.steps - begin)
    return _warm_up(config, at) * _half_cosine(config.learning_rate, 0.0, min(1.0, max(0.0, share)))


@SCHEDULES.register("step")
def step(*, config: "TrainConfig", at: Progress) -> float:
    """Linear warm-up; every `decay_every` epochs times `decay_by`."""
    return _warm_up(config, at) * config.learning_rate * config.decay_by ** (at.epoch // config.decay_every)


@SCHEDULES.register("plateau")
def plateau(*, config: "TrainConfig", at: Progress) -> float:
    """Linear warm-up; times `decay_by` whenever `plateau_patience` epochs on end brought no better figure."""
    cuts = plateaus(at.history, config.plateau_patience)
    return _warm_up(config, at) * config.learning_rate * config.decay_by**cuts


@SCHEDULES.register("constant")
def constant(*, config: "TrainConfig", at: Progress) -> float:
    """Linear warm-up, then the same rate throughout."""
    return _warm_up(config, at) * config.learning_rate


def plateaus(history: Sequence[float], patience: int) -> int:
    """How often `patience` epochs on end brought no figure better than all before; counts anew after each time."""
    best, stale, found = -math.inf, 0, 0
    for figure in history:
        if figure > best:
            best, stale = figure, 0
        else:
            stale += 1
        if stale == patience:
            found, stale = found + 1, 0
    return found


def stale_epochs(history: Sequence[float]) -> int:
    """How many epochs ago the best one was; 0 where there is none."""
    best, stale = -math.inf, 0
    for figure in history:
        best, stale = (figure, 0) if figure > best else (best, stale + 1)
    return stale


def _half_cosine(start: float, end: float, share: float) -> float:
    """From start (share 0) to end (share 1)."""
    return end + (start - end) / 2.0 * (math.cos(math.pi * share) + 1)


def _warm_up(config: "TrainConfig", at: Progress) -> float:
    """From nearly 0 to 1 over the first `warmup` of the run."""
    return min(1.0, (at.step + 1) / max(1.0, config.warmup * at.steps))
