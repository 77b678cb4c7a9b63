"""Training what was trained before: which part of a net stays as it is for how long, and how fast each part learns."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mien.core.errors import UsageError

if TYPE_CHECKING:
    from mien.nets.heads import MultiHead
    from mien.training.config import TrainConfig

FREEZE = ("none", "trunk")

Stage = list[str]  # names of parameters and buffers


def stages(trunk: Any) -> list[Stage]:
    """The stages of a net from input to output, as names; each parameter and buffer belongs to one of them.

    Nets of timm say where their stages end; elsewhere each layer of the net, or of a sequence in it, is one, and the
    neck, if it learns, is the last. Norms after a stage belong to it; what a net holds itself belongs to the first.
    """
    found = _by_ends(trunk, trunk.stage_ends) if getattr(trunk, "stage_ends", ()) else _by_children(trunk)
    weights = {name for name, each in trunk.named_parameters() if each.ndim > 1}
    merged: list[Stage] = []
    for stage in found:
        if merged and not weights.intersection(stage):
            merged[-1] += stage
        else:
            merged.append(stage)
    if len(merged) > 1 and not weights.intersection(merged[0]):
        merged[:2] = [merged[0] + merged[1]]
    return merged


def _names(module: nn.Module, prefix: str = "") -> Stage:
    named = (*module.named_parameters(prefix), *module.named_buffers(prefix))
    return [name for name, _ in named]


def _by_ends(trunk: nn.Module, ends: Sequence[str]) -> list[Stage]:
    """Split where the modules named `ends` end, in the order in which modules were registered."""
    places = {name: place for place, (name, _) in enumerate(trunk.named_modules())}
    borders = sorted(
        max(place for name, place in places.items() if name == end or name.startswith(f"{end}."))
        for end in ends
        if end in places
    )
    found: list[Stage] = [[] for _ in range(len(borders) + 1)]
    for name in _names(trunk):
        found[bisect_left(borders, places[name.rpartition(".")[0]])].append(name)
    return [stage for stage in found if stage]


def _by_children(trunk: nn.Module) -> list[Stage]:
    found: list[Stage] = []
    neck: Stage = []
    for name, child in trunk.named_children():
        if name == "neck":
            neck = _names(child, name)
        elif _is_trunk(child):
            found += _prefixed(stages(child), name)
        elif isinstance(child, nn.ModuleList) and all(map(_is_trunk, child)):
            found += _side_by_side([_prefixed(stages(each), f"{name}.{i}") for i, each in enumerate(child)])
        elif isinstance(child, nn.Sequential):
            found += [_names(each, f"{name}.{key}") for key, each in child.named_children()]
        else:
            found.append(_names(child, name))
    found = [stage for stage in (*found, neck) if stage]
    own = [name for name in _names(trunk) if "." not in name]
    return [own + found[0], *found[1:]] if found else [own]


def _is_trunk(module: nn.Module) -> bool:
    return hasattr(module, "any_size") and hasattr(module, "neck")


def _prefixed(found: list[Stage], prefix: str) -> list[Stage]:
    return [[f"{prefix}.{name}" for name in stage] for stage in found]


def _side_by_side(branches: list[list[Stage]]) -> list[Stage]:
    """The last stages of all branches as one, and so on down."""
    rows = zip_longest(*(reversed(branch) for branch in branches), fillvalue=[])
    return [[name for stage in row for name in stage] for row in rows][::-1]


def freezes(config: "TrainConfig") -> bool:
    """Whether some parameters get no gradient, for a while at least."""
    return config.freeze != "none"


def stages_trained(config: "TrainConfig", epoch: int, *, count: int) -> int:
    """How many of a trunk's `count` stages learn in an epoch, from the last on.

    It depends on the epoch alone, so that a resumed run goes on with what an unbroken one would train.
    """
    if config.freeze == "none":
        return count
    first = 0 if config.freeze == "trunk" else int(config.freeze)
    thawed = epoch // config.unfreeze_every if config.unfreeze_every else 0
    return min(count, first + thawed)


def prepare(net: "MultiHead", config: "TrainConfig", *, anew: bool) -> tuple[str, ...]:
    """Check that a net can be trained as the settings say; one that begins anew gets its pretrained weights.

    Returns:
        Notes on what of the weights was left out.

    Raises:
        UsageError: more stages are to learn than there are, or pictures are smaller than the net takes.
        TrainingError: the weights are not there, or do not fit; see `load_weights`.
    """
    count = len(stages(net.trunk))
    if isinstance(config.freeze, int) and config.freeze > count:
        raise UsageError(
            f"expected freeze of at most {count}, the stages of the net {config.net!r}, got {config.freeze}"
        )
    smallest = net.trunk.smallest if net.trunk.any_size else config.input.size
    if config.start_size < smallest:
        raise UsageError(
            f"expected start_size of {smallest} or more for the net {config.net!r}, got {config.start_size}: set "
            f"start_size={config.input.size} for pictures of one size"
        )
    if not (config.weights and anew):
        return ()
    from mien.training.pretrained import load_weights  # it needs timm, which takes its time

    return tuple(load_weights(net.trunk, config.weights, net=config.net))


def freeze(net: nn.Module, config: "TrainConfig", epoch: int) -> None:
    """Let the stages of a `MultiHead` learn that do so in this epoch; the others get no gradients, batch norms stand.

    To be called at the start of an epoch, after the net was put into training mode. What has no gradient is neither
    moved nor decayed by an optimiser. The heads always learn.
    """
    if not freezes(config):
        return
    trunk: Any = net.trunk
    found = stages(trunk)
    kept = {name for stage in found[: len(found) - stages_trained(config, epoch, count=len(found))] for name in stage}
    for name, each in trunk.named_parameters():
        each.requires_grad_(name not in kept)
    for name, module in trunk.named_modules():
        if isinstance(module, _BatchNorm):
            module.train(f"{name}.running_mean" not in kept)


def parameter_groups(net: nn.Module, config: "TrainConfig") -> list[dict[str, Any]]:
    """What an optimiser moves: groups with `params`, `weight_decay`, `lr_scale` and `name`.

    A stage's learning rate is that of the stage after it times `layer_decay`, the heads' is the full one (Clark et al.
    2020, arXiv:2003.10555; Bao et al. 2022, arXiv:2106.08254). Weights decay; norms and biases do not, nor does what
    the net says should not, such as embeddings of positions.
    """
    spared = _not_decayed(net)
    groups: dict[tuple[float, bool], dict[str, Any]] = {}
    scales = _scales(net, config.layer_decay)
    for name, each in net.named_parameters():
        decays = each.ndim > 1 and name not in spared
        key = (scales.get(name, 1.0), decays)
        if key not in groups:
            label = f"{'weights' if decays else 'norms and biases'} x {key[0]:g}"
            decay = config.weight_decay if decays else 0.0
            groups[key] = {"params": [], "weight_decay": decay, "lr_scale": key[0], "name": label}
        groups[key]["params"].append(each)
    # Weights first: a run that was begun with these two groups alone had them in this order.
    return [groups[key] for key in sorted(groups, reverse=True)]


def _scales(net: Any, decay: float) -> dict[str, float]:
    """Name of each parameter of the trunk -> factor of its learning rate."""
    found = stages(net.trunk)
    return {
        f"trunk.{name}": decay ** (len(found) - place) if decay < 1 else 1.0
        for place, stage in enumerate(found)
        for name in stage
    }


def _not_decayed(net: nn.Module) -> set[str]:
    """Names of parameters that a module of the net lists by a method `no_weight_decay`, as timm's do."""
    return {
        f"{prefix}.{name}" if prefix else name
        for prefix, module in net.named_modules()
        if callable(listed := getattr(module, "no_weight_decay", None))
        for name in listed()
    }
