"""`mien predict` of long clips: killed in the middle it goes on to the same table, and its memory stays flat."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from clips import people
from resident import resident_mb

MINUTES = float(os.environ.get("MIEN_SOAK_MINUTES", "10"))
GROWTH_MB = 40  # allocators breathe; ten minutes of pictures are forty gigabytes
MOST_MB = 400

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600), pytest.mark.skipif(os.name == "nt", reason="needs ps")]


def repeated(path: Path, *, faces: int, size: tuple[int, int], seconds: float) -> Path:
    """A clip of faces that sway, four seconds over and over."""
    part = people(path.with_name(f"part-{path.name}"), faces, seconds=4, size=size).path
    command = ["ffmpeg", "-v", "error", "-stream_loop", str(round(seconds / 4) - 1), "-i", part, "-c", "copy", path]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    part.unlink()
    return path


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "mien.cli", "predict", *(str(word) for word in words)]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_that_is_killed_goes_on_to_the_same_table(tmp_path: Path, workers: int) -> None:
    clips = [repeated(tmp_path / f"{k}.mp4", faces=k, size=(320, 240), seconds=40) for k in (1, 2, 3)]
    subprocess.run(command(*clips, "--out", tmp_path / "whole.csv", "--smooth"), check=True)
    out = tmp_path / "killed.csv"
    words = command(*clips, "--out", out, "--smooth", "--workers", workers, "--resume")
    for parts in (2, 5, 8):
        with subprocess.Popen(words) as process:
            while len(list(tmp_path.glob(".killed.csv.parts/*/*.npz"))) < parts and process.poll() is None:
                time.sleep(0.02)
            process.kill()
        assert process.returncode < 0 and not out.exists()
    subprocess.run(words, check=True)
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_processes_end_when_the_first_is_killed(tmp_path: Path) -> None:
    clips = [repeated(tmp_path / f"{k}.mp4", faces=1, size=(320, 240), seconds=400) for k in (1, 2)]
    words = command(*clips, "--out", tmp_path / "t.csv", "--workers", 2)
    with subprocess.Popen(words) as process:
        while len(list(tmp_path.glob(".t.csv.parts/*/*.npz"))) < 2:
            time.sleep(0.05)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.kill()
    assert children
    until = time.monotonic() + 20
    while any(Path(f"/proc/{child}").exists() for child in children) and time.monotonic() < until:
        time.sleep(0.1)
    assert not [child for child in children if Path(f"/proc/{child}").exists()]


def test_memory_stays_flat_over_a_long_clip(tmp_path: Path) -> None:
    clip = repeated(tmp_path / "long.mp4", faces=4, size=(1280, 720), seconds=60 * MINUTES)
    held = []
    with subprocess.Popen(command(clip, "--out", tmp_path / "t.parquet", "--smooth")) as process:
        while process.poll() is None:
            time.sleep(0.5)
            held.append(resident_mb(process.pid))
    assert process.returncode == 0
    held = [value for value in held if value > 0]
    assert len(held) >= 50, "too short a run to judge"
    tenth = len(held) // 10
    early, late = (max(held[k * tenth : (k + 2) * tenth]) for k in (2, 7))  # the table is written after that
    print(f"resident: {early:.0f} MB after two tenths, {late:.0f} MB after seven, {max(held):.0f} MB at most")
    assert late - early < GROWTH_MB and max(held) < MOST_MB
