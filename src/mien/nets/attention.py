"""Attention over a feature map: channels and places that are weighed (CBAM), places that look at each other.

What is attended to can be read by a forward hook: on `Cbam.channel` (B, C, 1, 1), on `Cbam.spatial` (B, 1, H, W), on
`SelfAttention.weights` (B, heads, H * W, H * W).
"""

import torch
from torch import Tensor, nn

from mien.core.errors import UsageError
from mien.core.registry import unknown

KINDS = ("none", "channel", "spatial", "cbam", "self")


class ChannelAttention(nn.Module):
    """How much each channel counts, from its mean and its maximum: sigmoid(W1 relu(W0 mean) + W1 relu(W0 maximum)).

    Equation 2 of CBAM (Woo et al. 2018, doi:10.1007/978-3-030-01234-2_1).
    """

    def __init__(self, channels: int, *, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.mlp = nn.Sequential(
            nn.Linear(channels, hidden, bias=False), nn.ReLU(), nn.Linear(hidden, channels, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, 1, 1) in 0..1."""
        mean, peak = x.mean((2, 3)), x.amax((2, 3))  # (B, C) each
        return torch.sigmoid(self.mlp(mean) + self.mlp(peak))[:, :, None, None]


class SpatialAttention(nn.Module):
    """How much each place counts, from its mean and its maximum over channels: sigmoid(conv([mean; maximum])).

    Equation 3 of CBAM (Woo et al. 2018, doi:10.1007/978-3-030-01234-2_1).
    """

    def __init__(self, *, kernel: int = 7) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel, padding=kernel // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 1, H, W) in 0..1."""
        summary = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)  # (B, 2, H, W)
        return torch.sigmoid(self.conv(summary))


class Cbam(nn.Module):
    """A map weighed by channel, then by place (Woo et al. 2018, doi:10.1007/978-3-030-01234-2_1), or by one of them."""

    def __init__(self, channels: int, *, reduction: int = 16, channel: bool = True, spatial: bool = True) -> None:
        super().__init__()
        self.channel = ChannelAttention(channels, reduction=reduction) if channel else None
        self.spatial = SpatialAttention() if spatial else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        for weights in (self.channel, self.spatial):
            if weights is not None:
                x = x * weights(x)
        return x


class SelfAttention(nn.Module):
    """Every place looks at every other: x + W softmax(q k' / sqrt(d)) v, in several heads of d channels each.

    Attention of Vaswani et al. (2017, arXiv:1706.03762) beside a shortcut, over the places of a map as in Wang et al.
    (2018, doi:10.1109/CVPR.2018.00813).
    """

    def __init__(self, channels: int, *, heads: int = 4) -> None:
        super().__init__()
        if channels % heads:
            raise UsageError(f"expected a multiple of {heads} channels for self-attention, got {channels}")
        self.heads = heads
        self.query_key_value = nn.Conv2d(channels, 3 * channels, 1)
        self.weights = nn.Softmax(dim=-1)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        shape = (x.shape[0], 3, self.heads, x.shape[1] // self.heads, -1)  # not len(x), which is fixed in an export
        split = self.query_key_value(x).reshape(shape).transpose(-2, -1)
        query, key, value = split.unbind(1)  # (B, heads, H * W, d) each
        weights = self.weights(query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5)  # each row: one place asking
        seen = (weights @ value).transpose(-2, -1)  # (B, heads, d, H * W)
        attended: Tensor = self.out(seen.reshape(x.shape))
        return x + attended


def attention_of(kind: str, channels: int, *, reduction: int = 16) -> nn.Module:
    """Attention by name, out of `KINDS`."""
    if kind not in KINDS:
        raise UsageError(unknown("kind of attention", kind, KINDS))
    if kind == "none":
        return nn.Identity()
    if kind == "self":
        return SelfAttention(channels)
    return Cbam(channels, reduction=reduction, channel=kind != "spatial", spatial=kind != "channel")
