"""`mien search`, as a user runs it: real trainings of tiny nets on made faces."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mien.cli.app import main
from mien.core.labels import LabelSet
from mien.datasets import LabelColumn, Table, write_table
from mien.evaluation import read_predictions
from mien.experiments.space import read_space
from mien.training.config import load_config

pytest.importorskip("optuna")
pytest.importorskip("lightning")

OWN = LabelSet("own", ("calm", "cheerful", "cross"))
TINY = ["net='cnn3'", "net_options.widths=[4,4,8]", "net_options.dense=[8]", "batch=16", "threads=1", "epochs=2"]
SPACE = """
[learning_rate]
type = "float"
low = 0.001
high = 0.1
log = true
points = 2

[optimizer]
type = "categorical"
choices = ["adamw", "sgd"]
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 faces of 20 people in train, 30 of 10 others in valid; two label sources."""
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 3, 90).astype(np.int16)
    images = rng.integers(0, 90, (90, 48, 48), dtype=np.uint8)
    for image, kind in zip(images, ids.tolist(), strict=True):
        image[16 * kind : 16 * kind + 16] += 80
    split = ["train"] * 60 + ["valid"] * 30
    people = np.array([f"p{k // 3:02d}" for k in range(90)])
    sources = {"own": LabelColumn(OWN, ids), "turned": LabelColumn(OWN, (ids + 1) % 3)}
    table = Table([f"own-{i:02d}" for i in range(90)], images, split, sources, extra={"subject": people})
    folder = tmp_path_factory.mktemp("data")
    write_table(table, folder / "own.parquet")
    (folder / "space.toml").write_text(SPACE)
    return folder


def words(data: Path, out: Path, *more: str) -> list[str]:
    settings = [word for each in TINY for word in ("--set", each)]
    table, space = str(data / "own.parquet"), str(data / "space.toml")
    return ["search", "--data", table, "--space", space, "--head", "own", "--out", str(out), *settings, *more]


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "trials.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_search_from_its_space_to_a_figure_on_faces_not_seen(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found"
    assert main(words(data, out, "--trials", "5", "--seeds", "2", "--pruner", "median")) == 0
    said = capsys.readouterr()
    assert said.out.count("trial ") >= 5 and "trained anew with 2 other seeds, measured on valid" in said.out
    found = json.loads((out / "search.json").read_text("utf-8"))
    table = rows(out)
    values = [float(row["value"]) for row in table if row["state"] == "complete"]
    assert len(table) == 5 and found["best"]["value"] == pytest.approx(max(values), abs=1e-5)
    assert found["retrained"]["split"] == "valid" and len(found["retrained"]["own"]["runs"]["accuracy"]) == 2
    assert found["retrained"]["own"]["accuracy"]["low"] < found["retrained"]["own"]["accuracy"]["high"]

    # Trials saw nothing but train, and were compared on other people than they learnt from.
    best = found["best"]["trial"]
    runs = sorted((out / "retrained" / f"{best:04d}").glob("seed-*"))
    assert [run.name for run in runs] == ["seed-1", "seed-2"]  # the trials had seed 0
    selected = read_predictions(runs[0] / "own" / "predictions-valid.parquet")
    reported = read_predictions(runs[0] / "reported" / "own" / "predictions-valid.parquet")
    assert set(reported.ids.tolist()) == {f"own-{k}" for k in range(60, 90)}
    assert len(selected.ids) and max(selected.ids.tolist()) < "own-60"
    people = {int(each[4:]) // 3 for each in selected.ids.tolist()}
    assert len(selected.ids) == 3 * len(people)  # whole people, of three faces each
    accuracy = float((reported.probabilities.argmax(1) == reported.label_ids).mean())
    assert accuracy == pytest.approx(found["retrained"]["own"]["runs"]["accuracy"][0])

    # The settings are a file for `mien train`; trials keep their logs, not their weights.
    config = load_config(file=out / "best.toml")
    assert config.optimizer == found["best"]["settings"]["optimizer"]
    assert config.learning_rate == pytest.approx(found["best"]["settings"]["learning_rate"])
    assert config.heads == ("own",) and config.seed == 0 and config.epochs == 2
    assert (
        (out / "best.toml").read_text("utf-8").startswith(f"# Found by mien search: trial {best} of 5, accuracy of own")
    )
    assert load_config(file=runs[0] / "config.toml").learning_rate == config.learning_rate
    assert len(list(out.glob("trials/*/metrics.csv"))) == 5 and not list(out.glob("trials/*/checkpoints"))
    page = (out / "search.html").read_text("utf-8")
    assert "which no trial saw" in page and page.count("<figure") >= 3
    assert {each.stem for each in (out / "search_files").glob("*.png")} >= {"history", "parallel"}
    assert read_space(out / "space.toml") == read_space(data / "space.toml")

    # A folder that was moved is another worker's; what is known there stays, and nothing is trained again.
    logs = [(run / "metrics.csv").stat().st_mtime_ns for run in runs]
    out = out.rename(tmp_path / "moved")
    assert main(words(data, out, "--trials", "5", "--seeds", "2", "--pruner", "median", "--resume")) == 0
    assert json.loads((out / "search.json").read_text("utf-8")) == found
    assert "trained anew with 2 other seeds, measured on valid" in capsys.readouterr().out
    moved = sorted((out / "retrained" / f"{best:04d}").glob("seed-*"))
    assert [(run / "metrics.csv").stat().st_mtime_ns for run in moved] == logs

    # More trials of the same search; the machine's answer holds all of them.
    assert main(words(data, out, "--trials", "6", "--seeds", "0", "--pruner", "median", "--resume", "--json")) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["finished"] and len(answer["trials"]) == 6 and [*rows(out)][:5] == table
    assert answer["trials"][0]["settings"]["optimizer"] == table[0]["optimizer"]


@pytest.mark.parametrize("sampler", ["grid", pytest.param("random", marks=pytest.mark.soak)])
def test_a_search_that_is_killed_has_the_table_of_one_that_is_not(data: Path, tmp_path: Path, sampler: str) -> None:
    asked = ["--sampler", sampler, "--trials", "4", "--seeds", "0"]
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    process = subprocess.Popen(
        [sys.executable, "-m", "mien.cli", *words(data, broken, *asked)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
    )
    begun = time.monotonic()
    try:  # until the third trial has finished an epoch of two
        while not (broken / "trials" / "0002" / "metrics.csv").exists():
            assert process.poll() is None and time.monotonic() - begun < 300
            time.sleep(0.02)
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL
    assert main(words(data, broken, *asked, "--resume")) == 0
    assert main(words(data, whole, *asked)) == 0
    assert (broken / "trials.csv").read_bytes() == (whole / "trials.csv").read_bytes()
    assert [row["state"] for row in rows(whole)] == ["complete"] * 4
    for trial in range(4):
        log = Path("trials") / f"{trial:04d}" / "metrics.csv"
        assert logged(broken / log) == logged(whole / log)


def logged(path: Path) -> list[list[str]]:
    """Rows of a log but for the seconds."""
    with path.open(newline="") as file:
        return [row[:-1] for row in csv.reader(file)]


def test_what_is_refused_before_the_first_trial(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refused(*more: str, out: Path = tmp_path / "new") -> str:
        assert main(words(data, out, *more)) == 2
        (line,) = capsys.readouterr().err.splitlines()
        return line

    million = tmp_path / "million.toml"
    ranges = (f'[{key}]\ntype = "float"\nlow = 0.0\nhigh = 0.9\npoints = 100\n' for key in ("dropout", "warmup", "ema"))
    million.write_text("\n".join(ranges))
    assert "got 1,000,000 (dropout 100 x warmup 100 x ema 100)" in refused("--space", str(million), "--sampler", "grid")
    assert "expected a sampler out of grid" in refused("--sampler", "bayes")
    assert "expected --seeds of 0 or more, got -1" in refused("--seeds", "-1")
    assert "expected --split valid or test, got 'train'" in refused("--split", "train")
    assert "expected a split test that the search does not see, got train, valid" in refused("--split", "test")
    assert "expected labels of votes in the data, got own, turned" in refused(
        "--set", "heads=['votes']", "--head", "votes"
    )
    assert "expected a search to resume in" in refused("--resume")
    assert "expected sqlite:///FILE or postgresql://USER@HOST/DATABASE as --storage, got 'mysql://a/b'" in refused(
        "--storage", "mysql://a/b"
    )
    assert not list(tmp_path.glob("new/trials/*"))


def test_a_search_where_nothing_goes_through(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A rate at which the loss is not finite: each trial is recorded, then one line says so."""
    space = tmp_path / "space.toml"
    space.write_text('[learning_rate]\ntype = "float"\nlow = 1e30\nhigh = 1e35\nlog = true\n')
    out = tmp_path / "out"
    more = ("--space", str(space), "--trials", "2", "--sampler", "random", "--set", "optimizer='sgd'")
    assert main(words(data, out, *more)) == 2
    said = capsys.readouterr().err.splitlines()
    assert "expected a trial that goes through, got 2 that failed, trial 0 because of: expected a finite" in said[-1]
    assert [row["state"] for row in rows(out)] == ["failed"] * 2 and "finite" in rows(out)[0]["error"]
    assert "No trial has gone through" in (out / "search.html").read_text("utf-8") and not (out / "best.toml").exists()
