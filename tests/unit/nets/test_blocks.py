"""Each option of a block: what it computes is finite, has a gradient, and leaves torch unchanged as ONNX."""

import itertools

import numpy as np
import pytest
import torch

from mien.nets.blocks import ACTIVATIONS, POOLS
from mien.nets.heads import MultiHead
from mien.nets.resnet import ResNet
from mien.nets.simple import PlainNet
from mien.runtime.session import Session
from mien.training.export import FEATURES, output_name, write_onnx

OPTIONS = [
    *({"activation": each} for each in ACTIVATIONS),
    *({"pool": each} for each in POOLS),
    *({"attention": each} for each in ("none", "channel", "spatial", "cbam", "self")),
    *({"kernel": each} for each in (1, 5)),
    *({"batch_norm": each} for each in (False, True)),
    {"dropout": 0.5},
]
NETS = {"plain": PlainNet, "resnet": ResNet}
SMALL = {"plain": {"dense": (16,)}, "resnet": {"blocks": (1, 1, 1)}}


def small(net, **options):
    torch.manual_seed(0)
    return MultiHead(NETS[net](size=21, widths=(8, 8, 12), **SMALL[net], **options), {"a": 3})


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("option", OPTIONS, ids=str)
def test_every_option_has_gradients(net, option):
    model = small(net, **option).train()
    logits, _ = model(torch.randn(4, 1, 21, 21))
    torch.nn.functional.cross_entropy(logits["a"], torch.arange(4) % 3).backward()
    for name, each in model.named_parameters():
        assert each.grad is not None, name
        assert torch.isfinite(each.grad).all(), name


@pytest.mark.parametrize(
    ("net", "activation", "pool"),
    [
        (net, activation, pool)
        for net, (activation, pool) in itertools.product(NETS, zip(ACTIVATIONS, itertools.cycle(POOLS), strict=False))
    ],
)
def test_every_activation_and_pool_is_exported(net, activation, pool, tmp_path):
    model = small(net, activation=activation, pool=pool).eval()
    write_onnx(model, tmp_path / "net.onnx", channels=1, size=21)  # an odd side: pools round up
    images = torch.randn(3, 1, 21, 21)
    found = Session(tmp_path / "net.onnx", threads=1).run(None, image=images.numpy())
    with torch.no_grad():
        logits, features = model(images)
    np.testing.assert_allclose(found[output_name("a")], logits["a"].softmax(1), atol=1e-4)
    np.testing.assert_allclose(found[FEATURES], features, atol=1e-4, rtol=1e-4)
