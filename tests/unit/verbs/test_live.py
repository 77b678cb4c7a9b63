"""`mien live`: what is shown, what keys do, and what is recorded."""

import csv
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from streams import mjpeg_server

from mien.core.errors import InputError, MissingExtraError, OutputError, UsageError
from mien.core.images import read_image
from mien.verbs.demo import sample
from mien.verbs.live import LiveConfig, live

pygame = pytest.importorskip("pygame")


@pytest.fixture(autouse=True)
def no_screen_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def photograph() -> bytes:
    """A face in a picture of 320 by 240."""
    image = read_image(sample("astronaut"))
    small = cv2.resize(image[: image.shape[1] * 3 // 4], (320, 240), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", np.ascontiguousarray(small[:, :, ::-1]))[1].tobytes()


def press(keys: str, *, when: Callable[[], bool], between_s: float = 0.4) -> threading.Thread:
    """Press keys one after the other, once something is so."""

    def run() -> None:
        end = time.monotonic() + 20
        while not when() and time.monotonic() < end:
            time.sleep(0.05)
        for key in keys:
            time.sleep(between_s)
            pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.key.key_code(key)))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_a_stream_is_shown_and_recorded_by_keys(photograph: bytes, tmp_path: Path) -> None:
    told: list[str] = []
    with mjpeg_server(photograph) as address:
        press("rdhrq", when=pygame.display.get_init)
        result = live(camera=address, detector="haar", seconds=60, tell=told.append)
    assert result.frames > 0 and result.fps > 0 and result.latency_ms > 0
    [table] = result.recordings
    assert f"wrote {table}" in told and table.name.startswith("live-")
    with open(tmp_path / table, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["source"] for row in rows} == {address}
    seen = [row for row in rows if row["face_id"]]
    assert seen and {row["face_id"] for row in seen} == {"0"}  # one person, though the detector changed
    times = [float(row["time_s"]) for row in rows]
    assert times == sorted(times)


def test_a_recording_from_the_beginning_until_time_is_up(photograph: bytes, tmp_path: Path) -> None:
    table = tmp_path / "session.csv"
    with mjpeg_server(photograph) as address:
        result = live(camera=address, detector="haar", out=table, seconds=1.0)
    assert result.recordings == (table,)
    with open(table, newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == result.frames
    with pytest.raises(OutputError, match="expected no file at .*session.csv"):
        live(camera=address, out=table)


def test_a_recording_survives_what_goes_wrong(
    photograph: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mien.verbs import live as module

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the screen is gone")

    monkeypatch.setattr(module.SteadyAnnotator, "draw", broken)
    table = tmp_path / "session.csv"
    with mjpeg_server(photograph) as address, pytest.raises(RuntimeError, match="the screen is gone"):
        live(camera=address, detector="haar", out=table, seconds=5)
    with open(table, newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 1


def test_a_lost_stream_is_told_of_and_survived(photograph: bytes) -> None:
    told: list[str] = []
    results = []
    with mjpeg_server(photograph) as address:
        run = threading.Thread(
            target=lambda: results.append(live(camera=address, detector="haar", seconds=4, tell=told.append))
        )
        run.start()
        time.sleep(1.5)
    run.join(timeout=30)
    assert results[0].frames > 0
    assert f"lost {address}: looking for it again every 1 s" in told


def test_what_cannot_be(monkeypatch: pytest.MonkeyPatch, photograph: bytes) -> None:
    with pytest.raises(UsageError, match="expected seconds above 0, got 0"):
        LiveConfig(seconds=0)
    with pytest.raises(InputError, match="expected a camera with number 97"):
        live(camera=97)
    monkeypatch.setenv("SDL_VIDEODRIVER", "x11")
    monkeypatch.delenv("DISPLAY", raising=False)
    pygame.display.quit()
    with mjpeg_server(photograph) as address, pytest.raises(UsageError, match="expected a screen .*use `mien serve`"):
        live(camera=address, detector="haar", seconds=5)


def test_without_the_extra_it_says_so(monkeypatch: pytest.MonkeyPatch, photograph: bytes) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pygame", None)
    with mjpeg_server(photograph) as address, pytest.raises(MissingExtraError, match=r"mien\[live\]"):
        live(camera=address, detector="haar", seconds=5)
