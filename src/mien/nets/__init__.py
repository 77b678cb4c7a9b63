"""Architectures in torch, by name. A trunk turns pictures into a feature map; `heads.py` turns that into emotions.

A new net is a factory under `@NETS.register("name")` whose product is a `Trunk`; the contract
battery then trains, exports and runs it.
"""

from typing import TYPE_CHECKING

from mien.core.registry import Registry

if TYPE_CHECKING:
    from mien.nets.heads import Trunk

NETS: "Registry[Trunk]" = Registry("net")

from mien.nets import resnet as resnet  # noqa: E402 - registers its nets

__all__ = ["NETS"]
