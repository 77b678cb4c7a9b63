"""Plain convolutional nets: blocks that halve the map, then dense layers on all of it."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from mien.core.errors import UsageError
from mien.nets.blocks import Style, attentions, conv_block, dense_layers, halved, one_each, rates, switch


class PlainNet(nn.Module):
    """Blocks of convolutions, each of which halves the map; its neck is dense layers on the flattened last map.

    Args:
        in_channels: 1 for grey, 3 for colour.
        size: side of the pictures that it is made for.
        widths: channels of each block.
        convolutions: how many a block has; one number for all or one each.
        kernel, activation, pool, reduction: see `Style`.
        batch_norm: False leaves out all batch normalisation. conv_norm, dense_norm: where there is any otherwise.
        attention: at the end of each block, before the pool: none, channel, spatial, cbam or self; one for all (self:
            for the last block) or one each.
        dropout: rates after each block, then one for the dense layers; or one rate for all.
        dense: widths of the dense layers.
    """

    any_size = False

    def __init__(
        self,
        *,
        in_channels: int = 1,
        size: int = 48,
        widths: Sequence[int] = (32, 64, 128),
        convolutions: int | Sequence[int] = 1,
        kernel: int = 3,
        batch_norm: bool = True,
        conv_norm: bool = True,
        dense_norm: bool = False,
        activation: str = "relu",
        pool: str = "max",
        attention: str | Sequence[str] = "none",
        reduction: int = 16,
        dropout: float | Sequence[float] = 0.0,
        dense: Sequence[int] = (256,),
    ) -> None:
        super().__init__()
        count = len(widths)
        depths = one_each(convolutions, count, "number of convolutions")
        if not widths or not dense or min(*widths, *depths, *dense) < 1:
            raise UsageError(f"expected positive widths, convolutions and dense, got {widths}, {convolutions}, {dense}")
        normed = switch(batch_norm, "batch_norm")
        style = Style(
            kernel=kernel,
            batch_norm=normed and switch(conv_norm, "conv_norm"),
            activation=activation,
            pool=pool,
            reduction=reduction,
        )
        *block_rates, dense_rate = rates(dropout, count + 1)
        kinds = attentions(attention, count)
        self.blocks = nn.Sequential(
            *(
                conv_block(inputs, width, style=style, convolutions=depth, attention=kind, dropout=rate)
                for inputs, width, depth, kind, rate in zip(
                    (in_channels, *widths), widths, depths, kinds, block_rates, strict=False
                )
            )
        )
        self.smallest = 2**count
        self.widths = tuple(widths)
        self.channels, self.width = widths[-1], dense[-1]
        places = halved(size, count) ** 2
        self.neck: nn.Module = nn.Sequential(
            nn.Flatten(),
            *dense_layers(
                widths[-1] * places,
                dense,
                activation=activation,
                batch_norm=normed and switch(dense_norm, "dense_norm"),
                dropout=dense_rate,
            ),
        )

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, S, S) -> (B, F, h, w)."""
        features: Tensor = self.blocks(images)
        return features


def cnn3(**options: Any) -> PlainNet:
    """Three blocks of a convolution, without norm but for that of the dense layer."""
    own: dict[str, Any] = {
        "widths": (72, 144, 288),
        "conv_norm": False,
        "dense": (512,),
        "dense_norm": True,
        "dropout": (0.25, 0.25, 0.25, 0.5),
    }
    return PlainNet(**own | options)


def cnn5(**options: Any) -> PlainNet:
    """Five blocks of a convolution with batch normalisation."""
    own: dict[str, Any] = {"widths": (32, 64, 128, 256, 256), "dense": (256,)}
    return PlainNet(**own | options)
