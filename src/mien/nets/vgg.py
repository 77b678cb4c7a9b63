"""VGG-like nets (Simonyan and Zisserman 2015, arXiv:1409.1556) for small faces."""

from typing import Any

from mien.nets.simple import PlainNet


def vgg4(**options: Any) -> PlainNet:
    """Four blocks of two convolutions, then two dense layers, of which each head is the third."""
    own: dict[str, Any] = {
        "widths": (64, 128, 256, 512),
        "convolutions": 2,
        "dense": (512, 256),
        "dropout": (0.25, 0.25, 0.35, 0.4, 0.5),
    }
    return PlainNet(**own | options)
