"""`mien live`: what is shown, what keys do, and what is recorded."""

import csv
import errno
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from streams import mjpeg_server

from mien.core.camera import Camera
from mien.core.errors import InputError, MissingExtraError, OutputError, UsageError
from mien.core.images import read_image
from mien.core.types import Image
from mien.pipeline import sinks
from mien.pipeline.steady import SteadyAnnotator
from mien.verbs import live as module
from mien.verbs.demo import sample
from mien.verbs.live import LiveConfig, live
from mien.window.window import Window

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
    return jpeg(np.asarray(small, np.uint8))


def jpeg(image: Image) -> bytes:
    return cv2.imencode(".jpg", np.ascontiguousarray(image[:, :, ::-1]))[1].tobytes()


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


class Shown:
    """What a window shows while a key is pressed after each new picture, and `q` at the end.

    Attributes:
        images: that were shown, each once. messages: that stood over one of them.
        closed: how often a window was closed.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, keys: str) -> None:
        self.images: list[Image] = []
        self.messages: set[str] = set()
        self.closed = 0
        due, shown = iter(f"{keys}q"), self

        class Pressed(Window):
            pressed = 0

            def show(self, image: Image, **words: Any) -> None:
                if not shown.images or image is not shown.images[-1]:
                    shown.images.append(image)
                shown.messages.add(words["message"])
                super().show(image, **words)

            def keys(self) -> list[str]:
                super().keys()
                if self.pressed == len(shown.images):
                    return []
                self.pressed = len(shown.images)
                return [next(due)]

            def close(self) -> None:
                shown.closed += 1
                super().close()

        monkeypatch.setattr(module, "Window", Pressed)


def test_recordings_of_the_same_second_have_names_of_their_own(
    photograph: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.strftime
    monkeypatch.setattr(time, "strftime", lambda form, *_: real(form, time.gmtime(0)))
    Shown(monkeypatch, "rrrrr")
    with mjpeg_server(photograph) as address:
        result = live(camera=address, detector="haar", seconds=60)
    names = [f"live-19700101-000000{number}.csv" for number in ("", "-2", "-3")]
    assert [str(path) for path in result.recordings] == names
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_a_recording_that_cannot_be_begun_is_told_of_and_the_session_goes_on(
    photograph: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "touch", refuse)
    told: list[str] = []
    shown = Shown(monkeypatch, "rh")
    with mjpeg_server(photograph) as address:
        result = live(camera=address, detector="haar", seconds=60, tell=told.append)
    assert result.frames == 3 and result.recordings == ()
    [line] = told
    assert line.startswith("expected to write live-") and "got: Permission denied" in line
    assert shown.messages == {"", line}
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_ends_the_session_and_keeps_what_was_recorded(
    photograph: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = sinks.CsvWriter.write, iter(range(100))
    closed, close = list[Camera](), Camera.close

    def noted(camera: Camera) -> None:
        closed.append(camera)
        close(camera)

    def full(self: sinks.CsvWriter, rows: Any) -> None:
        if next(calls) >= 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(self, rows)

    monkeypatch.setattr(sinks.CsvWriter, "write", full)
    monkeypatch.setattr(Camera, "close", noted)
    told: list[str] = []
    shown = Shown(monkeypatch, "xxxxxx")
    with (
        mjpeg_server(photograph) as address,
        pytest.raises(OutputError, match=r"No space left .* rows before are kept"),
    ):
        live(camera=address, detector="haar", out="session.csv", seconds=60, tell=told.append)
    with open(tmp_path / "session.csv", newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 2
    assert told == [] and len(closed) == 1 and shown.closed == 1


def test_camera_and_window_are_closed_where_a_recording_cannot_be(
    photograph: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", lost)
    monkeypatch.setattr(SteadyAnnotator, "draw", interrupted)
    shown = Shown(monkeypatch, "")
    with mjpeg_server(photograph) as address, pytest.raises(OutputError, match="Input/output error; nothing was left"):
        live(camera=address, detector="haar", out="session.csv", seconds=60)
    assert shown.closed == 1 and list(tmp_path.iterdir()) == []


def test_the_heat_map_shows_and_lies_over_the_face(photograph: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Shown(monkeypatch, "hh")
    with mjpeg_server(photograph) as address:
        live(camera=address, detector="haar", smooth="none", seconds=60)
    before, hot, after = shown.images
    changed = difference(before, hot)
    assert 0.01 < changed.mean() < 0.5 and not changed[-40:, :40].any()
    assert difference(before, after).mean() < 0.01


def test_the_heat_map_follows_the_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    face = cv2.resize(read_image(sample("astronaut"))[:300, 60:360], (240, 240), interpolation=cv2.INTER_AREA)
    shown = Shown(monkeypatch, "hdh")
    with mjpeg_server(jpeg(np.hstack([face, face]))) as address:
        live(camera=address, detector="none", smooth="none", seconds=60)
    whole, one, hot, cold = shown.images
    assert difference(whole, one).mean() > 0.2
    changed = difference(hot, cold)
    for half in np.hsplit(changed, 2):  # over each of the two faces, and not between them
        assert 0.01 < half.mean() < 0.6 and not half[-20:, :20].any()


def difference(first: Image, second: Image) -> np.ndarray:
    """Which pixels of two pictures differ: (H, W) bool."""
    return np.asarray(np.abs(first.astype(int) - second.astype(int)).max(2) > 12)


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
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the screen is gone")

    monkeypatch.setattr(SteadyAnnotator, "draw", broken)
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


def test_what_cannot_be(monkeypatch: pytest.MonkeyPatch, photograph: bytes, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected seconds above 0, got 0"):
        LiveConfig(seconds=0)
    with pytest.raises(InputError, match="expected a camera with number 97"):
        live(camera=97)
    monkeypatch.setenv("SDL_VIDEODRIVER", "x11")
    monkeypatch.delenv("DISPLAY", raising=False)
    pygame.display.quit()
    with mjpeg_server(photograph) as address, pytest.raises(UsageError, match="expected a screen .*use `mien serve`"):
        live(camera=address, detector="haar", seconds=5, out="session.csv")
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra_it_says_so(monkeypatch: pytest.MonkeyPatch, photograph: bytes, tmp_path: Path) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pygame", None)
    with mjpeg_server(photograph) as address, pytest.raises(MissingExtraError, match=r"mien\[live\]"):
        live(camera=address, detector="haar", seconds=5, out="session.csv")
    assert list(tmp_path.iterdir()) == []
