"""What the first pass found in a clip, kept on disk a stretch of frames at a time, so that it can go on later.

A folder a clip. ``000000.npz`` and so on hold the frames of one block each, exact to the last digit; ``clip.json``
says of which file they are, and ``done.json`` that there are no more, and why, where the clip ended early.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mien.core.arrays import read_npz
from mien.core.containers import cut_off
from mien.core.errors import MALFORMED, DataError, InputError
from mien.core.files import make_folder, replacing
from mien.core.labels import LabelSet
from mien.core.types import Faces, Predictions
from mien.core.video import frame_rate
from mien.pipeline.recognizer import Recognizer
from mien.pipeline.second_pass import QUALITY, ClipFrame
from mien.pipeline.video import Sampling, watch

_CLIP, _DONE = "clip.json", "done.json"


class ClipStore:
    """The stored frames of one clip.

    Args:
        folder: where they are; made when there is something to keep.
        source: path of the clip. Frames of an earlier state of the file are removed.
        labels: of the probabilities.
    """

    def __init__(self, folder: Path, source: str, labels: LabelSet) -> None:
        self.folder, self.source, self._labels = folder, source, labels
        self._state = _state(source)
        if folder.is_dir() and _read_json(folder / _CLIP) != self._state:
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def done(self) -> bool:
        """Whether there are no more frames to come."""
        return _read_json(self.folder / _DONE) is not None

    @property
    def error(self) -> str | None:
        """Why the clip ended early, or could not be read at all."""
        return (_read_json(self.folder / _DONE) or {}).get("error")

    def stored(self, first: int = 0) -> tuple[int, int]:
        """The first block from `first` on that is not there, and how many frames there are before it."""
        number, frames = first, 0
        while (held := self._read(number)) is not None:
            number, frames = number + 1, frames + len(held["index"])
        return number, frames

    def write(self, block: int, frames: Sequence[ClipFrame]) -> None:
        """Keep the frames of a block, which may be none."""
        self._make()
        with replacing(self._path(block)) as partial, open(partial, "wb") as file:
            np.savez(file, **_packed(frames, len(self._labels)))

    def finish(self, error: str | None) -> None:
        """Say that there are no more frames, and why not, where the clip ended early."""
        self._make()
        with replacing(self.folder / _DONE) as partial:
            partial.write_text(json.dumps({"error": error}), "utf-8")

    def frames(self) -> Iterator[ClipFrame]:
        """All frames in order, a block in memory at a time."""
        number = 0
        while (held := self._read(number)) is not None:
            yield from _unpacked(held, self._labels)
            number += 1

    def _read(self, block: int) -> dict[str, Any] | None:
        """The arrays of a block; None where it is not there, or damaged."""
        try:
            held = read_npz(self._path(block))
        except DataError:
            return None
        return held if _is_whole(held, len(self._labels)) else None

    def _path(self, block: int) -> Path:
        return self.folder / f"{block:06}.npz"

    def _make(self) -> None:
        if not (self.folder / _CLIP).exists():
            make_folder(self.folder)
            with replacing(self.folder / _CLIP) as partial:
                partial.write_text(json.dumps(self._state), "utf-8")


def first_pass(
    recognizer: Recognizer,
    store: ClipStore,
    sampling: Sampling,
    *,
    workers: int | None = None,
    tell: Callable[[int], None] = lambda frames: None,
    blocks: tuple[int, int | None] = (0, None),
) -> None:
    """Do what is not done yet of a clip's first pass, and keep it.

    Args:
        recognizer: the detector and the classifier.
        store: where the frames go, and of which clip.
        sampling: which frames; the same as before where some are there.
        workers: see `watch`.
        tell: called with how many frames there are more than at the call before; first with those that were there, and
            with 0 as a sign of life while those are decoded once more.
        blocks: do those from the one up to, and without, the other alone; None: to the end of the clip.

    Raises:
        OutputError: the disk is full, say. A clip that cannot be read is no error here: the store says it.
    """
    first, end = blocks
    number, known = store.stored(first)
    if known:
        tell(known)
    if store.done:
        return
    error = None
    held: list[ClipFrame] = []
    try:
        block = sampling.block(frame_rate(store.source))
        seen = watch(
            recognizer,
            store.source,
            sampling,
            first=number * block,
            block=block,
            workers=workers,
            passed=lambda: tell(0),
        )
        for frame in seen:
            while frame.index // block > number != end:
                store.write(number, held)
                held, number = [], number + 1
            if number == end:
                break
            held.append(frame)
            tell(1)
        if number != end and cut_off(store.source):
            error = f"expected a whole clip in {store.source}, got one that is cut off: copy it again"
    except InputError as raised:
        error = str(raised)
    if held:
        store.write(number, held)
    store.finish(error)


def _packed(frames: Sequence[ClipFrame], classes: int) -> dict[str, Any]:
    """Plain arrays: a row a frame, and a row a face."""
    found = [frame.predictions for frame in frames]
    none = Faces.empty()
    return {
        "index": np.array([frame.index for frame in frames], np.int64),
        "time_s": np.array([frame.time_s for frame in frames], np.float64),
        "cut": np.array([frame.cut for frame in frames], np.bool_),
        "faces": np.array([len(each) for each in found], np.int64),
        "boxes": np.concatenate([none.boxes, *(each.boxes for each in found)]),
        "scores": np.concatenate([none.scores, *(each.scores for each in found)]),
        "landmarks": np.concatenate([none.landmarks, *(each.landmarks for each in found)]),
        "probabilities": np.concatenate([np.empty((0, classes), np.float32), *(each.probabilities for each in found)]),
        **{name: np.concatenate([none.scores, *(frame.quality[name] for frame in frames)]) for name in QUALITY},
    }


def _is_whole(held: Mapping[str, Any], classes: int) -> bool:
    """Whether arrays are such as `_packed` makes."""
    like = {name: (array.dtype, array.shape[1:]) for name, array in _packed([], classes).items()}
    if {name: (array.dtype, array.shape[1:]) for name, array in held.items()} != like or (held["faces"] < 0).any():
        return False
    of_frames, faces = ("index", "time_s", "cut", "faces"), int(held["faces"].sum())
    return all(len(array) == (len(held["faces"]) if name in of_frames else faces) for name, array in held.items())


def _unpacked(held: dict[str, Any], labels: LabelSet) -> Iterator[ClipFrame]:
    ends = np.cumsum(held["faces"])
    for k, (end, count) in enumerate(zip(ends.tolist(), held["faces"].tolist(), strict=True)):
        of = slice(end - count, end)
        faces = Faces(held["boxes"][of], held["scores"][of], held["landmarks"][of])
        quality = {name: held[name][of] for name in QUALITY}
        predictions = Predictions(faces, held["probabilities"][of], labels)
        yield ClipFrame(int(held["index"][k]), float(held["time_s"][k]), predictions, quality, bool(held["cut"][k]))


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        read = json.loads(path.read_text("utf-8"))
    except (OSError, *MALFORMED):
        return None
    return read if isinstance(read, dict) else None


def _state(source: str) -> dict[str, Any]:
    """Changes where the file does."""
    try:
        status = os.stat(source)
    except (OSError, ValueError):
        return {"clip": repr(source)}
    return {"clip": repr(source), "size": status.st_size, "mtime_ns": status.st_mtime_ns}
