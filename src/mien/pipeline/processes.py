"""Work in watched processes: one that dies, or takes too long over an item, costs that item alone, and is made anew.

What decodes files and runs networks is native code, which a broken file may bring down or hold up for ever; here it
does so in a process that can be lost.

    def start() -> Callable[[str], int]:  # in the other process
        recognizer = Recognizer(threads=1)
        return lambda path: len(recognizer.predict(path))

    with Workers(start, 2, limit_s=60) as workers:
        futures = [workers.submit(path) for path in paths]
        counts = [future.result() for future in futures]
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.reduction import ForkingPickler
from typing import Any, Generic, Self, TypeVar

from mien.core.errors import MienError, TimeLimitError, WorkerError
from mien.pipeline.batch import in_order
from mien.pipeline.launch import DONE, TOLD, Worker, launcher
from mien.pipeline.launch import tell as tell  # what work calls, in a worker

Item = TypeVar("Item")
Result = TypeVar("Result")

_PATIENCE_S = 1.0  # between two looks at the clock


class Workers(Generic[Item, Result]):
    """A pool of processes, each at work on one item at a time. A context; safe to call from several threads.

    Args:
        start: called in the other process, to load what the work needs; returns the work, which answers an item. It is
            pickled, as are items and results, so it stands in a module, not in the script that runs. It should start no
            threads where `share` is true.
        count: processes, which are started as they are needed.
        limit_s: the longest time that an item may take, or may pass between two calls of `tell` by its work.
        tries: how often an item is begun that its worker does not survive: 2 where a worker may be killed by others.
        name: what messages call an item.
        told: called with each value that work gives to `tell`; by a thread of the pool.
        share: whether workers are forked from one process that has started the work, see `mien.pipeline.launch`; not
            with a graphics card.

    Raises:
        WorkerError: no process can be started. What `start` raises is raised here, too.
    """

    def __init__(
        self,
        start: Callable[[], Callable[[Item], Result]],
        count: int,
        *,
        limit_s: float | None = None,
        tries: int = 1,
        name: Callable[[Item], str] = str,
        told: Callable[[Any], None] = lambda value: None,
        share: bool = True,
    ) -> None:
        self._limit_s, self._tries, self._name, self._told = limit_s, tries, name, told
        self._launcher = launcher(start, share=share)
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        self._closed = False
        self._watch = ThreadPoolExecutor(count, thread_name_prefix="mien-worker")  # one thread looks after each process
        try:
            self._idle.append(self._launcher.launch())  # says now what does not work
        except BaseException:
            self.close()
            raise

    def submit(self, item: Item, *, tries: int | None = None) -> Future[Result]:
        """Have an item worked on; `tries` is for it alone.

        Returns:
            Its result to come, or what the work raised; else
            WorkerError: the process ended over it. TimeLimitError: it took too long.
        """
        return self._watch.submit(self._do, item, tries or self._tries)

    def close(self) -> None:
        """End all processes; what is not done is cancelled, or fails with a WorkerError."""
        self._closed = True
        for worker in list(self._busy):
            worker.kill()
        self._watch.shutdown(wait=True, cancel_futures=True)
        while self._idle:
            self._launcher.end(self._idle.pop())
        self._launcher.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _do(self, item: Item, tries: int) -> Result:
        pickled = ForkingPickler.dumps(item)
        for _ in range(tries - 1):
            with contextlib.suppress(Died):
                return self._try(item, pickled)
        return self._try(item, pickled)

    def _try(self, item: Item, pickled: memoryview) -> Result:
        worker = self._free()
        self._busy.add(worker)
        try:
            kind, value = self._ask(worker, item, pickled)
        except (EOFError, ConnectionError):
            raise self._died(item, self._launcher.end(worker)) from None
        except BaseException:
            self._launcher.end(worker)
            raise
        finally:
            self._busy.discard(worker)
        self._idle.append(worker)
        if kind == DONE:
            answer: Result = value
            return answer
        raise value

    def _free(self) -> Worker:
        """A worker that waits, or a new one; never one that died meanwhile."""
        while not self._closed:
            try:
                worker = self._idle.pop()
            except IndexError:
                return self._launcher.launch()
            if not worker.link.poll():  # else it has nothing to say but that it ended
                return worker
            self._launcher.end(worker)
        raise _closed()

    def _ask(self, worker: Worker, item: Item, pickled: memoryview) -> tuple[str, Any]:
        worker.link.send_bytes(pickled)
        while True:
            self._wait(worker, item)
            kind, value = worker.link.recv()
            if kind != TOLD:
                return kind, value
            self._told(value)

    def _wait(self, worker: Worker, item: Item) -> None:
        """Until the worker has something to say. Time in which this process was stopped (Ctrl-Z) is not counted."""
        left = self._limit_s if self._limit_s is not None else float("inf")
        while not self._closed:
            began = time.monotonic()
            if worker.link.poll(min(left, _PATIENCE_S)):
                return
            left -= min(time.monotonic() - began, 2 * _PATIENCE_S)
            if left <= 0:
                raise TimeLimitError(
                    f"expected at most {self._limit_s:g} s for {self._name(item)}, got more: leave it out, or allow "
                    "more time"
                )
        raise _closed()

    def _died(self, item: Item, how: str) -> WorkerError:
        return Died(
            f"expected a worker process to live through {self._name(item)}, got one that ended {how}: leave it out, or "
            "convert it; if others fail, too, memory may be short"
        )


def one_each(
    workers: Workers[Sequence[Item], Sequence[Result]], chunks: Iterable[Sequence[Item]], *, ahead: int
) -> Iterator[tuple[Sequence[Item], Sequence[Result | WorkerError]]]:
    """Chunks with a result for each of their items, in order.

    The items of a chunk that its worker did not survive, or that took too long, are tried again one by one; so one
    item alone gets the error, and none if the worker was killed by somebody else.

    Args:
        workers: whose work answers a chunk.
        chunks: of a few items, which are cheaper to send than each by itself. Taken from as results are asked for.
        ahead: how many chunks may be begun, or done and not yet asked for.

    Raises:
        MienError: raised by the work.
    """

    def alone(item: Item) -> Result | WorkerError:
        try:
            return workers.submit([item]).result()[0]
        except WorkerError as error:
            return error

    for chunk, results in in_order(workers.submit, chunks, ahead=ahead):
        if isinstance(results, WorkerError):
            yield chunk, [alone(item) for item in chunk]
        elif isinstance(results, MienError):
            raise results
        else:
            yield chunk, results


class Died(WorkerError):
    """Over an item, which may be tried again."""


def _closed() -> WorkerError:
    return WorkerError("expected an open pool of workers, got one that is closed: make another")
