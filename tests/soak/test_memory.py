"""`mien predict` on ten thousand photographs holds its memory."""

import csv
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest
from resident import resident_mb

from mien.core.images import read_image, write_image

SAMPLES = Path(__file__).resolve().parents[2] / "src" / "mien" / "samples"
PHOTOGRAPHS = int(os.environ.get("MIEN_SOAK_PHOTOGRAPHS", "10000"))
GROWTH_MB = 40  # allocators breathe; a leak of one small picture a photograph would be a gigabyte

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(os.name == "nt", reason="needs ps"),
]


@pytest.fixture
def album(data_dir: Path, tmp_path: Path) -> Path:
    """A folder of photographs of many sizes; of each hundred files one is broken, and one large."""
    folder = tmp_path / "album"
    folder.mkdir()
    photographs = sorted((data_dir / "wild" / "images").iterdir())
    large = []
    for width in (800, 1100, 1400, 1700):
        large.append(tmp_path / f"{width}.jpg")
        write_image(large[-1], cv2.resize(read_image(SAMPLES / "grace_hopper.jpg"), (width, width * 6 // 5)))
    for number in range(PHOTOGRAPHS):
        target = folder / f"{number:05}.jpg"
        if number % 100 == 50:
            target.write_bytes(b"not a picture")
        elif number % 100 == 0:
            shutil.copyfile(large[number // 100 % len(large)], target)
        else:
            shutil.copyfile(photographs[number % len(photographs)], target)
    return folder


@pytest.mark.parametrize("workers", [0, 2])
def test_memory_stays_flat(album: Path, tmp_path: Path, workers: int) -> None:
    table = tmp_path / "faces.csv"
    command = [sys.executable, "-m", "mien.cli", "predict", str(album), "--out", str(table)]
    command += ["--workers", str(workers)]
    samples = []
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            time.sleep(0.2)
            samples.append(resident_mb(process.pid))
    broken = len(range(50, PHOTOGRAPHS, 100))
    assert process.returncode == (1 if broken else 0)
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["source"] for row in rows}) == PHOTOGRAPHS
    assert sum(bool(row["error"]) for row in rows) == broken

    samples = [value for value in samples if value > 0]
    assert len(samples) >= 100, "too short a run to judge"
    warm = max(samples[len(samples) // 10 : len(samples) // 4])
    end = max(samples[-len(samples) // 4 :])
    peak = max(samples)
    print(f"resident: {warm:.0f} MB in the first quarter, {end:.0f} MB in the last, {peak:.0f} MB at most")
    assert end - warm < GROWTH_MB
    assert peak < 1024
