"""Attention against slow restatements of the papers' formulae, one value at a time, and against torch's own."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from mien.core.errors import UsageError
from mien.nets.attention import KINDS, Cbam, ChannelAttention, SelfAttention, SpatialAttention, attention_of


def sigmoid(value):
    return 1 / (1 + math.exp(-value))


def channel_attention(x, w0, w1):
    """Equation 2 of CBAM for one picture x (C, H, W): lists and loops."""
    channels, height, width = x.shape
    places = [(i, j) for i in range(height) for j in range(width)]
    mean = [sum(x[c, i, j] for i, j in places) / len(places) for c in range(channels)]
    peak = [max(x[c, i, j] for i, j in places) for c in range(channels)]

    def mlp(vector):
        hidden = [max(0.0, sum(row[c] * vector[c] for c in range(channels))) for row in w0]
        return [sum(row[k] * hidden[k] for k in range(len(hidden))) for row in w1]

    return np.array([sigmoid(a + b) for a, b in zip(mlp(mean), mlp(peak), strict=True)])


def spatial_attention(x, kernel):
    """Equation 3 of CBAM for one picture x (C, H, W) and a kernel (2, 7, 7)."""
    channels, height, width = x.shape
    weights = np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            total = 0.0
            for di in range(7):
                for dj in range(7):
                    row, column = i + di - 3, j + dj - 3
                    if 0 <= row < height and 0 <= column < width:
                        values = [x[c, row, column] for c in range(channels)]
                        total += kernel[0, di, dj] * sum(values) / channels + kernel[1, di, dj] * max(values)
            weights[i, j] = sigmoid(total)
    return weights


@pytest.fixture
def maps():
    return torch.randn(2, 8, 5, 6, generator=torch.Generator().manual_seed(3))


@torch.no_grad()
def test_cbam_is_what_the_paper_says(maps):
    torch.manual_seed(0)
    cbam = Cbam(8, reduction=4)
    seen = {}
    for part in ("channel", "spatial"):
        getattr(cbam, part).register_forward_hook(lambda _, __, weights, part=part: seen.update({part: weights}))
    found = cbam(maps)
    assert seen["channel"].shape == (2, 8, 1, 1)
    assert seen["spatial"].shape == (2, 1, 5, 6)
    w0, w1 = (cbam.channel.mlp[i].weight.numpy() for i in (0, 2))
    assert w0.shape == (2, 8)
    for n, x in enumerate(maps.double().numpy()):
        by_channel = channel_attention(x, w0, w1)
        refined = x * by_channel[:, None, None]
        by_place = spatial_attention(refined, cbam.spatial.conv.weight[0].numpy())
        np.testing.assert_allclose(seen["channel"][n, :, 0, 0], by_channel, atol=1e-6)
        np.testing.assert_allclose(seen["spatial"][n, 0], by_place, atol=1e-6)
        np.testing.assert_allclose(found[n], refined * by_place, atol=1e-5)


@torch.no_grad()
def test_half_of_cbam_is_that_half(maps):
    channel, spatial = attention_of("channel", 8), attention_of("spatial", 8)
    assert channel.spatial is None
    assert spatial.channel is None
    torch.testing.assert_close(channel(maps), maps * channel.channel(maps))
    torch.testing.assert_close(spatial(maps), maps * spatial.spatial(maps))


@torch.no_grad()
def test_self_attention_is_that_of_torch_beside_a_shortcut(maps):
    own = SelfAttention(8, heads=2)
    reference = nn.MultiheadAttention(8, 2, batch_first=True)
    reference.in_proj_weight.copy_(own.query_key_value.weight[:, :, 0, 0])
    reference.in_proj_bias.copy_(own.query_key_value.bias)
    reference.out_proj.weight.copy_(own.out.weight[:, :, 0, 0])
    reference.out_proj.bias.copy_(own.out.bias)
    seen = []
    own.weights.register_forward_hook(lambda _, __, weights: seen.append(weights))
    places = maps.flatten(2).transpose(1, 2)  # (B, 30, 8)
    attended, weights = reference(places, places, places, average_attn_weights=False)
    expected = maps + attended.transpose(1, 2).reshape(maps.shape)
    torch.testing.assert_close(own(maps), expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(seen[0], weights, atol=1e-6, rtol=1e-5)


def test_parameters_of_attention():
    count = {kind: sum(each.numel() for each in attention_of(kind, 64).parameters()) for kind in KINDS}
    channel, spatial = 64 * 4 + 4 * 64, 2 * 7 * 7
    own = 64 * 192 + 192 + 64 * 64 + 64
    assert count == {"none": 0, "channel": channel, "spatial": spatial, "cbam": channel + spatial, "self": own}


def test_few_channels_have_a_hidden_value_at_least():
    assert ChannelAttention(8, reduction=16).mlp[0].weight.shape == (1, 8)
    assert SpatialAttention()(torch.zeros(1, 8, 1, 1)).shape == (1, 1, 1, 1)


def test_what_is_no_attention_is_refused():
    with pytest.raises(UsageError, match="expected a kind of attention out of none, channel.*did you mean 'spatial'"):
        attention_of("spatail", 8)
    with pytest.raises(UsageError, match="expected a multiple of 4 channels for self-attention, got 6"):
        attention_of("self", 6)
