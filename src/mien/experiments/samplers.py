"""How the settings of the next trial are chosen: by chance, or by what the trials so far have shown.

What a sampler suggests depends on the seed, the number of the trial and the trials before it alone, not on how often
the process was started in between; so a search that was killed goes on as it would have gone.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
import optuna
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from mien.core.errors import UsageError
from mien.core.registry import unknown
from mien.experiments.hyperopt_tpe import HyperoptSampler
from mien.experiments.space import Scalar, Space

# Trials by chance before a model of them is trusted; Optuna's own number, and for Hyperopt the same.
STARTUP = 10
GRID = "grid"

_OF_OPTUNA: Mapping[str, Callable[[int], BaseSampler]] = {
    "random": lambda seed: RandomSampler(seed=seed),
    "tpe": lambda seed: TPESampler(seed=seed, n_startup_trials=STARTUP, multivariate=True, constant_liar=True),
    "gp": lambda seed: GPSampler(seed=seed, n_startup_trials=STARTUP),
    "hyperopt": lambda seed: HyperoptSampler(seed=seed, startup=STARTUP),
}
SAMPLERS = (GRID, *_OF_OPTUNA)


class Suggest(Protocol):
    """Chooses the values of a trial."""

    def __call__(self, before: list[FrozenTrial]) -> dict[str, Scalar]:
        """Stored values of the trial that comes after these, in the order of their numbers."""
        ...


def expect_sampler(name: str) -> None:
    """Raise UsageError for a name that is none of `SAMPLERS`."""
    if name not in SAMPLERS:
        raise UsageError(unknown("sampler", name, SAMPLERS))


def choose(name: str, space: Space, *, seed: int) -> Suggest:
    """The sampler of a name, but for grids, whose points are known beforehand."""
    make = _OF_OPTUNA[name]

    def suggest(before: list[FrozenTrial]) -> dict[str, Scalar]:
        own = int(np.random.SeedSequence([seed, len(before)]).generate_state(1)[0])
        # A study in memory, with one attempt at each trial, and none of its notes in the storage.
        study = optuna.create_study(direction="maximize", sampler=make(own), pruner=optuna.pruners.NopPruner())
        study.add_trials(before)
        asked: dict[str, Scalar] = study.ask(space.distributions).params
        return asked

    return suggest
