"""What a search has found: the best trial, which settings mattered, and a table of all trials."""

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.importance import FanovaImportanceEvaluator, get_param_importances

from mien.core.toml import to_toml
from mien.experiments.settings import configured, idle
from mien.experiments.space import Space
from mien.experiments.study import SharedStudy, Trial, quiet
from mien.training.config import TrainConfig, as_settings

_LEAST = 4  # trials from which a forest can say anything


def best(trials: Sequence[Trial]) -> Trial | None:
    """The trial with the largest figure among those that went through, the earliest of equals; None without any."""
    through = [each for each in trials if each.state == "complete"]
    return max(through, key=lambda each: (each.large, -each.number), default=None)


def importance(study: SharedStudy) -> dict[str, float]:
    """How much of the differences between trials each setting explains, the largest first; empty where unknown.

    Functional analysis of variance on a random forest (Hutter et al. 2014, proceedings.mlr.press/v32/hutter14.html),
    scaled to a sum of 1, over the trials that went through. A setting that mattered little in these ranges may matter
    in others.
    """
    alone = study.alone()
    values = {each.value for each in alone.get_trials(states=(optuna.trial.TrialState.COMPLETE,))}
    if len(values) < _LEAST:
        return {}
    with quiet():
        found = get_param_importances(alone, evaluator=FanovaImportanceEvaluator(seed=0))
    return {key: float(share) for key, share in found.items()}


def table(trials: Sequence[Trial], space: Space, base: TrainConfig) -> list[list[str]]:
    """A header and a row a trial; a setting that counts for nothing beside the others of its trial is empty.

    The time that a trial took is not in it: the table of a search that was killed is that of one that was not.
    """
    rows = [["trial", "state", "value", "epochs", *space.keys, "error"]]
    for each in trials:
        nothing = idle(base, each.settings)
        cells = ["" if key in nothing else _cell(each.settings[key]) for key in space.keys]
        value = "" if each.value is None else f"{each.value:.6g}"
        rows.append([str(each.number), each.state, value, str(len(each.curve)), *cells, each.error])
    return rows


def _cell(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def winner(base: TrainConfig, tried: Mapping[str, Any], *, head: Sequence[str]) -> str:
    """The settings of a trial as a file for `mien train --config`, after lines of comment."""
    comment = "".join(f"# {line}\n" for line in head)
    return comment + to_toml(as_settings(configured(base, tried)))
