"""What a net costs, and what it takes."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mien.nets import NETS, build_trunk
from mien.nets.heads import MultiHead, mac_count, parameter_count
from mien.runtime.card import CLIP


@dataclass(frozen=True)
class NetSummary:
    """A net in figures, without its heads, which are a linear layer each.

    Attributes:
        net: its name. about: a sentence.
        parameters: trained values.
        macs: multiply-accumulate operations of one picture, or of one clip of `frames`.
        width: length of the vector that heads see.
        size, channels: of the pictures that this is for. frames: of the clips; 0 if it takes pictures alone.
        smallest: side of the smallest pictures that it takes.
        any_size: whether the same weights take pictures of any other side from there on.
    """

    net: str
    about: str
    parameters: int
    macs: int
    width: int
    size: int
    channels: int
    frames: int
    smallest: int
    any_size: bool


def summarise(
    name: str, *, size: int, channels: int = 1, frames: int = 8, options: Mapping[str, Any] | None = None
) -> NetSummary:
    """Make a net and count.

    Raises:
        UsageError: an unknown name or option, or pictures smaller than the net takes.
    """
    trunk = build_trunk(name, in_channels=channels, size=size, options=options or {})
    net = MultiHead(trunk, {})
    frames = frames if CLIP in net.inputs else 0
    return NetSummary(
        net=name,
        about=_sentence(name),
        parameters=parameter_count(net),
        macs=mac_count(net, channels=channels, size=size, frames=frames),
        width=trunk.width,
        size=size,
        channels=channels,
        frames=frames,
        smallest=trunk.smallest,
        any_size=trunk.any_size,
    )


def _sentence(name: str) -> str:
    """The first line of what a registered net says of itself, without its sources."""
    if name not in NETS:
        return "of timm"
    factory: Any = NETS[name]
    text = inspect.getdoc(getattr(factory, "func", factory)) or ""
    return text.partition("\n")[0].partition(" (")[0].rstrip(".")
