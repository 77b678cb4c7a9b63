"""The residual net against torchvision's, and what its options change."""

import pytest
import torch
from torch import nn
from torchvision.models import resnet

from mien.core.errors import UsageError
from mien.nets import build_trunk
from mien.nets.attention import Cbam, SelfAttention
from mien.nets.blocks import Style
from mien.nets.heads import parameter_count
from mien.nets.resnet import BasicBlock, ResNet, resnet_cbam, resnet_sa


def kinds(net, kind):
    return [name for name, each in net.named_modules() if isinstance(each, kind)]


@torch.no_grad()
def test_a_block_computes_what_torchvision_computes():
    torch.manual_seed(0)
    down = nn.Sequential(nn.Conv2d(8, 16, 1, 2, bias=False), nn.BatchNorm2d(16))
    reference = resnet.BasicBlock(8, 16, stride=2, downsample=down).eval()
    own = BasicBlock(8, 16, style=Style(pool="stride"), halve=True).eval()
    pairs = ((own.first[0], "conv1"), (own.first[1], "bn1"), (own.second[0], "conv2"), (own.second[1], "bn2"))
    for layer, name in pairs:
        layer.load_state_dict(getattr(reference, name).state_dict())
    own.shortcut.load_state_dict(down.state_dict())
    x = torch.randn(2, 8, 13, 13)
    torch.testing.assert_close(own(x), reference(x))


@pytest.mark.parametrize(("depth", "make"), [(18, resnet.resnet18), (34, resnet.resnet34)])
def test_depths_are_those_of_the_paper(depth, make):
    with torch.device("meta"):
        own = ResNet(in_channels=3, depth=depth, stem_kernel=7, stem_stride=2, widths=(64, 128, 256, 512))
        reference = make()
    reference.fc = nn.Identity()
    assert parameter_count(own) == parameter_count(reference)


@pytest.mark.parametrize("pool", ["max", "avg", "stride"])
def test_every_pool_gives_maps_of_the_same_side(pool):
    with torch.device("meta"):
        net = ResNet(widths=(4, 4, 8), blocks=(1, 1, 1), pool=pool).eval()
        assert net(torch.zeros(1, 1, 45, 45)).shape == (1, 8, 12, 12)


def test_attention_is_where_it_should_be():
    with torch.device("meta"):
        assert len(kinds(resnet_cbam(), Cbam)) == 8, "one in each basic block"
        assert kinds(resnet_sa(), SelfAttention) == ["stages.3.2"], "after the last stage"
        both = ResNet(attention=("none", "none", "cbam", "self"))
        assert (len(kinds(both, Cbam)), len(kinds(both, SelfAttention))) == (2, 1)
        plain = parameter_count(ResNet())
        for make in (resnet_cbam, resnet_sa):
            assert parameter_count(make(attention="none")) == plain


def test_what_is_switched_off_is_not_there():
    with torch.device("meta"):
        net = resnet_cbam(batch_norm=False, attention="none", dropout=0.1)
    assert not kinds(net, nn.BatchNorm2d | Cbam)
    assert [each.p for each in net.modules() if isinstance(each, nn.Dropout)] == [0.1] * 4


def test_an_activation_replaces_all():
    with torch.device("meta"):
        net = ResNet(activation="silu")
    assert not kinds(net, nn.ReLU)
    assert len(kinds(net, nn.SiLU)) == 1 + 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 50}, "expected a depth out of 10, 18, 34, got 50"),
        ({"widths": (8, 8)}, "expected as many widths as blocks, all positive"),
        ({"batch_norm": "off"}, "expected batch_norm true or false, got 'off'"),
        ({"dropout": (0.1,)}, "expected one dropout rate for all or 4 of them, got 1"),
        ({"stem_kernel": 0}, "expected stem_kernel and stem_stride of 1 or more, got 0 and 1"),
        ({"stem_stride": 0}, "expected stem_kernel and stem_stride of 1 or more, got 3 and 0"),
    ],
)
def test_a_wrong_option_is_named(options, message):
    with pytest.raises(UsageError, match=message):
        ResNet(**options)


@pytest.mark.parametrize("widths", [(8.5, 8, 8, 8), ("a", 8, 8, 8), (8, 8, 8, 2**40)])
def test_what_torch_refuses_is_told_in_one_line(widths):
    with pytest.raises(UsageError, match="expected options that the net 'resnet' takes, got: ") as refused:
        build_trunk("resnet", in_channels=1, size=48, options={"widths": widths})
    assert "\n" not in str(refused.value)
