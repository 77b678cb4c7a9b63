"""Residual networks (He et al. 2016, doi:10.1109/CVPR.2016.90) for small faces."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from mien.core.errors import UsageError
from mien.nets.attention import attention_of
from mien.nets.blocks import Style, activation_of, attentions, conv_norm, pool_of, rates
from mien.nets.heads import GlobalAverage

# Basic blocks of each stage, by the number of weighted layers.
DEPTHS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}


class BasicBlock(nn.Module):
    """Two convolutions beside a shortcut; attention weighs what they give before the two are summed."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        style: Style,
        inner: int | None = None,
        halve: bool = False,
        attention: str = "none",
    ) -> None:
        super().__init__()
        kernel, batch_norm = style.kernel, style.batch_norm
        stride = 2 if halve and style.pool == "stride" else 1
        inner = inner or outputs
        self.first = conv_norm(inputs, inner, kernel, stride=stride, batch_norm=batch_norm)
        self.second = conv_norm(inner, outputs, kernel, batch_norm=batch_norm)
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else conv_norm(inputs, outputs, 1, stride=stride, batch_norm=batch_norm)
        self.attention = attention_of(attention, outputs, reduction=style.reduction)
        self.pool = pool_of(style) if halve else nn.Identity()
        self.activation = activation_of(style)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H, W), height and width halved if asked for."""
        x = self.pool(x)
        y = self.attention(self.second(self.activation(self.first(x))))
        summed: Tensor = self.activation(y + self.shortcut(x))
        return summed


class ResNet(nn.Module):
    """A stem and stages of basic blocks; every stage but the first halves height and width.

    Args:
        in_channels: 1 for grey, 3 for colour.
        size: side of the pictures; any will do.
        stem_kernel, stem_stride: of the first convolution, whose width is the first stage's.
        widths: channels of each stage.
        blocks: basic blocks of each stage.
        inner: channels between the two convolutions of a block, one number a stage; none: as many as the stage has.
        depth: 10, 18 or 34: the blocks of the net of so many layers, instead of `blocks`; 0: as `blocks` says.
        kernel, batch_norm, activation, pool, reduction: see `Style`.
        attention: none, channel, spatial or cbam in each basic block, or self after a stage; one for all (self: after
            the last) or one a stage.
        dropout: rate after each stage; one for all or one each.
    """

    smallest = 8
    any_size = True

    def __init__(
        self,
        *,
        in_channels: int = 1,
        size: int = 48,
        stem_kernel: int = 3,
        stem_stride: int = 1,
        widths: Sequence[int] = (32, 64, 128, 256),
        blocks: Sequence[int] = (2, 2, 2, 2),
        inner: Sequence[int] = (),
        depth: int = 0,
        kernel: int = 3,
        batch_norm: bool = True,
        activation: str = "relu",
        pool: str = "stride",
        attention: str | Sequence[str] = "none",
        reduction: int = 16,
        dropout: float | Sequence[float] = 0.0,
    ) -> None:
        super().__init__()
        if depth and depth not in DEPTHS:
            raise UsageError(f"expected a depth out of {', '.join(map(str, DEPTHS))}, got {depth}")
        blocks = DEPTHS[depth] if depth else blocks
        if len(widths) != len(blocks) or not widths or min(*widths, *blocks) < 1:
            raise UsageError(f"expected as many widths as blocks, all positive, got {widths} and {blocks}")
        if stem_kernel < 1 or stem_stride < 1:
            raise UsageError(f"expected stem_kernel and stem_stride of 1 or more, got {stem_kernel} and {stem_stride}")
        if inner and (len(inner) != len(widths) or min(inner) < 1):
            raise UsageError(f"expected as many inner widths as widths, all positive, or none, got {inner}")
        style = Style(kernel=kernel, batch_norm=batch_norm, activation=activation, pool=pool, reduction=reduction)
        self.widths = tuple(widths)
        self.channels = self.width = widths[-1]
        self.neck: nn.Module = GlobalAverage()
        self.stem = conv_norm(in_channels, widths[0], stem_kernel, stride=stem_stride, batch_norm=batch_norm)
        self.activation = activation_of(style)
        plan = zip(
            (widths[0], *widths), widths, inner or widths, blocks, attentions(attention, len(widths)), strict=False
        )
        stages = [
            _stage(inputs, width, count, inner=within, style=style, halve=stage > 0, attention=kind)
            for stage, (inputs, width, within, count, kind) in enumerate(plan)
        ]
        for stage, rate in zip(stages, rates(dropout, len(stages)), strict=True):
            stage.append(nn.Dropout(rate))
        self.stages = nn.Sequential(*stages)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, S, S) -> (B, F, h, w)."""
        features: Tensor = self.stages(self.activation(self.stem(images)))
        return features


def _stage(
    inputs: int, width: int, count: int, *, inner: int, style: Style, halve: bool, attention: str
) -> nn.Sequential:
    """Basic blocks with attention in each, or with self-attention after the last."""
    inside = "none" if attention == "self" else attention
    first = BasicBlock(inputs, width, inner=inner, style=style, halve=halve, attention=inside)
    rest = (BasicBlock(width, width, inner=inner, style=style, attention=inside) for _ in range(count - 1))
    after = [attention_of("self", width)] if attention == "self" else []
    return nn.Sequential(first, *rest, *after)


def resnet_cbam(**options: Any) -> ResNet:
    """A residual net with CBAM in each block (Woo et al. 2018, doi:10.1007/978-3-030-01234-2_1)."""
    return ResNet(**{"attention": "cbam"} | options)


def resnet_sa(**options: Any) -> ResNet:
    """A residual net with self-attention over the places of its last map."""
    return ResNet(**{"attention": "self"} | options)
