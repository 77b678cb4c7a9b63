"""Libraries that write to the terminal, silenced: what is wrong stands in our own message."""

import contextlib
import os
from collections.abc import Iterator

import cv2


@contextlib.contextmanager
def quiet_opencv() -> Iterator[None]:
    """Neither OpenCV nor its FFmpeg says anything while something is opened.

    The one can be silenced and woken again, the other asks for a variable, and when it is first used in a process.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)
