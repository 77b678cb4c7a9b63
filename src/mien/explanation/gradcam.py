"""Heat maps from the last feature maps of a net of torch: Grad-CAM, Grad-CAM++, Eigen-CAM, for nets of any kind.

A net is a `mien.nets.heads.MultiHead`: a trunk, its neck, heads. A trunk may be made of others, the branches of a
fusion and the net that sees each frame of a clip; then each of them has a map. What a map (B, F, h, w) is in the
numbers that a net computes, its trunk says by `shown`, of tokens and of channels that stand last, too.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mien.core.errors import UsageError
from mien.core.registry import unknown
from mien.core.types import Floats
from mien.explanation.cam import eigen_activation
from mien.explanation.maps import enlarge, to_unit
from mien.runtime.card import CLIP, IMAGE


@dataclass(frozen=True, eq=False)
class Seen:
    """What one part of a net sees, or several parts with maps of the same places.

    Attributes:
        input: of the net, that it looks at: ``"image"`` or ``"clip"``.
        maps: (B, T, F, h, w), T = 1 for pictures.
        gradients: of the class's logit by each value of `maps`.
    """

    input: str
    maps: Tensor
    gradients: Tensor


def gradcam(seen: Seen) -> Floats:
    """Grad-CAM: M = sum_f a_f A_f, a_f the gradient of the class's logit, summed over the places of channel f.

    Selvaraju et al. 2017, doi:10.1109/ICCV.2017.74, who take the mean over places; the sum makes maps of different
    sizes comparable, and each only by a factor another.

    Returns:
        (B, T, h, w); negative where the class is spoken against.
    """
    weights = seen.gradients.sum((3, 4), keepdim=True)
    return _array((weights * seen.maps).sum(2))


def gradcam_plus_plus(seen: Seen) -> Floats:
    """Grad-CAM++: as `gradcam`, but each place's gradient counts by how much that place is needed.

    a_f = sum_p c_p relu(g_p), c_p = g_p^2 / (2 g_p^2 + g_p^3 sum_q A_q), equations 11 and 19 of Chattopadhyay et al.
    2018 (doi:10.1109/WACV.2018.00097) for the exponential of the logit, whose value leaves M but for a factor.

    Returns:
        (B, T, h, w).
    """
    g = seen.gradients
    below = 2 * g**2 + g**3 * seen.maps.sum((3, 4), keepdim=True)
    share = torch.where(below != 0, g**2 / torch.where(below != 0, below, torch.ones_like(below)), 0.0)
    weights = (share * g.relu()).sum((3, 4), keepdim=True)
    return _array((weights * seen.maps).sum(2))


def eigencam(seen: Seen) -> Floats:
    """Eigen-CAM, see `mien.explanation.cam.eigen_activation`: (B, T, h, w), each map in 0..1."""
    batch, frames = seen.maps.shape[:2]
    raw = eigen_activation(_array(seen.maps.flatten(0, 1)))
    return to_unit(raw.reshape(batch, frames, *raw.shape[1:]))


METHODS: Mapping[str, Callable[[Seen], Floats]] = {
    "gradcam": gradcam,
    "gradcam++": gradcam_plus_plus,
    "eigencam": eigencam,
}


def net_maps(
    net: nn.Module, inputs: Sequence[Tensor], classes: Sequence[int], *, head: str, method: str = "gradcam"
) -> dict[str, Floats]:
    """Heat maps over all that a net sees.

    Args:
        net: a `MultiHead`.
        inputs: what it takes, one tensor for each of `net.inputs`.
        classes: (B,) ids of the class that each map speaks for.
        head: whose classes these are.
        method: one of `METHODS`.

    Returns:
        Input -> (B, S, S) for ``"image"``, (B, T, S, S) for ``"clip"``; float32 in 0..1. All maps of one sample share
        their scale, so that frames can be compared. Where parts of a net see the same input at different places, their
        maps are added up.

    Raises:
        UsageError: an unknown method.
    """
    if method not in METHODS:
        raise UsageError(unknown("method", method, list(METHODS)))
    sides = {name: each.shape[-1] for name, each in zip(_inputs(net), inputs, strict=True)}
    sums: dict[str, Floats] = {}
    for seen in look(net, inputs, classes, head=head):
        raw = np.maximum(METHODS[method](seen), 0)
        side = sides[seen.input]
        grown = enlarge(raw.reshape(-1, *raw.shape[2:]), side, side).reshape(*raw.shape[:2], side, side)
        sums[seen.input] = grown if seen.input not in sums else sums[seen.input] + grown
    flat = {name: each.reshape(len(each), -1) for name, each in sums.items()}
    scaled = np.split(
        to_unit(np.concatenate(list(flat.values()), 1)), np.cumsum([f.shape[1] for f in flat.values()]), 1
    )
    maps = {name: part.reshape(each.shape) for (name, each), part in zip(sums.items(), scaled, strict=False)}
    return {name: each[:, 0] if name == IMAGE else each for name, each in maps.items()}


def look(net: nn.Module, inputs: Sequence[Tensor], classes: Sequence[int], *, head: str) -> list[Seen]:
    """The last feature map of each part of a net, with the gradients of a logit of each sample by it.

    Maps of several parts that show the same places of one input are one map, their channels side by side.
    """
    whole: Any = net
    parts = list(_parts(whole.trunk, _inputs(net)[0]))
    with still(net), contextlib.ExitStack() as hooks, torch.enable_grad():
        caught: dict[int, Tensor] = {}
        for number, (part, _) in enumerate(parts):
            handle = _last_map(part).register_forward_hook(_catch(caught, number))
            hooks.callback(handle.remove)
        # Nothing in the net need have gradients, but what it sees has: then all in between have.
        logits = whole(*(each.detach().clone().requires_grad_() for each in inputs))[0][head]
        score = logits[torch.arange(len(logits)), torch.as_tensor(list(classes), device=logits.device)].sum()
        maps = [caught[number] for number in range(len(parts))]
        gradients = torch.autograd.grad(score, maps, allow_unused=True)
    frames = {CLIP: inputs[_inputs(net).index(CLIP)].shape[1] if CLIP in _inputs(net) else 1, IMAGE: 1}
    found = []
    for (part, input), each, gradient in zip(parts, maps, gradients, strict=True):
        given = torch.zeros_like(each) if gradient is None else gradient
        # `shown` puts numbers in another order, and does the same to their gradients.
        a, g = (_shown(part, values.detach()) for values in (each, given))
        shape = (a.shape[0] // frames[input], frames[input], *a.shape[1:])
        found.append(Seen(input, a.reshape(shape), g.reshape(shape)))
    return _side_by_side(found)


def _side_by_side(found: Sequence[Seen]) -> list[Seen]:
    groups: dict[tuple[str, torch.Size], list[Seen]] = {}
    for each in found:
        groups.setdefault((each.input, each.maps.shape[3:]), []).append(each)
    return [
        Seen(input, torch.cat([each.maps for each in some], 2), torch.cat([each.gradients for each in some], 2))
        for (input, _), some in groups.items()
    ]


@contextlib.contextmanager
def still(net: nn.Module) -> Iterator[None]:
    """The net as it answers: without dropout, with the norms that it learnt."""
    training = [each for each in net.modules() if each.training]
    net.eval()
    try:
        yield
    finally:
        for each in training:
            each.training = True


def _inputs(net: Any) -> tuple[str, ...]:
    inputs: tuple[str, ...] = getattr(net, "inputs", (IMAGE,))
    return inputs


def _parts(trunk: Any, input: str) -> Iterator[tuple[Any, str]]:
    """The nets of pictures that a trunk is made of, and what each of them looks at."""
    if hasattr(trunk, "branches"):
        for branch, takes in zip(trunk.branches, trunk.takes, strict=True):
            yield from _parts(branch, takes)
    elif hasattr(trunk, "frame"):
        yield from ((part, CLIP) for part, _ in _parts(trunk.frame, IMAGE))
    else:
        yield trunk, input


def _last_map(part: Any) -> nn.Module:
    """The layer whose output is looked at: the part itself, of a transformer with a class token its last norm.

    After the last block only the class token is read, so that no gradient reaches the places; before it they are.
    """
    blocks = getattr(getattr(part, "model", None), "blocks", None)
    if getattr(part, "prefix", 0) and blocks is not None and hasattr(blocks[-1], "norm1"):
        norm: nn.Module = blocks[-1].norm1
        return norm
    module: nn.Module = part
    return module


def _catch(caught: dict[int, Tensor], number: int) -> Callable[[nn.Module, Any, Tensor], None]:
    def hook(module: nn.Module, given: Any, output: Tensor) -> None:
        caught[number] = output

    return hook


def _shown(part: Any, values: Tensor) -> Tensor:
    show: Callable[[Tensor], Tensor] = getattr(part, "shown", lambda same: same)
    return show(values)


def _array(values: Tensor) -> Floats:
    array: Floats = values.detach().float().cpu().numpy()
    return array
