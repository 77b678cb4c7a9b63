"""The verb report: folders of runs in, one HTML file with figures and tables beside it out."""

import csv
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

import mien
from mien.cli.app import main
from mien.core.errors import DataError, OutputError, UsageError
from mien.core.labels import LABEL_SETS
from mien.evaluation import PredictionTable

LABELS = LABEL_SETS["fer2013"]


def predictions(seed, *, split="valid", n=80):
    chance = np.random.default_rng(seed)
    ids = np.arange(n) % 7
    odds = np.exp(chance.normal(size=(n, 7)) + (2 - seed) * np.eye(7)[ids])
    return PredictionTable(
        ids=np.array([f"f{k}" for k in range(n)]),
        split=np.full(n, split),
        label_ids=ids.astype(np.int16),
        probabilities=(odds / odds.sum(1, keepdims=True)).astype(np.float32),
        label_set=LABELS,
        meta={"model": f"run-{seed}", "head": "fer2013", "data": "made up", "split": split, "rule": "all rows"},
    )


@pytest.fixture
def runs(tmp_path):
    """Two folders: a run with its log and settings, and what `mien evaluate --out` leaves."""
    folders = [tmp_path / "one", tmp_path / "two"]
    for seed, folder in enumerate(folders):
        folder.mkdir()
        predictions(seed).write(folder / "predictions-valid.parquet")
    (folders[0] / "config.toml").write_text('net = "cnn3"\nepochs = 2\n')
    (folders[0] / "versions.json").write_text('{"data": "abc", "packages": {"torch": "2.15"}}')
    rows = ["epoch,train_loss,valid_loss,train_accuracy_fer2013,valid_accuracy_fer2013,selection"]
    (folders[0] / "metrics.csv").write_text("\n".join([*rows, "0,2,2,0.2,0.3,0.3", "1,1.8,1.9,0.3,0.4,0.4"]) + "\n")
    return folders


def test_what_is_written(runs, tmp_path, capsys):
    out = tmp_path / "new" / "report.html"
    assert main(["report", *map(str, runs), "--out", str(out)]) == 0
    beside = out.parent / "report_files"
    names = {path.name for path in beside.iterdir()}
    assert {"figures.csv", "training.csv", "classes-0.csv", "confusion-0.png", "confusion-1.svg"} <= names
    assert cv2.imread(str(beside / "confusion-0.png")).shape[2] == 3
    with open(beside / "figures.csv", newline="", encoding="utf-8") as file:
        rows = {row[0]: row[1:] for row in csv.reader(file)}
    assert rows["figure"] == ["one, fer2013", "two, fer2013"]
    expected = mien.evaluate(runs[0] / "predictions-valid.parquet").evaluations[0].metrics["accuracy"].value
    assert rows["accuracy"][0].startswith(f"{100 * expected:.1f} %")
    html = out.read_text("utf-8")
    assert "<title>one against two</title>" in html
    assert "cnn3" in html
    assert "on the same 80 images" in html  # the comparison's sentence
    assert "wrote" in capsys.readouterr().err


def test_what_cannot_be_shown_is_said(runs, tmp_path):
    result = mien.report(runs[1], out=tmp_path / "r.html")
    assert any("--data" in line for line in result.left_out)
    assert "Left out" in result.page.read_text("utf-8")


def test_a_name_of_ones_own_and_json(runs, tmp_path, capsys):
    words = ["report", f"mine={runs[0] / 'predictions-valid.parquet'}", "--out", str(tmp_path / "r.html"), "--json"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["page"] == str(tmp_path / "r.html")
    assert "<title>mine</title>" in (tmp_path / "r.html").read_text("utf-8")


def test_an_earlier_report_stays_unless_it_may_go(runs, tmp_path):
    out = tmp_path / "r.html"
    out.write_text("mine")
    with pytest.raises(OutputError, match="overwrite"):
        mien.report(runs, out=out)
    assert out.read_text() == "mine"
    mien.report(runs, out=out, overwrite=True)
    assert out.read_text("utf-8").startswith("<!DOCTYPE html>")


def test_bad_input(runs, tmp_path):
    out = tmp_path / "r.html"
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match="expected predictions of the split valid in .*empty, got none: run mien evalu"):
        mien.report(empty, out=out)
    with pytest.raises(DataError, match="got predictions of valid only"):
        mien.report(runs[0], out=out, split="test")
    with pytest.raises(UsageError, match="ends in .html"):
        mien.report(runs, out=tmp_path / "r.pdf")
    with pytest.raises(UsageError, match="got one twice"):
        mien.report([runs[0], runs[0]], out=out)
    with pytest.raises(UsageError, match="got none"):
        mien.report([], out=out)
    with pytest.raises(DataError, match="mien-s, got none: give --data"):
        mien.report("mien-s", out=out)
    with pytest.raises(UsageError, match="expected a model out of .*, got 'no-such-model'"):
        mien.report("no-such-model", out=out)
    with pytest.raises(DataError, match="expected predictions of head 'ferplus' of one, got those of fer2013"):
        mien.report(runs, out=out, head="ferplus")
    unlabelled = replace(predictions(0), label_ids=np.full(80, -1, np.int16))
    unlabelled.write(tmp_path / "none.parquet")
    with pytest.raises(DataError, match="expected labelled faces in the predictions of none"):
        mien.report(tmp_path / "none.parquet", out=out)
    log = (runs[0] / "metrics.csv").read_text("utf-8")
    (runs[0] / "metrics.csv").write_text(log + "2,oops\n", "utf-8")
    with pytest.raises(DataError, match=r"expected a number in each column of .*metrics.csv, .* got in line 4: 2,oops"):
        mien.report(runs[0], out=out)
    (runs[0] / "metrics.csv").write_text(log, "utf-8")
    (runs[0] / "config.toml").write_text("= no toml")
    with pytest.raises(DataError, match="expected TOML in .*config.toml"):
        mien.report(runs[0], out=out)
    assert not out.exists()


def test_several_models_in_one_folder_are_named_one_by_one(tmp_path):
    for seed in (0, 1):
        predictions(seed).write(tmp_path / f"predictions-valid-run-{seed}.parquet")
    with pytest.raises(UsageError, match="predictions of one model in .*, got several: give .*run-0.parquet"):
        mien.report(tmp_path, out=tmp_path / "r.html")
    predictions(2).write(tmp_path / "predictions-valid-run-2.parquet")
    mien.report(sorted(tmp_path.glob("*.parquet")), out=tmp_path / "r.html")
    assert "<title>run-0, run-1 and run-2</title>" in (tmp_path / "r.html").read_text("utf-8")
