"""The faces of a table, made on a cluster.

Where the table is one file, faces come back to the first process, which keeps them as its own: what goes on after a
kill, and how the table is put together, is the same as on one machine. Where it is a folder, each actor writes parts
of it, as tables of their own, and what comes back are counts.
"""

import functools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from mien import __version__
from mien.core.errors import DataError, InputError, MienError, WorkerError
from mien.core.files import printable
from mien.core.optional import require
from mien.datasets import DataSet, Table
from mien.datasets.dataset import Picture, StoredPicture
from mien.datasets.parquet import ROWS_IN_GROUP, arrow_table, read_column, writing
from mien.pipeline.batch import in_order, ordered
from mien.pipeline.cut import FaceMaker, Form, Row
from mien.pipeline.distributed.cluster import Cluster, Task, joined
from mien.pipeline.distributed.machine import arrive
from mien.pipeline.distributed.result import Result
from mien.pipeline.distributed.work import Work
from mien.pipeline.parts import Parts
from mien.pipeline.prepare import described, different_sizes, jobs, meta_of_all, moments, part_columns
from mien.pipeline.processes import Workers
from mien.runtime.card import COLORS
from mien.runtime.session import on_graphics_card

SOURCE = "source_sha256"  # column of a part that no reader of tables asks for: of the pixels that were read
_AHEAD = 16  # pictures that are fetched from a store while another is looked at


@dataclass(frozen=True, kw_only=True)
class Cutting:
    """What actors have to know; it is pickled.

    Attributes:
        form: how faces look. device: where they are sought. time_limit: seconds that a picture may take.
        here: the working directory of the first process; "" where no path begins at it.
        result: the folder of parts; None where faces come back.
    """

    form: Form
    device: str
    time_limit: float
    here: str
    result: Result | None = None
    version: str = __version__

    def make(self) -> "Callable[[Task], dict[str, Any]]":
        """What an actor works with: a process that can be lost, for a picture may bring its decoder down."""
        arrive(self.version, self.here)
        workers: Workers[DataSet, Row] = Workers(
            functools.partial(_face_maker, self.form, self.device),
            1,
            limit_s=self.time_limit,
            name=_where,
            share=not on_graphics_card(self.device),
        )
        return functools.partial(_sent if self.result is None else _written, self, workers)


def make_parts(
    sets: Sequence[DataSet],
    form: Form,
    parts: Parts,
    ends: Sequence[int],
    *,
    device: str,
    time_limit: float,
    tell: Callable[[int, int], None] | None,
) -> None:
    """Make the parts that are not there yet, see `mien.pipeline.prepare.prepare_table`."""
    missing = parts.missing(ends)
    if not missing:
        return
    total, done = sum(map(len, missing.values())), 0
    tasks = [{"part": part, "data": _pictures(sets, part, rows)} for part, rows in missing.items()]
    with joined(device=device) as cluster:
        what = Cutting(form=form, device=device, time_limit=time_limit, here=os.getcwd())
        for answer in cluster.run(tasks, what.make):
            columns = require("pyarrow", extra="data").ipc.open_stream(answer["columns"]).read_all()
            parts.write(answer["part"], {name: columns[name] for name in columns.column_names})
            done += columns.num_rows
            if tell:
                tell(done, total)


def write_parts(
    sets: Sequence[DataSet], rows: Table, ends: Sequence[int], what: Cutting, work: Work, cluster: Cluster
) -> None:
    """Have the parts of a folder written that are not there yet.

    Args:
        sets: where the pictures are.
        rows: `mien.pipeline.prepare.rows_of` them.
        ends: where each part begins, and the end of the last.
        what: is to be done.
        work: which parts are there.
        cluster: of actors.

    Raises:
        DataError: face crops of several sizes and none asked for.
    """
    parts = list(pairwise(ends))
    tasks = [
        {
            "part": number,
            "data": _pictures(sets, number, range(*parts[number])),
            "rows": rows.select(slice(*parts[number])),
        }
        for number in work.missing()
    ]
    shapes = {tuple(each["shape"]) for each in work.records.values() if each["faces"]}

    def same(answer: dict[str, Any]) -> dict[str, Any]:
        if answer["faces"]:
            shapes.add(tuple(answer["shape"]))
        if len(shapes) > 1:
            one, other = sorted(shapes)[:2]
            raise different_sizes(one, other, f"in {answer['file']}")
        return answer

    with work.going_on():
        work.take(map(same, cluster.run(tasks, what.make)))
    work.expect_all()


def meta_of_parts(rows: Table, records: Sequence[Mapping[str, Any]], result: Result) -> dict[str, str]:
    """What is known of all parts together; DataError where there is not one face in them."""
    faces = sum(each["faces"] for each in records)
    if not faces:
        first = next((error for each in records for error in each["failed"].values()), "no picture")
        raise DataError(f"expected a face in at least one of {len(rows):,} pictures, got none; the first: {first}")
    trained = sum(each["train"] for each in records)
    kind = "train_sums" if trained else "sums"
    sums = np.array([sum(column) for column in zip(*(each[kind] for each in records), strict=True)], np.int64)
    shape = next(each["shape"] for each in records if each["faces"])
    mean, std = moments(sums, trained or faces, shape)
    return meta_of_all(rows.ids.tolist(), _sources(records, result), mean, std)


def _sources(records: Sequence[Mapping[str, Any]], result: Result) -> Iterator[bytes]:
    for each in records:
        yield from read_column(result.folder.place(each["file"]), SOURCE)


def _pictures(sets: Sequence[DataSet], part: int, rows: range) -> list[DataSet]:
    """The pictures of a part, a data set each picture that knows no more than what cuts its face."""
    return [_bare(each.data.select(each.rows)) for each in jobs(sets, part, rows)]


def _bare(data: DataSet) -> DataSet:
    return replace(data, sources={}, extra={name: data.extra[name] for name in ("box",) if name in data.extra})


# On an actor ---------------------------------------------------------------------------------------------------------


def _sent(what: Cutting, workers: Workers[DataSet, Row], task: Task) -> dict[str, Any]:
    """The faces of a part, as Arrow's own bytes."""
    pyarrow = require("pyarrow", extra="data")
    table = pyarrow.table(part_columns(_rows(workers, task["data"]), COLORS[what.form.color]))
    out = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(out, table.schema) as stream:
        stream.write_table(table)
    return {"part": task["part"], "columns": out.getvalue().to_pybytes()}


def _written(what: Cutting, workers: Workers[DataSet, Row], task: Task) -> dict[str, Any]:
    """A part's record, once it is in its folder."""
    result, form = what.result, what.form
    assert result is not None
    if known := result.part(task["part"]):  # an actor has died after it wrote it
        return known
    made = _rows(workers, task["data"])
    good = np.array([row.image is not None for row in made], np.bool_)
    shapes = sorted({row.shape for row in made if row.image is not None})
    if len(shapes) > 1:
        raise different_sizes(shapes[0], shapes[1], f"part {task['part']}")
    blank = (form.size or 0, form.size or 0, *((3,) if form.color == "rgb" else ()))
    shape = shapes[0] if shapes else blank
    rows = described(
        task["rows"],
        form,
        shape,
        box=np.array([row.box for row in made], np.float32),
        score=np.array([row.score for row in made], np.float32),
        failed=int((~good).sum()),
    )
    errors = [row.error for row in made]
    pyarrow = require("pyarrow", extra="data")
    table = arrow_table(rows, [row.image for row in made], errors, shape=shape)
    table = table.append_column(SOURCE, pyarrow.array([row.source for row in made], pyarrow.binary()))
    sums = np.array([row.sums or (0,) * 2 * COLORS[form.color] for row in made], np.int64)
    train = good & (rows.split == "train")
    record = {
        "inputs": len(made),
        "pictures": len(made),
        "clips": 0,
        "frames": 0,
        "faces": int(good.sum()),
        "train": int(train.sum()),
        "shape": list(shape),
        "sums": sums[good].sum(0).tolist(),
        "train_sums": sums[train].sum(0).tolist(),
        "failed": {str(name): error for name, error in zip(rows.ids.tolist(), errors, strict=True) if error},
    }
    return result.write_part(task["part"], table, record, row_group_size=ROWS_IN_GROUP, **writing(table.schema))


def _rows(workers: Workers[DataSet, Row], data: Sequence[DataSet]) -> list[Row]:
    """What becomes of each picture, in order."""
    single = (each.select(slice(row, row + 1)) for each in data for row in range(len(each)))
    here = ordered(_fetched, single, workers=_AHEAD, ahead=_AHEAD)
    return [_row_of(answer) for _, answer in in_order(functools.partial(_submitted, workers), here, ahead=2)]


def _row_of(answer: Row | MienError) -> Row:
    if isinstance(answer, InputError | WorkerError):
        return Row(error=printable(str(answer)))
    if isinstance(answer, MienError):
        raise answer
    return answer


def _submitted(workers: Workers[DataSet, Row], item: tuple[DataSet, DataSet | MienError]) -> Future[Row]:
    _, picture = item
    if not isinstance(picture, MienError):
        return workers.submit(picture)
    failed: Future[Row] = Future()
    failed.set_exception(picture)
    return failed


def _fetched(data: DataSet) -> DataSet:
    """A picture that is in a store, brought here; it is decoded in the process that can be lost."""
    picture: Picture = data.pictures[0]
    return replace(data, pictures=[picture.fetched()]) if isinstance(picture, StoredPicture) else data


def _face_maker(form: Form, device: str) -> Callable[[DataSet], Row]:
    """What a process works with that can be lost: one picture in, its row out."""
    maker = FaceMaker(form, device=device)
    return lambda picture: maker.row(picture, 0)


def _where(picture: DataSet) -> str:
    return str(picture.pictures[0].where)
