"""Which trials end early, because others did better with as many epochs."""

import copy
from collections.abc import Callable, Mapping

from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.study import Study
from optuna.trial import FrozenTrial

from mien.core.errors import UsageError
from mien.core.registry import unknown

NUMBER = "number"  # the attribute of a trial that holds its number in the search, the same in every attempt at it
_WATCHED = 5  # trials that go through before a median says something


class _Hyperband(HyperbandPruner):
    """Hyperband whose brackets go by the trial, whichever attempt at it this is; else a kill would change them."""

    def _get_bracket_id(self, study: Study, trial: FrozenTrial) -> int:
        trial = copy.copy(trial)
        trial.number = trial.user_attrs.get(NUMBER, trial.number)
        return super()._get_bracket_id(study, trial)


_PRUNERS: Mapping[str, Callable[[int], BasePruner]] = {
    "none": lambda epochs: NopPruner(),
    "median": lambda epochs: MedianPruner(n_startup_trials=_WATCHED, n_warmup_steps=epochs // 5),
    "hyperband": lambda epochs: _Hyperband(min_resource=1, max_resource=epochs, reduction_factor=3),
}
PRUNERS = tuple(_PRUNERS)


def expect_pruner(name: str) -> None:
    """Raise UsageError for a name that is none of `PRUNERS`."""
    if name not in PRUNERS:
        raise UsageError(unknown("pruner", name, PRUNERS))


def choose(name: str, *, epochs: int) -> BasePruner:
    """The pruner of a name, for trials of so many epochs."""
    return _PRUNERS[name](epochs)
