"""Whether a method looks at what a net has learnt: its maps must change where the net forgets."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from mien.core.types import Floats
from mien.explanation.faithfulness import rank_correlation


@dataclass(frozen=True, eq=False)
class Randomised:
    """How alike maps are to those of a net that has forgotten some of its layers.

    Attributes:
        layers: (L,) the layer that was forgotten last, from the heads down to the first one.
        similarity: (L, n) Spearman's rank correlation with the maps of the net itself; NaN where a map is flat. A
            method that stays near 1 shows the picture, not the net.
    """

    layers: tuple[str, ...]
    similarity: Floats


def randomise(net: nn.Module, explain: Callable[[nn.Module], Floats], *, stages: int = 6, seed: int = 0) -> Randomised:
    """Forget a net's layers one after another, from its heads down, and see what becomes of its maps.

    The cascading test of Adebayo et al. 2018 (arXiv:1810.03292): weights are drawn anew as for an untrained net.

    Args:
        net: whatever `explain` takes; it is left as it is.
        explain: net -> maps (n, H, W).
        stages: after how many groups of layers, of about equal number, to look. The heads are the first group.
        seed: of the weights.
    """
    before = explain(net)
    forgetful = copy.deepcopy(net)
    layers = [
        (name, each)
        for name, each in forgetful.named_modules()
        if next(each.parameters(recurse=False), None) is not None
    ]
    # Modules stand in the order in which they were made, which of a trunk is that of its data flow.
    heads = [each for each in layers if each[0].startswith("heads.")]
    below = [each for each in layers if not each[0].startswith("heads.")][::-1]
    size = max(1, -(-len(below) // max(1, stages - 1)))
    groups = [group for group in (heads, *(below[i : i + size] for i in range(0, len(below), size))) if group]
    names, similarity = [], []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for group in groups:
            for _, layer in group:
                _forget(layer)
            names.append(group[-1][0].removeprefix("trunk."))
            similarity.append(rank_correlation(before, explain(forgetful)))
    return Randomised(tuple(names), _stacked(similarity))


@torch.no_grad()
def _forget(layer: Any) -> None:
    """Draw a layer's own weights anew."""
    if hasattr(layer, "reset_parameters"):
        layer.reset_parameters()  # of a norm what it counted, too
        return
    for each in layer.parameters(recurse=False):
        each.normal_(0, 0.02)


def _stacked(rows: list[Floats]) -> Floats:
    stacked: Floats = torch.stack([torch.from_numpy(each) for each in rows]).numpy()
    return stacked
