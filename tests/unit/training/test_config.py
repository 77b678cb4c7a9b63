"""Training settings: presets, files, changes, and every wrong one named."""

import dataclasses
import re

import pytest

from mien.core.errors import UsageError
from mien.core.toml import to_toml
from mien.training.config import (
    TrainConfig,
    as_settings,
    load_config,
    preset_names,
    size_in_epoch,
)


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_loads_and_survives_being_written(name, tmp_path):
    config = load_config(preset=name)
    (tmp_path / "config.toml").write_text(to_toml(as_settings(config)), "utf-8")
    assert as_settings(load_config(file=tmp_path / "config.toml")) == as_settings(config)


def test_later_settings_win(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("epochs = 3\nbatch = 64\n[augment]\nflip = 0.25\n", "utf-8")
    config = load_config(
        preset="mien-s", file=file, changes=["batch=32", "augment.erase=0", "net_options.widths=[8,16,16]"]
    )
    assert (config.epochs, config.batch, config.augment.flip, config.augment.erase) == (3, 32, 0.25, 0.0)
    assert config.net_options["widths"] == [8, 16, 16]
    assert config.net_options["blocks"] == load_config(preset="mien-s").net_options["blocks"]


def test_options_go_with_the_net_that_they_were_given_for(tmp_path):
    preset = load_config(preset="mien-s")
    assert preset.net_options
    assert load_config(preset="mien-s", changes=["net='cnn3'"]).net_options == {}
    own = ["net_options.dense=[64]", "net='cnn3'"]  # in whichever order
    assert load_config(preset="mien-s", changes=own).net_options == {"dense": [64]}
    assert load_config(preset="mien-s", changes=[f"net='{preset.net}'"]).net_options == preset.net_options
    file = tmp_path / "mine.toml"
    file.write_text("[net_options]\ndense = [64]\n", "utf-8")  # for whichever net is named beside
    assert load_config(file=file, changes=["net='cnn3'"]).net_options == {"dense": [64]}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (["epoch=3"], "did you mean 'epochs'"),
        (["augment.flap=1"], "augment.flip"),
        (["epochs=many"], "expected int as epochs, got 'many'"),
        (["epochs"], "expected --set key=value"),
        (["epochs=0"], "epochs of 1 or more"),
        (["label_smoothing=1.0"], "label_smoothing in 0..1"),
        (["start_size=4"], "start_size in 8..48"),
        (["precision='fp8'"], "precision out of auto, bf16, float32"),
        (["augment=3"], "expected a table of settings as augment"),
        (["loss='fokal'"], "expected a loss out of cross-entropy, kl, focal, got 'fokal'; did you mean 'focal'"),
        (["optimizer='adan'"], "optimizer out of sgd, adam, adamw, rmsprop, muon, got 'adan'; did you mean"),
        (["schedule='linear'"], "schedule out of one-cycle, cosine, step, plateau, constant"),
        (["sampling='even'"], "sampling out of as-is, balanced, sqrt"),
        (["select='f1'"], "select out of accuracy, macro_f1, loss"),
        (["class_weights='inverse'"], "class_weights out of none, balanced, effective"),
        (["learning_rate=-1"], "learning_rate above 0"),
        (["learning_rate=nan"], "learning_rate above 0"),
        (["sam=-0.1"], "sam of 0 or more"),
        (["clip=inf"], "clip of 0 or more"),
        (["patience=-1"], "patience of 0 or more"),
        (["accumulate=0"], "accumulate of 1 or more"),
        (["decay_by=1.0", "schedule='step'"], "decay_by in 0..1"),
        (["betas=[0.9]", "optimizer='adam'"], "betas of two numbers"),
        (["regress=['valence']"], "regress empty or"),
        (["head_weights.ferplus='much'"], "head_weights.ferplus of 0 or more"),
        (["log=['wandb']"], "log out of tensorboard, mlflow"),
        (["heads=[1]"], "expected text as heads, got 1"),
        (["teachers=[3]"], "expected text as teachers, got 3"),
        (["about.title=3"], "expected text as about.title, got 3"),
        (["name=' '"], "expected a name"),
        (["seed=-1"], "seed in 0..4294967295"),
        (["seed=4294967296"], "seed in 0..4294967295"),
    ],
)
def test_a_wrong_setting_is_named(changes, text):
    with pytest.raises(UsageError, match=text):
        load_config(changes=changes)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            ["optimizer='adam'", "momentum=0.5"],
            "momentum with optimizer sgd or rmsprop or muon only, got adam",
        ),
        (["betas=[0.8, 0.99]"], "betas with optimizer adam or adamw or muon only, got sgd"),
        (["focal_gamma=1"], "focal_gamma with loss focal only, got cross-entropy"),
        (["effective_beta=0.9", "class_weights='balanced'"], "effective_beta with class_weights effective only"),
        (["plateau_patience=3", "schedule='step'"], "plateau_patience with schedule plateau only, got step"),
        (["decay_by=0.5"], "decay_by with schedule step or plateau only, got one-cycle"),
    ],
)
def test_a_setting_that_nothing_looks_at_is_refused_unless_it_is_the_default(changes, text):
    with pytest.raises(UsageError, match=text):
        load_config(changes=changes)


def test_defaults_of_settings_without_use_are_no_mistake():
    config = load_config(changes=["optimizer='adam'", "momentum=0.9", "betas=[0.9, 0.999]"])
    assert load_config(changes=["optimizer='adamw'", "betas=[0.8, 0.99]"]).betas == (0.8, 0.99)
    assert config.optimizer == "adam"


def test_an_unknown_preset_lists_the_known():
    with pytest.raises(UsageError, match="mien-s"):
        load_config(preset="mien-x")


def test_a_file_that_is_no_toml_is_named(tmp_path):
    file = tmp_path / "broken.toml"
    file.write_text("epochs = = 3", "utf-8")
    with pytest.raises(UsageError, match=r"broken\.toml"):
        load_config(file=file)


def test_faces_grow_to_full_size():
    config = TrainConfig(epochs=20, start_size=36, grow=0.5)
    sizes = [size_in_epoch(config, epoch) for epoch in range(20)]
    assert sizes == sorted(sizes)
    assert sizes[0] == 36
    assert set(sizes[10:]) == {48}


def test_every_setting_is_documented():
    words = set(re.findall(r"\w+", TrainConfig.__doc__.split("Attributes:")[1]))
    assert [each.name for each in dataclasses.fields(TrainConfig) if each.name not in words] == []


def test_colour_has_a_mean_and_a_deviation_for_each_channel():
    config = load_config(changes=['input.color="rgb"', "normalise='imagenet'"])
    assert (config.input.mean, config.input.std) == ((0.5,) * 3, (0.25,) * 3)
    named = load_config(changes=['input.color="rgb"', "input.mean=[0.1,0.2,0.3]", "input.std=[1,1,1]"])
    assert named.input.mean == (0.1, 0.2, 0.3)
