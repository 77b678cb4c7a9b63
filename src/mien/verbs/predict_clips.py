"""The clips of `mien predict`: a first pass over each, here or in several processes, then a second one.

What the first pass finds is stored, so that what the second says does not depend on how the first one went.
"""

import functools
import math
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from pathlib import Path
from typing import Any, Self

from mien.core.errors import InputError, MienError
from mien.core.processors import available_processors
from mien.core.video import probe
from mien.pipeline import predict_table
from mien.pipeline.clip_store import ClipStore, first_pass
from mien.pipeline.predict_table import Recognized, Row
from mien.pipeline.recognizer import Recognizer
from mien.pipeline.second_pass import rows, second_pass
from mien.pipeline.sources import Found, expand
from mien.pipeline.video import Sampling
from mien.verbs.predict_config import PredictConfig
from mien.verbs.predict_outputs import ClipOutputs

Progress = Callable[[int], None]  # told how many frames were looked at since the last call

_PATIENCE_S = 0.2  # between two looks at how far other processes are


class Clips:
    """The rows of clips: a context, in which processes may run.

    Args:
        sources: among which the clips are.
        config: what is asked. recognizer: made by it.
        folder: where the stores are. progress: told of frames that were looked at.
    """

    def __init__(
        self,
        sources: Sequence[str | os.PathLike[str]],
        config: PredictConfig,
        recognizer: Recognizer,
        folder: Path,
        progress: Progress,
    ) -> None:
        self._config, self._folder, self._number = config, folder, 0
        self._labels = recognizer.label_set
        self.outputs = ClipOutputs(config, self._labels, progress)
        if config.workers == 1:
            self._passes: FirstPasses | FirstPassesElsewhere = FirstPasses(recognizer, config.sampling, progress)
        else:
            stores = (self._store(number, found) for number, found in enumerate(_clips(sources)))
            make = functools.partial(config.recognizer, threads=config.threads or 1)
            self._passes = FirstPassesElsewhere(
                make, stores, config.sampling, workers=config.workers, progress=progress
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._passes.close()

    def rows(self, found: Found) -> Iterator[list[Row]]:
        """The rows of each frame of the next clip, and its error, if there is one; both passes are done before."""
        error = found.error
        if not error:
            store = self._store(self._number, found)
            self._number += 1
            self._passes.over(store)
            error = store.error
            how = self._config.second_pass
            final, baseline = second_pass(store.frames, self._labels, how)
            table = (rows(frame, found.source, abstain=self._config.abstain) for frame in final)
            yield from self.outputs.watched(found.source, table, baseline, lambda: how.run(store.frames(), baseline))
        if error:
            yield predict_table.rows(Recognized(found.source, None, error), self._labels)

    def _store(self, number: int, found: Found) -> ClipStore:
        return ClipStore(self._folder / f"clip-{number:06}", found.source, self._labels)


class FirstPasses:
    """First passes over clips in this process, one after the other."""

    def __init__(self, recognizer: Recognizer, sampling: Sampling, progress: Progress) -> None:
        self._recognizer, self._sampling, self._progress = recognizer, sampling, progress

    def over(self, store: ClipStore) -> None:
        """Have all frames of a clip in its store."""
        first_pass(self._recognizer, store, self._sampling, tell=self._progress)

    def close(self) -> None:
        """Nothing is left open."""


class FirstPassesElsewhere:
    """First passes in several processes, a few clips ahead of the one that is asked for.

    Args:
        make: makes the recognizer, in each process; it is pickled.
        stores: of all the clips, in the order in which they are asked for.
        workers: how many processes.
        progress: told of the frames of all clips.
    """

    def __init__(
        self,
        make: Callable[[], Recognizer],
        stores: Iterator[ClipStore],
        sampling: Sampling,
        *,
        workers: int,
        progress: Progress,
    ) -> None:
        context = multiprocessing.get_context("spawn")  # the other ways copy locks of threads that run here
        self._stop, self._count = context.Event(), context.Value("q", 0)
        threads = max(1, available_processors() // workers)
        self._pool = ProcessPoolExecutor(
            workers,
            mp_context=context,
            initializer=_begin,
            initargs=(make, sampling, threads, self._stop, self._count),
        )
        self._stores, self._ahead, self._progress, self._told = stores, workers, progress, 0
        self._begun: deque[tuple[Path, Future[None]]] = deque()

    def close(self) -> None:
        """Stop the processes; what they have not kept yet is lost."""
        self._stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def over(self, store: ClipStore) -> None:
        """Have all frames of a clip in its store."""
        self._submit()
        folder, result = self._begun.popleft()
        assert folder == store.folder
        try:
            while True:
                try:
                    return result.result(_PATIENCE_S)
                except TimeoutError:
                    self._tell()
        except BrokenProcessPool:
            raise MienError(
                "expected the processes of --workers to work to the end, got one that was ended, as by a lack of "
                "memory: take fewer --workers, and go on with --resume"
            ) from None
        finally:
            self._tell()

    def _submit(self) -> None:
        while len(self._begun) <= self._ahead and (store := next(self._stores, None)):
            self._begun.append((store.folder, self._pool.submit(_work, store)))

    def _tell(self) -> None:
        now = self._count.value
        if now > self._told:
            self._progress(now - self._told)
            self._told = now


# What a process of `FirstPassesElsewhere` works with.
_here: dict[str, Any] = {}


class _Stopped(Exception):
    """The process that asked is about to end."""


def _begin(make: Callable[[], Recognizer], sampling: Sampling, threads: int, stop: Any, count: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the first process says what to do
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _here.update(recognizer=make(), sampling=sampling, threads=threads, stop=stop, count=count)


def _end_with_parent() -> None:
    """Where the first process is killed, nobody would ever ask this one again."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _work(store: ClipStore) -> None:
    def tell(frames: int) -> None:
        with _here["count"].get_lock():
            _here["count"].value += frames
        if _here["stop"].is_set():
            raise _Stopped

    first_pass(_here["recognizer"], store, _here["sampling"], workers=_here["threads"], tell=tell)


def frames_in(sources: Sequence[str | os.PathLike[str]], sampling: Sampling) -> int:
    """How many frames of all clips will be looked at, about; those that cannot be read count nothing."""
    return sum(_frames_of(found.source, sampling) for found in _clips(sources))


def _clips(sources: Sequence[str | os.PathLike[str]]) -> Iterator[Found]:
    """The clips that are there, in order."""
    return (found for found in expand(sources, clips=True) if found.clip and not found.error)


def _frames_of(path: str, sampling: Sampling) -> int:
    try:
        info = probe(path)
    except InputError:
        return 0
    if sampling.fps is not None:
        return round(info.frames * min(1.0, sampling.fps / info.fps)) if info.fps else info.frames
    return math.ceil(info.frames / sampling.every)
