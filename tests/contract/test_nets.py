"""One battery over every registered net: shapes, sizes, a step of training, heads."""

import numpy as np
import pytest
import torch

from mien.core.errors import UsageError
from mien.nets import NETS, build_trunk
from mien.nets.heads import MultiHead, mac_count, parameter_count
from mien.runtime.session import Session
from mien.training.config import load_config
from mien.training.export import FEATURES, output_name, write_onnx

HEADS = {"ferplus": 8, "fer2013": 7}


@pytest.fixture(params=sorted(NETS))
def name(request):
    return request.param


@pytest.fixture
def trunk(name):
    """The net as it is by default."""
    torch.manual_seed(0)
    return NETS.create(name)


@pytest.fixture
def small(name, trunk):
    """The same net for the smallest pictures that it takes."""
    torch.manual_seed(0)
    return NETS.create(name, size=trunk.smallest)


def pictures(n, trunk):
    return torch.randn(n, 1, trunk.smallest, trunk.smallest)


def test_the_feature_map_and_the_vector_are_as_stated(trunk):
    features = trunk.eval()(torch.zeros(2, 1, 48, 48))
    assert features.shape[:2] == (2, trunk.channels)
    assert features.shape[2] == features.shape[3] > 1
    assert trunk.neck(features).shape == (2, trunk.width)


def test_logits_of_every_head_and_the_feature_map(small):
    logits, features = MultiHead(small, HEADS)(pictures(3, small))
    assert {head: tuple(each.shape) for head, each in logits.items()} == {"ferplus": (3, 8), "fer2013": (3, 7)}
    assert features.shape[1] == small.channels


def test_a_few_steps_fit_a_small_batch(small):
    net = MultiHead(small, HEADS).train()
    for each in net.modules():  # a batch is learnt by heart without chance
        if isinstance(each, torch.nn.Dropout | torch.nn.Dropout2d):
            each.p = 0.0
    images, ids = pictures(14, small), torch.arange(14) % 7
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


def test_the_exported_net_computes_what_torch_computes(small, tmp_path):
    net = MultiHead(small, HEADS).eval()
    write_onnx(net, tmp_path / "net.onnx", channels=1, size=small.smallest)
    images = pictures(3, small)
    found = Session(tmp_path / "net.onnx", threads=1).run(None, image=images.numpy())
    with torch.no_grad():
        logits, features = net(images)
    assert list(found) == [*map(output_name, HEADS), FEATURES]
    for head, each in logits.items():
        np.testing.assert_allclose(found[output_name(head)], each.softmax(1).numpy(), atol=1e-4)
    np.testing.assert_allclose(found[FEATURES], features.numpy(), atol=1e-4, rtol=1e-4)


def test_three_channels_are_taken(name, trunk):
    colour = NETS.create(name, in_channels=3, size=trunk.smallest)
    side = trunk.smallest
    assert colour(torch.zeros(2, 3, side, side)).shape[1] == colour.channels


def test_pictures_that_are_too_small_and_unknown_options_are_refused(name, trunk):
    with pytest.raises(UsageError, match=f"expected pictures of {trunk.smallest} pixels or more for the net '{name}'"):
        build_trunk(name, in_channels=1, size=trunk.smallest - 1, options={})
    with pytest.raises(UsageError, match=f"expected options that the net '{name}' takes, got"):
        build_trunk(name, in_channels=1, size=48, options={"no_such_option": 1})


def test_any_size_is_as_stated(name, trunk):
    side = 48 + 16
    if trunk.any_size:
        assert trunk.eval()(torch.zeros(1, 1, side, side)).shape[1] == trunk.channels
    else:
        features = NETS.create(name, size=side).eval()(torch.zeros(1, 1, side, side))
        with pytest.raises(RuntimeError):
            trunk.neck(features)


def test_the_shipped_net_keeps_its_budget():
    config = load_config(preset="mien-s")
    net = MultiHead(NETS.create(config.net, **config.net_options), HEADS)
    assert parameter_count(net) <= 3_000_000
    assert mac_count(net, channels=1, size=48) <= 320_000_000
