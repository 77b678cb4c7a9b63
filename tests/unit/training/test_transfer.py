"""Stages of nets, what is frozen when, and how fast each stage learns."""

import numpy as np
import pytest
import timm
import torch
from timm.optim import param_groups_layer_decay

from mien.core.errors import UsageError
from mien.core.labels import LABEL_SETS
from mien.datasets.table import LabelColumn, Table
from mien.nets import NETS, build_trunk
from mien.nets.heads import MultiHead
from mien.training.config import load_config
from mien.training.fit import LAST, build_net, fit, load_run
from mien.training.transfer import freeze, parameter_groups, stages, stages_trained

SMALL = ["epochs=3", "batch=16", "net_options.widths=[8,16,16]", "net_options.blocks=[1,1,1]", "ema=0.9", "threads=1"]
TIMM = {
    "resnet10t": 5,
    "efficientnet_b0": 6,
    "mobilenetv3_small_050": 6,
    "inception_v3": 5,
    "convnext_atto": 4,
    "vit_tiny_patch16_224": 12,
    "swin_tiny_patch4_window7_224": 4,
}


def config(*changes):
    return load_config(changes=[*SMALL, *changes])


def a_net(*changes):
    torch.manual_seed(0)
    return build_net(config(*changes), {"fer2013": LABEL_SETS["fer2013"]})


def faces(n=64):
    chance = np.random.default_rng(0)
    images = chance.integers(0, 255, (n, 48, 48), dtype=np.uint8)
    split = np.where(np.arange(n) < n - 16, "train", "valid")
    column = LabelColumn(LABEL_SETS["fer2013"], np.arange(n) % 2)
    return Table(np.array([f"face-{i}" for i in range(n)]), images, split, {"fer2013": column})


def names_of(trunk):
    return sorted(name for name, _ in (*trunk.named_parameters(), *trunk.named_buffers()))


@pytest.mark.parametrize("name", sorted(NETS))
def test_each_value_of_our_nets_belongs_to_one_stage(name):
    trunk = NETS.create(name)
    found = stages(trunk)
    assert sorted(value for stage in found for value in stage) == names_of(trunk)
    assert len(found) >= 4


@pytest.mark.parametrize("name", sorted(TIMM))
def test_each_value_of_a_net_of_timm_belongs_to_one_stage(name):
    trunk = build_trunk(name, in_channels=1, size=96, options={})
    found = stages(trunk)
    assert sorted(value for stage in found for value in stage) == names_of(trunk)
    assert len(found) == TIMM[name]


def test_stages_go_from_input_to_output():
    first, *blocks, last = stages(build_trunk("resnet10t", in_channels=1, size=32, options={}))
    assert all(name.startswith(("model.conv1", "model.bn1")) for name in first)
    assert [stage[0].split(".")[1] for stage in (*blocks, last)] == ["layer1", "layer2", "layer3", "layer4"]
    vit = stages(build_trunk("vit_tiny_patch16_224", in_channels=1, size=32, options={}))
    assert {"model.cls_token", "model.pos_embed", "model.patch_embed.proj.weight"} <= set(vit[0])
    assert "model.norm.weight" in vit[-1]  # no stage of its own
    assert [stage[0].split(".")[0] for stage in stages(NETS.create("cnn3"))] == ["blocks"] * 3 + ["neck"]
    fusion = stages(NETS.create("fusion"))
    together = [any(name.startswith("branches.0.stages.2") for name in stage) for stage in fusion]
    assert together.count(True) == 1
    assert sum(any(name.startswith("branches.1.frame.") for name in stage) for stage in fusion) >= 4


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([], [4, 4, 4, 4]),
        (["freeze=trunk"], [0, 0, 0, 0]),
        (["freeze=2"], [2, 2, 2, 2]),
        (["freeze=trunk", "unfreeze_every=1"], [0, 1, 2, 3]),
        (["freeze=1", "unfreeze_every=2"], [1, 1, 2, 2]),
        (["freeze=3", "unfreeze_every=1"], [3, 4, 4, 4]),
    ],
)
def test_stages_thaw_from_the_last_on(changes, expected):
    settings, net = config(*changes), a_net(*changes).train()
    assert len(stages(net.trunk)) == 4
    assert [stages_trained(settings, epoch, count=4) for epoch in range(4)] == expected
    for epoch, trained in enumerate(expected):
        freeze(net, settings, epoch)
        learning = ("stages.2.", "stages.1.", "stages.0.", "stem.")[:trained]
        for name, each in net.trunk.named_parameters():
            assert each.requires_grad == name.startswith(learning), (epoch, name)
        for name, each in net.trunk.named_modules():
            if hasattr(each, "running_mean"):
                assert each.training == name.startswith(learning), (epoch, name)
        assert all(each.requires_grad for each in net.heads.parameters())


def test_what_is_frozen_stays_to_the_bit_and_what_is_not_learns(tmp_path):
    changes = ["freeze=1", "weight_decay=0.1", "optimizer=adamw", "schedule=constant", "learning_rate=1e-2", "epochs=2"]
    begun = a_net(*changes)
    fit(config(*changes), faces(), out=tmp_path / "run")
    trained = load_run(tmp_path / "run", which=LAST)[1].state_dict()
    *kept, last = stages(begun.trunk)
    before = begun.trunk.state_dict()
    assert all(torch.equal(trained[f"trunk.{name}"], before[name]) for stage in kept for name in stage)
    assert not [name for name in last if torch.equal(trained[f"trunk.{name}"], before[name])]
    assert not torch.equal(trained["heads.fer2013.weight"], begun.heads["fer2013"].weight)


def test_a_resumed_run_thaws_as_an_unbroken_one(tmp_path):
    settings, table = config("freeze=trunk", "unfreeze_every=1", "layer_decay=0.5"), faces()
    fit(settings, table, out=tmp_path / "whole")
    assert not fit(settings, table, out=tmp_path / "broken", max_minutes=1e-6).finished
    for _ in range(2):
        run = fit(settings, table, out=tmp_path / "broken", max_minutes=1e-6, resume=True)
    assert run.finished
    whole, parts = (load_run(tmp_path / name, which=LAST)[1].state_dict() for name in ("whole", "broken"))
    assert max((whole[key].double() - parts[key].double()).abs().max() for key in whole) < 1e-6
    begun = a_net().trunk.state_dict()
    kept, learnt = "stages.0.0.first.0.weight", "stages.1.0.first.0.weight"  # after epochs of 0, 1 and 2 stages
    assert torch.equal(whole[f"trunk.{kept}"], begun[kept])
    assert not torch.equal(whole[f"trunk.{learnt}"], begun[learnt])


def test_rates_fall_from_the_heads_down():
    net = a_net()
    groups = parameter_groups(net, config("layer_decay=0.5", "weight_decay=0.01"))
    found = {id(value): group for group in groups for value in group["params"]}
    assert len(found) == sum(len(group["params"]) for group in groups) == len(list(net.parameters()))
    expected = {"heads.fer2013": 1.0, "stages.2": 0.5, "stages.1": 0.25, "stages.0": 0.125, "stem": 0.0625}
    for name, value in net.named_parameters():
        place = next(each for each in expected if each in name)
        assert found[id(value)]["lr_scale"] == expected[place]
        assert found[id(value)]["weight_decay"] == (0.01 if value.ndim > 1 else 0.0)
    assert len({group["name"] for group in groups}) == len(groups)


def test_rates_of_a_vision_transformer_are_those_of_timm():
    name, options = "vit_tiny_patch16_224", {"depth": 3}
    net = MultiHead(build_trunk(name, in_channels=3, size=32, options=options), {"a": 5})
    reference = timm.create_model(name, img_size=32, num_classes=5, **options)
    groups = param_groups_layer_decay(reference, 0.05, reference.no_weight_decay(), layer_decay=0.7)
    theirs = {id(value): (group["lr_scale"], group["weight_decay"]) for group in groups for value in group["params"]}
    groups = parameter_groups(net, config("layer_decay=0.7", "weight_decay=0.05"))
    ours = {id(value): (group["lr_scale"], group["weight_decay"]) for group in groups for value in group["params"]}
    own = dict(net.trunk.model.named_parameters())
    blocks = [key for key in own if key.startswith("blocks")]
    assert len(blocks) == 36
    for key, value in reference.named_parameters():
        scale, decay = theirs[id(value)]
        if key in own:
            assert ours[id(own[key])][1] == decay
        if key in blocks:  # the stem learns with the first block here, and is a stage of its own there
            assert ours[id(own[key])][0] == pytest.approx(scale)


def test_without_layer_decay_there_are_the_two_groups_that_runs_have_always_had():
    net = a_net()
    weights, others = parameter_groups(net, config())
    assert [id(each) for each in weights["params"]] == [id(each) for each in net.parameters() if each.ndim > 1]
    assert [id(each) for each in others["params"]] == [id(each) for each in net.parameters() if each.ndim <= 1]
    assert (weights["lr_scale"], others["lr_scale"], others["weight_decay"]) == (1.0, 1.0, 0.0)


def test_what_cannot_be_frozen_is_refused(tmp_path):
    with pytest.raises(UsageError, match="expected freeze of at most 4, the stages of the net 'resnet', got 5"):
        fit(config("freeze=5"), faces(), out=tmp_path / "run")
    with pytest.raises(UsageError, match="expected start_size of 64 or more .*vit.*, got 48: set start_size=64"):
        vit = ["net='vit_tiny_patch16_224'", "net_options.depth=1", "input.size=64", "batch=16"]
        fit(load_config(changes=vit), faces(), out=tmp_path / "run")
    assert not list(tmp_path.iterdir())
    for change, message in (
        ("freeze=-1", "expected freeze out of none, trunk, or a number of stages"),
        ("freeze=head", "expected freeze out of none, trunk, or a number of stages"),
        ("freeze=1.5", "expected int or str as freeze, got 1.5"),
        ("unfreeze_every=2", "expected freeze with unfreeze_every=2, got none"),
        ("layer_decay=0", "expected layer_decay in 0..1"),
    ):
        with pytest.raises(UsageError, match=message):
            config(change)
