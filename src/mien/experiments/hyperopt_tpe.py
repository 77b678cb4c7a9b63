"""Hyperopt's tree-structured Parzen estimator (Bergstra et al. 2011) as a sampler of Optuna's kind."""

from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

Distributions = Mapping[str, BaseDistribution]


class HyperoptSampler(BaseSampler):
    """Asks Hyperopt for the next trial, from the values of the trials so far.

    Args:
        seed: of its chance.
        startup: trials by chance before it looks at any.
    """

    def __init__(self, *, seed: int, startup: int) -> None:
        self._seed = seed
        self._startup = startup
        self._random = RandomSampler(seed=seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """That of the trials before, which is the same in all of them."""
        return next((dict(each.distributions) for each in study.trials if each.distributions), {})

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """What Hyperopt suggests; nothing where there are too few trials for it to learn from."""
        from hyperopt import tpe
        from hyperopt.base import Domain

        done = [each for each in study.trials if each.state in (TrialState.COMPLETE, TrialState.PRUNED)]
        if len(done) < self._startup or not search_space:
            return {}
        domain = Domain(lambda values: 0.0, {name: _node(name, each) for name, each in search_space.items()})
        seen = _trials(done, search_space)
        found = tpe.suggest([trial.number], domain, seen, self._seed, n_startup_jobs=self._startup, verbose=False)
        values = found[0]["misc"]["vals"]
        return {name: _external(values[name][0], each) for name, each in search_space.items()}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """By chance."""
        return self._random.sample_independent(study, trial, param_name, param_distribution)


def _node(name: str, distribution: BaseDistribution) -> Any:
    """A setting in Hyperopt's words."""
    import numpy as np
    from hyperopt import hp

    if isinstance(distribution, CategoricalDistribution):
        return hp.choice(name, list(range(len(distribution.choices))))
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high, step = distribution.low, distribution.high, distribution.step
    if distribution.log:
        kind = hp.loguniform if isinstance(distribution, FloatDistribution) else hp.qloguniform
        return kind(name, np.log(low), np.log(high), *([] if isinstance(distribution, FloatDistribution) else [1]))
    return hp.quniform(name, low, high, step) if step else hp.uniform(name, low, high)


def _external(value: Any, distribution: BaseDistribution) -> Any:
    """A value of Hyperopt's as the setting takes it: on its steps, within its bounds."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[int(value)]
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high, step = distribution.low, distribution.high, distribution.step
    value = min(max(float(value), low), high)
    if step:  # Hyperopt counts steps from 0, Optuna from the low end
        value = min(low + round((value - low) / step) * step, low + int((high - low) / step + 1e-9) * step)
    return round(value) if isinstance(distribution, IntDistribution) else value


def _trials(done: list[FrozenTrial], space: Distributions) -> Any:
    """The trials so far in Hyperopt's form, which makes a loss as small as it can."""
    from hyperopt import Trials
    from hyperopt.base import JOB_STATE_DONE, STATUS_OK

    seen = Trials()
    for each in done:
        values = {name: [_internal(each.params[name], kind)] for name, kind in space.items()}
        document = seen.new_trial_docs(
            [each.number],
            [None],
            [{"loss": -float(each.value or 0.0), "status": STATUS_OK}],
            [{"tid": each.number, "cmd": None, "idxs": {name: [each.number] for name in space}, "vals": values}],
        )[0]
        document["state"] = JOB_STATE_DONE
        seen.insert_trial_doc(document)
    seen.refresh()
    return seen


def _internal(value: Any, distribution: BaseDistribution) -> Any:
    """A setting as Hyperopt numbers it."""
    return distribution.choices.index(value) if isinstance(distribution, CategoricalDistribution) else value
