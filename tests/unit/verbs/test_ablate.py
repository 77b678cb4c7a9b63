"""The verb ablate: the table is that of the comparison, what has run is not run again, a killed ablation goes on."""

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import mien
from mien.cli.app import main
from mien.core.errors import OutputError, TrainingError, UsageError
from mien.core.labels import LabelSet
from mien.datasets import LabelColumn, Table, write_table
from mien.training.config import load_config

pytest.importorskip("lightning")
pytest.importorskip("matplotlib")

OWN = LabelSet("own", ("left", "right"))
SETTINGS = [
    *("epochs=2", "batch=32", "threads=1", "learning_rate=0.02", "precision=float32", "ema=0.5", "dropout=0"),
    *("input.size=16", "start_size=16", "net_options.widths=[8,8]", "net_options.blocks=[1,1]"),
]
SETTINGS += ["net_options.stem_stride=2", *(f"augment.{each}=0" for each in ("rotation", "zoom", "shift", "erase"))]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Faces whose bright side is the label, which a mirror image turns over: augmentation that cannot but harm."""
    rng = np.random.default_rng(0)
    n = 160
    ids = np.arange(n) % 2
    images = rng.integers(0, 200, (n, 16, 16))
    images[ids == 0, :, :8] += 40
    images[ids == 1, :, 8:] += 40
    split = np.where(np.arange(n) < 96, "train", "valid")
    names = np.array([f"own-{k:03d}" for k in range(n)])
    table = Table(names, images.astype(np.uint8), split, {"own": LabelColumn(OWN, ids)})
    path = tmp_path_factory.mktemp("data") / "own.parquet"
    write_table(table, path)
    return path


def ablate(data, out, **changes):
    settings = {"net": "resnet", "changes": SETTINGS, "without": ["augmentation"], "seeds": 1}
    return mien.ablate(str(data), out=out, **settings | changes)


@pytest.fixture(scope="module")
def unbroken(data, tmp_path_factory):
    """An ablation in one go, and the epochs that it told."""
    rows = []
    return ablate(data, tmp_path_factory.mktemp("ablation") / "out", tell=rows.append), rows


def test_the_table_is_that_of_the_comparison(unbroken):
    result, rows = unbroken
    assert [row["run"] for row in rows] == ["full/seed-0"] * 2 + ["without-augmentation/seed-0"] * 2
    assert result.finished and result.variants == result.through == ("full", "without augmentation")
    files = {
        name: result.out / name / "seed-0" / "own" / "float16" / "predictions-valid.parquet"
        for name in ("full", "without-augmentation")
    }
    found = mien.compare({"without augmentation": files["without-augmentation"], "full": files["full"]})
    (pair,), (ours,) = found.comparison.pairs, result.comparisons["own"].pairs
    assert ours.differences == pair.differences and ours.sentence == pair.sentence == result.sentences[0]

    full, without = result.rows
    assert (full.variant, full.difference, full.p) == ("full", None, None)
    assert without.difference == pair.differences["accuracy"] and without.p_holm == pair.decided_by.p_holm
    assert (without.test, without.effect) == ("mcnemar", "cohen_g")
    assert without.accuracy.value == pytest.approx(full.accuracy.value + without.difference.value)

    with open(result.out / "ablation.csv", newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [line["variant"] for line in lines] == ["full", "without augmentation"] and lines[0]["difference"] == ""
    assert float(lines[1]["difference_low"]) == without.difference.low
    written = json.loads((result.out / "ablation.json").read_text("utf-8"))
    assert written == result.to_dict() and written["heads"]["own"]["sentences"] == [ours.sentence]
    assert (result.out / "ablation.png").read_bytes().startswith(b"\x89PNG")
    assert "without augmentation" in (result.out / "ablation.svg").read_text("utf-8")


def test_a_variant_is_trained_without_its_part(unbroken):
    out = unbroken[0].out
    settings = {
        name: load_config(file=out / name / "seed-0" / "config.toml") for name in ("full", "without-augmentation")
    }
    assert settings["full"].augment.flip == 0.5 and settings["without-augmentation"].augment.flip == 0
    assert settings["full"].net_options == settings["without-augmentation"].net_options
    card = (out / "without-augmentation" / "seed-0" / "model.toml").read_text("utf-8")
    assert 'name = "model-without-augmentation"' in card


def test_killed_and_resumed_it_gives_the_same_table(unbroken, data, tmp_path):
    out = tmp_path / "broken"
    words = ["ablate", "--data", str(data), "--net", "resnet", "--without", "augmentation", "--seeds", "1"]
    words += [word for setting in SETTINGS for word in ("--set", setting)]
    process = subprocess.Popen([sys.executable, "-m", "mien.cli", *words, "--out", str(out)], stdout=subprocess.DEVNULL)
    begun = out / "without-augmentation" / "seed-0" / "metrics.csv"
    while not begun.exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (out / "ablation.json").exists()

    with pytest.raises(OutputError, match="expected a new folder, got .*broken that holds full: use --resume"):
        ablate(data, out)
    rows = []
    resumed = ablate(data, out, resume=True, tell=rows.append)
    assert all(row["run"] == "without-augmentation/seed-0" for row in rows)
    assert resumed.to_dict() == unbroken[0].to_dict()
    for name in ("ablation.csv", "ablation.json", "ablation.png", "ablation.svg"):
        assert (out / name).read_bytes() == (unbroken[0].out / name).read_bytes(), name


def test_more_seeds_train_what_is_not_there_yet_and_time_may_run_out(unbroken, data, capsys):
    out, rows = unbroken[0].out, []
    some = ablate(data, out, seeds=2, resume=True, max_minutes=1e-6, tell=rows.append)
    assert [(row["run"], row["epoch"]) for row in rows] == [("full/seed-1", 0)]
    assert (
        not some.finished
        and some.through == ()
        and some.rows == ()
        and some.variants == ("full", "without augmentation")
    )

    words = ["ablate", "--data", str(data), "--net", "resnet", "--without", "augmentation", "--seeds", "2", "--resume"]
    words += [word for setting in SETTINGS for word in ("--set", setting)]
    assert main([*words, "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert "run full/seed-1  epoch 1" in said.out and "run full/seed-0" not in said.out
    assert "own: table, valid, n = 64, 2 seeds" in said.out
    assert "  variant               accuracy (95 % interval)" in said.out and "cohen_dz" in said.out
    assert f"wrote {out / 'ablation.csv'}" in said.err


def test_what_is_wrong_is_said_before_anything_is_trained(unbroken, data, tmp_path, capsys):
    out = tmp_path / "out"
    with pytest.raises(UsageError, match="expected --seeds K or --folds K, got neither: --seeds 3 is a beginning"):
        ablate(data, out, seeds=None)
    with pytest.raises(UsageError, match="expected --folds or --seeds, got both"):
        ablate(data, out, folds=2)
    with pytest.raises(TrainingError, match="expected an ablation to resume in .*out, got none: check --out"):
        ablate(data, out, resume=True)
    with pytest.raises(OutputError, match="expected a folder for an ablation, got the file .*own.parquet"):
        ablate(data, data)
    with pytest.raises(TrainingError, match="expected the settings that the run in .* began with, got others: epochs"):
        ablate(data, unbroken[0].out, changes=[*SETTINGS, "epochs=3"], resume=True)
    with pytest.raises(UsageError, match="expected a TrainConfig without net, preset or changes, got both"):
        ablate(data, out, config=load_config())
    words = ["ablate", "--data", str(data), "--net", "resnet", "--set", "augment.flip=0", "--seeds", "2"]
    assert main([*words, "--without", "temporal, soft-labels,ema", "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert (
        said.count("\n") == 1
        and "temporal (the net resnet reads no order), soft-labels (the data have no votes)" in said
    )
    assert said.rstrip().endswith("choose out of augmentation, dropout, batchnorm, ema")
    assert main([*words, "--max-minutes", "0", "--out", str(out)]) == 2
    assert not out.exists()
