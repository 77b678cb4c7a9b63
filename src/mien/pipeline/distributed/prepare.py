"""The parts of a prepared table, made on a cluster: faces come back, and the first process keeps them as its own.

So what goes on after a kill, and how the table is put together, is the same as on one machine.
"""

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mien import __version__
from mien.core.errors import WorkerError
from mien.core.files import printable
from mien.core.optional import require
from mien.datasets import DataSet
from mien.pipeline.cut import FaceMaker, Form, Row
from mien.pipeline.distributed.cluster import joined
from mien.pipeline.distributed.machine import arrive
from mien.pipeline.parts import Parts
from mien.pipeline.prepare import jobs, part_columns
from mien.pipeline.processes import Workers
from mien.runtime.card import COLORS


@dataclass(frozen=True)
class _Faces:
    """What actors have to know; it is pickled.

    Attributes:
        form: how faces look. time_limit: seconds that a picture may take.
        version: of mien. here: the working directory of the first process.
    """

    form: Form
    time_limit: float
    version: str
    here: str

    def make(self) -> "Callable[[Any], dict[str, Any]]":
        """What an actor works with: a process that can be lost, for a picture may bring its decoder down."""
        arrive(self.version, self.here)
        workers: Workers[DataSet, Row] = Workers(
            functools.partial(_face_maker, self.form), 1, limit_s=self.time_limit, name=_where
        )
        return functools.partial(_part, workers, COLORS[self.form.color])


def make_parts(
    sets: Sequence[DataSet],
    form: Form,
    parts: Parts,
    ends: Sequence[int],
    *,
    time_limit: float,
    tell: Callable[[int, int], None] | None,
) -> None:
    """Make the parts that are not there yet, see `mien.pipeline.prepare.prepare_table`."""
    missing = parts.missing(ends)
    if not missing:
        return
    total, done = sum(map(len, missing.values())), 0
    tasks = [
        {"part": part, "pictures": [each.data.select(each.rows) for each in jobs(sets, part, rows)]}
        for part, rows in missing.items()
    ]
    with joined() as cluster:
        for answer in cluster.run(tasks, _Faces(form, time_limit, __version__, os.getcwd()).make):
            columns = require("pyarrow", extra="data").ipc.open_stream(answer["columns"]).read_all()
            parts.write(answer["part"], {name: columns[name] for name in columns.column_names})
            done += columns.num_rows
            if tell:
                tell(done, total)


def _part(workers: Workers[DataSet, Row], channels: int, task: Any) -> dict[str, Any]:
    """The faces of a part, as Arrow's own bytes."""
    pictures = [data.select(slice(row, row + 1)) for data in task["pictures"] for row in range(len(data))]
    rows = []
    for future in [workers.submit(each) for each in pictures]:
        try:
            rows.append(future.result())
        except WorkerError as error:
            rows.append(Row(error=printable(str(error))))
    pyarrow = require("pyarrow", extra="data")
    table = pyarrow.table(part_columns(rows, channels))
    out = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(out, table.schema) as stream:
        stream.write_table(table)
    return {"part": task["part"], "columns": out.getvalue().to_pybytes()}


def _face_maker(form: Form) -> Callable[[DataSet], Row]:
    """What a process works with that can be lost: one picture in, its row out."""
    maker = FaceMaker(form)
    return lambda picture: maker.row(picture, 0)


def _where(picture: DataSet) -> str:
    return str(picture.pictures[0].where)
