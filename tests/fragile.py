"""Pictures that bring their process down, or hold it up: worker processes import this by its name."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.core.images import write_image
from mien.core.types import Faces, Image
from mien.core.video import VideoInfo, frames, probe
from mien.datasets.readers.mmi import Shot
from mien.pipeline import drawn_clip
from mien.pipeline.clips import ClipToRead, Frame
from mien.pipeline.recognizer import Recognizer
from mien.verbs.predict_config import PredictConfig

DEADLY, SLOW, ONCE = (255, 0, 0), (0, 255, 0), (0, 0, 255)  # colours
MARK = "MIEN_TEST_MARK"  # variable that names a file: a picture of the colour ONCE is deadly until it is there


def picture(path: Path, color: tuple[int, int, int]) -> Path:
    """A picture of one colour, with a little of another in the middle."""
    image = np.full((60, 50, 3), color, np.uint8)
    image[20:40, 10 : 10 + len(path.stem)] = 128
    write_image(path, image)
    return path


def suffer(image: Image) -> None:
    """What a picture does to its process."""
    color = image[0, 0].astype(int)
    slow, deadly, once = (bool(np.abs(color - each).max() < 20) for each in (SLOW, DEADLY, ONCE))
    if slow:
        time.sleep(600)
    mark = Path(os.environ.get(MARK, os.devnull))
    if deadly or (once and not mark.exists()):
        if once:
            mark.touch()
        os.kill(os.getpid(), signal.SIGSEGV)


class Detector:
    """Finds one face, which is all of the picture."""

    def detect(self, image: Image, /, *, min_face: int = 40) -> Faces:
        """If its process survives that."""
        suffer(image)
        height, width = image.shape[:2]
        return Faces(np.array([[0, 0, width, height]]), np.ones(1), np.full((1, 5, 2), np.nan))


class FragileConfig(PredictConfig):
    """A prediction with this detector."""

    def recognizer(self, *, threads: int | None) -> Recognizer:
        """In whichever process."""
        return Recognizer(self.model, detector=Detector(), threads=threads)


class FragileDrawing(PredictConfig):
    """A prediction whose drawing, in another process, decodes such frames; its first pass takes them for harmless."""

    def recognizer(self, *, threads: int | None) -> Recognizer:
        """Only worker processes ask for one where there are some."""
        drawn_clip.frames = _frames
        return Recognizer(self.model, detector="none", threads=threads)


def _frames(path: str) -> Iterator[tuple[int, float, Image]]:
    for index, time_s, image in frames(path):
        if index == 3:  # when the copy has begun to grow
            suffer(image)
        yield index, time_s, image


def probe_shot(shot: Shot) -> VideoInfo:
    """What a clip of MMI holds, if its process survives that: one clip of `layouts.mmi` is deadly."""
    if "S001-002" in shot.file:
        os.kill(os.getpid(), signal.SIGSEGV)
    return probe(shot.path)


class FragileClip(ClipToRead):
    """One whose first frame tells what it does to its process."""

    def read(self) -> tuple[Frame, ...]:
        """If its process survives that."""
        found = super().read()
        suffer(found[0].image)
        return found


@dataclass(frozen=True)
class Made:
    """A picture of a data set, of one colour."""

    where: str
    color: tuple[int, int, int]

    def read(self) -> Image:
        """If its process survives that."""
        image = np.full((12, 12, 3), self.color, np.uint8)
        suffer(image)
        return image
