"""The worker processes of `mien predict`: how many there are, and what they do.

Each looks at some photographs at a time, or at a clip, with one thread for its networks: threads that share the work
on one small picture wait for each other, processes that have a picture each do not.
"""

import functools
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Self

import cv2

from mien.core.errors import WorkerError
from mien.core.processors import available_processors
from mien.pipeline.clip_store import ClipStore, first_pass
from mien.pipeline.drawn_clip import Drawing
from mien.pipeline.predict_table import Row
from mien.pipeline.processes import Workers, one_each, tell
from mien.pipeline.sources import Contents
from mien.pipeline.video import Sampling, frames_of
from mien.runtime.session import on_graphics_card
from mien.verbs.predict_config import PredictConfig
from mien.verbs.predict_photographs import Looked, Photograph, Photographs
from mien.zoo.store import load_card

FEW_PHOTOGRAPHS, FEW_CLIPS = 100, 4  # fewer are done in this process, before others had paid for their start
MOST = 32  # workers by default: what more of them found this process could hardly write down
CHUNK = 8  # photographs that are sent together: a message costs as much as a tenth of a small one
AHEAD = 4  # chunks for each worker that are begun, or done and wait for their turn


@dataclass(frozen=True)
class Clip:
    """A clip whose frames are to be counted."""

    path: str
    sampling: Sampling


Task = Sequence[Photograph] | ClipStore | Clip | Drawing


def worker_count(config: PredictConfig, contents: Contents) -> int:
    """How many processes there shall be beside this one; 0: it does all by itself.

    Unless `config` says so: one a processor, where there is enough to do. A graphics card is best used by one process.
    """
    if config.workers is not None:
        return min(config.workers, max(contents.total, 1))
    few = contents.photographs < FEW_PHOTOGRAPHS and contents.clips < FEW_CLIPS
    if few or on_graphics_card(config.device):
        return 0
    return min(available_processors(), max(contents.photographs // CHUNK, contents.clips), MOST)


class Elsewhere:
    """Looks at photographs and clips in worker processes. A context."""

    def __init__(self, config: PredictConfig, count: int) -> None:
        """Start them; raises what loading the model and the detector raises."""
        self.labels = load_card(config.model).head(config.head).label_set
        self.count = count
        self._chunk = 1 if config.explain else CHUNK  # heat maps may take a second a face
        self._frames, self._lock = 0, threading.Lock()
        self._workers: Workers[Any, Any] = Workers(
            functools.partial(_start, config, max(1, available_processors() // count)),
            count,
            limit_s=config.time_limit,
            name=_name,
            told=self._seen,
            share=not on_graphics_card(config.device),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._workers.close()

    def look(self, photographs: Iterable[Photograph]) -> Iterator[Looked]:
        """Each photograph with its rows, in order, or with why there are none."""
        photographs = iter(photographs)
        chunks = iter(lambda: list(itertools.islice(photographs, self._chunk)), [])
        for chunk, results in one_each(self._workers, chunks, ahead=AHEAD * self.count):
            yield from zip(chunk, results, strict=True)

    def first_pass(self, store: ClipStore) -> Future[None]:
        """Have all frames of a clip in its store. A worker that dies is replaced once, and goes on where it was."""
        return self._workers.submit(store, tries=2)

    def draw(self, drawing: Drawing) -> Future[None]:
        """Have a drawn copy made."""
        return self._workers.submit(drawing)

    def frames_of(self, path: str, sampling: Sampling) -> int:
        """How many frames of a clip will be looked at, about; none of one that a process does not survive."""
        try:
            return int(self._workers.submit(Clip(path, sampling)).result())
        except WorkerError:
            return 0

    def frames_seen(self) -> int:
        """How many frames of clips were looked at, or drawn on, since the last call."""
        with self._lock:
            frames, self._frames = self._frames, 0
        return frames

    def _seen(self, frames: int) -> None:
        with self._lock:
            self._frames += frames


def _start(config: PredictConfig, threads: int) -> Callable[[Task], list[list[Row]] | int | None]:
    """Load all that a worker needs."""
    cv2.setNumThreads(1)
    recognizer = config.recognizer(threads=config.threads or 1)
    photographs = Photographs.of(recognizer, config, threads=0)

    def work(task: Task) -> list[list[Row]] | int | None:
        if isinstance(task, Clip):
            return frames_of(task.path, task.sampling)
        if isinstance(task, ClipStore):
            first_pass(recognizer, task, config.sampling, workers=threads, tell=tell)
            return None
        if isinstance(task, Drawing):
            task.make(tell)
            return None
        return [rows for _, rows in photographs.look(task)]

    return work


def _name(task: Task) -> str:
    if isinstance(task, Clip):
        return task.path
    if isinstance(task, Drawing):
        return f"drawing on {task.store.source}"
    return task.source if isinstance(task, ClipStore) else ", ".join(each.found.source for each in task)
