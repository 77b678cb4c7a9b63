"""How the worker processes of `mien.pipeline.processes` are started and ended, and what runs in one.

On Linux one process starts the work, and workers are forked from it: what it has loaded (libraries, weights) is in
memory once until somebody writes to it, and a worker that died is replaced in milliseconds. Elsewhere, and where a
graphics card is used, which a fork does not survive, each worker starts by itself.

Nothing of numpy, OpenCV or ONNX Runtime is imported here, so that a worker can say first how many threads they take.
"""

import contextlib
import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import connection, reduction
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Protocol, TypeVar

from mien.core.errors import WorkerError

Work = Callable[[Any], Any]
Start = Callable[[], Work]
Process = TypeVar("Process")

TOLD, DONE, FAILED = "told", "done", "failed"  # what a worker says of an item: (one of these, value)

START_S = 120.0  # until a worker has loaded what it needs
_CONTEXT = multiprocessing.get_context("spawn")  # a fork of this process would copy locks that its threads hold
_ORIGINAL = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
    "from mien.pipeline.launch import original; original(int(sys.argv[1]))"
)
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, eq=False)
class Worker:
    """A process that takes items and answers each.

    Attributes:
        pid: of the process. link: to it; ends when it does. process: known where it was started by this one.
    """

    pid: int
    link: Connection
    process: BaseProcess | None = None

    def kill(self) -> None:
        """End it now; the launcher's `end` must follow, and until then its number stays its own."""
        with contextlib.suppress(OSError):
            self.process.kill() if self.process else os.kill(self.pid, signal.SIGKILL)


class Launcher(Protocol):
    """Starts and ends workers. Safe to call from several threads."""

    def launch(self) -> Worker:
        """A new worker; WorkerError, or what its start raises, where it cannot be had."""
        ...

    def end(self, worker: Worker) -> str:
        """Kill a worker, if it still lives, and say how it ended."""
        ...

    def close(self) -> None:
        """Once all workers are ended."""
        ...


def launcher(start: Start, *, share: bool) -> Launcher:
    """The way that suits this system; in one that shares, the work has been started once before this returns."""
    return Forking(start) if share and sys.platform == "linux" else Spawning(start)


class Spawning:
    """Every worker starts by itself."""

    def __init__(self, start: Start) -> None:
        self._start = pickle.dumps(start)

    def launch(self) -> Worker:
        """Start a process and wait until it is ready."""
        link, theirs = _CONTEXT.Pipe()
        with theirs:
            process = _CONTEXT.Process(target=_spawned, args=(theirs, self._start), daemon=True)
            _started_by(process.start)
        _expect_ready(link, lambda: _ended(process))
        return Worker(process.pid or 0, link, process)

    def end(self, worker: Worker) -> str:
        """Kill and reap."""
        worker.link.close()
        return _ended(worker.process) if worker.process else ""

    def close(self) -> None:
        """Nothing is left."""


class Forking:
    """Workers are forked from one process, the original, in which the work was started. It never works itself."""

    def __init__(self, start: Start) -> None:
        self._start, self._lock = pickle.dumps(start), threading.Lock()
        self._renew()

    def _renew(self) -> None:
        self._control, theirs = _CONTEXT.Pipe()
        with theirs:
            # Not by multiprocessing, whose processes import the script that runs here, with all that it imports.
            words = [sys.executable, "-c", _ORIGINAL, str(theirs.fileno()), json.dumps(sys.path)]
            self._original = _started_by(
                lambda: subprocess.Popen(words, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
            )
        with contextlib.suppress(OSError):  # it ended at once, which is said next
            self._control.send_bytes(self._start)
        _expect_ready(self._control, self._kill)

    def _kill(self) -> str:
        self._original.kill()
        return _how(self._original.wait())

    def launch(self) -> Worker:
        """Have a worker forked; the original is made anew if it was ended."""
        with self._lock:
            try:
                return self._forked()
            except (OSError, EOFError):
                self._kill()
                self._renew()
                return self._forked()

    def _forked(self) -> Worker:
        link, theirs = _CONTEXT.Pipe()
        with theirs:
            self._control.send(None)
            reduction.send_handle(self._control, theirs.fileno(), self._original.pid)
            pid = self._control.recv()
        if isinstance(pid, int):
            return Worker(pid, link)
        link.close()
        raise WorkerError(f"expected another worker process, got: {pid}: take fewer workers")

    def end(self, worker: Worker) -> str:
        """Kill, and have the original reap it; until then its number is not given to another process."""
        worker.link.close()
        with self._lock, contextlib.suppress(OSError, EOFError):
            self._control.send(worker.pid)
            return _how(self._control.recv())
        return "with the process that it is a copy of"

    def close(self) -> None:
        """End the original."""
        self._control.close()
        self._kill()


def tell(value: Any) -> None:
    """Called by work in a worker: a sign of life, which begins its time limit anew, and hands `value` to the parent."""
    if _link is not None:
        _link.send((TOLD, value))


_link: Connection | None = None  # of a worker to its parent
_origin: int | None = None  # a pipe that ends with the process that workers are forked from


def _started_by(begin: Callable[[], Process]) -> Process:
    try:
        return begin()
    except OSError as error:
        raise WorkerError(f"expected to start a worker process, got: {error.strerror}: take fewer workers") from error


def _expect_ready(link: Connection, end: Callable[[], str]) -> None:
    """Wait until a process says that its work has started; raise what the start raised."""
    try:
        problem = link.recv() if link.poll(START_S) else _late()
    except (EOFError, OSError):
        problem = WorkerError(
            f"expected a worker process to start, got one that ended {end()}: look whether memory is short; a script "
            "that does not run on Linux must start work below `if __name__ == '__main__':`"
        )
    if problem is not None:
        link.close()
        end()
        raise problem


def _late() -> WorkerError:
    return WorkerError(f"expected a worker process to start within {START_S:g} s, got none: is the machine overloaded?")


def _ended(process: BaseProcess) -> str:
    with contextlib.suppress(OSError):
        process.kill()
    process.join()
    return _how(process.exitcode)


def _how(code: int | None) -> str:
    """``by SIGSEGV``, or ``with exit code 3``."""
    if code is None or code >= 0:
        return f"with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"by {signal.Signals(-code).name}"
    return f"by signal {-code}"


# What runs in the other processes.


def _spawned(link: Connection, pickled: bytes) -> None:
    work = _started(link, pickled)
    if work is not None:
        _serve(link, work)


def original(handle: int) -> None:
    """Fork a worker, or reap one, whenever told; when the parent is gone, end all."""
    global _origin
    control = Connection(handle)
    workers: set[int] = set()
    try:
        work = _started(control, control.recv_bytes())
        _origin, held = os.pipe()
        while work is not None:
            told = control.recv()
            if told is None:
                _fork(control, held, work, workers)
            else:
                control.send(_reap(told, workers))
    except (EOFError, OSError):
        for pid in workers:
            os.kill(pid, signal.SIGKILL)  # also one that hangs in native code


def _fork(control: Connection, held: int, work: Work, workers: set[int]) -> None:
    handle = reduction.recv_handle(control)
    try:
        pid = os.fork()
    except OSError as error:
        os.close(handle)
        control.send(str(error.strerror))
        return
    if pid:
        os.close(handle)
        workers.add(pid)
        control.send(pid)
        return
    code = 1
    try:
        control.close()
        os.close(held)
        _serve(Connection(handle), work)
        code = 0
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)  # what this is a copy of has an end of its own


def _reap(pid: int, workers: set[int]) -> int:
    os.kill(pid, signal.SIGKILL)
    workers.discard(pid)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _started(link: Connection, pickled: bytes) -> Work | None:
    """The work, of one thread unless it says otherwise; None where its start failed, which the parent is told."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the first process says what to do
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        work: Work = pickle.loads(pickled)()
    except Exception as error:
        link.send(_portable(error))
        return None
    link.send(None)
    return work


def _serve(link: Connection, work: Work) -> None:
    """Answer items until the parent closes the link."""
    global _link
    _link = link
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, OSError):
        while True:
            link.send_bytes(_answer(work, link.recv()))


def _answer(work: Work, item: Any) -> memoryview:
    try:
        return reduction.ForkingPickler.dumps((DONE, work(item)))
    except Exception as error:
        return reduction.ForkingPickler.dumps((FAILED, _portable(error)))


def _portable(error: Exception) -> Exception:
    """The error with where it came from, as another process can read it."""
    error.add_note("in a worker process:\n" + "".join(traceback.format_exception(error)))
    with contextlib.suppress(Exception):
        pickle.loads(pickle.dumps(error))
        return error
    return RuntimeError(f"{type(error).__name__}: {error}")


def _end_with_parent() -> None:
    """Where the first process is killed, or that which this one is a copy of, nobody would ever ask or end it."""
    parent = multiprocessing.parent_process()
    ends: list[Any] = [each for each in (parent and parent.sentinel, _origin) if each is not None]
    connection.wait(ends)
    os._exit(1)
