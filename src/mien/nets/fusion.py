"""Several nets as one: branches that see the picture or the clip, and what they saw together."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from mien.core.errors import UsageError
from mien.core.registry import unknown
from mien.nets.heads import INPUTS, Trunk, inputs_of, shown_by
from mien.nets.temporal import FRAME_NET, FRAME_OPTIONS, take_neck
from mien.runtime.card import CLIP, IMAGE

MODES = ("feature", "late")

BRANCHES: Mapping[str, Mapping[str, Any]] = {
    "peak": {"net": FRAME_NET, "options": FRAME_OPTIONS, "input": IMAGE},
    "motion": {"net": "cnn-gru", "input": CLIP},
}


@dataclass(frozen=True)
class Branch:
    """One net of a fusion: its name in the registry, its options, and what it sees."""

    net: str
    options: Mapping[str, Any] = field(default_factory=dict)
    input: str = IMAGE


class LateHead(nn.Module):
    """A linear classifier a branch, and the mean of their probabilities with learnt weights.

    p = sum_b softmax(w)_b softmax(W_b v_b); given as log p, which is a logit like any other: its softmax is p.

    Args:
        widths: length of each branch's vector.
        classes: K.
    """

    def __init__(self, widths: Sequence[int], classes: int) -> None:
        super().__init__()
        self.widths = list(widths)
        self.branches = nn.ModuleList(nn.Linear(width, classes) for width in widths)
        self.weights = nn.Parameter(torch.zeros(len(self.widths)))

    def forward(self, summary: Tensor) -> Tensor:
        """(B, sum of the widths) -> (B, K)."""
        parts = summary.split(self.widths, 1)
        logs = [head(part).log_softmax(1) for head, part in zip(self.branches, parts, strict=True)]
        weighted = torch.stack(logs) + self.weights.log_softmax(0).view(-1, 1, 1)  # (branches, B, K)
        return weighted.logsumexp(0)


class Joined(nn.Module):
    """Sums up the feature maps of all branches, each by its own neck, and puts the vectors side by side.

    Args:
        necks: of the branches, in their order.
        after: what becomes of the joined vector.
    """

    def __init__(self, necks: Sequence[nn.Module], after: nn.Module) -> None:
        super().__init__()
        self.necks = nn.ModuleList(necks)
        self.after = after

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """What each branch's call gave -> (B, width)."""
        vectors = [neck(each) for neck, each in zip(self.necks, features, strict=True)]
        summary: Tensor = self.after(torch.cat(vectors, 1))
        return summary


class Fusion(nn.Module):
    """Any nets side by side, joined early enough to weigh one against another, or late.

    The feature map that is exported is the first branch's; without a dense layer, the maps of all branches side by side
    where they have the same places, so that a linear head on their means still explains itself by it (see
    `GlobalAverage`).

    Args:
        build: makes a net: `mien.nets.build_trunk`.
        in_channels: 1 for grey, 3 for colour.
        size: side of pictures and frames in pixels.
        branches: name -> `net`, `options` and `input` (``"image"``, the default, or ``"clip"``) of a branch.
        mode: ``"feature"``: the branches' vectors side by side, then a dense layer of `width` with ReLU, then the
            heads; a label that needs both branches can be learnt. ``"late"``: a head for each branch, see `LateHead`.
        width: of the dense layer; 0: none, the heads see the vectors themselves.
    """

    def __init__(
        self,
        build: Callable[..., Trunk],
        /,
        *,
        in_channels: int = 1,
        size: int = 48,
        branches: Mapping[str, Mapping[str, Any]] = BRANCHES,
        mode: str = "feature",
        width: int = 128,
    ) -> None:
        super().__init__()
        if mode not in MODES:
            raise UsageError(unknown("mode of fusion", mode, MODES))
        if width < 0 or not branches:
            raise UsageError(f"expected one branch or more and a width of 0 or more, got {len(branches)} and {width}")
        parts = {name: _branch(name, settings) for name, settings in branches.items()}
        trunks = [build(each.net, in_channels=in_channels, size=size, options=each.options) for each in parts.values()]
        for (name, part), trunk in zip(parts.items(), trunks, strict=True):
            if inputs_of(trunk) != (part.input,):
                takes = " and ".join(inputs_of(trunk))
                raise UsageError(
                    f"expected a net that takes a single {part.input} for the branch {name}, got {part.net!r}, "
                    f"which takes {takes}"
                )
        self.takes = [each.input for each in parts.values()]
        self.inputs = tuple(each for each in INPUTS if each in self.takes)
        self.smallest = max(each.smallest for each in trunks)
        self.any_size = all(each.any_size for each in trunks)
        self.mode, self.widths = mode, [each.width for each in trunks]
        joined = sum(self.widths)
        dense = width if mode == "feature" else 0
        self.width = dense or joined
        self.shows_all = mode == "feature" and not dense and _same_places(trunks, in_channels, size)
        self.channels = sum(each.channels for each in trunks) if self.shows_all else trunks[0].channels
        after = nn.Sequential(nn.Linear(joined, dense), nn.ReLU()) if dense else nn.Identity()
        self.neck: nn.Module = Joined([take_neck(each) for each in trunks], after)
        modules: list[Any] = trunks
        self.branches = nn.ModuleList(modules)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """One tensor for each of `inputs` -> what the call of each branch gives."""
        given = dict(zip(self.inputs, inputs, strict=True))
        return tuple(branch(given[takes]) for branch, takes in zip(self.branches, self.takes, strict=True))

    def shown(self, features: Sequence[Tensor]) -> Tensor:
        """The feature map (B, F, h, w): of all branches, or of the first."""
        maps = [shown_by(branch, each) for branch, each in zip(self.branches, features, strict=True)]
        return torch.cat(maps, 1) if self.shows_all else maps[0]

    def make_head(self, classes: int) -> nn.Module:
        """A classifier of the joined vector."""
        return LateHead(self.widths, classes) if self.mode == "late" else nn.Linear(self.width, classes)


@torch.no_grad()
def _same_places(trunks: Sequence[Any], channels: int, size: int) -> bool:
    """Whether all take pictures and give maps of the same height and width; found out on shapes without values."""
    if any(inputs_of(each) != (IMAGE,) for each in trunks):
        return False
    picture = torch.zeros(1, channels, size, size, device="meta")
    shapes = (copy.deepcopy(each).to("meta").eval() for each in trunks)
    return len({shown_by(each, each(picture)).shape[2:] for each in shapes}) == 1


def _branch(name: str, settings: Mapping[str, Any]) -> Branch:
    """The settings of a branch, checked."""
    keys = ("net", "options", "input")
    given = settings if isinstance(settings, Mapping) else {}
    if "net" not in given or set(given) - set(keys) or not isinstance(given.get("options", {}), Mapping):
        raise UsageError(f"expected net, options and input of the branch {name}, of which net must be, got {settings}")
    branch = Branch(**given)
    if branch.input not in INPUTS:
        raise UsageError(unknown(f"input of the branch {name}", str(branch.input), INPUTS))
    return branch
