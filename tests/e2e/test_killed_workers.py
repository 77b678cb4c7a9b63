"""A worker is killed, then the whole run: going on gives the same table and copies, and does nothing twice."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import psutil
import pytest

from mien.core.images import read_image, write_image
from mien.verbs.predict import predict

COUNT = 300

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kills with SIGKILL")


@pytest.fixture
def album(samples: Path, tmp_path: Path) -> Path:
    """Photographs of one person that differ a little, and a file that is none."""
    folder = tmp_path / "album"
    folder.mkdir()
    person = cv2.resize(read_image(samples / "astronaut.jpg"), (240, 240), interpolation=cv2.INTER_AREA)
    for number in range(COUNT):
        write_image(folder / f"{number:03}.jpg", cv2.convertScaleAbs(person, alpha=1 - number / 1000))
    (folder / "200.jpg").write_bytes(b"none")
    return folder


def children(pid: int) -> list[int]:
    """Of a process, and theirs."""
    return [each.pid for each in psutil.Process(pid).children(recursive=True)]


def lines(folder: Path) -> int:
    """How many photographs are kept."""
    return sum(path.read_bytes().count(b"\n") for path in folder.glob(".t.csv.parts/photographs-*"))


def wait(process: subprocess.Popen[bytes], folder: Path, least: int) -> None:
    while lines(folder) < least and process.poll() is None:
        time.sleep(0.002)


def test_kills_cost_nothing(album: Path, tiny_model: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "mien.cli", "predict", str(album), "--model", str(tiny_model), "--resume"]
    words += ["--out", str(tmp_path / "t.csv"), "--annotate", str(tmp_path / "drawn"), "--workers", "2"]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as process:
        wait(process, tmp_path, 30)
        original, *workers = children(process.pid)
        assert len(workers) == 2
        os.kill(workers[0], signal.SIGKILL)
        wait(process, tmp_path, 90)
        everybody = children(process.pid)
        process.kill()
    assert process.returncode == -signal.SIGKILL and not (tmp_path / "t.csv").exists()
    assert original in everybody and workers[0] not in everybody
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "drawn").glob("*.annotated.jpg")}
    done = lines(tmp_path)
    assert 90 <= done <= len(kept) < COUNT - 1

    assert subprocess.run(words, stderr=subprocess.DEVNULL, check=False).returncode == 1  # one is no photograph
    assert not [each for each in everybody if Path(f"/proc/{each}").exists()]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    again = {path.name for path in (tmp_path / "drawn").iterdir() if kept.get(path.name) != path.stat().st_mtime_ns}
    assert len(again) <= COUNT - 1 - done  # what was kept was not drawn twice

    predict(album, model=tiny_model, out=tmp_path / "here.csv", annotate=tmp_path / "same", workers=0)
    assert (tmp_path / "here.csv").read_bytes() == (tmp_path / "t.csv").read_bytes()
    for path in (tmp_path / "same").iterdir():
        assert path.read_bytes() == (tmp_path / "drawn" / path.name).read_bytes()
