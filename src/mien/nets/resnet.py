"""Residual networks (He et al. 2016, doi:10.1109/CVPR.2016.90) for small faces."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from mien.core.errors import UsageError
from mien.nets.heads import GlobalAverage


def conv_norm(inputs: int, outputs: int, kernel: int, *, stride: int = 1) -> nn.Sequential:
    """Convolution that keeps the size (but for its stride), then batch normalisation."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1) -> None:
        super().__init__()
        self.first = conv_norm(inputs, outputs, 3, stride=stride)
        self.second = conv_norm(outputs, outputs, 3)
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else conv_norm(inputs, outputs, 1, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H / stride, W / stride)."""
        y = self.second(functional.relu(self.first(x)))
        return functional.relu(y + self.shortcut(x))


class ResNet(nn.Module):
    """A stem and stages of basic blocks; every stage but the first halves height and width.

    Args:
        in_channels: 1 for grey, 3 for colour.
        size: side of the pictures; any will do.
        stem_kernel, stem_stride: of the first convolution, whose width is the first stage's.
        widths: channels of each stage.
        blocks: basic blocks of each stage.
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
    ) -> None:
        super().__init__()
        if len(widths) != len(blocks) or not widths or min(*widths, *blocks) < 1:
            raise UsageError(f"expected as many widths as blocks, all positive, got {widths} and {blocks}")
        self.channels = self.width = widths[-1]
        self.neck: nn.Module = GlobalAverage()
        self.stem = conv_norm(in_channels, widths[0], stem_kernel, stride=stem_stride)
        stages = []
        inputs = widths[0]
        for stage, (width, depth) in enumerate(zip(widths, blocks, strict=True)):
            first = BasicBlock(inputs, width, stride=1 if stage == 0 else 2)
            stages.append(nn.Sequential(first, *(BasicBlock(width, width) for _ in range(depth - 1))))
            inputs = width
        self.stages = nn.Sequential(*stages)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, S, S) -> (B, F, h, w)."""
        features: Tensor = self.stages(functional.relu(self.stem(images)))
        return features
