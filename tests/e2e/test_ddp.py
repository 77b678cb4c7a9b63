"""Two processes under torchrun, on the CPU over gloo, learn what one learns; the first one writes and speaks."""

import csv
import os
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
    "net='plain'",
    "input.size=16",
    "start_size=16",
    "precision='float32'",
    "dropout=0.0",  # each process draws its own
    "augment.mixup=0.2",
    "threads=1",
]

# `mien train`, with a net of no batch norm, that keeps the gradient of each step.
TRAIN = """
import os, sys
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
code = main(sys.argv[2:])
torch.save(torch.stack(steps), f"{sys.argv[1]}-{os.environ.get('RANK', '0')}.pt")
sys.exit(code)
"""


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
    (folder / "train.py").write_text(TRAIN, "utf-8")
    return folder


def words(data: Path, name: str) -> list[str]:
    changes = [word for setting in SETTINGS for word in ("--set", setting)]
    train = ["train", "--data", str(data / "own.parquet"), *changes, "--out", str(data / f"run-{name}")]
    return [str(data / "train.py"), str(data / name), *train]


def run_here(data: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, which has torch already; what the script changes is undone."""
    from mien.nets import NETS
    from mien.training.module import ExpressionModule

    monkeypatch.setattr(NETS, "_factories", dict(NETS._factories))
    monkeypatch.setattr(ExpressionModule, "on_before_optimizer_step", ExpressionModule.on_before_optimizer_step)
    monkeypatch.setattr(sys, "argv", words(data, name))
    with pytest.raises(SystemExit) as done:
        runpy.run_path(sys.argv[0])
    assert done.value.code == 0


def run_twofold(data: Path, name: str) -> subprocess.CompletedProcess[str]:
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    launch += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1"}
    return subprocess.run([*launch, *words(data, name)], env=environment, capture_output=True, text=True, timeout=300)


def log(data: Path, name: str) -> list[dict[str, float]]:
    with (data / f"run-{name}" / "metrics.csv").open(encoding="utf-8", newline="") as file:
        return [{key: float(value) for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_here(data, "one", monkeypatch)
    two = run_twofold(data, "two")
    assert two.returncode == 0, two.stderr

    alone, first, second = (torch.load(data / f"{name}.pt", weights_only=True) for name in ("one-0", "two-0", "two-1"))
    assert len(alone) == 8  # two epochs of four batches
    assert float(alone.abs().max()) > 1e-3
    torch.testing.assert_close(first, second, atol=0, rtol=0)
    torch.testing.assert_close(first, alone, atol=1e-5, rtol=0)

    for expected, found in zip(log(data, "one"), log(data, "two"), strict=True):
        assert found == pytest.approx(expected, abs=1e-5)
    assert two.stdout.count("epoch 0") == 1
    assert two.stderr.count("trained 2 epochs") == 1
    assert (data / "run-two" / "model.onnx").exists()
    assert '"processes": 2' in (data / "run-two" / "versions.json").read_text("utf-8")


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
    assert main([*command, "--seeds", "2"]) == 2
    assert "expected one process for --folds and --seeds, got 3" in capsys.readouterr().err
