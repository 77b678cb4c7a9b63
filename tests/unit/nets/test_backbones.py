"""Nets of timm: their maps and vectors against timm's own, sizes and channels, export."""

import copy

import numpy as np
import pytest
import timm
import torch
from torch import nn

from mien.core.errors import UsageError
from mien.nets import build_trunk
from mien.nets.backbones import Backbone
from mien.nets.heads import MultiHead, mac_count, parameter_count
from mien.runtime.session import Session
from mien.training.export import FEATURES, output_name, write_onnx

HEADS = {"ferplus": 8, "fer2013": 7}
# name, side, options: nets of convolutions, tokens with and without others before them, channels last.
NETS = [
    ("resnet10t", 48, {}),
    ("mobilenetv3_small_050", 32, {}),
    ("efficientnet_b0", 32, {}),
    ("convnext_atto", 48, {}),
    ("vit_tiny_patch16_224", 32, {"depth": 2}),
    ("vit_tiny_patch16_224", 64, {"depth": 2, "global_pool": "avg"}),
    ("mixer_s32_224", 32, {}),
    ("swin_tiny_patch4_window7_224", 32, {"depths": (1, 1, 1, 1), "embed_dim": 24}),
]


def build(name, *, size, channels=1, **options):
    torch.manual_seed(0)
    return build_trunk(name, in_channels=channels, size=size, options=options)


@pytest.mark.parametrize(("name", "size", "options"), NETS)
def test_it_sees_what_timm_sees(name, size, options):
    trunk = build(name, size=size, channels=3, **options).eval()
    images = torch.randn(2, 3, size, size)
    with torch.no_grad():
        features = trunk(images)
        # timm's model has no classifier, so that its call gives what its classifier would see.
        torch.testing.assert_close(trunk.neck(features), trunk.model(images))
        shown = trunk.shown(features)
    assert trunk.neck(features).shape == (2, trunk.width)
    assert shown.shape[:2] == (2, trunk.channels)
    assert shown.shape[2] == shown.shape[3] >= 1


def test_tokens_stand_where_their_patches_are():
    trunk = build("vit_tiny_patch16_224", size=64, depth=1).eval()
    trunk.model.blocks = nn.Identity()  # nothing passes from one place to another
    trunk.model.pos_embed.data.zero_()
    images = torch.zeros(1, 1, 64, 64)
    images[:, :, 16:32, 48:64] = 1.0
    with torch.no_grad():
        lit = (trunk.shown(trunk(images)) - trunk.shown(trunk(torch.zeros(1, 1, 64, 64)))).abs().sum(1)[0]
    assert (lit > 1e-3).nonzero().tolist() == [[1, 3]]


def test_channels_last_is_turned():
    trunk = build("swin_tiny_patch4_window7_224", size=64, depths=(1, 1, 1, 1), embed_dim=24).eval()
    with torch.no_grad():
        features = trunk(torch.randn(1, 1, 64, 64))
    assert torch.equal(trunk.shown(features)[0, :, 0, 1], features[0, 0, 1])


@pytest.mark.parametrize(("name", "size", "options"), NETS)
def test_the_exported_net_computes_what_torch_computes(name, size, options, tmp_path):
    net = MultiHead(build(name, size=size, **options), HEADS).eval()
    write_onnx(net, tmp_path / "net.onnx", channels=1, size=size)
    images = torch.randn(3, 1, size, size)
    found = Session(tmp_path / "net.onnx", threads=1).run(None, image=images.numpy())
    with torch.no_grad():
        logits, features = net(images)
    for head, each in logits.items():
        np.testing.assert_allclose(found[output_name(head)], each.softmax(1).numpy(), atol=1e-4)
    np.testing.assert_allclose(found[FEATURES], features.numpy(), atol=1e-4, rtol=1e-4)
    assert found[FEATURES].ndim == 4


@pytest.mark.parametrize(("name", "size", "options"), [NETS[1], NETS[4]])
def test_it_learns(name, size, options):
    net = MultiHead(build(name, size=size, **options), {"fer2013": 7}).train()
    images, ids = torch.randn(14, 1, size, size), torch.arange(14) % 7
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3)
    losses = []
    for _ in range(12):
        loss = nn.functional.cross_entropy(net(images)[0]["fer2013"], ids)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    assert not [name for name, value in net.named_parameters() if value.grad is None]


def test_a_copy_stands_alone():
    net = MultiHead(build("mobilenetv3_small_050", size=32), HEADS).eval()
    images = torch.randn(2, 1, 32, 32)
    before = net(images)[0]["ferplus"]
    twin = copy.deepcopy(net)
    for each in net.parameters():
        each.data.zero_()
    torch.testing.assert_close(twin(images)[0]["ferplus"], before)
    assert net(images)[0]["ferplus"].abs().max() == 0


def test_counts_are_those_of_timm():
    trunk = build("resnet10t", size=64, channels=3)
    reference = timm.create_model("resnet10t", num_classes=0)
    assert parameter_count(trunk) == parameter_count(reference)
    assert sorted(trunk.state_dict()) == sorted(f"model.{key}" for key in reference.state_dict())
    # Stem at 32: 3 * 24 * 9; then 24 * 32 * 9, 32 * 64 * 9 at 32.
    stem = 32 * 32 * 9 * (3 * 24 + 24 * 32 + 32 * 64)
    assert mac_count(MultiHead(trunk, {"a": 2}), channels=3, size=64) > stem


@pytest.mark.parametrize(
    ("name", "smallest", "any_size"),
    [("resnet10t", 32, True), ("inception_v3", 75, True), ("dla34", 32, False), ("vit_tiny_patch16_224", 16, False)],
)
def test_the_smallest_picture_is_found(name, smallest, any_size):
    trunk = build(name, size=96, **({"depth": 1} if "vit" in name else {}))
    assert (trunk.smallest, trunk.any_size) == (smallest, any_size)
    with pytest.raises(UsageError, match=f"expected pictures of {smallest} pixels or more for the net '{name}', got"):
        build(name, size=smallest - 1)
    if any_size:
        with torch.no_grad():
            shapes = {trunk.shown(trunk.eval()(torch.zeros(1, 1, side, side))).shape[:2] for side in (smallest, 97)}
        assert shapes == {(1, trunk.channels)}
    else:
        with pytest.raises((AssertionError, RuntimeError)):
            trunk(torch.zeros(2, 1, 97, 97))


def test_a_vision_transformer_may_be_made_for_any_size():
    trunk = build("vit_tiny_patch16_224", size=64, depth=1, dynamic_img_size=True).eval()
    assert trunk.shown(trunk(torch.zeros(1, 1, 96, 96))).shape == (1, 192, 6, 6)


def test_what_a_net_does_not_take_is_named():
    for size, message in ((40, "a side in multiples of 16 pixels for the net 'vit_tiny_patch16_224', got 40"),):
        with pytest.raises(UsageError, match=message):
            build("vit_tiny_patch16_224", size=size, depth=1)
    with pytest.raises(UsageError, match="expected options that the net 'resnet10t' takes, got: .*no_such"):
        build("resnet10t", size=32, no_such=1)
    with pytest.raises(UsageError, match="expected options of the net 'resnet10t' itself, got pretrained: .*`weights`"):
        build("resnet10t", size=32, pretrained=True)
    with pytest.raises(UsageError, match="expected a tag of 'resnet10t' that timm knows"):
        build("resnet10t.no_such", size=32)
    with pytest.raises(UsageError, match="expected a timm net with one feature map .* got 'crossvit_9_240'"):
        build("crossvit_9_240", size=240)


def test_unknown_names_list_ours_and_those_of_timm_that_are_near():
    with pytest.raises(UsageError, match=r"expected a net out of .*resnet-cbam.*, got 'resnet5'.*such as .*resnet50"):
        build("resnet5", size=32)
    with pytest.raises(UsageError, match=r"got 'zzzzzz'; nets of timm are taken, too$"):
        build("zzzzzz", size=32)


def test_a_backbone_sees_the_frames_of_a_clip():
    trunk = build("cnn-gru", size=32, net="vit_tiny_patch16_224", options={"depth": 1})
    logits, features = MultiHead(trunk, HEADS)(torch.randn(2, 3, 1, 32, 32))
    assert logits["ferplus"].shape == (2, 8)
    assert features.shape == (2, 192, 2, 2)


def test_a_tag_may_follow_the_name():
    assert isinstance(build("resnet10t.c3_in1k", size=32), Backbone)
