"""A VGG-like net whose blocks end in CBAM: attention by channel, then by place."""

from typing import Any

from mien.nets.simple import PlainNet


def cbam5(**options: Any) -> PlainNet:
    """Five blocks of one, two or three convolutions that end in CBAM (Woo et al. 2018)."""
    own: dict[str, Any] = {
        "widths": (64, 128, 256, 512, 512),
        "convolutions": (1, 2, 3, 3, 3),
        "attention": "cbam",
        "dense": (512,),
        "dropout": (0.25, 0.25, 0.3, 0.3, 0.4, 0.0),
    }
    return PlainNet(**own | options)
