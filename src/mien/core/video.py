"""Frames of a video file, one at a time and in bounded memory: RGB uint8 (H, W, 3), upright.

OpenCV's wheels carry FFmpeg; each file is decoded by one thread, so that many can be read side by side. Animated GIF
and WebP are videos here, too. Why OpenCV and not PyAV: `docs/video.md`.
"""

import math
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from mien.core.containers import names_others, pictures_in_webp, why_unreadable
from mien.core.errors import InputError
from mien.core.headers import picture_size
from mien.core.images import from_bgr
from mien.core.quiet import quiet_opencv
from mien.core.types import Image

MOST_FRAME_PIXELS = 67_000_000  # twice what 8K has; a decoder holds several frames, and a header may claim any size
_HELD_PIXELS = 32_000_000  # of an animation, decoded together


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
    video = _opened(path)
    try:
        if not video.grab():
            raise _no_frames(video.path)
        image = video.image()
        return VideoInfo(image.shape[1], image.shape[0], video.count(), video.fps)
    finally:
        video.close()


def frame_rate(path: str | os.PathLike[str]) -> float:
    """Frames a second, as `probe` says, without counting the frames, which some files have to be read through for.

    Raises:
        InputError: as `probe`.
    """
    video = _opened(path)
    try:
        if not video.grab():
            raise _no_frames(video.path)
        return video.fps
    finally:
        video.close()


def frames(
    path: str | os.PathLike[str], *, wanted: Callable[[int, float], bool] | None = None
) -> Iterator[tuple[int, float, Image]]:
    """Each frame's index (from 0), time in seconds and picture; the file is opened at the first of them.

    Args:
        path: of the file.
        wanted: index, time in seconds -> whether to yield this frame; asked of every frame in order. A frame that is
            passed over is decoded, for those after it build on it, but not made a picture.

    Raises:
        InputError: missing, not a video that can be read, without frames, or with a damaged one.
    """
    video = _opened(path)
    before_s = 0.0
    try:
        while video.grab():
            before_s = max(before_s, video.time_s)  # time stamps of a damaged file may run backwards
            if wanted is None or wanted(video.at, before_s):
                yield video.at, before_s, video.image()
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


class _Animation:
    """An open animated WebP, which FFmpeg does not read, at its frame `at`; -1 before the first."""

    def __init__(self, path: str) -> None:
        self.path, self.state = path, _state(path)
        self.at, self.time_s, self._next_s = -1, 0.0, 0.0
        self._data = np.fromfile(path, np.uint8)
        size = picture_size(self._data[:64].tobytes())
        pixels = size[0] * size[1] if size else 1
        if pixels > MOST_FRAME_PIXELS:
            raise _too_large(path, pixels)
        self._total = pictures_in_webp(path)
        self._ahead = max(1, min(16, _HELD_PIXELS // max(pixels, 1)))
        self._held: list[Any] = []  # pictures that are decoded and not yet shown, with their durations in ms
        self.fps = 0.0

    def grab(self) -> bool:
        """Go to the next frame; False at the end."""
        if not self._held and not self._decode():
            return False
        self._image, duration = self._held.pop(0)
        self.at += 1
        self.time_s, self._next_s = self._next_s, self._next_s + duration / 1000
        self.fps = self.fps or 1000 / max(duration, 1)
        return True

    def image(self) -> Image:
        """The frame it is at; may be asked for several times."""
        return from_bgr(np.ascontiguousarray(self._image[:, :, :3]))

    def count(self) -> int:
        """How many frames there are."""
        return self._total

    def close(self) -> None:
        """Let go of what is held."""
        self._held = []

    def _decode(self) -> bool:
        start = self.at + 1
        if start >= self._total or not hasattr(cv2, "imdecodeanimation"):  # OpenCV before 4.12
            return False
        with quiet_opencv():
            count = min(self._ahead, self._total - start)
            try:
                done, animation = cv2.imdecodeanimation(self._data[None], start=start, count=count)
            except cv2.error:  # a later header that claims another size, say
                done = False
        if not done or not len(animation.frames):
            raise InputError(f"expected a whole frame {start} in {self.path}, got a damaged one: copy the file again")
        self._held = list(zip(animation.frames, np.ravel(animation.durations).tolist(), strict=True))
        return True


def _opened(path: str | os.PathLike[str]) -> "_Video | _Animation":
    path = os.fspath(path)
    if path.lower().endswith(".webp") and os.path.isfile(path) and pictures_in_webp(path):
        return _Animation(path)
    return _Video(path)


class _Video:
    """An open file, at its frame `at`; -1 before the first."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self.state = _state(self.path)
        self.at = -1
        self._capture = _open(self.path)
        self.fps = self._number(cv2.CAP_PROP_FPS)
        size = self._number(cv2.CAP_PROP_FRAME_WIDTH) * self._number(cv2.CAP_PROP_FRAME_HEIGHT)
        if size > MOST_FRAME_PIXELS:
            self.close()
            raise _too_large(self.path, size)

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


def _resume(path: str | os.PathLike[str], index: int) -> _Video | _Animation:
    """The file that this thread has open, if it is this one, unchanged, and not past the index; else a new one."""
    video: _Video | _Animation | None = getattr(_kept, "video", None)
    if video is None or video.at > index or video.state != _state(os.fspath(path)):
        _forget()
        video = _kept.video = _opened(path)
    return video


def _forget() -> None:
    video: _Video | _Animation | None = getattr(_kept, "video", None)
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
    return os.getpid(), os.path.abspath(path), status.st_mtime_ns, status.st_size


def _open(path: str) -> cv2.VideoCapture:
    if not os.path.isfile(path):
        raise InputError(f"expected a video at {path}, got a folder: give a file")
    if names_others(path):
        raise InputError(
            f"expected a video in {path}, got a text such as a list of further files, which are not opened for it: "
            "give the videos themselves"
        )
    whole = os.path.abspath(path)  # FFmpeg takes `a:b` for an address, but no path that begins with a slash
    with quiet_opencv():
        capture = cv2.VideoCapture(whole, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    if not capture.isOpened():
        raise InputError(f"expected a video in {path}, got {why_unreadable(path)}")
    return capture


def _no_frames(path: str) -> InputError:
    return InputError(f"expected frames in {path}, got none: copy it again")


def _too_large(path: str, pixels: float) -> InputError:
    return InputError(
        f"expected frames of at most {MOST_FRAME_PIXELS / 1e6:.0f} megapixels in {path}, got a header that says "
        f"{pixels / 1e6:.0f}: make it smaller first"
    )
