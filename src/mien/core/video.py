"""Frames of a video file, one at a time and in bounded memory: RGB uint8 (H, W, 3), upright.

OpenCV's wheels carry FFmpeg; each file is decoded by one thread, so that many can be read side by side.
"""

import math
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2

from mien.core.errors import InputError
from mien.core.images import MOST_PIXELS, from_bgr
from mien.core.quiet import quiet_opencv
from mien.core.types import Image


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a video file holds.

    Attributes:
        width, height: of a frame, in pixels.
        frames: how many; as the file says, which may be off by a few where it is damaged.
        fps: frames a second, 0 where the file does not say.
    """

    width: int
    height: int
    frames: int
    fps: float


def probe(path: str | os.PathLike[str]) -> VideoInfo:
    """What a video file holds, from its header and first frame.

    Raises:
        InputError: missing, not a video that can be read, or without frames.
    """
    video = _Video(path)
    try:
        if not video.grab():
            raise _no_frames(video.path)
        image = video.image()
        return VideoInfo(image.shape[1], image.shape[0], video.count(), video.fps)
    finally:
        video.close()


def frames(path: str | os.PathLike[str]) -> Iterator[tuple[int, float, Image]]:
    """Each frame's index (from 0), time in seconds and picture; the file is opened at the first of them.

    Raises:
        InputError: missing, not a video that can be read, or without frames.
    """
    video = _Video(path)
    try:
        while video.grab():
            yield video.at, video.time_s, video.image()
        if video.at < 0:
            raise _no_frames(video.path)
    finally:
        video.close()


def read_frame(path: str | os.PathLike[str], index: int) -> Image:
    """One frame by its index, from 0.

    Each thread keeps the file that it read from last open where it stood. So reading one file at rising indices
    decodes it once; going back starts again from its beginning, for jumps by time stamps miss frames.

    Raises:
        InputError: missing, not a video that can be read, or the index is beyond its end.
    """
    if index < 0:
        raise InputError(f"expected a frame of {os.fspath(path)} by an index from 0, got {index}")
    video = _resume(path, index)
    while video.at < index:
        if not video.grab():
            _forget()
            raise InputError(
                f"expected frame {index} in {video.path}, got {video.at + 1} frames (the first is 0): is it cut off?"
            )
    return video.image()


class _Video:
    """An open file, at its frame `at`; -1 before the first."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.path.abspath(path)  # FFmpeg takes `a:b` for an address, but no path that begins with a slash
        self.state = _state(self.path)
        self.at = -1
        self._capture = _open(self.path)
        self.fps = self._number(cv2.CAP_PROP_FPS)
        size = self._number(cv2.CAP_PROP_FRAME_WIDTH) * self._number(cv2.CAP_PROP_FRAME_HEIGHT)
        if size > MOST_PIXELS:
            self.close()
            raise InputError(
                f"expected frames of at most {MOST_PIXELS / 1e6:.0f} megapixels in {self.path}, got a header that says "
                f"{size / 1e6:.0f}: make it smaller first"
            )

    @property
    def time_s(self) -> float:
        """When the frame is shown: by its time stamp, else by its index."""
        stamp = self._number(cv2.CAP_PROP_POS_MSEC) / 1000
        return stamp if stamp or not self.fps else self.at / self.fps

    def grab(self) -> bool:
        """Go to the next frame; False at the end."""
        if not self._capture.grab():
            return False
        self.at += 1
        return True

    def image(self) -> Image:
        """The frame it is at; may be asked for several times."""
        done, image = self._capture.retrieve()
        if not done or image is None:
            raise InputError(f"expected a whole frame {self.at} in {self.path}, got a damaged one: copy the file again")
        return from_bgr(image)  # type: ignore[arg-type]

    def count(self) -> int:
        """How many frames there are; counted, from where it is, if the file does not say so credibly."""
        said = int(self._number(cv2.CAP_PROP_FRAME_COUNT))
        if 0 < said <= os.path.getsize(self.path):  # a frame takes a byte at least
            return said
        while self.grab():
            pass
        return self.at + 1

    def close(self) -> None:
        """Give the file back."""
        self._capture.release()

    def _number(self, what: int) -> float:
        value = self._capture.get(what)
        return value if math.isfinite(value) and value > 0 else 0.0


_kept = threading.local()


def _resume(path: str | os.PathLike[str], index: int) -> _Video:
    """The file that this thread has open, if it is this one, unchanged, and not past the index; else a new one."""
    video: _Video | None = getattr(_kept, "video", None)
    if video is None or video.at > index or video.state != _state(os.path.abspath(path)):
        _forget()
        video = _kept.video = _Video(path)
    return video


def _forget() -> None:
    video: _Video | None = getattr(_kept, "video", None)
    _kept.video = None
    if video is not None:
        video.close()


def _state(path: str) -> tuple[Any, ...]:
    """Changes where the file does, and in another process, which may not share an open file with its parent."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise InputError(f"expected a video at {path}, got no such file: check the path") from None
    except (OSError, ValueError) as error:
        raise InputError(f"expected a readable video at {path!r}, got: {error}") from error
    return os.getpid(), path, status.st_mtime_ns, status.st_size


def _open(path: str) -> cv2.VideoCapture:
    if not os.path.isfile(path):
        raise InputError(f"expected a video at {path}, got a folder: give a file")
    with quiet_opencv():
        capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    if not capture.isOpened():
        raise InputError(
            f"expected a video in {path}, got {os.path.getsize(path):,} bytes that FFmpeg does not read as one: "
            "copy it again, or convert it"
        )
    return capture


def _no_frames(path: str) -> InputError:
    return InputError(f"expected frames in {path}, got none: copy it again")
