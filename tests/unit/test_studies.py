"""`studies/`: every study can be read and its settings hold; one in miniature runs through to its page."""

import csv
import importlib
import shutil
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from layouts.faces import face

from mien.core.errors import UsageError
from mien.core.labels import LABEL_SETS
from mien.datasets import LabelColumn, Table, read_table, write_table
from mien.evaluation import read_predictions

pytest.importorskip("lightning")

FOLDER = Path(__file__).resolve().parents[2] / "studies"
NAMES = sorted(each.stem for each in FOLDER.glob("*.toml"))
LABELS = ("anger", "happiness")

STUDY = """
title = "Two classes"
question = "Which is better?"
meaning = ["One of them."]

[[tables]]
name = "two"
subset = { labels = ["anger", "happiness"] }

[[tables]]
name = "again"
of = "two"
only = "fer2013"

[defaults]
table = "two"
head = "fer2013"
seeds = 2
set = ["epochs=1", "batch=8", "net='resnet'", "net_options.widths=[8]", "net_options.blocks=[1]"]

[[experiments]]
name = "before"
title = "What others begin with"
seeds = 1
arms = [{ name = "net" }]

[[experiments]]
name = "beginnings"
title = "Beginnings"
by_class = true
costs = true
arms = [{ name = "from nothing" }, { name = "from a net", weights = "before/net" }]

[[experiments]]
name = "again"
title = "Judged once more"
runs_of = "beginnings"
judged = "again"
split = "train"
"""


@pytest.fixture
def studies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, ModuleType]:
    """The scripts as modules, which read and write in folders of the test."""
    monkeypatch.syspath_prepend(FOLDER)
    for name in ("study", "measures", "page", "run"):
        sys.modules.pop(name, None)
    found = {name: importlib.import_module(name) for name in ("study", "page", "run")}
    monkeypatch.setattr(found["page"], "RESULTS", tmp_path / "results")
    monkeypatch.setattr(found["page"], "IMAGES", tmp_path / "images")
    monkeypatch.setattr(found["page"], "PAGE", tmp_path / "studies.md")
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_study_is_whole_and_its_settings_hold(studies: dict[str, ModuleType], name: str) -> None:
    study = studies["study"].read_study(name)
    for experiment, arm in studies["run"].trainings(study):
        assert studies["run"].folder_of(study, experiment, arm, Path("work")).parts[0] == "work"  # the settings load
        assert experiment.head or arm.head
    for experiment in study.experiments:
        assert len({arm.name for arm in experiment.arms}) == len(experiment.arms)


def test_arms_that_are_trained_alike_are_trained_once(studies: dict[str, ModuleType]) -> None:
    study = studies["study"].read_study("four-classes")
    by_name = {experiment.name: experiment for experiment in study.experiments}
    folders = {
        studies["run"].folder_of(study, by_name[name], by_name[name].arms[0], Path("work"))
        for name in ("optimiser", "schedule", "batch", "dropout")
    }
    assert folders == {Path("work/optimiser/adam")}


def test_a_study_runs_through_and_is_not_trained_again(
    studies: dict[str, ModuleType], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "two.toml").write_text(STUDY, "utf-8")
    study = studies["study"].read_study("two", tmp_path)
    place = studies["run"].Place(str(faces(tmp_path)), None, tmp_path / "work", ("threads=1",))
    assert studies["run"].run_study(study, place)
    with open(tmp_path / "results" / "two.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["experiment"], row["arm"]) for row in rows] == [
        (experiment, arm) for experiment in ("beginnings", "again") for arm in ("from nothing", "from a net")
    ]
    runs = [tmp_path / "work" / "beginnings" / "from_nothing" / f"seed-{k}" for k in range(2)]
    tables = [read_predictions(run / "fer2013" / "predictions-valid.parquet").labelled() for run in runs]
    right = [float((table.probabilities.argmax(1) == table.label_ids).mean()) for table in tables]
    assert float(rows[0]["accuracy"]) == pytest.approx(np.mean(right), abs=1e-4)
    assert rows[0]["difference"] == "" and rows[1]["difference"] != ""
    assert int(rows[0]["n"]) == 4 and int(rows[2]["n"]) == 12
    new = [table.select(~table.in_train) for table in tables]
    right = [float((table.probabilities.argmax(1) == table.label_ids).mean()) for table in new]
    assert float(rows[0]["accuracy_new"]) == pytest.approx(np.mean(right), abs=1e-4)
    assert rows[0]["n_new"] == "3" and rows[2]["n_new"] == ""

    capsys.readouterr()
    assert studies["run"].run_study(study, place)
    assert "epoch" not in capsys.readouterr().out

    section = studies["page"].section(study, rows)
    assert "**Beginnings** (n = 4, mean of 2 seeds)" in section and "One of them." in section
    assert "Without the 1 face whose copy was learnt (n = 3): from nothing " in section
    (tmp_path / "studies.md").write_text("# Studies\n\nBefore.\n", "utf-8")
    for _ in range(2):  # the second time in its place
        text = studies["page"]._put((tmp_path / "studies.md").read_text("utf-8"), "two", section)
        (tmp_path / "studies.md").write_text(text, "utf-8")
    assert text.count("## Two classes") == 1 and text.startswith("# Studies\n\nBefore.\n\n<!-- study two -->\n")


def test_time_that_is_up_is_no_result(studies: dict[str, ModuleType], tmp_path: Path) -> None:
    (tmp_path / "two.toml").write_text(STUDY, "utf-8")
    study = studies["study"].read_study("two", tmp_path)
    place = studies["run"].Place(str(faces(tmp_path)), None, tmp_path / "work", ends=0.0)
    assert not studies["run"].run_study(study, place)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('of = "two"', 'of = "three"'), "expected what again needs to come before it, got 'three'"),
        (('weights = "before/net"', 'weights = "after/net"'), "got 'after/net'"),
        (('runs_of = "beginnings"', 'runs_of = "endings"'), "before again as runs_of, got 'endings'"),
    ],
)
def test_what_comes_later_is_refused(
    studies: dict[str, ModuleType], tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    (tmp_path / "two.toml").write_text(STUDY.replace(*change), "utf-8")
    with pytest.raises(UsageError, match=message):
        studies["study"].read_study("two", tmp_path)


def test_a_study_that_is_none_and_missing_photographs(
    studies: dict[str, ModuleType], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert studies["run"].main(["nonsense", "--data", "x=y"]) == 2
    assert "expected a study out of attention, " in capsys.readouterr().out
    assert studies["run"].main(["labels"]) == 2
    assert "expected --data ferplus=DIR, got none" in capsys.readouterr().out
    assert studies["run"].main(["labels", "--data", "ferplus=nowhere", "--work", str(tmp_path)]) == 2
    assert "expected --wild FOLDER of photographs for the study labels, got none" in capsys.readouterr().out


def test_photographs_are_half_b_of_the_folder(
    studies: dict[str, ModuleType], tmp_path: Path, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wild = tmp_path / "wild"
    (wild / "images").mkdir(parents=True)
    shutil.copy(samples / "grace_hopper.jpg", wild / "images" / "grace.jpg")
    (wild / "labels.csv").write_text(
        "image,label,person,half\ngrace.jpg,neutral,grace,b\nabsent.jpg,neutral,nobody,a\n", "utf-8"
    )
    monkeypatch.chdir(tmp_path)  # where the folders that are named on the command line begin
    place = studies["run"].Place("ferplus=nowhere", Path("wild"), tmp_path, (), None)
    studies["run"].make_table(studies["study"].TableSpec("photographs", of="wild"), place)
    table = read_table(tmp_path / "photographs.parquet")
    assert (table.split.tolist(), table.images.shape) == (["test"], (1, 48, 48, 3))


def faces(folder: Path) -> Path:
    """Six faces a class to learn from, two to choose by."""
    labels = [label for label in LABELS for _ in range(8)]
    images = np.stack([face(label, seed=seed) for seed, label in enumerate(labels)])
    images[-1] = images[-3]  # one to choose by that is learnt, too
    split = np.where(np.arange(len(labels)) % 8 < 6, "train", "valid")
    known = LABEL_SETS["fer2013"]
    sources = {"fer2013": LabelColumn(known, np.array([known.index(label) for label in labels]))}
    ids = np.array([f"face-{k:02}" for k in range(len(labels))])
    out = folder / "faces.parquet"
    if not out.exists():
        write_table(Table(ids, images, split, sources), out)
    return out
