"""`scripts/ship.py` on a recipe in miniature: slice by slice to two models in place, each with a complete card."""

import importlib
import shutil
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from mien.core.errors import UsageError
from mien.core.labels import LABEL_SETS
from mien.datasets import LabelColumn, Table, write_table
from mien.runtime.card import Card
from mien.zoo.store import load_classifier, verify

pytest.importorskip("lightning")

RECIPE = """
[restricted]
"two classes" = ["anger", "happiness"]

[[stages]]
name = "teacher"
[stages.settings]
epochs = 1
batch = 16
threads = 1
[stages.settings.net_options]
widths = [8]
blocks = [1]
stem_stride = 2

[[stages]]
name = "student"
like = "teacher"
teachers = ["teacher"]
set = ["epochs=2"]
place = "models"

[[stages]]
name = "both"
join = ["teacher", "student"]
title = "two nets in one"
place = "package"
"""


@pytest.fixture
def ship(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The script as a module, whose places are folders of the test."""
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[2] / "scripts")
    sys.modules.pop("ship", None)
    module = importlib.import_module("ship")
    monkeypatch.setattr(module, "PLACES", {"package": tmp_path / "package", "models": tmp_path / "models"})
    monkeypatch.setattr(module, "LOGS", tmp_path / "logs")
    return module


def table() -> Table:
    """Faces bright above (anger) or below (happiness), three quarters of them to train on."""
    chance = np.random.default_rng(0)
    kinds = np.arange(64) % 2
    images = chance.integers(0, 90, (64, 48, 48), dtype=np.uint8)
    for image, kind in zip(images, kinds, strict=True):
        image[24 * kind : 24 * kind + 24] += 120
    images[60] = images[0]
    names = np.array(["anger", "happiness"])[kinds]
    sources = {
        name: LabelColumn(labels, np.array([labels.index(each) for each in names], np.int16), rule="made up")
        for name, labels in ((each, LABEL_SETS[each]) for each in ("ferplus", "fer2013"))
    }
    split = np.where(np.arange(64) < 40, "train", "valid")
    return Table([f"f{k}" for k in range(64)], images, split, sources, meta={"name": "made up"})


def test_slices_lead_to_models_in_place(ship: ModuleType, samples: Path, tmp_path: Path) -> None:
    data, wild, work = tmp_path / "table.parquet", tmp_path / "wild", tmp_path / "work"
    write_table(table(), data)
    (wild / "images").mkdir(parents=True)
    for name in ("astronaut.jpg", "grace_hopper.jpg"):
        shutil.copy(samples / name, wild / "images")
    rows = ["image,label,person,half", "astronaut.jpg,happiness,1,b", "grace_hopper.jpg,anger,2,b"]
    (wild / "labels.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "recipe.toml").write_text(RECIPE)
    recipe = ship.read_recipe(tmp_path / "recipe.toml")

    class Slice(ship.Clock):  # type: ignore[name-defined, misc]
        """Time for one epoch a call."""

        def left(self) -> float:
            return 1e-6

        def allows(self, seconds: float) -> bool:
            return True

    assert "teacher      0 of 1 epochs" in ship.status(recipe, work) and not work.exists()
    assert not ship.ship(recipe, str(data), wild, work, Slice(None))  # the teacher, and the student's first epoch
    said = ship.status(recipe, work).splitlines()
    assert "1 of 1 epochs" in said[0] and said[0].endswith("train done")
    assert "1 of 2 epochs" in said[1] and said[1].endswith("train to do, measure to do, place to do")
    assert (work / "student" / "distill.npz").exists()
    assert ship.ship(recipe, str(data), wild, work, Slice(None))
    said = ship.status(recipe, work).splitlines()
    assert said[1].endswith("train done, measure done, place done")
    assert said[2].endswith("teacher and student joined; join done, measure done, place done")

    names = {each.name for each in (tmp_path / "models").iterdir()}
    assert names == {"student.toml", "student.onnx", "student.int8.onnx"}
    verify(tmp_path / "models")
    card = Card.load(tmp_path / "models" / "student.toml")
    rules = {(each.data, each.head, each.rule.partition(":")[0]): each.n for each in card.figures}
    assert rules["made up", "fer2013", "two classes"] == 24
    assert rules["made up", "ferplus", "made up, without images that stand in train"] == 23
    assert any(data == "wild" and n == 2 for (data, _, _), n in rules.items())
    assert card.robustness and {each.head for each in card.robustness} == {"ferplus"}
    assert load_classifier(tmp_path / "models", threads=1).predict(table().images[:2]).shape == (2, 8)
    logs = {each.name: each.read_text("utf-8") for each in (tmp_path / "logs" / "student").iterdir()}
    assert set(logs) == {"config.toml", "metrics.csv", "versions.json"}
    assert not any(str(tmp_path) in text for text in logs.values()) and "teacher" in logs["config.toml"]

    both = Card.load(tmp_path / "package" / "both.toml")
    assert (both.name, both.title) == ("both", "two nets in one")
    assert both.train["command"] == "mien join teacher student --data DATA --name both --out RUN"
    assert both.parameters == pytest.approx(2 * card.parameters, rel=0.01)
    assert {each.name for each in (tmp_path / "logs").iterdir()} == {"teacher", "student", "both"}
    assert not (tmp_path / "logs" / "both" / "metrics.csv").exists()  # there were no epochs

    before = (tmp_path / "models" / "student.toml").stat().st_mtime_ns
    assert ship.ship(recipe, str(data), wild, work, Slice(None))  # nothing is left to do
    assert (tmp_path / "models" / "student.toml").stat().st_mtime_ns == before

    ship.accept(recipe, f"teacher={work / 'teacher'}", tmp_path / "other")  # a finished run stands for a stage
    assert "train done" in ship.status(recipe, tmp_path / "other").splitlines()[0]


def test_a_call_without_time_for_an_epoch_does_nothing(ship: ModuleType, tmp_path: Path) -> None:
    clock = ship.Clock(0.5)
    assert clock.allows(20) and not clock.allows(40) and ship.Clock(None).allows(1e9)
    (tmp_path / "recipe.toml").write_text(RECIPE)
    stage = ship.read_recipe(tmp_path / "recipe.toml").stages[0]
    assert not ship.make_stage(stage, "no data", tmp_path / "work", ship.Clock(0))


def test_the_recipe_itself(ship: ModuleType, tmp_path: Path) -> None:
    recipe = ship.read_recipe(ship.RECIPE)
    places = {each.name: each.place for each in recipe.stages}
    teachers = [f"teacher-{letter}" for letter in "abcd"]
    assert places == {**dict.fromkeys(teachers, ""), "mien-m": "models", "mien-s-first": "", "mien-s": "package"}
    stages = recipe.stages
    configs = [ship.load_config(preset=each.preset, changes=ship.changes_of(each, Path("w"))) for each in stages]
    assert [each.name for each in configs] == list(places)
    for config in configs[4:6]:
        assert list(config.teachers) == [f"w/{each}" for each in teachers] and config.distill_on == "batches"
    assert (*configs[6].teachers, configs[6].weights) == ("w/mien-m", "w/mien-s-first")
    # What the shipped runs were made with, and what their stages say, is the same.
    logs = ship.RECIPE.parents[1] / "docs" / "runs"
    for stage in stages:
        changes = ship.changes_of(stage, Path())
        said = ship.load_config(preset=stage.preset, changes=changes)
        assert ship.load_config(file=logs / stage.name / "config.toml") == said, stage.name
    (tmp_path / "recipe.toml").write_text(RECIPE.replace('["teacher"]', '["nobody"]'))
    with pytest.raises(UsageError, match="expected stages before student as its teachers, parts .*, got nobody"):
        ship.read_recipe(tmp_path / "recipe.toml")
    with pytest.raises(UsageError, match="expected --run NAME=FOLDER of a stage and a run"):
        ship.accept(recipe, "mien-m=nowhere", tmp_path)


def test_a_wrong_call_is_one_line(ship: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ship.main(["--work", str(tmp_path)]) == 2
    assert capsys.readouterr().out == "expected --data and --wild, got one of them or none\n"
