"""What an ablation takes away: the settings of a training without one of its parts, and what it has none of.

A part goes in the settings alone. Of those that are layers of a net, the net is built and looked into, before and
after: a variant that has the part still, or a training that never had it, is refused, not trained for nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from mien.core.errors import TrainingError, UsageError
from mien.core.registry import unknown
from mien.nets import build_trunk
from mien.nets.without import has, without
from mien.training.augment import Augmentation
from mien.training.config import TrainConfig

FULL = "full"

_CHANGES = ("flip", "rotation", "zoom", "shift", "yaw", "brightness", "contrast", "exposure", "gamma", "erase")
_DEGRADING = ("downscale", "blur", "noise", "jpeg")
_MIXING = ("mixup", "cutmix")


@dataclass(frozen=True)
class Variant:
    """One of the trainings of an ablation.

    Attributes:
        name: of its folder: ``"full"``, or such as ``"without-dropout"``.
        part: what is taken away; "" where nothing is.
        config: its settings.
    """

    name: str
    part: str
    config: TrainConfig

    @property
    def title(self) -> str:
        """Its name in words."""
        return f"without {self.part}" if self.part else self.name


def variants(config: TrainConfig, parts: Sequence[str]) -> tuple[Variant, ...]:
    """The whole training, and for each part one without it.

    >>> whole, without = variants(TrainConfig(), ["ema"])
    >>> without.name, whole.config.ema, without.config.ema
    ('without-ema', 0.999, 0.0)
    """
    changed = {f"without-{part}": (part, PARTS[part](config)) for part in parts}
    return (
        Variant(FULL, "", replace(config, name=f"{config.name}-{FULL}")),
        *(Variant(name, part, replace(each, name=f"{config.name}-{name}")) for name, (part, each) in changed.items()),
    )


def choose_parts(config: TrainConfig, wanted: Sequence[str], *, votes: bool) -> tuple[str, ...]:
    """The parts to take away: those wanted, or all that the training has.

    Args:
        config: of the whole training.
        wanted: names out of `PARTS`.
        votes: whether the data have label distributions to learn.

    Raises:
        UsageError: an unknown part, one named twice, or one that cannot be taken away: with the reason, and what can.
    """
    for part in wanted:
        if part not in PARTS:
            raise UsageError(unknown("part to go without", part, list(PARTS)))
    if len(set(wanted)) < len(wanted):
        raise UsageError(f"expected each part once in --without, got {', '.join(wanted)}")
    if wanted and not any(why_not(part, config, votes=votes) for part in wanted):
        return tuple(wanted)
    reasons = {part: why_not(part, config, votes=votes) for part in PARTS}
    can = [part for part, reason in reasons.items() if not reason]
    cannot = [f"{part} ({reasons[part]})" for part in wanted if reasons[part]]
    if cannot or not can:
        there = f"choose out of {', '.join(can)}" if can else "there is nothing to take away"
        got = ", ".join(cannot or (f"{part} ({reason})" for part, reason in reasons.items()))
        raise UsageError(f"expected parts that this training has in --without, got {got}: {there}")
    return tuple(can)


def why_not(part: str, config: TrainConfig, *, votes: bool) -> str:
    """Why a part cannot be taken away from a training, in words; "" where it can."""
    changed = PARTS[part](config)
    if part == "soft-labels" and not votes:
        return "the data have no votes"
    if part not in _IN_NET:
        return _NONE[part] if changed == config else ""
    if not _has(part, config):
        return f"the net {config.net} has none" if part != "temporal" else f"the net {config.net} reads no order"
    try:
        if _has(part, changed):
            return f"it is built into the net {config.net}"
    except UsageError:  # no such option
        return f"it is built into the net {config.net}"
    return "the pretrained weights do not fit the net without it" if _misfit(config, changed) else ""


# Settings ------------------------------------------------------------------------------------------------------------


def _without_augmentation(config: TrainConfig) -> TrainConfig:
    """Faces as they are; the settings themselves where they change none."""
    augment = config.augment
    changing = [*_CHANGES, *(["gray"] if config.input.channels == 3 else [])]
    changing += _DEGRADING if augment.degrade else ()
    changing += _MIXING if augment.mix else ()
    if not any(getattr(augment, name) for name in changing):
        return config
    off: dict[str, Any] = {name: 0.0 for name, value in vars(augment).items() if not isinstance(value, str)}
    return replace(config, augment=Augmentation(**off, border=augment.border))


def _without_pretraining(config: TrainConfig) -> TrainConfig:
    """From scratch: all of the net learns from the first epoch on, at one rate."""
    if not config.weights:
        return config
    return replace(config, weights="", freeze="none", unfreeze_every=0, layer_decay=1.0)


def _without_dropout(config: TrainConfig) -> TrainConfig:
    return replace(_in_net("dropout", config), dropout=0.0)


def _in_net(part: str, config: TrainConfig) -> TrainConfig:
    net, options = without(part, config.net, config.net_options)
    return replace(config, net=net, net_options=options)


# What may be taken away -> the settings without it; the settings as they are, where they have no such part.
PARTS: Mapping[str, Callable[[TrainConfig], TrainConfig]] = {
    "augmentation": _without_augmentation,
    "dropout": _without_dropout,
    "batchnorm": partial(_in_net, "batchnorm"),
    "attention": partial(_in_net, "attention"),
    "pretraining": _without_pretraining,
    "soft-labels": lambda config: replace(config, soft=False),
    "ema": lambda config: replace(config, ema=0.0),
    "temporal": partial(_in_net, "temporal"),
}
_IN_NET = ("dropout", "batchnorm", "attention", "temporal")
# Why there is nothing to take away, where the settings alone say so.
_NONE: Mapping[str, str] = {
    "augmentation": "no face is changed",
    "pretraining": "there are no pretrained weights",
    "soft-labels": "soft is false",
    "ema": "ema is 0",
}


def _has(part: str, config: TrainConfig) -> bool:
    """Whether the net of these settings has a part; what drops before its heads is a setting."""
    return (part == "dropout" and config.dropout > 0) or has(part, _trunk(config))


def _trunk(config: TrainConfig) -> Any:
    return build_trunk(
        config.net, in_channels=config.input.channels, size=config.input.size, options=config.net_options
    )


def _misfit(config: TrainConfig, changed: TrainConfig) -> bool:
    """Whether the pretrained weights fit the whole net, and not this one; an error where they do not fit the whole."""
    if not config.weights:
        return False
    from mien.training.pretrained import load_weights  # it needs timm, which takes its time

    load_weights(_trunk(config), config.weights, net=config.net)
    try:
        load_weights(_trunk(changed), changed.weights, net=changed.net)
    except TrainingError:
        return True
    return False
