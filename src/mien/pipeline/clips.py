"""Clips of a face: videos and folders of frames, and the face in each frame that a model of clips sees."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.core import video
from mien.core.errors import InputError, UsageError
from mien.core.images import read_image
from mien.core.types import Faces, Image
from mien.faces.boxes import overlaps
from mien.pipeline.launch import tell
from mien.pipeline.recognizer import Recognizer
from mien.pipeline.sources import PHOTOGRAPHS, VIDEOS, Found, is_photograph
from mien.runtime.preprocess import ClipCrops, choose_frames

_SAME_FACE = 0.1  # least overlap of a face with that of the frame before


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a clip.

    Attributes:
        index: its place in the clip, from 0. time_s: when it is shown; None of a folder of frames.
        where: for messages. image: RGB uint8 (H, W, 3).
    """

    index: int
    time_s: float | None
    where: str
    image: Image


@dataclass(frozen=True, eq=False)
class ClipOfFace:
    """The face in each frame that a model sees.

    Attributes:
        frames: T of them, in order; of a short clip the last one several times.
        boxes: of the face in each.
        crops: (T, S, S[, 3]) uint8, as the model sees them.
    """

    frames: tuple[Frame, ...]
    boxes: tuple[tuple[float, ...], ...]
    crops: ClipCrops


@dataclass(frozen=True)
class ClipToRead:
    """A clip of which a model of `count` frames shall see some; which process reads it is left open."""

    where: str
    count: int

    def read(self) -> tuple[Frame, ...]:
        """See `read_clip`; each frame is a sign of life, for those of a long clip may take minutes together."""
        return read_clip(self.where, self.count, tell=tell)


def expand_clips(sources: Sequence[str | os.PathLike[str]]) -> Iterator[Found]:
    """The clips that `sources` stand for, in order: videos, and folders that hold frames, also in other folders.

    Raises:
        UsageError: no source, a photograph by itself, a camera or an address.
    """
    if not sources:
        raise UsageError("expected a video or a folder of frames, got nothing: name at least one source")
    for source in sources:
        name = os.fspath(source)
        if os.path.isdir(name):
            found = list(_clips_in(Path(name)))
            yield from found or [Found(name, f"expected frames or videos in the folder {name}, got none")]
        elif Path(name).suffix.lower() in PHOTOGRAPHS:
            raise UsageError(
                f"expected a video or a folder of frames for a model that sees clips, got the photograph {name}: give "
                "the folder that holds its frames, or choose a model of single faces"
            )
        else:
            missing = f"expected a video or a folder of frames at {name}, got no such file: check the path"
            yield Found(name, None if os.path.exists(name) else missing)


def _clips_in(folder: Path) -> Iterator[Found]:
    if _frames_in(folder):
        yield Found(str(folder))
    for each in sorted(folder.iterdir(), key=_by_number):
        if each.is_dir() and not each.is_symlink():
            yield from _clips_in(each)
        elif each.suffix.lower() in VIDEOS and not each.name.startswith("."):
            yield Found(str(each))


def _frames_in(folder: Path) -> list[Path]:
    return sorted((each for each in folder.iterdir() if is_photograph(each.name) and each.is_file()), key=_by_number)


def _by_number(path: Path) -> list[tuple[int, str]]:
    """So that frame 10 comes after frame 2, whether or not zeros stand before its number."""
    return [(int(each), "") if each.isdecimal() else (-1, each) for each in re.split(r"(\d+)", path.name) if each]


def read_clip(source: str, count: int, *, tell: Callable[[int], None] = lambda frames: None) -> tuple[Frame, ...]:
    """The frames of a video or folder that a model of `count` frames sees, evenly spaced up to the last.

    Args:
        source: the video or folder.
        count: of frames.
        tell: called with 1 after each frame that was read.

    Raises:
        InputError: the video or a picture cannot be read.
    """
    paths = _frames_in(Path(source)) if os.path.isdir(source) else None
    info = None if paths is not None else video.probe(source)
    chosen: list[int] = choose_frames(info.frames if info else len(paths or ()), count).tolist()
    read = {}
    for k in dict.fromkeys(chosen):
        if paths is not None:
            read[k] = Frame(k, None, str(paths[k]), read_image(paths[k]))
        else:
            time_s = k / info.fps if info and info.fps else None
            read[k] = Frame(k, time_s, f"frame {k} of {source}", video.read_frame(source, k))
        tell(1)
    return tuple(read[k] for k in chosen)


def face_in_clip(recognizer: Recognizer, frames: Sequence[Frame]) -> ClipOfFace:
    """Follow a face through the frames of a clip: the largest one of the first frame, then whichever lies there.

    Raises:
        InputError: a frame has no face.
    """
    boxes: list[tuple[float, ...]] = []
    crops = []
    before: Faces | None = None
    for frame in frames:
        faces, cut = recognizer.locate(frame.image)
        if not len(faces):
            raise InputError(
                f"expected a face in every frame of the clip that the model sees, got none in {frame.where}: leave "
                "such frames out, try another --detector or a lower --min-face, or --detector none for faces that are "
                "cut out already"
            )
        i = int(faces.areas.argmax())
        if before is not None:
            shared = overlaps(before.boxes, faces.boxes)[0]
            i = int(shared.argmax()) if shared.max() >= _SAME_FACE else i
        before = faces[i]
        boxes.append(tuple(round(float(each), 2) for each in before.boxes[0]))
        crops.append(cut[i])
    return ClipOfFace(tuple(frames), tuple(boxes), np.stack(crops))
