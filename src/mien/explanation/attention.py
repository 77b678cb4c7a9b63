"""What a net says itself of where it looks: CBAM's weights block by block, self-attention, rollout of a transformer."""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mien.core.errors import UsageError
from mien.core.types import Floats
from mien.explanation.gradcam import still
from mien.explanation.maps import enlarge, to_unit


@dataclass(frozen=True, eq=False)
class BlockAttention:
    """The weights of one attention layer.

    Attributes:
        block: where in the net, such as ``"stages.1.0.attention"``.
        channels: (n, C) float32 in 0..1, how much each channel counts; None where the layer weighs none.
        places: (n, h, w) float32, how much each place counts; None where it weighs none. Of CBAM in 0..1; of
            self-attention the mean share that all places give to it, which sums to 1.
    """

    block: str
    channels: Floats | None
    places: Floats | None


def attention_blocks(net: nn.Module, inputs: Sequence[Tensor]) -> list[BlockAttention]:
    """The weights of every attention layer, CBAM (Woo et al. 2018) and self-attention, in the order of the net.

    Args:
        net: a `MultiHead`.
        inputs: what it takes. Of clips each frame is a row.

    Returns:
        One a layer; none where the net has no such layers.
    """
    layers = [(name, each) for name, each in net.named_modules() if _is_cbam(each) or _is_self_attention(each)]
    caught: dict[str, Tensor] = {}
    with still(net), contextlib.ExitStack() as hooks, torch.no_grad():
        for name, layer in layers:
            parts = ("channel", "spatial") if _is_cbam(layer) else ("weights",)
            for part in parts:
                if (module := getattr(layer, part)) is not None:
                    hooks.callback(module.register_forward_hook(_catch(caught, f"{name}.{part}")).remove)
            hooks.callback(layer.register_forward_hook(_catch(caught, name)).remove)
        net(*inputs)
    found = []
    for name, _ in layers:
        channels, places = caught.get(f"{name}.channel"), caught.get(f"{name}.spatial")
        if (weights := caught.get(f"{name}.weights")) is not None:  # (B, heads, asking places, places asked)
            places = weights.mean((1, 2)).reshape(-1, 1, *caught[name].shape[2:])
        found.append(
            BlockAttention(
                name.removeprefix("trunk."),
                None if channels is None else channels.flatten(1).float().numpy(),
                None if places is None else places.squeeze(1).float().numpy(),
            )
        )
    return found


def rollout(net: nn.Module, inputs: Sequence[Tensor]) -> Floats | None:
    """Attention rollout of a vision transformer (Abnar and Zuidema 2020, doi:10.18653/v1/2020.acl-main.385).

    R = B_L ... B_1, B = (A + 1) / 2, A a block's attention, the mean over its heads; 1 stands for the shortcut. The map
    is the row of the class token, or the mean over the rows of all places where there is none.

    Args:
        net: a `MultiHead` whose trunk is a transformer of timm with one sequence of tokens.
        inputs: pictures (B, C, S, S).

    Returns:
        (B, h, w) float32; None where the net is no such transformer.
    """
    whole: Any = net
    trunk = whole.trunk
    layers = [each for each in net.modules() if hasattr(each, "attn_drop") and hasattr(each, "fused_attn")]
    if not layers or not hasattr(trunk, "prefix"):
        return None
    caught: dict[str, Tensor] = {}
    with still(net), _unfused(layers), contextlib.ExitStack() as hooks, torch.no_grad():
        for number, layer in enumerate(layers):
            drop: Any = layer.attn_drop
            hooks.callback(drop.register_forward_hook(_catch(caught, str(number))).remove)
        features = trunk(*inputs)
    weights = [caught[key].mean(1) for key in sorted(caught, key=int)]  # (B, N, N) each
    if features.ndim != 3 or any(each.shape != (*features.shape[:2], features.shape[1]) for each in weights):
        return None  # of windows, or of other tokens than those at the end
    joined = torch.eye(features.shape[1]).expand(len(features), -1, -1)
    for each in weights:
        joined = (each + torch.eye(each.shape[1])) / 2 @ joined  # its rows sum to 1 already
    asking = joined[:, 0] if trunk.prefix else joined.mean(1)
    places = asking[:, trunk.prefix :]
    side = math.isqrt(places.shape[1])
    found: Floats = places.reshape(len(places), side, side).float().numpy()
    return found


def attention_maps(net: nn.Module, inputs: Sequence[Tensor], *, name: str) -> Floats:
    """One heat map a picture: rollout of a transformer, else the mean over the net's attention layers.

    Args:
        net: a `MultiHead` of pictures.
        inputs: pictures (B, C, S, S).
        name: of the net, for the message.

    Returns:
        (B, S, S) float32 in 0..1; each layer's map is stretched from 0 to 1 first, for CBAM's weights differ little.

    Raises:
        UsageError: the net has no attention over places.
    """
    side = inputs[0].shape[-1]
    rolled = rollout(net, inputs)
    if rolled is not None:
        return to_unit(enlarge(_stretched(rolled), side, side))
    places = [each.places for each in attention_blocks(net, inputs) if each.places is not None]
    if not places:
        raise UsageError(
            f"expected a net with attention over places (CBAM, self-attention, a vision transformer) for the method "
            f"attention, got {name}, which has none: choose gradcam, eigencam or occlusion"
        )
    return to_unit(np.mean([enlarge(_stretched(each), side, side) for each in places], 0))


def _stretched(maps: Floats) -> Floats:
    """Each map from 0 to 1."""
    return to_unit(maps - maps.min((1, 2), keepdims=True))


def _is_cbam(module: nn.Module) -> bool:
    return hasattr(module, "channel") and hasattr(module, "spatial")


def _is_self_attention(module: nn.Module) -> bool:
    return hasattr(module, "query_key_value") and hasattr(module, "weights")


@contextlib.contextmanager
def _unfused(layers: Sequence[Any]) -> Iterator[None]:
    """Attention computed step by step, so that its weights can be read."""
    before = [each.fused_attn for each in layers]
    try:
        for each in layers:
            each.fused_attn = False
        yield
    finally:
        for each, fused in zip(layers, before, strict=True):
            each.fused_attn = fused


def _catch(caught: dict[str, Tensor], key: str) -> Callable[[nn.Module, Any, Tensor], None]:
    def hook(module: nn.Module, given: Any, output: Tensor) -> None:
        caught[key] = output

    return hook
