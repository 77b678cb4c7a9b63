"""What an ablation takes away from the settings, and what it refuses to."""

from dataclasses import replace

import pytest

from mien.core.errors import UsageError
from mien.experiments.ablation import PARTS, choose_parts, variants, why_not
from mien.nets.heads import MultiHead
from mien.training.augment import Augmentation
from mien.training.config import TrainConfig, as_settings, load_config, preset_names

PLAIN = TrainConfig(
    net_options={"widths": [8, 16], "blocks": [1, 1]},
    augment=Augmentation(flip=0, rotation=0, zoom=0, shift=0, brightness=0, contrast=0, erase=0),
    dropout=0.0,
    ema=0.0,
    soft=False,
)


def differences(one, other):
    """Dotted keys of the settings in which two trainings differ."""

    def flat(values, prefix=""):
        for key, value in values.items():
            if isinstance(value, dict):
                yield from flat(value, f"{prefix}{key}.")
            else:
                yield f"{prefix}{key}", value

    a, b = (dict(flat(as_settings(each))) for each in (one, other))
    return {key for key in a | b if a.get(key) != b.get(key)} - {"name"}


def test_each_part_changes_its_own_settings_alone():
    full = TrainConfig(net="resnet-cbam", weights="run", freeze=1, unfreeze_every=2, layer_decay=0.8)
    changed = {part: differences(full, change(full)) for part, change in PARTS.items()}
    assert {key.split(".")[0] for key in changed.pop("augmentation")} == {"augment"}
    assert changed == {
        "dropout": {"dropout", "net_options.dropout"},
        "batchnorm": {"net_options.batch_norm"},
        "attention": {"net_options.attention"},
        "pretraining": {"weights", "freeze", "unfreeze_every", "layer_decay"},
        "soft-labels": {"soft"},
        "ema": {"ema"},
        "temporal": set(),
    }


def test_faces_are_left_as_they_are_without_augmentation():
    augment = PARTS["augmentation"](TrainConfig(augment=Augmentation(border="edge", jpeg=50, mixup=0.2))).augment
    assert augment.border == "edge" and not any(value for name, value in vars(augment).items() if name != "border")


@pytest.mark.parametrize(
    ("augment", "changes"),
    [
        ({}, False),
        ({"flip": 0.5}, True),
        ({"gray": 0.5}, False),
        ({"jpeg": 50}, True),
        ({"jpeg": 50, "degrade": 0}, False),
        ({"mixup": 0.2}, True),
        ({"mixup": 0.2, "mix": 0}, False),
        ({"border": "edge"}, False),
    ],
)
def test_augmentation_that_changes_no_face_is_none(augment, changes):
    config = replace(PLAIN, augment=replace(PLAIN.augment, **augment))
    assert (why_not("augmentation", config, votes=True) == "") == changes


def test_the_whole_training_comes_first_and_models_can_be_told_apart():
    full, first, second = variants(replace(PLAIN, name="mine", ema=0.9, dropout=0.1), ["ema", "dropout"])
    assert [each.name for each in (full, first, second)] == ["full", "without-ema", "without-dropout"]
    assert [each.title for each in (full, first)] == ["full", "without ema"]
    assert [each.config.name for each in (full, first)] == ["mine-full", "mine-without-ema"]
    assert (first.config.ema, first.config.dropout, second.config.ema, second.config.dropout) == (0, 0.1, 0.9, 0)


def test_what_is_not_there_is_refused_with_the_reason_and_what_is():
    with pytest.raises(UsageError) as error:
        choose_parts(replace(PLAIN, ema=0.9), ["attention", "ema", "temporal", "soft-labels"], votes=False)
    assert str(error.value) == (
        "expected parts that this training has in --without, got attention (the net resnet has none), temporal (the "
        "net resnet reads no order), soft-labels (the data have no votes): choose out of batchnorm, ema"
    )
    with pytest.raises(UsageError, match="soft-labels \\(soft is false\\): choose out of batchnorm"):
        choose_parts(PLAIN, ["soft-labels"], votes=True)
    bare = replace(PLAIN, net_options={**PLAIN.net_options, "batch_norm": False})
    with pytest.raises(UsageError, match="augmentation \\(no face is changed\\), .*: there is nothing to take away"):
        choose_parts(bare, [], votes=True)
    with pytest.raises(UsageError, match="expected a part to go without out of .*, got 'dropouts'.*dropout"):
        choose_parts(PLAIN, ["dropouts"], votes=True)
    with pytest.raises(UsageError, match="expected each part once in --without, got ema, ema"):
        choose_parts(replace(PLAIN, ema=0.9), ["ema", "ema"], votes=True)


def test_without_a_word_all_that_is_there_goes():
    assert choose_parts(TrainConfig(net="cbam5"), [], votes=True) == (
        "augmentation", "dropout", "batchnorm", "attention", "soft-labels", "ema",
    )  # fmt: skip


def test_what_a_net_of_timm_was_built_with_stays():
    pytest.importorskip("timm")
    config = replace(PLAIN, net="resnet10t", net_options={})
    with pytest.raises(UsageError, match="batchnorm \\(it is built into the net resnet10t\\)"):
        choose_parts(replace(config, ema=0.9), ["batchnorm"], votes=False)


def test_pretrained_weights_have_to_fit_what_is_left(tmp_path):
    torch, safetensors = pytest.importorskip("torch"), pytest.importorskip("safetensors.torch")
    pytest.importorskip("timm")
    from mien.nets import build_trunk

    options = {**PLAIN.net_options, "attention": "channel"}
    trunk = build_trunk("resnet", in_channels=1, size=48, options=options)
    torch.manual_seed(0)
    safetensors.save_file(MultiHead(trunk, {}).state_dict(), tmp_path / "w.safetensors")
    config = replace(PLAIN, net_options=options, weights=str(tmp_path / "w.safetensors"), dropout=0.1)
    assert choose_parts(config, [], votes=False) == ("dropout", "pretraining")
    with pytest.raises(UsageError, match="attention \\(the pretrained weights do not fit the net without it\\)"):
        choose_parts(config, ["attention"], votes=False)


@pytest.mark.parametrize(
    "preset", [each for each in preset_names() if "imagenet" not in load_config(preset=each).weights]
)
def test_of_every_preset_something_can_be_taken_away(preset):
    config = load_config(preset=preset)
    for part in choose_parts(config, [], votes=True):
        assert PARTS[part](config) != config
