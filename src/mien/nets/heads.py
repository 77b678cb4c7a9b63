"""Several label sources on one trunk: its neck, dropout, a linear head each."""

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn


class Trunk(Protocol):
    """What a net must offer: an `nn.Module` whose call gives the last feature map, and a neck that sums it up.

    Attributes:
        channels: F, channels of the feature map.
        neck: (B, F, h, w) -> (B, width), what the heads see. `GlobalAverage`, or layers of its own.
        width: length of that vector.
        smallest: side in pixels of the smallest picture that it takes.
        any_size: whether it takes pictures of any side from there on; else only of the side it was made for.
    """

    channels: int
    neck: nn.Module
    width: int
    smallest: int
    any_size: bool

    def __call__(self, images: Tensor) -> Tensor:
        """(B, C, S, S) -> (B, F, h, w)."""
        ...


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
        self.dropout = nn.Dropout(dropout)
        self.heads = nn.ModuleDict({name: nn.Linear(trunk.width, classes) for name, classes in heads.items()})

    def forward(self, images: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """(B, C, S, S) -> logits (B, K) of every head, and the feature map (B, F, h, w)."""
        features: Tensor = self.trunk(images)
        summary = self.dropout(self.trunk.neck(features))  # (B, width)
        return {name: head(summary) for name, head in self.heads.items()}, features


def parameter_count(net: nn.Module) -> int:
    """Number of trained values."""
    return sum(each.numel() for each in net.parameters())


@torch.no_grad()
def mac_count(net: nn.Module, *, channels: int, size: int) -> int:
    """Multiply-accumulate operations of one picture, convolutions and linear layers counted."""
    total = 0

    def count(layer: nn.Module, _: object, output: Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.Conv2d):
            height, width = layer.kernel_size
            total += output.numel() * (layer.in_channels // layer.groups) * height * width
        elif isinstance(layer, nn.Linear):
            total += output.numel() * layer.in_features

    hooks = [each.register_forward_hook(count) for each in net.modules()]
    training = net.training
    try:
        net.eval()(torch.zeros(1, channels, size, size))
    finally:
        net.train(training)
        for hook in hooks:
            hook.remove()
    return total
