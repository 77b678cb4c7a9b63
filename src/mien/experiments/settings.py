"""From what a trial tries to the settings of its training, and whether a space has such settings at all."""

from collections.abc import Iterator, Mapping
from typing import Any

from mien.core.errors import UsageError
from mien.experiments.space import ALIKE, Parameter, Space
from mien.nets import build_trunk
from mien.training.config import ONLY_WITH, TrainConfig, as_settings, build, merge, nested
from mien.training.optimizers import LEARNING_RATES


def configured(base: TrainConfig, tried: Mapping[str, Any]) -> TrainConfig:
    """The settings of a training with some of them changed.

    What counts with some choices only, such as `momentum`, is left out where another is chosen; options of a net go
    where another net is chosen; a learning rate that nobody has set is that of the optimiser.

    Args:
        base: all settings.
        tried: dotted name -> its value.

    Raises:
        UsageError: an unknown name, or a value of another type or out of range.
    """
    settings = as_settings(base)
    if base.learning_rate == LEARNING_RATES[base.optimizer]:
        settings["learning_rate"] = 0.0
    if tried.get("net", base.net) != base.net:
        settings["net_options"] = {}
    for key, value in tried.items():
        settings = merge(settings, nested(key, value))
    for key in idle(base, tried, every=True):
        del settings[key]
    config: TrainConfig = build(TrainConfig, settings)
    return config


def idle(base: TrainConfig, tried: Mapping[str, Any], *, every: bool = False) -> set[str]:
    """Which of the settings that are tried count for nothing beside the others; with `every`, of all settings."""
    chosen = {choice: tried.get(choice, getattr(base, choice)) for choice, _ in ONLY_WITH.values()}
    return {
        key for key, (choice, users) in ONLY_WITH.items() if (every or key in tried) and chosen[choice] not in users
    }


def check_space(space: Space, base: TrainConfig) -> None:
    """Make the settings at every bound and of every choice, and the nets that they name, before anything is trained.

    Raises:
        UsageError: a setting is unknown, or the same in all trials, or has a bound or choice that no training takes.
    """
    _build(base)  # what is wrong without any space is said as it is
    for each in space:
        if each.key.split(".")[0] in ALIKE:
            raise UsageError(
                f"expected settings that may differ between trials, got {each.key}: it is the same in all of them; "
                "give it with --set"
            )
        for value in each.extremes():
            for tried in _around(space, each, value, base):
                _check(each, value, _configured_at(base, tried, each, value))


def _configured_at(base: TrainConfig, tried: Mapping[str, Any], parameter: Parameter, value: Any) -> TrainConfig:
    """The same as `configured`; an error names the parameter of the space."""
    try:
        return configured(base, tried)
    except UsageError as error:
        raise UsageError(f"expected a space of settings that a training takes, got {parameter.key}: {error}") from error


def _around(space: Space, parameter: Parameter, value: Any, base: TrainConfig) -> Iterator[dict[str, Any]]:
    """Trials in which a value counts: the other settings as they come first, and each net for options of a net."""
    tried = {each.key: each.extremes()[0] for each in space} | {parameter.key: value}
    if parameter.key in ONLY_WITH:
        choice, users = ONLY_WITH[parameter.key]
        there = space[choice].choices if choice in space.keys else (getattr(base, choice),)
        counting = [each for each in there if each in users]
        if not counting:
            raise UsageError(
                f"expected {choice} {' or '.join(users)} for the setting {parameter.key} of the space, got "
                f"{', '.join(map(str, there))}: leave it out"
            )
        if choice in space.keys:
            tried[choice] = counting[0]
    if parameter.key.startswith("net_options.") and "net" in space.keys:
        for net in space["net"].choices:
            yield tried | {"net": net}
    else:
        yield tried


def _check(parameter: Parameter, value: Any, config: TrainConfig) -> None:
    """Build the net where the parameter decides what it is."""
    if parameter.key.split(".")[0] not in ("net", "net_options", "input"):
        return
    try:
        _build(config)
    except UsageError as error:
        raise UsageError(
            f"expected a space of settings that a training takes, got {parameter.key} = {value!r}: {error}"
        ) from error


def _build(config: TrainConfig) -> None:
    """Make the net, as a training would."""
    build_trunk(config.net, in_channels=config.input.channels, size=config.input.size, options=config.net_options)
