"""Nets of clips: pooling against its formula, states against torch's own last ones, and what time may change."""

import numpy as np
import pytest
import torch

from mien.core.errors import UsageError
from mien.nets import build_trunk
from mien.nets.heads import MultiHead, mac_count
from mien.nets.temporal import AttentionPooling, LastState, MeanState
from mien.runtime.session import Session
from mien.training.export import FEATURES, output_name, write_onnx

SMALL = {"widths": [8, 16], "blocks": [1, 1]}
SIDE, FRAMES = 16, 5


def clip_net(name="cnn-gru", **options):
    torch.manual_seed(0)
    options = {"options": SMALL, "hidden": 12} | options
    return build_trunk(name, in_channels=1, size=SIDE, options=options).eval()


def clips(n=3, frames=FRAMES):
    return torch.randn(n, frames, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def test_attention_is_a_weighted_mean_as_published():
    torch.manual_seed(0)
    pooling = AttentionPooling(6)
    states = torch.randn(2, 4, 6)
    with torch.no_grad():
        found, weights = pooling(states).numpy(), pooling.weights(states).numpy()
    w, b, u = (each.detach().numpy() for each in (pooling.project.weight, pooling.project.bias, pooling.context.weight))
    scores = np.tanh(states.numpy() @ w.T + b) @ u[0]  # (B, T)
    wanted = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    np.testing.assert_allclose(weights, wanted, atol=1e-6)
    np.testing.assert_allclose(found, (wanted[:, :, None] * states.numpy()).sum(1), atol=1e-6)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layer", [torch.nn.LSTM, torch.nn.GRU])
def test_the_last_state_is_the_one_that_torch_calls_last(layer, bidirectional):
    torch.manual_seed(0)
    recurrent = layer(4, 5, batch_first=True, bidirectional=bidirectional)
    states, last = recurrent(torch.randn(2, 7, 4))
    last = last[0] if isinstance(last, tuple) else last  # an LSTM has a cell's state beside
    wanted = last.transpose(0, 1).flatten(1)
    torch.testing.assert_close(LastState(bidirectional=bidirectional)(states), wanted)


def test_the_mean_is_over_time():
    states = torch.randn(2, 7, 4)
    torch.testing.assert_close(MeanState()(states), torch.stack([each.mean(0) for each in states]))


@pytest.mark.parametrize("name", ["cnn-lstm", "cnn-gru"])
def test_one_option_of_the_net_of_frames_leaves_the_others_as_they_are(name):
    whole, without = (
        build_trunk(name, in_channels=1, size=48, options={"options": options})
        for options in ({}, {"batch_norm": False})
    )
    assert whole.channels == without.channels == 64
    assert [kind for kind in without.modules() if isinstance(kind, torch.nn.BatchNorm2d)] == []


@pytest.mark.parametrize("name", ["cnn-lstm", "cnn-gru"])
def test_a_state_knows_what_was_and_backwards_also_what_comes(name):
    seen = clips()
    changed = seen.clone()
    changed[:, 3:] += 1
    with torch.no_grad():
        for bidirectional, knows in ((False, False), (True, True)):
            net = clip_net(name, bidirectional=bidirectional)
            before, after = (net.neck.states(net(each)) for each in (seen, changed))
            assert before.shape == (3, FRAMES, 24 if bidirectional else 12)
            assert (torch.abs(before[:, :3] - after[:, :3]).max() > 1e-4) == knows
            assert torch.abs(before[:, 3:] - after[:, 3:]).max() > 1e-4


@pytest.mark.parametrize("pooling", ["attention", "last", "mean"])
def test_order_counts_however_states_are_pooled(pooling):
    net = clip_net(pooling=pooling)
    with torch.no_grad():
        vectors = [net.neck(net(each)) for each in (clips(), clips().flip(1))]
    assert vectors[0].shape == (3, net.width)
    assert torch.abs(vectors[0] - vectors[1]).max() > 1e-4


@torch.no_grad()
def test_without_a_cell_the_logits_of_a_clip_are_the_mean_of_those_of_its_frames():
    torch.manual_seed(0)
    net = MultiHead(build_trunk("cnn-mean", in_channels=1, size=SIDE, options={"options": SMALL}), {"a": 3}).eval()
    single = MultiHead(build_trunk("resnet", in_channels=1, size=SIDE, options=SMALL), {"a": 3}).eval()
    single.trunk.load_state_dict(net.trunk.frame.state_dict())
    single.heads.load_state_dict(net.heads.state_dict())
    logits, _ = net(clips())
    frames, _ = single(clips().flatten(0, 1))
    torch.testing.assert_close(logits["a"], frames["a"].reshape(3, FRAMES, 3).mean(1))
    torch.testing.assert_close(logits["a"], net(clips().flip(1))[0]["a"])


def test_how_much_each_frame_counts_can_be_asked():
    with torch.no_grad():
        weights = clip_net().attention(clips())
    assert weights.shape == (3, FRAMES)
    torch.testing.assert_close(weights.sum(1), torch.ones(3))
    with pytest.raises(UsageError, match="pooling=attention"):
        clip_net(pooling="mean").attention(clips())


def test_the_map_that_is_shown_is_that_of_the_last_frame():
    net = clip_net()
    head = MultiHead(net, {"a": 3}).eval()
    with torch.no_grad():
        _, shown = head(clips())
        torch.testing.assert_close(shown, net.frame(clips()[:, -1]))
    assert shown.shape[1] == net.channels


def test_operations_of_a_recurrent_layer_are_counted_for_each_frame():
    frame = build_trunk("resnet", in_channels=1, size=SIDE, options=SMALL)
    of_frame = mac_count(MultiHead(frame, {}), channels=1, size=SIDE)
    net = MultiHead(clip_net(pooling="mean"), {"a": 3})
    gru = 3 * 12 * (16 + 12)  # three gates, each of the vector of 16 and the state of 12
    assert mac_count(net, channels=1, size=SIDE, frames=FRAMES) == FRAMES * (of_frame + gru) + 12 * 3


@pytest.mark.parametrize(
    "options",
    [
        {"pooling": "last", "layers": 2, "bidirectional": True, "dropout": 0.3},
        {"pooling": "mean", "layers": 2},
        {"net": "cnn5", "options": {}},
    ],
)
@pytest.mark.parametrize("name", ["cnn-lstm", "cnn-gru"])
def test_the_exported_net_computes_what_torch_computes_in_batches_of_any_size(name, options, tmp_path):
    side = 48 if "net" in options else SIDE
    torch.manual_seed(0)
    trunk = build_trunk(name, in_channels=1, size=side, options={"options": SMALL, "hidden": 12} | options)
    net = MultiHead(trunk, {"a": 7}).eval()
    net.heads["a"].weight.data *= 30  # far from even, so that a difference shows
    write_onnx(net, tmp_path / "net.onnx", channels=1, size=side, frames=4)
    session = Session(tmp_path / "net.onnx", threads=1)
    assert session.input_shapes == {"clip": (None, 4, 1, side, side)}
    for n in (1, 5):
        given = torch.randn(n, 4, 1, side, side)
        found = session.run(None, clip=given.numpy())
        with torch.no_grad():
            logits, features = net(given)
        np.testing.assert_allclose(found[output_name("a")], logits["a"].softmax(1).numpy(), atol=1e-4)
        np.testing.assert_allclose(found[FEATURES], features.numpy(), atol=1e-4, rtol=1e-4)


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(UsageError, match="expected a pooling over time out of attention, last, mean, got 'max'"):
        clip_net(pooling="max")
    with pytest.raises(UsageError, match="expected layers and hidden of 1 or more"):
        clip_net(layers=0)
    with pytest.raises(UsageError, match="expected a net of single pictures for the frames, got 'cnn-lstm'"):
        clip_net(net="cnn-lstm", options={})
    with pytest.raises(UsageError, match="options that the net 'cnn-gru' takes"):
        clip_net(cell="lstm")
    with pytest.raises(UsageError, match="options that the net 'cnn-mean' takes, got: .*'hidden'"):
        clip_net("cnn-mean")
