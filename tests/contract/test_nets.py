"""One battery over every registered net: shapes, sizes, a step of training, heads."""

import numpy as np
import pytest
import torch

from mien.nets import NETS
from mien.nets.heads import MultiHead, mac_count, parameter_count
from mien.runtime.session import Session
from mien.training.config import load_config
from mien.training.export import FEATURES, output_name, write_onnx

HEADS = {"ferplus": 8, "fer2013": 7}


@pytest.fixture(params=sorted(NETS))
def trunk(request):
    torch.manual_seed(0)
    return NETS.create(request.param)


def test_the_feature_map_has_the_stated_channels(trunk):
    features = trunk.eval()(torch.zeros(2, 1, 48, 48))
    assert features.shape[:2] == (2, trunk.channels)
    assert features.shape[2] == features.shape[3] > 1


def test_logits_of_every_head_and_the_feature_map(trunk):
    logits, features = MultiHead(trunk, HEADS)(torch.randn(3, 1, 48, 48))
    assert {head: tuple(each.shape) for head, each in logits.items()} == {"ferplus": (3, 8), "fer2013": (3, 7)}
    assert features.shape[1] == trunk.channels


def test_a_few_steps_fit_a_small_batch(trunk):
    net = MultiHead(trunk, HEADS).train()
    images, ids = torch.randn(14, 1, 24, 24), torch.arange(14) % 7
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3)
    losses = []
    for _ in range(8):
        logits, _ = net(images)
        loss = torch.nn.functional.cross_entropy(logits["fer2013"], ids)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    unused = [name for name, value in net.named_parameters() if value.grad is None and "ferplus" not in name]
    assert not unused


def test_the_exported_net_computes_what_torch_computes(trunk, tmp_path):
    net = MultiHead(trunk, HEADS).eval()
    write_onnx(net, tmp_path / "net.onnx", channels=1, size=24)
    images = torch.randn(3, 1, 24, 24)
    found = Session(tmp_path / "net.onnx", threads=1).run(None, image=images.numpy())
    with torch.no_grad():
        logits, features = net(images)
    assert list(found) == [*map(output_name, HEADS), FEATURES]
    for head, each in logits.items():
        np.testing.assert_allclose(found[output_name(head)], each.softmax(1).numpy(), atol=1e-4)
    np.testing.assert_allclose(found[FEATURES], features.numpy(), atol=1e-4, rtol=1e-4)


def test_three_channels_are_taken(trunk):
    colour = type(trunk)(in_channels=3)
    assert colour(torch.zeros(1, 3, 48, 48)).shape[1] == colour.channels


def test_the_shipped_net_keeps_its_budget():
    config = load_config(preset="mien-s")
    net = MultiHead(NETS.create(config.net, **config.net_options), HEADS)
    assert parameter_count(net) <= 3_000_000
    assert mac_count(net, channels=1, size=48) <= 320_000_000
