"""A real browser for tests: Debian's Chromium, driven by Playwright, with a camera that films the sample photograph."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
AXE = ROOT / "runs" / "axe"


def chromium(playwright: Any, *, camera: Path | None = None, more: Sequence[str] = ()) -> Any:
    """A browser. `camera` is what its camera films, MJPEG; None: it has a camera that must be allowed first."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("needs Chromium: `make system` installs it")
    words = ["--no-sandbox", "--disable-gpu", *more]
    if camera:
        words += ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
        words += [f"--use-file-for-fake-video-capture={camera}"]
    return playwright.chromium.launch(executable_path=path, args=words)


def film(photograph: Path, path: Path) -> Path:
    """A second of a photograph as a camera of 640 x 480 films it: MJPEG, by ffmpeg."""
    shape = "scale=640:480:force_original_aspect_ratio=increase,crop=640:480:0:0"
    words = ["-v", "error", "-y", "-loop", "1", "-i", photograph, "-vf", shape, "-t", "1", "-r", "30"]
    subprocess.run(["ffmpeg", *words, "-q:v", "3", "-pix_fmt", "yuvj420p", path], check=True)
    return path


def axe() -> str:
    """The source of axe-core, fetched once; a test that needs it skips where it cannot be, and fails in CI."""
    done = subprocess.run([ROOT / "scripts" / "fetch_axe.sh"], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"needs axe-core, which could not be fetched: {done.stderr.strip()}")
    return next(AXE.glob("axe-*.min.js")).read_text("utf-8")


def violations(page: Any, source: str) -> list[str]:
    """What axe-core finds wrong with a page as it is now: rule and place."""
    page.evaluate(source)
    found = page.evaluate("axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice']})")
    return [f"{each['id']}: {node['html'][:120]}" for each in found["violations"] for node in each["nodes"]]
