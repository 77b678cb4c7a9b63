"""Pretrained weights from files as they are found, made here from nets with random weights."""

import argparse
import time

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from mien.core.errors import TrainingError
from mien.core.labels import LABEL_SETS
from mien.datasets.table import LabelColumn, Table
from mien.nets import build_trunk
from mien.nets.heads import MultiHead
from mien.training.config import load_config
from mien.training.fit import build_net, fit
from mien.training.pretrained import load_weights

NAME = "mobilenetv3_small_050"
SMALL = ["batch=16", "net_options.widths=[8,16,16]", "net_options.blocks=[1,1,1]", "ema=0.9", "threads=1"]


def faces(n=64):
    chance = np.random.default_rng(0)
    images = chance.integers(0, 255, (n, 48, 48), dtype=np.uint8)
    split = np.where(np.arange(n) < n - 16, "train", "valid")
    column = LabelColumn(LABEL_SETS["fer2013"], np.arange(n) % 2)
    return Table(np.array([f"face-{i}" for i in range(n)]), images, split, {"fer2013": column})


def saved(name=NAME, **options):
    """A net of timm with its classifier, as its weights are distributed."""
    torch.manual_seed(1)
    return timm.create_model(name, **options).eval()


def trunk(name=NAME, *, channels=3, size=32, **options):
    torch.manual_seed(2)
    return build_trunk(name, in_channels=channels, size=size, options=options).eval()


def seen(net, images):
    with torch.no_grad():
        return net.neck(net(images))


def timm_sees(net, images):
    with torch.no_grad():
        return net.forward_head(net.forward_features(images), pre_logits=True)


def write(state, path):
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return str(path)


IMAGES = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("file", ["net.safetensors", "net.pth", "net.bin"])
def test_a_file_of_timm_is_taken(file, tmp_path):
    reference, net = saved(), trunk()
    path = write(reference.state_dict(), tmp_path / file)
    assert not torch.allclose(seen(net, IMAGES), timm_sees(reference, IMAGES), atol=1e-3)
    notes = load_weights(net, path, net=NAME)
    torch.testing.assert_close(seen(net, IMAGES), timm_sees(reference, IMAGES))
    assert notes == [f"of {file}, classifier was left out: the heads are the run's own"]


def test_a_checkpoint_of_another_training_is_taken(tmp_path):
    reference, net = saved(), trunk()
    state = {f"module.{key}": value for key, value in reference.state_dict().items()}
    worse = {key: torch.zeros_like(value) for key, value in state.items()}
    path = write({"state_dict": worse, "state_dict_ema": state, "epoch": 3}, tmp_path / "checkpoint.pth")
    load_weights(net, path, net=NAME)
    torch.testing.assert_close(seen(net, IMAGES), timm_sees(reference, IMAGES))


def test_a_folder_with_one_file_is_taken(tmp_path):
    reference, net = saved(), trunk()
    with pytest.raises(TrainingError, match="expected one file of weights in .*, got none"):
        load_weights(net, str(tmp_path), net=NAME)
    write(reference.state_dict(), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text("{}")
    load_weights(net, str(tmp_path), net=NAME)
    torch.testing.assert_close(seen(net, IMAGES), timm_sees(reference, IMAGES))
    for name in ("a.pth", "b.pth"):
        (tmp_path / name).write_bytes((tmp_path / "model.safetensors").read_bytes())
    load_weights(net, str(tmp_path), net=NAME)  # model.safetensors goes before others
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(TrainingError, match=r"expected one file of weights in .*, got a.pth, b.pth: name the file"):
        load_weights(net, str(tmp_path), net=NAME)


def test_a_grey_picture_gives_what_it_gave_in_colour(tmp_path):
    reference, net = saved(), trunk(channels=1)
    load_weights(net, write(reference.state_dict(), tmp_path / "net.pth"), net=NAME)
    grey = IMAGES[:, :1]
    torch.testing.assert_close(seen(net, grey), timm_sees(reference, grey.expand(-1, 3, -1, -1)), atol=1e-4, rtol=1e-3)


def test_positions_are_brought_to_another_size(tmp_path):
    name = "vit_tiny_patch16_224"
    reference = saved(name, img_size=64, depth=1)
    torch.nn.init.normal_(reference.pos_embed)
    path = write(reference.state_dict(), tmp_path / "net.safetensors")
    net = trunk(name, size=32, depth=1)
    load_weights(net, path, net=name)
    # timm's own resizing of a built net is the reference.
    reference.set_input_size(img_size=(32, 32))
    torch.testing.assert_close(seen(net, IMAGES), timm_sees(reference, IMAGES), atol=1e-4, rtol=1e-3)


def test_auxiliary_classifiers_are_left_out(tmp_path):
    state = saved("inception_v3", aux_logits=True).state_dict()
    net = trunk("inception_v3", size=75)
    notes = load_weights(net, write(state, tmp_path / "net.pth"), net="inception_v3")
    assert notes == ["of net.pth, AuxLogits, fc was left out: the heads are the run's own"]
    assert torch.equal(net.model.Mixed_7c.branch1x1.conv.weight, state["Mixed_7c.branch1x1.conv.weight"])


def test_weights_of_another_net_are_refused_by_name(tmp_path):
    state = saved().state_dict()
    short = {key: value for key, value in state.items() if "blocks.1" not in key}
    with pytest.raises(
        TrainingError, match=rf"weights of the net '{NAME}' in .*; missing: blocks.1.\S+, \S+, \S+ and \d+ more$"
    ):
        load_weights(trunk(), write(short, tmp_path / "short.pth"), net=NAME)
    long = state | {f"blocks.9.{i}": torch.zeros(1) for i in range(2)}
    with pytest.raises(TrainingError, match="unknown: blocks.9.0, blocks.9.1$"):
        load_weights(trunk(), write(long, tmp_path / "long.pth"), net=NAME)
    wide = state | {"bn1.bias": torch.zeros(3)}
    with pytest.raises(TrainingError, match="of another shape: bn1.bias 3 for 16$"):
        load_weights(trunk(), write(wide, tmp_path / "wide.pth"), net=NAME)
    net = trunk()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with pytest.raises(TrainingError, match="missing: .*unknown: "):
        load_weights(net, write(saved("resnet10t").state_dict(), tmp_path / "other.pth"), net=NAME)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


def test_what_is_no_file_of_weights_is_refused(tmp_path):
    net = trunk()
    with pytest.raises(TrainingError, match="expected a file or folder of pretrained weights, or 'imagenet', got no"):
        load_weights(net, str(tmp_path / "nowhere.pth"), net=NAME)
    # torch takes the last for a pickle, and looks for what it does not hold.
    texts = {"bad.safetensors": b"no weights at all", "bad.pth": b"no weights at all", "bad.bin": b"hello\n"}
    for name, text in texts.items():
        (tmp_path / name).write_bytes(text)
        with pytest.raises(TrainingError, match="expected safetensors or a state dict of torch in .*bad"):
            load_weights(net, str(tmp_path / name), net=NAME)
    torch.save({"net": saved(), "args": argparse.Namespace()}, tmp_path / "code.pth")
    with pytest.raises(TrainingError, match="got code, which is not run"):
        load_weights(net, str(tmp_path / "code.pth"), net=NAME)
    torch.save({"epoch": 3}, tmp_path / "empty.pth")
    with pytest.raises(TrainingError, match="expected a state dict in .*, got no values by name"):
        load_weights(net, str(tmp_path / "empty.pth"), net=NAME)


def test_without_a_network_one_line_says_which_file_to_fetch(tmp_path, monkeypatch):
    import huggingface_hub as hub

    def no_network(*_, **__):
        raise OSError("[Errno -2] Name or service not known\n second line")

    monkeypatch.setattr(hub, "get_hf_file_metadata", no_network)
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *_, **__: None)
    began = time.monotonic()
    with pytest.raises(TrainingError) as caught:
        load_weights(trunk(), "imagenet", net=NAME)
    assert time.monotonic() - began < 5
    assert "fetch model.safetensors of timm/mobilenetv3_small_050.lamb_in1k" in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(TrainingError, match="expected a net of timm for weights='imagenet', got 'resnet'"):
        load_weights(build_trunk("resnet", in_channels=1, size=48, options={}), "imagenet", net="resnet")


def test_the_cache_is_asked_before_the_network(tmp_path, monkeypatch):
    """A cache as the hub's client lays it out, in which the file lies."""
    import huggingface_hub as hub

    reference = saved()
    snapshot = tmp_path / "models--timm--mobilenetv3_small_050.lamb_in1k" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("abc")
    extra = reference.state_dict() | {"left.over": torch.zeros(1)}
    write(extra, snapshot / "model.safetensors")
    ask = hub.try_to_load_from_cache
    monkeypatch.setattr(
        hub, "try_to_load_from_cache", lambda repo, name, revision: ask(repo, name, tmp_path, revision=revision)
    )
    net = trunk()
    notes = load_weights(net, "imagenet", net=NAME)
    torch.testing.assert_close(seen(net, IMAGES), timm_sees(reference, IMAGES))
    assert notes[1] == "of model.safetensors, left.over was left out: the net has no such values"


def test_a_run_gives_its_trunk_to_the_next(tmp_path):
    settings = load_config(changes=[*SMALL, "epochs=1"])
    fit(settings, faces(), out=tmp_path / "first")
    labels = {"ferplus": LABEL_SETS["ferplus"]}
    net = build_net(settings, labels)
    notes = load_weights(net.trunk, str(tmp_path / "first"), net="resnet")
    state = torch.load(tmp_path / "first" / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    for key, value in net.trunk.state_dict().items():
        assert torch.equal(value, state[f"average.module.trunk.{key}"])
    assert notes == []
    second = load_config(changes=[*SMALL, f"weights='{tmp_path / 'first'}'", "freeze=trunk", "epochs=1"])
    fit(second, faces(), out=tmp_path / "second")
    after = torch.load(tmp_path / "second" / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    for key, value in net.trunk.state_dict().items():
        assert torch.equal(after[f"net.trunk.{key}"], value)
    narrow = load_config(changes=[*SMALL, f"weights='{tmp_path / 'first'}'", "net_options.widths=[8,8,16]"])
    with pytest.raises(TrainingError, match=r"of another shape: stages.1.0.first.0.weight 16x8x3x3 for 8x8x3x3"):
        fit(narrow, faces(), out=tmp_path / "third")
    assert not (tmp_path / "third").exists()


def test_a_state_dict_of_a_net_of_ours_is_taken(tmp_path):
    whole = MultiHead(trunk(), {"fer2013": 7})
    net = build_trunk(NAME, in_channels=3, size=32, options={}).eval()
    load_weights(net, write(whole.state_dict(), tmp_path / "whole.pth"), net=NAME)
    torch.testing.assert_close(seen(net, IMAGES), seen(whole.trunk, IMAGES))
