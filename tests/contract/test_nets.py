"""One battery over every registered net: shapes, sizes, a step of training, heads, export.

What a net is by default is tested for its shapes; it is trained and exported for the smallest pictures that it takes,
the widest nets with fewer channels. `tests/soak/test_full_nets.py` does it at full size.
"""

from functools import lru_cache

import numpy as np
import pytest
import torch

from mien.core.errors import UsageError
from mien.nets import NETS, build_trunk
from mien.nets.heads import MultiHead, example_inputs, inputs_of, mac_count, parameter_count
from mien.runtime.session import Session
from mien.training.config import load_config
from mien.training.export import FEATURES, output_name, write_onnx

HEADS = {"ferplus": 8, "fer2013": 7}
FRAMES = 3

# Options by which a net is quick to train.
NARROW = {
    "cnn3": {"widths": (16, 32, 48), "dense": (64,)},
    "cnn5": {"widths": (16, 32, 32, 48, 48), "dense": (64,)},
    "vgg4": {"widths": (16, 32, 32, 64), "dense": (64, 32)},
    "cbam5": {"widths": (16, 32, 32, 64, 64), "dense": (64,), "reduction": 4},
}


@pytest.fixture(params=sorted(NETS))
def name(request):
    return request.param


@lru_cache
def default_net(name):
    torch.manual_seed(0)
    return NETS.create(name).eval()


@pytest.fixture
def trunk(name):
    """The net as it is by default."""
    return default_net(name)


@pytest.fixture
def small(name, trunk):
    """The same net for the smallest pictures that it takes."""
    torch.manual_seed(0)
    return NETS.create(name, size=trunk.smallest, **NARROW.get(name, {}))


def inputs(trunk, n, side, channels=1):
    shapes = example_inputs(inputs_of(trunk), batch=n, channels=channels, size=side, frames=FRAMES)
    return tuple(torch.randn_like(each) for each in shapes)


def map_of(trunk, *args):
    """The feature map that is exported."""
    return getattr(trunk, "shown", lambda same: same)(trunk(*args))


@torch.no_grad()
def test_the_feature_map_and_the_vector_are_as_stated(trunk):
    features = trunk(*inputs(trunk, 2, 48))
    assert trunk.neck(features).shape == (2, trunk.width)
    shown = map_of(trunk, *inputs(trunk, 2, 48))
    assert shown.shape[:2] == (2, trunk.channels)
    assert shown.shape[2] == shown.shape[3] > 1


def test_logits_of_every_head_and_the_feature_map(small):
    logits, features = MultiHead(small, HEADS)(*inputs(small, 3, small.smallest))
    assert {head: tuple(each.shape) for head, each in logits.items()} == {"ferplus": (3, 8), "fer2013": (3, 7)}
    assert features.shape[1] == small.channels


def test_a_few_steps_fit_a_small_batch(small):
    net = MultiHead(small, HEADS).train()
    for each in net.modules():  # a batch is learnt by heart without chance
        if isinstance(each, torch.nn.modules.dropout._DropoutNd):
            each.p = 0.0
    given, ids = inputs(small, 14, small.smallest), torch.arange(14) % 7
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3)
    losses = []
    for _ in range(12):
        logits, _ = net(*given)
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
    write_onnx(net, tmp_path / "net.onnx", channels=1, size=small.smallest, frames=FRAMES)
    given = inputs(small, 3, small.smallest)
    named = {name: each.numpy() for name, each in zip(inputs_of(small), given, strict=True)}
    found = Session(tmp_path / "net.onnx", threads=1).run(None, **named)
    with torch.no_grad():
        logits, features = net(*given)
    assert list(found) == [*map(output_name, HEADS), FEATURES]
    for head, each in logits.items():
        np.testing.assert_allclose(found[output_name(head)], each.softmax(1).numpy(), atol=1e-4)
    np.testing.assert_allclose(found[FEATURES], features.numpy(), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_three_channels_are_taken(name, trunk):
    side = trunk.smallest
    colour = NETS.create(name, in_channels=3, size=side, **NARROW.get(name, {})).eval()
    given = inputs(colour, 2, side, channels=3)
    assert map_of(colour, *given).shape[1] == colour.channels
    assert colour.neck(colour(*given)).shape == (2, colour.width)


def test_pictures_that_are_too_small_and_unknown_options_are_refused(name, trunk):
    with pytest.raises(
        UsageError, match=f"expected pictures of {trunk.smallest} pixels or more for the net '"
    ) as small:
        build_trunk(name, in_channels=1, size=trunk.smallest - 1, options={})
    with pytest.raises(UsageError, match=f"expected options that the net '{name}' takes, got") as option:
        build_trunk(name, in_channels=1, size=48, options={"no_such_option": 1})
    assert "\n" not in f"{small.value}{option.value}"


@torch.no_grad()
def test_any_size_is_as_stated(name, trunk):
    given = inputs(trunk, 1, 2 * 48)
    if trunk.any_size:
        assert trunk.neck(trunk(*given)).shape == (1, trunk.width)
    else:
        with pytest.raises((RuntimeError, AssertionError)):
            trunk.neck(trunk(*given))


def test_the_shipped_net_keeps_its_budget():
    config = load_config(preset="mien-s")
    net = MultiHead(NETS.create(config.net, **config.net_options), HEADS)
    assert parameter_count(net) <= 3_000_000
    assert mac_count(net, channels=1, size=48) <= 320_000_000
