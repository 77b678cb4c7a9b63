"""`mien.core.camera`: the newest picture of a file and of a stream, and what is said of one that is not there."""

import os
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from streams import mjpeg_server

from mien.core.camera import Camera
from mien.core.errors import InputError

JPEG = cv2.imencode(".jpg", np.full((48, 64, 3), (200, 120, 40), np.uint8))[1].tobytes()  # blue, green, red


def a_clip(path: Path, *, frames: int = 20, fps: float = 40) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), fps, (64, 48))
    for at in range(frames):
        writer.write(np.full((48, 64, 3), 10 * at, np.uint8))
    writer.release()
    return path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return a_clip(tmp_path / "clip.avi")


def test_a_file_plays_at_its_own_pace_to_its_end(clip: Path) -> None:
    camera = Camera(str(clip))
    began, seen = time.monotonic(), []
    while not camera.ended:
        shot = camera.newest(after=seen[-1].index if seen else -1, timeout_s=0.2)
        if shot:
            seen.append(shot)
    camera.close()
    assert [shot.index for shot in seen] == sorted({shot.index for shot in seen})
    assert seen[-1].index == 19 and seen[-1].time_s == pytest.approx(19 / 40, abs=1e-3)
    assert time.monotonic() - began >= 0.4  # 19 frames of 25 ms
    for shot in seen:
        assert abs(int(shot.image.mean()) - 10 * shot.index) < 6


def test_whoever_is_slow_gets_the_newest_picture(clip: Path) -> None:
    camera = Camera(str(clip))
    time.sleep(0.3)
    shot = camera.newest()
    camera.close()
    assert shot is not None and shot.index >= 5


def test_a_stream_is_read_lost_and_found_again() -> None:
    lines: list[str] = []
    with mjpeg_server(JPEG) as address:
        camera = Camera(address, tell=lines.append)
        first = camera.newest(timeout_s=5)
        assert first is not None and first.image.shape == (48, 64, 3)
        assert np.abs(first.image.reshape(-1, 3).mean(0) - (40, 120, 200)).max() < 6  # RGB
    port = urlsplit(address).port
    assert port is not None
    wait_for(lambda: len(lines) == 1)
    last = camera.newest()
    assert last is not None
    with mjpeg_server(JPEG, port=port):
        again = camera.newest(after=last.index, timeout_s=10)
        assert again is not None and again.time_s > last.time_s
        wait_for(lambda: len(lines) == 2)
        camera.close()
    assert lines == [f"lost {address}: looking for it again every 1 s", f"found {address} again"]


def wait_for(condition: object, timeout_s: float = 10) -> None:
    end = time.monotonic() + timeout_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")
@pytest.mark.parametrize("source", [97, "97", "camera:97"])
def test_a_camera_that_is_not_there(source: int | str) -> None:
    with pytest.raises(InputError, match=r"expected a camera with number 97, got none: there is"):
        Camera(source)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.mp4", None, "expected a video at .*none.mp4, got no such file"),
        ("a.mp4", b"text", "that FFmpeg does not"),
    ],
)
def test_a_file_that_is_no_video(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        Camera(os.fspath(path))


def test_a_stream_that_nobody_sends() -> None:
    with pytest.raises(InputError, match="expected pictures from http://127.0.0.1:9/, got none: check the address"):
        Camera("http://127.0.0.1:9/")


def test_closing_twice_does_no_harm(clip: Path) -> None:
    camera = Camera(str(clip))
    camera.close()
    camera.close()
    assert camera.newest(after=1000, timeout_s=0.01) is None
