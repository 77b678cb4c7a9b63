"""`mien live` in a real window on a virtual screen."""

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
        words = ["live", "--camera", address, "--seconds", "12", "--out", "seen.csv"]
        run = subprocess.Popen(
            [sys.executable, "-m", "mien.cli", *words],
            cwd=tmp_path,
            env=os.environ | {"DISPLAY": display, "SDL_VIDEODRIVER": "x11"},
            stderr=subprocess.PIPE,
            text=True,
        )
        shown, end = np.zeros((1, 1, 3), np.uint8), time.monotonic() + 30
        while not happy(shown) and time.monotonic() < end and run.poll() is None:
            shown = screenshot(display, tmp_path / "screen.png")
        _, said = run.communicate(timeout=60)
    assert run.returncode == 0, said
    assert happy(shown), "no box or bar in the colour of happiness"
    assert "wrote seen.csv" in said and "a second, shown" in said
    assert "happiness" in (tmp_path / "seen.csv").read_text("utf-8")


def happy(image: np.ndarray) -> bool:
    """Whether the box, the tag and the bar of a happy face are there."""
    return int((np.abs(image.astype(int) - COLORS["happiness"]).max(2) < 12).sum()) > 2000
