"""Videos as jobs: one is read at a time, by a process of its own; the others wait.

A process of its own can be stopped at any moment, gives its memory back, runs at a lower priority than live frames, and
a damaged file that brings a decoder down does not bring down the server. An upload is deleted when its job ends,
however it ends; tables when they are deleted or were kept long enough.
"""

import asyncio
import contextlib
import json
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mien.web.answers import JobState
from mien.web.metrics import Metrics
from mien.web.refusals import Refusal

WORKER = (sys.executable, "-m", "mien.web.clip_process")
ENDED = ("done", "failed", "cancelled")
FORMATS = ("csv", "json")
_LINE_BYTES = 1 << 20  # of what a worker says at once
_SWEEP_S = 5.0
_BROUGHT_DOWN = "expected a video that can be read, got one that brought its reader down: convert it"


@dataclass(eq=False)
class Job:
    """One video. Its folder holds the upload while it is read, then the tables.

    Attributes:
        id: cannot be guessed. source: the upload's name. folder: of its files. suffix: of the upload's.
        state: queued, running, done, failed or cancelled. error: why it failed, or where a done one breaks off.
        frames, total: how many are read, and how many there are. faces: different ones.
        ended_s: when, by the monotonic clock. fetched: whether someone got the table as csv.
    """

    source: str
    folder: Path
    suffix: str
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    state: str = "queued"
    error: str | None = None
    frames: int = 0
    total: int | None = None
    faces: int | None = None
    ended_s: float | None = None
    fetched: bool = False
    finished: bool = False  # the process said that the tables are whole
    process: asyncio.subprocess.Process | None = None

    @property
    def upload(self) -> Path:
        """The video."""
        return self.folder / f"upload{self.suffix}"

    def table(self, format: str) -> Path:
        """The table, as csv or json."""
        return self.folder / f"table.{format}"


class Jobs:
    """The queue and its worker.

    Args:
        options: what the worker is told beside the paths; see `mien.web.clip_process`.
        most: how many may wait. keep_s: how long tables are kept. limit_s: after which a job is given up.
        worker: the command that reads a video.
    """

    def __init__(
        self,
        options: dict[str, object],
        metrics: Metrics,
        *,
        most: int,
        keep_s: float,
        limit_s: float,
        worker: Sequence[str] = WORKER,
    ) -> None:
        self._options, self._metrics, self._worker = options, metrics, tuple(worker)
        self._most, self._keep_s, self._limit_s = most, keep_s, limit_s
        self._folder: Path | None = None
        self._jobs: dict[str, Job] = {}
        self._queue: list[Job] = []
        self._came = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to read and to sweep."""
        self._tasks = [asyncio.create_task(self._work()), asyncio.create_task(self._sweep())]

    async def close(self) -> None:
        """Stop what is read, and delete everything."""
        for task in self._tasks:
            task.cancel()
        for job in self._jobs.values():
            await _end(job.process)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def unfinished(self) -> int:
        """Videos that wait or are read."""
        return sum(job.state not in ENDED for job in self._jobs.values())

    @property
    def unfetched(self) -> int:
        """Tables that nobody has got as csv yet."""
        return sum(job.state == "done" and not job.fetched for job in self._jobs.values())

    def expect_room(self) -> None:
        """Raise Refusal (503) where the queue is full."""
        if len(self._queue) >= self._most:
            raise Refusal(
                503,
                f"expected at most {self._most} waiting videos, got more: ask again later",
                retry_after_s=30,
                close=True,
            )

    def new(self, source: str, suffix: str) -> Job:
        """A job whose upload is still to be written; `submit` or `remove` it."""
        self.expect_room()
        if self._folder is None:  # a server that gets no video leaves no trace, however it ends
            self._folder = Path(tempfile.mkdtemp(prefix="mien-serve-"))
        job = Job(source, Path(tempfile.mkdtemp(dir=self._folder)), suffix)
        self._jobs[job.id] = job
        return job

    def submit(self, job: Job) -> None:
        """Let a job whose upload is there wait for its turn."""
        self._queue.append(job)
        self._metrics.jobs_waiting.inc()
        self._came.set()

    def find(self, id: str) -> Job:
        """The job of an id; Refusal (404) if there is none."""
        if id not in self._jobs:
            raise Refusal(404, "expected the id of a job, got another, or one that was deleted: send the video again")
        return self._jobs[id]

    def about(self, job: Job) -> JobState:
        """How far a job is."""
        ahead = (
            self._queue.index(job) + any(each.state == "running" for each in self._jobs.values())
            if job in self._queue
            else 0
        )
        left = None if job.ended_s is None else max(0.0, round(job.ended_s + self._keep_s - time.monotonic(), 1))
        return JobState(
            id=job.id,
            state=job.state,
            source=job.source,
            ahead=ahead,
            frames=job.frames,
            total=job.total,
            faces=job.faces,
            error=job.error,
            seconds_left=left,
        )

    async def remove(self, job: Job) -> None:
        """Stop a job, if it is read, and forget it with its files."""
        if job in self._queue:
            self._queue.remove(job)
            self._end(job, "cancelled")
        self._jobs.pop(job.id, None)
        if job.state == "running":
            await _end(job.process)
        shutil.rmtree(job.folder, ignore_errors=True)

    async def _work(self) -> None:
        while True:
            while not self._queue:
                self._came.clear()
                await self._came.wait()
            job = self._queue.pop(0)
            job.state = "running"
            try:
                await asyncio.wait_for(self._read(job), self._limit_s)
            except TimeoutError:
                job.error = f"expected a video that is read in {self._limit_s / 60:g} minutes, got another: cut it"
            except (ValueError, TypeError, AttributeError):  # what it says makes no sense
                job.error = _BROUGHT_DOWN
            except OSError as error:
                job.error = f"expected to start a process for the video, got: {error.strerror}"
            finally:
                await _end(job.process)
                job.upload.unlink(missing_ok=True)
                cancelled = job.id not in self._jobs
                self._end(job, "cancelled" if cancelled else "done" if job.finished else "failed")

    async def _read(self, job: Job) -> None:
        """Have the video read, and follow what the process says: one JSON object a line."""
        job.process = await asyncio.create_subprocess_exec(
            *self._worker,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the server, which lets jobs finish
            limit=_LINE_BYTES,
        )
        assert job.process.stdin is not None and job.process.stdout is not None  # asked for above
        told = {"video": str(job.upload), "source": job.source, "folder": str(job.folder), **self._options}
        with contextlib.suppress(ConnectionError):  # it ended at once: said below
            job.process.stdin.write(json.dumps(told).encode() + b"\n")
            await job.process.stdin.drain()
        done = False
        async for line in job.process.stdout:
            said = json.loads(line)
            job.frames, job.total = said.get("frames", job.frames), said.get("total", job.total)
            job.faces = said.get("faces", job.faces)
            job.error = job.error or said.get("error")
            done = done or said.get("done", False)
        job.finished = done
        if not done and not job.error:
            job.error = _BROUGHT_DOWN

    def _end(self, job: Job, state: str) -> None:
        job.state, job.ended_s = state, time.monotonic()
        if state == "cancelled":
            job.error = None
        self._metrics.jobs.labels(state).inc()
        self._metrics.jobs_waiting.dec()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(min(_SWEEP_S, self._keep_s))
            for job in list(self._jobs.values()):
                if job.ended_s is not None and time.monotonic() - job.ended_s > self._keep_s:
                    await self.remove(job)


async def _end(process: asyncio.subprocess.Process | None) -> None:
    if process is None:
        return
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    await process.wait()
