"""What is read of attention: CBAM's own formulae, and rollout restated one token at a time."""

import numpy as np
import pytest
import torch

from mien.core.errors import UsageError
from mien.explanation.attention import attention_blocks, attention_maps, rollout
from mien.explanation.gradcam import gradcam, look
from mien.nets import build_trunk
from mien.nets.heads import MultiHead

VIT = {"patch_size": 8, "embed_dim": 24, "depth": 3, "num_heads": 2}


@pytest.fixture(scope="module")
def vit():
    torch.manual_seed(0)
    net = MultiHead(build_trunk("vit_tiny_patch16_224", in_channels=1, size=32, options=VIT), {"a": 3}).eval()
    with torch.no_grad():
        for block in net.trunk.model.blocks:  # timm begins with weights so small that all attend alike
            block.attn.qkv.weight *= 20
    return net


@pytest.fixture(scope="module")
def pictures():
    return torch.from_numpy(np.random.default_rng(0).normal(size=(2, 1, 32, 32)).astype(np.float32))


def attention_of(block, tokens):
    """(B, heads, N, N) from the layers alone."""
    batch, n, width = tokens.shape
    query, key, _ = block.attn.qkv(tokens).reshape(batch, n, 3, 2, width // 2).permute(2, 0, 3, 1, 4)
    return (query @ key.transpose(-2, -1) / (width // 2) ** 0.5).softmax(-1)


@torch.no_grad()
def test_rollout_is_the_product_of_the_blocks_attention(vit, pictures):
    model = vit.trunk.model
    tokens = model.norm_pre(model.patch_drop(model._pos_embed(model.patch_embed(pictures))))
    joined = [np.eye(17) for _ in pictures]
    for block in model.blocks:
        weights = attention_of(block, block.norm1(tokens)).mean(1).numpy()
        for i, each in enumerate(weights):
            half = 0.5 * each + 0.5 * np.eye(17)
            joined[i] = (half / half.sum(1, keepdims=True)) @ joined[i]
        tokens = block(tokens)
    theirs = np.stack([each[0, 1:].reshape(4, 4) for each in joined])
    ours = rollout(vit, [pictures])
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert np.ptp(ours) > 1e-3
    assert all(block.attn.fused_attn == model.blocks[0].attn.fused_attn for block in model.blocks)


def test_grad_cam_of_a_transformer_is_taken_before_its_last_block(vit, pictures):
    model, head = vit.trunk.model, vit.heads["a"]
    tokens = model.norm_pre(model.patch_drop(model._pos_embed(model.patch_embed(pictures))))
    for block in model.blocks[:-1]:
        tokens = block(tokens)
    last = model.blocks[-1]
    normed = last.norm1(tokens).detach().requires_grad_()
    after = tokens + last.attn(normed)
    after = after + last.mlp(last.norm2(after))
    score = head(model.fc_norm(model.norm(after)[:, 0]))[:, 1].sum()
    (gradient,) = torch.autograd.grad(score, normed)
    theirs = (gradient[:, 1:].sum(1, keepdim=True) * normed[:, 1:]).sum(2).detach().numpy().reshape(2, 4, 4)
    (seen,) = look(vit, [pictures], [1, 1], head="a")
    np.testing.assert_allclose(gradcam(seen)[:, 0], theirs, atol=1e-4 * np.abs(theirs).max())


@torch.no_grad()
def test_weights_of_cbam_are_those_that_the_layers_give(pictures):
    torch.manual_seed(1)
    options = {"widths": (8, 8), "blocks": (1, 1), "reduction": 4}
    net = MultiHead(build_trunk("resnet-cbam", in_channels=1, size=32, options=options), {"a": 3}).eval()
    first = net.trunk.stages[0][0]
    before = first.second(first.activation(first.first(net.trunk.activation(net.trunk.stem(pictures)))))
    channels = first.attention.channel(before)
    blocks = attention_blocks(net, [pictures])
    assert [each.block for each in blocks] == ["stages.0.0.attention", "stages.1.0.attention"]
    np.testing.assert_allclose(blocks[0].channels, channels[:, :, 0, 0].numpy(), atol=1e-6)
    places = first.attention.spatial(before * channels)
    np.testing.assert_allclose(blocks[0].places, places[:, 0].numpy(), atol=1e-6)
    assert [each.places.shape for each in blocks] == [(2, 32, 32), (2, 16, 16)]


@torch.no_grad()
def test_self_attention_is_what_all_places_give_to_each(pictures):
    net = MultiHead(
        build_trunk("resnet-sa", in_channels=1, size=32, options={"widths": (8, 8), "blocks": (1, 1)}), {"a": 3}
    )
    (block,) = attention_blocks(net.eval(), [pictures])
    assert block.channels is None and block.places.shape == (2, 16, 16)
    np.testing.assert_allclose(block.places.sum((1, 2)), 1, rtol=1e-5)


def test_a_net_without_is_refused_and_a_training_net_stays_one(pictures):
    net = MultiHead(build_trunk("resnet", in_channels=1, size=32, options={"widths": (8,), "blocks": (1,)}), {"a": 3})
    net.train()
    with pytest.raises(
        UsageError, match="expected a net with attention over places .* got resnet, which has none: choose"
    ):
        attention_maps(net, [pictures], name="resnet")
    assert net.training and net.trunk.training
    only_channels = {"widths": (8,), "blocks": (1,), "attention": "channel", "reduction": 4}
    net = MultiHead(build_trunk("resnet", in_channels=1, size=32, options=only_channels), {"a": 3})
    with pytest.raises(UsageError, match="expected a net with attention over places"):
        attention_maps(net, [pictures], name="resnet")
