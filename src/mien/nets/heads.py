"""Several label sources on one trunk: its neck, dropout, a linear head each."""

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from mien.runtime.card import CLIP, IMAGE

INPUTS = (IMAGE, CLIP)  # in the order in which a net that takes both takes them


class Trunk(Protocol):
    """What a net must offer: an `nn.Module` whose call gives the last feature map, and a neck that sums it up.

    Attributes:
        channels: F, channels of the feature map.
        neck: (B, F, h, w) -> (B, width), what the heads see. `GlobalAverage`, or layers of its own.
        width: length of that vector.
        smallest: side in pixels of the smallest picture that it takes.
        any_size: whether it takes pictures of any side from there on; else only of the side it was made for.

    A net of clips, or one made of several, has more to say: `inputs` (see `inputs_of`); `shown`, a function from what
    its call gives to the feature map (B, F, h, w) that is exported; `make_head`, classes -> its own kind of head.
    """

    channels: int
    neck: nn.Module
    width: int
    smallest: int
    any_size: bool

    def __call__(self, images: Tensor) -> Tensor:
        """(B, C, S, S) -> (B, F, h, w)."""
        ...


def inputs_of(net: object) -> tuple[str, ...]:
    """What a net takes, in order, as its attribute `inputs` states it: pictures (B, C, S, S) if it has none.

    ``"clip"`` stands for clips (B, T, C, S, S). A net that takes both gets the peak of each clip as its picture.
    """
    inputs: tuple[str, ...] = getattr(net, "inputs", (IMAGE,))
    return inputs


def shown_by(net: object, features: Any) -> Tensor:
    """The feature map (B, F, h, w) that is exported, from what a net's call gave."""
    show: Callable[[Any], Tensor] = getattr(net, "shown", lambda same: same)
    return show(features)


def example_inputs(
    inputs: Sequence[str], *, batch: int, channels: int, size: int, frames: int = 0
) -> tuple[Tensor, ...]:
    """Black pictures or clips of these shapes, one tensor an input."""
    lead = {IMAGE: (batch,), CLIP: (batch, max(1, frames))}
    return tuple(torch.zeros(*lead[each], channels, size, size) for each in inputs)


class GlobalAverage(nn.Module):
    """The mean of a feature map over its places.

    With it and linear heads, a class activation map is the feature map weighted with a head's row (Zhou et al. 2016,
    doi:10.1109/CVPR.2016.319).
    """

    def forward(self, features: Tensor) -> Tensor:
        """(B, F, h, w) -> (B, F)."""
        return features.mean((2, 3))


class MultiHead(nn.Module):
    """A trunk with one linear classifier a label source.

    Args:
        trunk: the net, see `Trunk`.
        heads: name of a label source -> number of its classes.
        dropout: share of what the neck gives that is dropped in training.
    """

    def __init__(self, trunk: Trunk, heads: Mapping[str, int], *, dropout: float = 0.0) -> None:
        super().__init__()
        self.trunk: Any = trunk  # an nn.Module, which is registered by this
        self.inputs = inputs_of(trunk)
        self.dropout = nn.Dropout(dropout)
        make_head = getattr(trunk, "make_head", partial(nn.Linear, trunk.width))
        self.heads = nn.ModuleDict({name: make_head(classes) for name, classes in heads.items()})

    def forward(self, *inputs: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """One tensor for each of `inputs` -> logits (B, K) of every head, and the feature map (B, F, h, w)."""
        features = self.trunk(*inputs)
        summary = self.dropout(self.trunk.neck(features))  # (B, width)
        return {name: head(summary) for name, head in self.heads.items()}, shown_by(self.trunk, features)


def parameter_count(net: nn.Module) -> int:
    """Number of trained values."""
    return sum(each.numel() for each in net.parameters())


@torch.no_grad()
def mac_count(net: nn.Module, *, channels: int, size: int, frames: int = 0) -> int:
    """Multiply-accumulate operations of one picture or clip.

    Convolutions, linear and recurrent layers and the products of attention are counted, on a copy that has shapes but
    no values, so that nothing is computed.
    """
    shapes = copy.deepcopy(net).to("meta").eval()
    inputs = example_inputs(inputs_of(net), batch=1, channels=channels, size=size, frames=frames)
    with FlopCounterMode(display=False) as counter:
        shapes(*(each.to("meta") for each in inputs))
    flops: int = counter.get_total_flops()
    return flops // 2  # a multiplication and an addition each
