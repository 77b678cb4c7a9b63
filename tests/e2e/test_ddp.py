"""Two processes under torchrun, on the CPU over gloo, learn what one learns; the first one writes and speaks."""

import csv
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mien.core.labels import LabelSet
from mien.datasets import LabelColumn, Table, write_table

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

SETTINGS = [
    "epochs=2",
    "batch=16",
    "input.size=16",
    "start_size=16",
    "precision='float32'",
    "dropout=0.0",  # each process draws its own
    "augment.mixup=0.2",
    "threads=1",
]

# Several `mien train`, one after the other, with a net of no batch norm; they keep the gradient of each step.
TRAIN = """
import json, os, sys
import torch
from torch import nn
from mien.cli.app import main
from mien.nets import NETS
from mien.nets.heads import GlobalAverage
from mien.training.module import ExpressionModule

class Plain(nn.Module):
    def __init__(self, in_channels=1, size=48):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(in_channels, 8, 3, 2), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU())
        self.neck, self.channels, self.width, self.smallest, self.any_size = GlobalAverage(), 8, 8, 8, True
    def forward(self, images):
        return self.layers(images)

NETS.register("plain")(Plain)
steps = []
before = ExpressionModule.on_before_optimizer_step
def keep(self, optimizer):
    steps.append(torch.cat([each.grad.flatten() for each in self.net.parameters()]).clone())
    before(self, optimizer)
ExpressionModule.on_before_optimizer_step = keep
rank, codes = os.environ.get('RANK', '0'), {}
for name, words in json.loads(sys.argv[2]).items():
    print('==', name, flush=True)
    print('==', name, file=sys.stderr, flush=True)
    codes[name] = main([each.replace('{rank}', rank) for each in words])
    torch.save(torch.stack(steps) if steps else torch.empty(0), f"{sys.argv[1]}-{name}-{rank}.pt")
    steps.clear()
with open(f"{sys.argv[1]}-{rank}.json", "w") as file:
    json.dump(codes, file)
"""

SYNCED = ["--net", "resnet", "--set", "net_options.widths=[8,16,16]", "--set", "net_options.blocks=[1,1,1]"]
SYNCED += ["--set", "net_options.activation='silu'"]  # without kinks, at which gradients that differ in a digit part
SYNCED += ["--set", "sync_batchnorm=true", "--set", "epochs=3", "--max-minutes", "0.0001"]  # an epoch each time


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """69 faces in train: four batches of 16, and some that are left out; 13 in valid, an odd number."""
    rng = np.random.default_rng(2)
    n, labels = 82, LabelSet("labels", ("calm", "cheerful", "cross"))
    table = Table(
        np.array([f"own-{k:02d}" for k in range(n)]),
        rng.integers(0, 255, (n, 16, 16), dtype=np.uint8),
        np.where(np.arange(n) < 69, "train", "valid"),
        {"labels": LabelColumn(labels, (np.arange(n) % 3).astype(np.int16))},
    )
    folder = tmp_path_factory.mktemp("ddp")
    write_table(table, folder / "own.parquet")
    write_table(table, folder / "own0.parquet")  # which the second process does not have
    (folder / "train.py").write_text(TRAIN, "utf-8")
    return folder


def words(data: Path, commands: dict[str, tuple[str, list[str]]], *, launch: str) -> list[str]:
    """What `train.py` is started with: name -> run folder and options.

    Each process gets a folder of its own, as on machines that share no disk.
    """
    changes = [word for setting in SETTINGS for word in ("--set", setting)]
    every = {}
    for name, (folder, options) in commands.items():
        given = [] if "--data" in options else ["--data", str(data / "own.parquet")]
        every[name] = ["train", *given, *changes, *options, "--out", str(data / f"{launch}-{folder}-{{rank}}")]
    return [str(data / "train.py"), str(data / launch), json.dumps(every)]


def run_here(data: Path, commands: dict[str, tuple[str, list[str]]], monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, which has torch already; what the script changes is undone."""
    from mien.nets import NETS
    from mien.training.module import ExpressionModule

    monkeypatch.setattr(NETS, "_factories", dict(NETS._factories))
    monkeypatch.setattr(ExpressionModule, "on_before_optimizer_step", ExpressionModule.on_before_optimizer_step)
    monkeypatch.setattr(sys, "argv", words(data, commands, launch="one"))
    runpy.run_path(sys.argv[0])
    assert set(json.loads((data / "one-0.json").read_text("utf-8")).values()) == {0}


def run_twofold(data: Path, commands: dict[str, tuple[str, list[str]]]) -> dict[str, tuple[str, str]]:
    """In two processes; gives what each command wrote to stdout and stderr."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    launch += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1"}
    arguments = words(data, commands, launch="two")
    two = subprocess.run([*launch, *arguments], env=environment, capture_output=True, text=True, timeout=500)
    assert two.returncode == 0, two.stderr
    parts = [re.split(r"^== ", stream, flags=re.MULTILINE)[1:] for stream in (two.stdout, two.stderr)]
    said = [{name: "".join(p for p in part if p.split()[0] == name) for name in commands} for part in parts]
    return {name: (said[0][name], said[1][name]) for name in commands}


def log(run: Path) -> list[dict[str, float]]:
    with (run / "metrics.csv").open(encoding="utf-8", newline="") as file:
        return [{key: float(value) for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


@pytest.mark.soak
def test_two_processes_learn_what_one_learns(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = ["--net", "plain"]
    same = {"plain": ("plain", plain), "synced": ("synced", SYNCED), "resumed": ("synced", [*SYNCED, "--resume"])}
    seeds = [*plain, "--set", "resident=false", "--set", "epochs=1", "--seeds", "2"]
    run_here(data, same, monkeypatch)
    missing = [*plain, "--data", str(data / "own{rank}.parquet")]
    said = run_twofold(data, {**same, "seeds": ("seeds", seeds), "missing": ("missing", missing)})
    codes = [json.loads((data / f"two-{rank}.json").read_text("utf-8")) for rank in (0, 1)]
    assert codes == [{"plain": 0, "synced": 0, "resumed": 0, "seeds": 0, "missing": 2}] * 2

    for name, steps in (("plain", 8), ("synced", 4), ("resumed", 4)):  # of four batches an epoch
        files = (f"one-{name}-0.pt", f"two-{name}-0.pt", f"two-{name}-1.pt")
        alone, first, second = (torch.load(data / file, weights_only=True) for file in files)
        assert len(alone) == steps
        assert float(alone.abs().max()) > 1e-3
        torch.testing.assert_close(first, second, atol=0, rtol=0)
        torch.testing.assert_close(first, alone, atol=1e-5, rtol=0)
    for name in ("plain", "synced"):
        both = zip(log(data / f"one-{name}-0"), log(data / f"two-{name}-0"), strict=True)
        for expected, found in both:
            assert found == pytest.approx(expected, abs=1e-5)
    compare_weights(data)

    for name, epochs, runs in (("plain", 2, ""), ("seeds", 2, " of 2 runs")):  # the first process alone speaks
        out, err = said[name]
        assert out.count("epoch 0") == (2 if runs else 1)
        assert err.count(f"trained {epochs} epochs{runs} in ") == 1
        assert not (data / f"two-{name}-1").exists()  # and writes
    assert (data / "two-plain-0" / "model.onnx").exists()
    assert '"processes": 2' in (data / "two-plain-0" / "versions.json").read_text("utf-8")
    summary = json.loads((data / "two-seeds-0" / "summary.json").read_text("utf-8"))
    assert summary["runs"] == ["seed-0", "seed-1"]
    assert summary["finished"]
    told = said["missing"][1]
    assert "expected all 2 processes to go on, got from process 1 on " in told
    assert f"expected a table at {data / 'own1.parquet'}, got no such file" in told


def compare_weights(data: Path) -> None:
    """After eight steps the net of two processes is that of one."""
    from mien.training.fit import load_run

    one, two = (load_run(data / f"{launch}-plain-0")[1].state_dict() for launch in ("one", "two"))
    for name, weight in one.items():
        torch.testing.assert_close(two[name], weight, atol=1e-5, rtol=0)


def test_what_was_not_started_is_said(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from mien.cli.app import main

    command = ["train", "--data", str(data / "own.parquet"), "--out", str(data / "never"), "--set"]
    assert main([*command, "devices=2"]) == 2
    said = capsys.readouterr().err
    assert "expected 2 processes on each of 1 machines, got 1 on each of 1" in said
    assert "torchrun --nnodes 1 --nproc-per-node 2 -m mien.cli train" in said
    assert not (data / "never").exists()


def test_a_batch_must_be_shared_evenly(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mien.cli.app import main

    for name, value in {"WORLD_SIZE": "3", "RANK": "0", "LOCAL_WORLD_SIZE": "3"}.items():
        monkeypatch.setenv(name, value)
    command = ["train", "--data", str(data / "own.parquet"), "--out", str(data / "never")]
    assert main([*command, "--set", "batch=16"]) == 2
    assert "expected a batch that 3 processes can share evenly, got 16" in capsys.readouterr().err
