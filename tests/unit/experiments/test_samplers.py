"""What a sampler suggests depends on the seed and on the trials before, lies in the space, and gets better."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState, create_trial

from mien.core.errors import UsageError
from mien.experiments import samplers
from mien.experiments.hyperopt_tpe import HyperoptSampler, _external, _node
from mien.experiments.space import Parameter
from mien.experiments.study import quiet

from .conftest import SPACE, figure_of, grid_of

MODELS = [name for name in samplers.SAMPLERS if name != samplers.GRID]


def trials(name, n, *, seed=0):
    suggest = samplers.choose(name, SPACE, seed=seed)
    before = []
    for _ in range(n):
        params = suggest(before)
        value = figure_of(SPACE.settings(params))
        before.append(create_trial(params=params, distributions=SPACE.distributions, value=value))
    return before


@pytest.mark.parametrize("name", MODELS)
def test_the_same_seed_and_trials_give_the_same_suggestion(name):
    with quiet():
        before = trials(name, 13)
        one, other = (samplers.choose(name, SPACE, seed=0)(before) for _ in range(2))
        assert one == other and one != samplers.choose(name, SPACE, seed=1)(before)
        assert tuple(one) == SPACE.keys
        for key, value in one.items():
            assert SPACE[key].distribution._contains(SPACE[key].distribution.to_internal_repr(value))
        for key in ("optimizer", "net_options.widths"):
            assert one[key] in grid_of(SPACE[key])


@pytest.mark.parametrize("name", ["tpe", "gp", "hyperopt"])
def test_what_learns_from_trials_is_better_than_chance(name):
    """After the ten trials by chance that all of them begin with."""
    n, seeds = (14, 1) if name == "gp" else (25, 3)
    with quiet():
        values = np.array([[each.value for each in trials(name, n, seed=seed)] for seed in range(seeds)])
        chance = np.array([[each.value for each in trials("random", n, seed=seed)] for seed in range(seeds)])
    assert values[:, 10:].mean() > chance[:, 10:].mean() + 0.1


def test_trials_that_run_or_failed_stand_in_nobodys_way():
    with quiet():
        before = trials("random", 12)
        params, distributions = before[0].params, SPACE.distributions
        before += [
            create_trial(state=state, params=params, distributions=distributions)
            for state in (TrialState.RUNNING, TrialState.FAIL)
        ]
        for name in MODELS:
            assert set(samplers.choose(name, SPACE, seed=0)(before)) == set(SPACE.keys)


@given(
    low=st.integers(1, 100), steps=st.integers(1, 20), step=st.integers(1, 7), value=st.floats(-50, 500),
    kind=st.sampled_from(["int", "float"]),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_what_hyperopt_says_is_brought_onto_the_steps(low, steps, step, value, kind):
    parameter = Parameter("batch", kind, low, low + steps * step, step=step)
    found = _external(value, parameter.distribution)
    assert low <= found <= low + steps * step and (found - low) % step == 0
    assert isinstance(found, int if kind == "int" else float)


def test_hyperopt_draws_a_logarithmic_range_evenly_by_order_of_magnitude():
    from hyperopt.pyll.stochastic import sample

    node = _node("x", Parameter("learning_rate", "float", 1e-4, 1.0, log=True).distribution)
    drawn = np.log10([sample(node, np.random.default_rng(seed)) for seed in range(200)])
    assert drawn.min() >= -4 and drawn.max() <= 0 and abs(drawn.mean() + 2) < 0.3


def test_hyperopt_waits_until_there_are_trials_to_learn_from():
    sampler = HyperoptSampler(seed=0, startup=5)
    with quiet():
        import optuna

        study = optuna.create_study(direction="maximize")
        study.add_trials(trials("random", 4))
        space = sampler.infer_relative_search_space(study, study.trials[0])
        assert set(space) == set(SPACE.keys)
        assert sampler.sample_relative(study, create_trial(value=0.0), space) == {}


def test_a_name_that_is_none():
    with pytest.raises(UsageError, match="expected a sampler out of grid, random, tpe, gp, hyperopt, got 'bayes'"):
        samplers.expect_sampler("bayes")
