"""Each preset is the recipe that it says it is, and trains: two epochs on a few faces, up to a model that answers.

What the recipes decide is written down here by hand. A preset without a case fails.
"""

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from layouts import ckplus, rafdb
from layouts.faces import face

import mien
from mien.cli.app import main
from mien.core.labels import LABEL_SETS
from mien.datasets import LabelColumn, Table, open_data, write_table
from mien.verbs.prepare import prepare
from mien.verbs.subset import subset

torch = pytest.importorskip("torch", reason="needs the extra train")
timm = pytest.importorskip("timm", reason="needs the extra train")

from safetensors.torch import load_file, save_file  # noqa: E402

from mien.training.config import PRESETS, TrainConfig, load_config, preset_names  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
FER2013 = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
FERPLUS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")


def fer(folder: Path) -> str:
    """Three faces a class to learn and one to validate on, labelled by FER2013 and, by votes, by FER+."""
    labels = [label for label in FER2013 for _ in range(4)]
    images = np.stack([face(label, seed=seed) for seed, label in enumerate(labels)])
    split = np.where(np.arange(len(labels)) % 4 < 3, "train", "valid")
    votes = np.eye(8, dtype=np.float32)[[FERPLUS.index(label) for label in labels]] * 0.8 + 0.025
    sources = {
        "ferplus": LabelColumn(LABEL_SETS["ferplus"], votes.argmax(1), votes),
        "fer2013": LabelColumn(LABEL_SETS["fer2013"], np.array([FER2013.index(label) for label in labels])),
    }
    ids = np.array([f"fer-{k:02}" for k in range(len(labels))])
    write_table(Table(ids, images, split, sources), folder / "fer.parquet")
    return str(folder / "fer.parquet")


def four(folder: Path) -> str:
    """The classes of the subsets four-400 and four-1000, which need hundreds of faces a class."""
    labels = ("anger", "happiness", "sadness", "neutral")
    return str(subset(fer(folder), labels=labels, source="fer2013", out=folder / "four.parquet").out)


def five(folder: Path) -> str:
    return str(subset(fer(folder), preset="five", out=folder / "five.parquet").out)


def seven(folder: Path) -> str:
    return str(subset(fer(folder), preset="seven", out=folder / "seven.parquet").out)


def raf(folder: Path) -> str:
    """The faces of the miniature RAF-DB."""
    layout = rafdb.aligned(folder / "raf")
    return to_validate_on_test(open_data(f"rafdb={layout.root}"), folder)


def raf_photographs(folder: Path) -> str:
    """Its photographs, prepared; no detector finds a drawing, so all of each is the face."""
    layout = rafdb.original(folder / "raf")
    prepare(f"rafdb={layout.root}", out=folder / "all.parquet", options=layout.options, detector="none", size=224)
    return to_validate_on_test(open_data(folder / "all.parquet"), folder)


def to_validate_on_test(table: Table, folder: Path) -> str:
    """The five faces of train are of five classes, of which no share can be carved out."""
    write_table(replace(table, split=np.where(table.split == "test", "valid", "train")), folder / "raf.parquet")
    return str(folder / "raf.parquet")


def ck(folder: Path) -> str:
    """The miniature CK+, prepared, with neutral faces: all else that a person of it shows is one emotion."""
    layout = ckplus.neutral(folder / "ck")
    out = folder / "ckplus.parquet"
    prepare(f"ckplus={layout.root}", out=out, options=layout.options, detector="none", size=224, color="gray")
    return str(out)


PLAIN = {"label_smoothing": 0.0, "warmup": 0.0, "ema": 0.0, "sam": 0.0, "teachers": ()}
CHANGES = ("flip", "rotation", "zoom", "shift", "yaw", "brightness", "contrast", "exposure", "gamma", "erase")
SPOILS = ("downscale", "blur", "noise", "jpeg", "mixup", "cutmix")
UNCHANGED = {f"augment.{name}": 0.0 for name in (*CHANGES, *SPOILS)}
GREY = {"input.size": 48, "input.color": "gray"}
COLOUR = {"input.size": 224, "start_size": 224, "input.color": "rgb", "normalise": "imagenet", "weights": "imagenet"}


@dataclass(frozen=True)
class Case:
    """What a preset learns from, what it must answer, and what its recipe decides.

    Attributes:
        data: writes the table under a folder. heads: of the model, and the labels of each in order.
        holds: setting -> its value. on: settings that the recipe has, whatever their value.
        learns: of a net of which a part is frozen, the parts that learn.
        quick: changes that make it quick. folds: how many; None: a single run.
    """

    data: Callable[[Path], str]
    heads: Mapping[str, Sequence[str]]
    holds: Mapping[str, Any]
    on: Sequence[str] = ()
    learns: Sequence[str] = ()
    quick: Sequence[str] = ("batch=10",)
    folds: int | None = None


SHIPPED = Case(
    fer,
    {"ferplus": FERPLUS, "fer2013": FER2013},
    {**GREY, "net": "resnet", "optimizer": "sgd", "schedule": "one-cycle", "ema": 0.999},
    on=("augment.blur", "augment.downscale", "augment.jpeg"),
)

CASES = {
    "mien-s": SHIPPED,
    "mien-taught": replace(SHIPPED, on=(*SHIPPED.on, "augment.mixup")),
    "mien-teacher": replace(SHIPPED, on=(*SHIPPED.on, "augment.mixup")),
    "cnn3-four": Case(
        four,
        {"fer2013": ("anger", "happiness", "sadness", "neutral")},
        {
            **PLAIN,
            **UNCHANGED,
            **GREY,
            "net": "cnn3",
            "normalise": "dataset",
            "augment.flip": 0.5,
            "augment.rotation": 10.0,
            "augment.brightness": 0.2,
            "augment.contrast": 0.2,
        },
    ),
    "cnn5-seven": Case(
        seven,
        {"fer2013": ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear")},
        {**PLAIN, **UNCHANGED, **GREY, "net": "cnn5", "net_options.batch_norm": True},
        on=("patience", "net_options.dropout"),
    ),
    "cbam5-plateau": Case(
        seven,
        {"fer2013": ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear")},
        {
            **PLAIN,
            **UNCHANGED,
            **GREY,
            "net": "cbam5",
            "optimizer": "adam",
            "learning_rate": 1e-4,
            "schedule": "plateau",
        },
        on=("patience",),
        quick=("batch=10", "heads=['fer2013']"),
    ),
    "efficientnet-b3-imagenet": Case(
        raf,
        {"rafdb": LABEL_SETS["rafdb"].labels},
        {
            **PLAIN,
            **UNCHANGED,
            **COLOUR,
            "net": "efficientnet_b3",
            "optimizer": "adam",
            "batch": 32,
            "epochs": 30,
            "schedule": "plateau",
            "freeze": 2,
            "unfreeze_every": 0,
        },
        on=("patience", "weight_decay", "dropout"),
        learns=("blocks.5", "blocks.6", "conv_head"),
        quick=("batch=4",),
    ),
    "vgg4-five": Case(
        five,
        {"fer2013": ("anger", "happiness", "sadness", "surprise", "neutral")},
        {**PLAIN, **UNCHANGED, **GREY, "net": "vgg4", "optimizer": "adam"},
        on=("weight_decay",),
    ),
    "resnet50-prepared": Case(
        raf_photographs,
        {"rafdb": LABEL_SETS["rafdb"].labels},
        {**PLAIN, **COLOUR, "net": "resnet50", "epochs": 30, "freeze": "none", "crop.align": False},
        quick=("batch=4", "net_options.layers=[1,1,1,1]"),
    ),
    "efficientnet-rafdb": Case(
        raf,
        {"rafdb": LABEL_SETS["rafdb"].labels},
        {**COLOUR, "net": "efficientnet_b0", "freeze": "none", "crop.align": True},
        quick=("batch=4",),
    ),
    "vit-ckplus": Case(
        ck,
        {"ckplus": LABEL_SETS["ckplus"].labels},
        {
            "net": "vit_small_patch16_224",
            "input.size": 224,
            "start_size": 224,
            "input.color": "gray",
            "normalise": "symmetric",
            "weights": "imagenet",
            "freeze": "none",
        },
        quick=("batch=4", "net_options.depth=2"),
        folds=2,
    ),
}
PRETRAINED = [name for name, case in CASES.items() if case.holds.get("weights") == "imagenet"]


def setting(config: TrainConfig, name: str) -> Any:
    """The value of a setting by its dotted name."""
    value: Any = config
    for part in name.split("."):
        value = value[part] if isinstance(value, Mapping) else getattr(value, part)
    return value


def expect_recipe(config: TrainConfig, case: Case, *, but: Sequence[str] = ()) -> None:
    """All that the recipe decides, except what the test has changed."""
    found = {name: setting(config, name) for name in case.holds if name not in but}
    assert found == {name: value for name, value in case.holds.items() if name not in but}
    assert [name for name in case.on if not setting(config, name)] == []


def pretrained(preset: str, changes: Sequence[str], folder: Path) -> Path:
    """A file of weights of its net as timm hands them out, with random values."""
    config = load_config(preset=preset, changes=changes)
    torch.manual_seed(1)
    path = folder / "pretrained.safetensors"
    save_file(timm.create_model(config.net, **config.net_options).state_dict(), path)
    return path


LONG = ("efficientnet-b3-imagenet", "vit-ckplus")  # large even in small


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.soak] if name in LONG else []) for name in preset_names()]
)
def test_a_preset_is_its_recipe_and_trains(name: str, tmp_path: Path) -> None:
    case, plan = CASES[name], load_config(preset=name)
    expect_recipe(plan, case)
    assert plan.name == name
    changes = ["epochs=2", "threads=1", *case.quick]
    file = pretrained(name, case.quick, tmp_path) if plan.weights else None
    if file:
        changes.append(f"weights='{file}'")
    data = case.data(tmp_path)
    group = "subject" if case.folds else None
    result = mien.train(data, preset=name, changes=changes, folds=case.folds, group=group, out=tmp_path / "run")
    runs = [each.run for each in result.runs] or [result.run]
    assert result.finished and len(runs) == (case.folds or 1)
    for run in runs:
        expect_recipe(load_config(file=run / "config.toml"), case, but=("epochs", "batch", "weights"))
        expect_two_epochs(run)
        expect_answers(run, case, open_data(data).images[:3])
        if file and case.learns:
            assert moved(run, file) == set(case.learns)


def moved(run: Path, file: Path) -> set[str]:
    """The parts of a net of timm whose weights are no longer those of the file."""
    before = load_file(file)
    after = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    ours = {name: f"net.trunk.model.{name}" for name, value in before.items() if value.ndim > 1}
    changed = [name for name, key in ours.items() if key in after and not torch.equal(after[key], before[name])]
    return {".".join(name.removesuffix(".weight").split(".")[:2]) for name in changed}


def expect_two_epochs(run: Path) -> None:
    with (run / "metrics.csv").open(encoding="utf-8", newline="") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["0", "1"]


def expect_answers(run: Path, case: Case, faces: np.ndarray) -> None:
    """The model that a run leaves knows the classes of the recipe."""
    assert {"model.onnx", "model.toml"} <= {each.name for each in run.iterdir()}
    classifier = mien.load_classifier(run, threads=1)
    assert {head: each.label_set.labels for head, each in classifier.card.heads.items()} == dict(case.heads)
    for head, labels in case.heads.items():
        answers = classifier.predict(faces, head=head)
        assert answers.shape == (3, len(labels))
        np.testing.assert_allclose(answers.sum(1), 1, atol=1e-5)


def test_there_is_no_case_without_a_preset() -> None:
    assert sorted(CASES) == preset_names()


@pytest.mark.parametrize("name", PRETRAINED)
def test_without_network_and_cache_one_line_says_what_to_fetch(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import huggingface_hub as hub

    def no_network(*_: Any, **__: Any) -> None:
        raise OSError("[Errno -2] Name or service not known")

    monkeypatch.setattr(hub, "get_hf_file_metadata", no_network)
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *_, **__: None)
    # Weights are looked for after the data are read: any faces with labels of the preset's will do.
    assert main(["train", "--preset", name, "--data", raf(tmp_path), "--out", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    net = load_config(preset=name).net
    assert f"expected the network or the cache to have the weights of {net!r}, got neither" in said
    assert f"fetch model.safetensors of timm/{net}." in said and "set weights to that file" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_begins_with_commands_that_mien_understands(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They get as far as the data, which are not there."""
    monkeypatch.chdir(tmp_path)
    text = (PRESETS / f"{name}.toml").read_text("utf-8")
    commands = re.findall(r"^#   mien (.*)$", text.partition("\nname =")[0], re.MULTILINE)
    assert any(f"train --preset {name} --data " in each for each in commands)
    for command in commands:
        assert main(command.split()) == 2
        said = capsys.readouterr().err
        assert re.match(r"mien: expected .*( in DIR, | at \w+\.parquet, | got 'RUN';)", said), said


def test_the_page_on_training_names_every_preset() -> None:
    page = (ROOT / "docs" / "training.md").read_text("utf-8")
    rows = page.partition("## Presets")[2].partition("\n## ")[0]
    assert [name for name in preset_names() if f"`{name}`" not in rows] == []
