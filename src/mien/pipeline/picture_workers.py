"""Data sets whose pictures are read in processes that can be lost: one that does not survive a picture costs that one.

What verbs open data sets with. The processes start when there are more pictures than a few; what is in memory already,
of a csv, needs none. Prepared tables are read by whoever asks: mien encoded their pictures, and a training reads them
again and again.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self, TypeVar

import cv2

from mien import datasets
from mien.core.errors import InputError, TimeLimitError, WorkerError
from mien.core.processors import available_processors
from mien.datasets import DataSet, Table
from mien.datasets.looking import AT_ONCE, FEW, attempt, each_here
from mien.pipeline.decoding import bound_memory, in_bounds, not_survived
from mien.pipeline.processes import Died, Workers, one_each, tell

Item = TypeVar("Item")
Result = TypeVar("Result")
Task = tuple[Callable[[Any], Any], Any]  # what to ask of a picture, and the picture

LIMIT_S = 60.0  # for one picture: it may lie in a store that is far away
_MOST = 8  # processes: more of them found this one could hardly take
_AHEAD = 4  # tasks for each that are begun, or done and wait for their turn; 1 of those that are large
_SIGN_S = 1.0  # from one sign of life to the next


def open_data(spec: str | os.PathLike[str], *, splits: Sequence[str] | None = None, resident: bool = True) -> Table:
    """As `mien.datasets.open_data`.

    Raises:
        WorkerError: no process can be started.
    """
    with PictureWorkers() as workers:
        return datasets.open_data(spec, splits=splits, resident=resident, each=workers.each)


def open_dataset(
    spec: str, *, splits: Sequence[str] | None = None, options: Mapping[str, Any] | None = None
) -> DataSet:
    """As `mien.datasets.open_dataset`.

    Raises:
        WorkerError: no process can be started.
    """
    with PictureWorkers() as workers:
        return datasets.open_dataset(spec, splits=splits, options=options, each=workers.each)


class PictureWorkers:
    """Looks at the pictures of data sets in other processes. A context.

    Args:
        limit_s: the longest time that one may take.
    """

    def __init__(self, *, limit_s: float = LIMIT_S) -> None:
        self._limit_s = limit_s
        self._workers: Workers[Sequence[Task], Sequence[Any]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._workers is not None:
            self._workers.close()

    def each(
        self,
        look: Callable[[Item], Result],
        pictures: Sequence[Item],
        rows: range,
        *,
        at_once: int = AT_ONCE,
        few: int = FEW,
    ) -> Iterator[Result | InputError]:
        """See `mien.datasets.looking.Each`. That a process did not survive a picture, or took too long, is its error.

        Raises:
            WorkerError: no process can be started.
        """
        if self._workers is None and len(pictures) < few:
            yield from each_here(look, pictures, rows)
            return
        count = min(available_processors(), _MOST)
        if self._workers is None:
            self._workers = Workers(_start, count, limit_s=self._limit_s, name=_name)
        tasks = (
            [(look, pictures[row]) for row in rows[start : start + at_once]] for start in range(0, len(rows), at_once)
        )
        for some, results in one_each(self._workers, tasks, ahead=count if at_once == 1 else _AHEAD * count):
            for (_, picture), result in zip(some, results, strict=True):
                if isinstance(result, TimeLimitError | Died):
                    yield not_survived(result, picture.where, limit_s=self._limit_s)
                elif isinstance(result, WorkerError):
                    raise result
                else:
                    yield result


def _name(tasks: Sequence[Task]) -> str:
    return ", ".join(picture.where for _, picture in tasks)


def _start() -> Callable[[Sequence[Task]], Sequence[Any]]:
    """What a process does."""
    bound_memory()
    cv2.setNumThreads(1)
    return _look


def _look(tasks: Sequence[Task]) -> list[Any]:
    results, told = [], time.monotonic()
    for task in tasks:
        results.append(attempt(_look_at, task))
        if time.monotonic() - told > _SIGN_S:  # the limit is for each
            tell(None)
            told = time.monotonic()
    return results


def _look_at(task: Task) -> Any:
    look, picture = task
    with in_bounds(picture.where):
        return look(picture)
