"""Architectures in torch, by name. A trunk turns pictures into a feature map; `heads.py` turns that into emotions.

A new net is a factory under `NETS.register("name")` that takes `in_channels`, `size` and options of its own, all with
defaults, and whose product is a `Trunk`; the contract battery then trains, exports and runs it.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from mien.core.errors import UsageError
from mien.core.registry import Registry, unknown
from mien.nets.cbam import cbam5
from mien.nets.fusion import Fusion
from mien.nets.heads import Trunk
from mien.nets.resnet import ResNet, resnet_cbam, resnet_sa
from mien.nets.simple import cnn3, cnn5
from mien.nets.temporal import ClipNet, cnn_mean
from mien.nets.vgg import vgg4

__all__ = ["NETS", "Trunk", "build_trunk"]

NETS: Registry[Trunk] = Registry("net")
NETS.register("cnn3")(cnn3)
NETS.register("cnn5")(cnn5)
NETS.register("vgg4")(vgg4)
NETS.register("resnet")(ResNet)
NETS.register("resnet-cbam")(resnet_cbam)
NETS.register("resnet-sa")(resnet_sa)
NETS.register("cbam5")(cbam5)


def build_trunk(name: str, *, in_channels: int, size: int, options: Mapping[str, Any]) -> Trunk:
    """Make a net by its name.

    Args:
        name: one of `NETS`, or of timm's, whose nets are taken as they are (see `Backbone`).
        in_channels: 1 for grey, 3 for colour.
        size: side of the pictures in pixels.
        options: further arguments of the net.

    Raises:
        UsageError: an unknown name or option, or pictures smaller than the net takes.
    """
    try:
        trunk = _factory(name)(in_channels=in_channels, size=size, **options)
    except (TypeError, ValueError, RuntimeError) as error:  # a value that torch refuses, a width beyond all memory
        reason = " ".join(str(error).split())
        raise UsageError(f"expected options that the net {name!r} takes, got: {reason}") from error
    if size < trunk.smallest:
        raise UsageError(f"expected pictures of {trunk.smallest} pixels or more for the net {name!r}, got {size}")
    return trunk


def _factory(name: str) -> Callable[..., Trunk]:
    if name in NETS:
        return NETS[name]
    from mien.nets import backbones  # timm takes its time

    if backbones.knows(name):
        return partial(backbones.Backbone, name)
    near = backbones.names_like(name)
    such = f", such as {', '.join(near)}" if near else ""
    raise UsageError(f"{unknown('net', name, NETS)}; nets of timm are taken, too{such}")


# Nets made of other nets, whatever those are called.
NETS.register("cnn-lstm")(partial(ClipNet, build_trunk, "lstm"))
NETS.register("cnn-gru")(partial(ClipNet, build_trunk, "gru"))
NETS.register("cnn-mean")(partial(cnn_mean, build_trunk))
NETS.register("fusion")(partial(Fusion, build_trunk))
