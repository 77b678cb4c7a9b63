"""`mien data prepare` on all of FER2013 and all wild photographs: killed again and again, the table is the same."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest

from mien.core.images import decode
from mien.datasets import read_table

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(os.name == "nt", reason="needs signals"),
]

KILLS = 4


@pytest.fixture(scope="module")
def fer2013(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """FER2013's csv with all rows that are at hand."""
    path = tmp_path_factory.mktemp("fer") / "fer2013.csv"
    frame = parquet.read_table(data_dir / "fer2013.parquet", columns=["emotion", "usage", "image"])
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["emotion", "pixels", "Usage"])
        for batch in frame.to_batches():
            for row in batch.to_pylist():
                pixels = decode(row["image"])[:, :, 0].ravel().tolist()
                writer.writerow([row["emotion"], " ".join(map(str, pixels)), row["usage"]])
    return path


def command(words: list[str], out: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "mien.cli", "data", "prepare", *words, "--out", str(out), *more]


def killed_after(parts: int, words: list[str], out: Path) -> bool:
    """Run with --resume until there are so many parts, then kill -9; False if the run ended before."""
    folder = out.with_name(f".{out.name}.parts")
    with subprocess.Popen(command(words, out, "--resume"), stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            if len(list(folder.glob("[0-9]*.parquet"))) >= parts:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.01)
    return process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("data", ["faces", "photographs"])
def test_killed_and_resumed_is_the_same_as_unbroken(data: str, fer2013: Path, data_dir: Path, tmp_path: Path) -> None:
    wild = data_dir / "wild"
    words = {
        "faces": [f"fer2013={fer2013}"],
        "photographs": [f"csv={wild / 'labels.csv'}", "--set", "faces=false", "--set", f"images={wild / 'images'}"],
    }[data]
    rows = {"faces": 32_298, "photographs": 768}[data]
    assert subprocess.run(command(words, tmp_path / "unbroken.parquet")).returncode in (0, 1)

    out = tmp_path / "t.parquet"
    parts = -(-rows // 512)
    for wanted in np.unique(np.linspace(1, parts, KILLS, endpoint=False).astype(int)).tolist():
        assert killed_after(wanted, words, out), "it ended before it was killed"
        assert not out.exists()
    assert subprocess.run(command(words, out, "--resume")).returncode in (0, 1)
    assert out.read_bytes() == (tmp_path / "unbroken.parquet").read_bytes()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["t.parquet", "unbroken.parquet"]
    table = read_table(out)
    assert len(table) + int(table.meta["failed"]) == rows
