"""The plain nets as they are published: counts against arithmetic done by hand, what each option changes."""

import itertools
from collections import Counter

import pytest
import torch
from torch import nn

from mien.core.errors import UsageError
from mien.nets.attention import Cbam, SelfAttention
from mien.nets.cbam import cbam5
from mien.nets.heads import parameter_count
from mien.nets.simple import PlainNet, cnn3, cnn5
from mien.nets.vgg import vgg4


def layers(net):
    """How many of each kind; a net without values costs nothing to make."""
    return Counter(type(each).__name__ for each in net.modules())


def sides(net, size, channels=1):
    """Side of the map after each block, of shapes alone."""
    found = []
    hooks = [block.register_forward_hook(lambda _, __, y: found.append(y.shape[-1])) for block in net.blocks]
    net.to("meta").eval()(torch.zeros(1, channels, size, size, device="meta"))
    for hook in hooks:
        hook.remove()
    return found


def rates_of(net):
    return [each.p for each in net.modules() if isinstance(each, nn.Dropout)]


def on_paper(make, **options):
    with torch.device("meta"):
        return make(**options)


def test_parameters_of_cnn3_by_hand():
    convolutions = (1 * 9 + 1) * 72 + (72 * 9 + 1) * 144 + (144 * 9 + 1) * 288
    dense = 288 * 6 * 6 * 512 + 2 * 512  # batch norm instead of a bias
    net = on_paper(cnn3)
    assert parameter_count(net) == convolutions + dense == 5_777_152
    assert layers(net)["BatchNorm2d"] == 0
    assert layers(net)["BatchNorm1d"] == 1
    assert rates_of(net) == [0.25, 0.25, 0.25, 0.5]


def test_parameters_of_cnn5_by_hand():
    widths = (1, 32, 64, 128, 256, 256)
    convolutions = sum(a * b * 9 + 2 * b for a, b in itertools.pairwise(widths))
    net = on_paper(cnn5)
    assert parameter_count(net) == convolutions + 256 * 2 * 2 * 256 + 256
    assert sides(net, 48) == [24, 12, 6, 3, 2]


def test_vgg4_flattens_512_by_3_by_3_into_three_dense_layers():
    net = on_paper(vgg4)
    assert sides(net, 48) == [24, 12, 6, 3]
    dense = [each for each in net.neck if isinstance(each, nn.Linear)]
    assert [(each.in_features, each.out_features) for each in dense] == [(512 * 3 * 3, 512), (512, 256)]
    assert layers(net)["Conv2d"] == layers(net)["BatchNorm2d"] == 8
    assert rates_of(net) == [0.25, 0.25, 0.35, 0.4, 0.5, 0.5], "one after each block, one between the dense layers"


def test_blocks_of_cbam5_end_at_112_56_28_14_and_7():
    net = on_paper(cbam5, in_channels=3, size=224)
    assert sides(net, 224, channels=3) == [112, 56, 28, 14, 7]
    assert net.neck[1].in_features == 512 * 7 * 7
    assert [layers(block)["Conv2d"] - 1 for block in net.blocks] == [1, 2, 3, 3, 3], "one more is CBAM's own"
    assert [layers(block)["BatchNorm2d"] for block in net.blocks] == [1, 2, 3, 3, 3]
    assert all(isinstance(block.attention, Cbam) for block in net.blocks)
    assert rates_of(net)[:5] == [0.25, 0.25, 0.3, 0.3, 0.4]
    assert sides(on_paper(cbam5), 48) == [24, 12, 6, 3, 2]


@pytest.mark.parametrize("pool", ["max", "avg", "stride"])
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("size", [16, 29, 44, 48])
def test_every_pool_and_kernel_gives_maps_of_the_same_side(pool, kernel, size):
    net = on_paper(PlainNet, size=size, widths=(4, 4, 4, 4), pool=pool, kernel=kernel)
    features = net.eval()(torch.zeros(1, 1, size, size, device="meta"))
    assert net.neck(features).shape == (1, 256)
    assert features.shape[-1] == -(-size // 16)


@pytest.mark.parametrize("make", [cnn3, cnn5, vgg4, cbam5])
def test_what_is_switched_off_is_not_there(make):
    net = on_paper(make, batch_norm=False, attention="none", dropout=0)
    kinds = layers(net)
    assert not {"BatchNorm1d", "BatchNorm2d", "Cbam", "SelfAttention"} & set(kinds)
    assert not any(rates_of(net))
    assert all(each.bias is not None for each in net.modules() if isinstance(each, nn.Conv2d | nn.Linear))


def test_options_by_block():
    net = on_paper(
        PlainNet,
        widths=(8, 8, 16),
        convolutions=(1, 2, 1),
        attention=("none", "cbam", "self"),
        dropout=(0, 0.1, 0.2, 0.3),
    )
    assert [type(block.attention) for block in net.blocks] == [nn.Identity, Cbam, SelfAttention]
    assert rates_of(net) == [0, 0.1, 0.2, 0.3]
    last = on_paper(PlainNet, widths=(8, 8), attention="self")
    assert [type(block.attention) for block in last.blocks] == [nn.Identity, SelfAttention], "the smallest map alone"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"activation": "rellu"}, "expected an activation out of relu, .* got 'rellu'; did you mean 'relu'?"),
        ({"pool": "median"}, "expected a pool out of max, avg, stride, got 'median'"),
        ({"kernel": 4}, "expected an odd kernel of 1 or more, got 4"),
        ({"reduction": 0}, "expected a reduction of 1 or more, got 0"),
        ({"batch_norm": "off"}, "expected batch_norm true or false, got 'off'"),
        ({"dense_norm": 1}, "expected dense_norm true or false, got 1"),
        ({"dropout": 1.5}, "expected dropout rates in 0..1 \\(1 excluded\\), got 1.5"),
        ({"dropout": [0.1, 0.2]}, "expected one dropout rate for all or 4 of them, got 2: \\[0.1, 0.2\\]"),
        ({"convolutions": [1]}, "expected one number of convolutions for all or 3 of them, got 1: \\[1\\]"),
        ({"attention": "cbma"}, "expected a kind of attention out of .*, got 'cbma'; did you mean 'cbam'?"),
        ({"attention": ["cbam"]}, "expected one kind of attention for all or 3 of them, got 1"),
        ({"widths": []}, "expected positive widths, convolutions and dense, got \\[\\]"),
        ({"dense": [0]}, "expected positive widths, convolutions and dense, got .*, \\[0\\]"),
    ],
)
def test_a_wrong_option_is_named(options, message):
    with pytest.raises(UsageError, match=message):
        PlainNet(**options)
