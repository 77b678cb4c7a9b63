"""Who makes the faces of a table: threads of this process, or processes that may be lost."""

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2

from mien.core.errors import MienError, WorkerError
from mien.core.files import printable
from mien.datasets import DataSet
from mien.pipeline.batch import ordered
from mien.pipeline.cut import FaceMaker, Form, Row
from mien.pipeline.processes import Workers, one_each
from mien.runtime.session import on_graphics_card


@dataclass(frozen=True, eq=False)
class Job:
    """Some pictures of one data set, one after the other; `part` is the part that they belong to."""

    data: DataSet
    rows: range
    part: int


Made = Callable[[Iterable[Job]], Iterator[tuple[Job, Sequence[Row]]]]  # jobs with their rows, in order


@contextlib.contextmanager
def workers_for(
    sets: Sequence[DataSet], form: Form, workers: int, time_limit: float | None, device: str
) -> Iterator[Made]:
    """What makes the rows of jobs, in order.

    Args:
        sets: where the pictures are.
        form: how the faces look.
        workers: how many.
        time_limit: of processes, whose death or delay costs one row; None: they are threads.
        device: where faces are sought.
    """
    if time_limit is None:
        maker = FaceMaker(form, device=device)

        def here(jobs: Iterable[Job]) -> Iterator[tuple[Job, Sequence[Row]]]:
            def make(job: Job) -> list[Row]:
                return [maker.row(job.data, row) for row in job.rows]

            for job, rows in ordered(make, jobs, workers=workers, ahead=4 * workers):
                if isinstance(rows, MienError):
                    raise rows
                yield job, rows

        yield here
        return

    def elsewhere(jobs: Iterable[Job]) -> Iterator[tuple[Job, Sequence[Row]]]:
        ahead, again = itertools.tee(jobs)
        chunks = ([(sets.index(job.data), row) for row in job.rows] for job in ahead)
        made = one_each(pool, chunks, ahead=4 * workers)
        for job, (_, rows) in zip(again, made, strict=True):
            yield job, [Row(error=printable(str(row))) if isinstance(row, WorkerError) else row for row in rows]

    def name(chunk: Sequence[tuple[int, int]]) -> str:
        return ", ".join(sets[data].pictures[row].where for data, row in chunk)

    start = functools.partial(_start, list(sets), form, device)
    share = not on_graphics_card(device)
    pool: Workers[Sequence[tuple[int, int]], Sequence[Row]]
    with Workers(start, workers, limit_s=time_limit, name=name, share=share) as pool:
        yield elsewhere


def _start(sets: Sequence[DataSet], form: Form, device: str) -> Callable[[Sequence[tuple[int, int]]], Sequence[Row]]:
    """What a worker process does with some pictures: (number of the data set, row)."""
    cv2.setNumThreads(1)
    maker = FaceMaker(form, device=device)
    return lambda chunk: [maker.row(sets[data], row) for data, row in chunk]
