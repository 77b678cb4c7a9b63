"""`mien live` in a real window on a virtual screen."""

import csv
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import motion
from streams import mjpeg_server

from mien.core.images import read_image
from mien.pipeline.marks import COLORS
from mien.verbs.demo import sample

pytest.importorskip("pygame")
for program in ("Xvfb", "ffmpeg"):
    if shutil.which(program) is None:
        pytest.skip(f"needs {program}", allow_module_level=True)

SIZE = "800x640"


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    """An empty screen."""
    read, write = os.pipe()
    screen = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{SIZE}x24", "-nolisten", "tcp"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as number:
        yield f":{number.readline().strip()}"
    screen.terminate()
    screen.wait()


def screenshot(display: str, path: Path) -> np.ndarray:
    grab = ["ffmpeg", "-v", "error", "-y", "-f", "x11grab", "-video_size", SIZE, "-i", display, "-frames:v", "1"]
    subprocess.run([*grab, str(path)], check=True)
    return read_image(path)


def test_a_window_shows_the_face_and_its_emotion(display: str, tmp_path: Path) -> None:
    image = cv2.resize(read_image(sample("astronaut"))[:480, :640], (640, 480))
    jpeg = cv2.imencode(".jpg", np.ascontiguousarray(image[:, :, ::-1]))[1].tobytes()
    with mjpeg_server(jpeg) as address:
        said = watched(display, tmp_path, "--camera", address, "--seconds", "12", "--out", "seen.csv")
    assert "wrote seen.csv" in said and "a second, shown" in said
    assert "happiness" in (tmp_path / "seen.csv").read_text("utf-8")


def test_a_file_is_a_camera_that_ends(display: str, tmp_path: Path) -> None:
    clip = motion(tmp_path / "clip.mp4", seconds=9)
    said = watched(display, tmp_path, "--camera", "clip.mp4", "--out", "seen.csv")
    assert "wrote seen.csv" in said and "a second, shown" in said
    with open(tmp_path / "seen.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["source"] for row in rows} == {"clip.mp4"}
    frames = [int(row["frame"]) for row in rows]
    assert frames == sorted(set(frames)) and frames[0] < frames[-1] < len(clip)
    assert [float(row["time_s"]) for row in rows] == pytest.approx([clip.times[k] for k in frames], abs=1e-3)


def watched(display: str, folder: Path, *words: str) -> str:
    """Run `mien live` in a folder until it ends by itself, see a happy face on the screen meanwhile; what it said."""
    run = subprocess.Popen(
        [sys.executable, "-m", "mien.cli", "live", *words],
        cwd=folder,
        env=os.environ | {"DISPLAY": display, "SDL_VIDEODRIVER": "x11"},
        stderr=subprocess.PIPE,
        text=True,
    )
    shown, end = np.zeros((1, 1, 3), np.uint8), time.monotonic() + 30
    while not happy(shown) and time.monotonic() < end and run.poll() is None:
        shown = screenshot(display, folder / "screen.png")
    _, said = run.communicate(timeout=60)
    assert run.returncode == 0, said
    assert happy(shown), "no box or bar in the colour of happiness"
    return said


def happy(image: np.ndarray) -> bool:
    """Whether the box, the tag and the bar of a happy face are there."""
    return int((np.abs(image.astype(int) - COLORS["happiness"]).max(2) < 12).sum()) > 2000
