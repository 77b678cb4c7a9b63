"""The newest picture of a camera, a stream or a file: whoever is slow misses pictures, and never sees old ones."""

import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2

from mien.core.errors import InputError
from mien.core.images import from_bgr
from mien.core.quiet import quiet_opencv
from mien.core.types import Image
from mien.core.video import frames

OPEN_S, READ_S = 5.0, 5.0  # after which a stream counts as gone
RETRY_S = 1.0  # between attempts to find a lost camera again

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://.+", re.IGNORECASE)
_CAMERA = re.compile(r"(?:camera:)?(\d+)", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Shot:
    """One picture.

    Attributes:
        index: how many were taken before it; gaps are pictures that nobody asked for in time.
        time_s: when it was taken, since the first; of a file, by its own time stamps.
        taken_s: the same by `time.monotonic`, for latencies.
        image: RGB uint8 (H, W, 3).
    """

    index: int
    time_s: float
    taken_s: float
    image: Image


class Camera:
    """A camera by its number, a stream by its address, or a video file, which plays at its own pace.

    A thread takes pictures all the time, and keeps only the newest. A camera or stream that is lost is looked for again
    every second, until it is back or this is closed.

    Args:
        source: ``0``, ``"0"`` or ``"camera:0"``, an address such as ``"http://host:8080/video"``, or a file.
        tell: called from that thread with a line when the camera is lost and when it is back.

    Raises:
        InputError: there is nothing of that name, or it gives no picture.
    """

    def __init__(self, source: int | str, *, tell: Callable[[str], None] = lambda line: None) -> None:
        self.name = str(source)
        self._tell = tell
        self._news = threading.Condition()
        self._shot: Shot | None = None
        self._count = 0
        self._ended = self._closed = False
        self._began = 0.0
        self._error: BaseException | None = None
        number = _CAMERA.fullmatch(self.name)
        self._device = int(number[1]) if number and not os.path.exists(self.name) else None
        if self._device is None and not _ADDRESS.fullmatch(self.name):
            images = frames(self.name)
            first = next(images)  # says now what is wrong with the file
            run = threading.Thread(target=self._play, args=(first, images), daemon=True)
        else:
            capture = self._find()
            run = threading.Thread(target=self._watch, args=(capture,), daemon=True)
        self._thread = run
        run.start()

    @property
    def ended(self) -> bool:
        """Whether no picture will come any more: the file is over."""
        return self._ended

    def newest(self, *, after: int = -1, timeout_s: float = 1.0) -> Shot | None:
        """The newest picture, waited for until its index is above `after`; None if it does not come in time.

        Raises:
            InputError: the file is damaged further on.
        """
        with self._news:
            self._news.wait_for(
                lambda: self._ended or (self._shot is not None and self._shot.index > after), timeout=timeout_s
            )
            if self._error:
                raise self._error
            return self._shot if self._shot is not None and self._shot.index > after else None

    def close(self) -> None:
        """Give the camera back; twice does no harm."""
        self._closed = True
        self._thread.join(timeout=READ_S + 1)

    def _publish(self, image: Image, time_s: float | None = None) -> None:
        now = time.monotonic()
        if not self._count:
            self._began = now
        with self._news:
            self._shot = Shot(self._count, now - self._began if time_s is None else time_s, now, image)
            self._count += 1
            self._news.notify_all()

    def _play(self, first: tuple[int, float, Image], rest: Iterator[tuple[int, float, Image]]) -> None:
        """A file: each frame at its time, and none that is late already."""
        began = time.monotonic() - first[1]
        try:
            self._publish(first[2], first[1])
            for index, time_s, image in rest:
                while (left := began + time_s - time.monotonic()) > 0 and not self._closed:
                    time.sleep(min(left, 0.05))
                if self._closed:
                    return
                self._count = index
                self._publish(image, time_s)
        except InputError as error:
            self._error = error
        finally:
            with self._news:
                self._ended = True
                self._news.notify_all()

    def _watch(self, capture: cv2.VideoCapture) -> None:
        """A camera or stream, found again whenever it is lost."""
        while not self._closed:
            done, image = capture.read()
            if done and image is not None:
                self._publish(from_bgr(image))  # type: ignore[arg-type]
                continue
            capture.release()
            self._tell(f"lost {self._words()}: looking for it again every {RETRY_S:g} s")
            found = self._found_again()
            if found is None:
                return
            capture = found
            self._tell(f"found {self._words()} again")
        capture.release()

    def _found_again(self) -> cv2.VideoCapture | None:
        while not self._closed:
            time.sleep(RETRY_S)
            try:
                return self._find()
            except InputError:
                continue
        return None

    def _find(self) -> cv2.VideoCapture:
        """Open it and take a first picture, so that an open camera is one that works."""
        if self._device is None:
            limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, int(1000 * OPEN_S), cv2.CAP_PROP_READ_TIMEOUT_MSEC]
            with quiet_opencv():
                capture = cv2.VideoCapture(self.name, cv2.CAP_FFMPEG, [*limits, int(1000 * READ_S)])
            why = "check the address, and that it sends a video"
        else:
            self._expect_device()
            with quiet_opencv():
                capture = cv2.VideoCapture(self._device)
            why = "does another program use it?"
        if capture.isOpened():
            done, image = capture.read()
            if done and image is not None:
                self._publish(from_bgr(image))  # type: ignore[arg-type]
                return capture
        capture.release()
        raise InputError(f"expected pictures from {self._words()}, got none: {why}")

    def _expect_device(self) -> None:
        """Say what Linux can tell of a camera; other systems say it by giving no picture."""
        path = f"/dev/video{self._device}"
        if not sys.platform.startswith("linux"):
            return
        if not os.path.exists(path):
            there = sorted(name for name in os.listdir("/dev") if re.fullmatch(r"video\d+", name))
            known = f"there is {', '.join(name.removeprefix('video') for name in there)}" if there else "there is none"
            raise InputError(f"expected a camera with number {self._device}, got none: {known}")
        if not os.access(path, os.R_OK | os.W_OK):
            raise InputError(f"expected permission to use {path}, got none: add yourself to its group, often `video`")

    def _words(self) -> str:
        return f"camera {self._device}" if self._device is not None else self.name
