"""Two processes of one training: one is killed, or its host goes away; on two hosts with a network between them.

Hosts are network namespaces of Linux, each with one end of a cable (veth). That needs root.
"""

import contextlib
import csv
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mien.core.labels import LABEL_SETS
from mien.datasets import LabelColumn, Table, write_table

EPOCHS = 4
SETTINGS = [
    "epochs=4",
    "batch=32",
    "threads=1",
    "precision='float32'",
    "input.size=16",
    "start_size=16",
    "timeout_s=300",
]
SETTINGS += ["net_options.widths=[8,16]", "net_options.blocks=[1,1]", "sync_batchnorm=true"]
WAIT_S = 900  # on a busy machine

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise whose brightness gives the label away."""
    rng = np.random.default_rng(7)
    n, labels = 1200, LABEL_SETS["fer2013"]
    ids = rng.integers(0, len(labels), n)
    images = (rng.integers(0, 60, (n, 16, 16)) + 24 * ids[:, None, None]).astype(np.uint8)
    split = np.where(np.arange(n) < 1000, "train", "valid")
    names = np.array([f"noise-{number}" for number in range(n)])
    path = tmp_path_factory.mktemp("data") / "noise.parquet"
    write_table(Table(names, images, split, {"fer2013": LabelColumn(labels, ids.astype(np.int16))}), path)
    return path


def launch(
    data: Path, run: Path, *options: str, nodes: tuple[str, ...] = (), before: tuple[str, ...] = (), trained: str = "4"
) -> subprocess.Popen[bytes]:
    """Start torchrun; what it says goes into `<run>.log`."""
    changes = [word for setting in SETTINGS for word in ("--set", setting)] + ["--set", f"epochs={trained}"]
    words = ["train", "--data", str(data), "--net", "resnet", "--device", "cpu", *changes, "--out", str(run), *options]
    several = nodes or ("--nproc-per-node", "2", "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0")
    command = [*before, sys.executable, "-m", "torch.distributed.run", *several, "-m", "mien", *words]
    log = (run.parent / f"{run.name}.log").open("ab")
    return subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=log, stderr=log)


def said(run: Path) -> str:
    return (run.parent / f"{run.name}.log").read_text("utf-8")


def history(run: Path) -> list[dict[str, str]]:
    path = run / "metrics.csv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]


def worker(agent: int, rank: int) -> int:
    """The process of a rank among the children of torchrun."""
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            parent = int(re.search(r"PPid:\s+(\d+)", status.read_text("ascii"))[1])  # type: ignore[index]
            if parent == agent and f"\0RANK={rank}\0" in (status.parent / "environ").read_text("utf-8", "replace"):
                return int(status.parent.name)
    raise AssertionError(f"no process of rank {rank}")


def wait_for_epochs(process: subprocess.Popen[bytes], run: Path, epochs: int) -> None:
    until = time.monotonic() + WAIT_S
    while len(history(run)) < epochs:
        assert process.poll() is None, said(run)
        assert time.monotonic() < until, said(run)
        time.sleep(0.02)


@pytest.fixture(scope="module")
def unbroken(data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    run = tmp_path_factory.mktemp("unbroken") / "run"
    assert launch(data, run).wait(WAIT_S) == 0, said(run)
    return history(run)


@pytest.mark.parametrize("restarts", [0, 1])
def test_a_killed_process_costs_an_epoch_at_most(
    data: Path, tmp_path: Path, unbroken: list[dict[str, str]], restarts: int
) -> None:
    run = tmp_path / "run"
    several = ("--nproc-per-node", "2", "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0")
    process = launch(data, run, nodes=(*several, "--max-restarts", str(restarts)))
    wait_for_epochs(process, run, 2)
    os.kill(worker(process.pid, rank=1), signal.SIGKILL)
    code = process.wait(WAIT_S)
    if not restarts:
        assert code != 0
        assert len(history(run)) < EPOCHS
        assert "mien: expected all 2 processes to go on, got" in said(run) or "go on with --resume" in said(run)
        assert launch(data, run, "--resume").wait(WAIT_S) == 0, said(run)
    else:
        assert code == 0, said(run)
    assert history(run) == unbroken
    assert (run / "model.onnx").exists()


@pytest.fixture
def hosts() -> Iterator[tuple[str, str]]:
    """Two network namespaces with a cable between them: 10.77.0.1 and 10.77.0.2."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    names = (f"mien-a-{os.getpid()}", f"mien-b-{os.getpid()}")

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    try:
        for name in names:
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("link", "add", "cable0", "netns", names[0], "type", "veth", "peer", "name", "cable0", "netns", names[1])
        for number, name in enumerate(names, 1):
            ip("-n", name, "addr", "add", f"10.77.0.{number}/24", "dev", "cable0")
            ip("-n", name, "link", "set", "cable0", "up")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def on_both(
    data: Path, folder: Path, hosts: tuple[str, str], *options: str, trained: str = "4"
) -> list[subprocess.Popen[bytes]]:
    """The commands of docs/training-clusters.md, one on each host; each has a run folder of its own."""
    started = []
    for rank, host in enumerate(hosts):
        nodes = ("--nnodes", "2", "--node-rank", str(rank), "--nproc-per-node", "1")
        nodes += ("--master-addr", "10.77.0.1", "--master-port", "29500")
        before = ("ip", "netns", "exec", host, "env", "GLOO_SOCKET_IFNAME=cable0")
        run = folder / f"run-{rank}"
        started.append(launch(data, run, *options, nodes=nodes, before=before, trained=trained))
    return started


def test_two_hosts_learn_what_one_learns(
    data: Path, tmp_path: Path, hosts: tuple[str, str], unbroken: list[dict[str, str]]
) -> None:
    for rank, process in enumerate(on_both(data, tmp_path, hosts)):
        assert process.wait(WAIT_S) == 0, said(tmp_path / f"run-{rank}")
    assert history(tmp_path / "run-0") == unbroken
    assert (tmp_path / "run-0" / "model.onnx").exists()
    assert not (tmp_path / "run-1").exists(), "the first process alone writes"


def test_a_host_that_goes_away_is_noticed_and_the_training_goes_on(
    data: Path, tmp_path: Path, hosts: tuple[str, str]
) -> None:
    processes = on_both(data, tmp_path, hosts, "--set", "timeout_s=40", trained="400")
    run = tmp_path / "run-0"
    wait_for_epochs(processes[0], run, 1)
    subprocess.run(["ip", "-n", hosts[1], "link", "set", "cable0", "down"], check=True)
    begun = time.monotonic()
    assert processes[0].wait(WAIT_S) != 0
    print(f"noticed after {time.monotonic() - begun:.0f} s, with timeout_s=40")
    assert "mien: expected all 2 processes to" in said(run), said(run)
    assert len(history(run)) < 400
    for process in processes[1:]:  # it cannot reach torchrun on the other host either
        process.send_signal(signal.SIGTERM)
        process.wait(WAIT_S)
