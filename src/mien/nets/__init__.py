"""Architectures in torch, by name. A trunk turns pictures into a feature map; `heads.py` turns that into emotions.

A new net is a factory under `NETS.register("name")` whose product is a `Trunk`; the contract battery then trains,
exports and runs it.
"""

from mien.core.registry import Registry
from mien.nets.heads import Trunk
from mien.nets.resnet import ResNet

__all__ = ["NETS", "Trunk"]

NETS: Registry[Trunk] = Registry("net")
NETS.register("resnet")(ResNet)
