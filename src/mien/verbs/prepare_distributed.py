"""`mien data prepare --engine ray --out FOLDER`: the same table as a folder of parts, which the actors write."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mien.core import stores
from mien.core.errors import DataError
from mien.datasets import DataSet, Table, read_table
from mien.datasets.parquet import ROWS_IN_GROUP
from mien.pipeline.cut import Form
from mien.pipeline.distributed.cluster import joined
from mien.pipeline.distributed.division import MOST_PARTS
from mien.pipeline.distributed.prepare import Cutting, meta_of_parts, write_parts
from mien.pipeline.distributed.result import Folder, Result, begin, clear
from mien.pipeline.distributed.work import Work
from mien.pipeline.prepare import Prepared, plan_of

Tell = Callable[[int, int], None]


def prepare_parts(
    sets: Sequence[DataSet],
    rows: Table,
    form: Form,
    out: str,
    *,
    device: str,
    time_limit: float,
    resume: bool,
    overwrite: bool,
    tell: Tell | None,
) -> Prepared:
    """Make the faces, and have them written as the parts of a table into a folder or below an address.

    Args:
        sets: where the pictures are.
        rows: `mien.pipeline.prepare.rows_of` them.
        form: how the faces look.
        out: the folder, or an address.
        device: where faces are sought.
        time_limit: seconds that a picture may take.
        resume: go on with a result that was broken off.
        overwrite: replace one that is there.
        tell: called with how many pictures are done, and how many there are to do.

    Raises:
        DataError: face crops of several sizes and none asked for, or not one picture that gives a face.
        OutputError, UsageError: see `mien.pipeline.distributed.result.begin`.
    """
    size = max(ROWS_IN_GROUP, len(rows) // MOST_PARTS)
    ends = [*range(0, len(rows), size), len(rows)]
    folder = Folder.at(out)
    plan = plan_of(sets, form) | {"rows of a part": size}
    result, manifest = begin(folder, plan, resume=resume, overwrite=overwrite)
    counts = {"photographs": len(rows), "clips": 0, "parts": len(ends) - 1}
    if manifest is None:
        result.record(counts, (), complete=False)
    work = Work(result, counts, _counting(len(rows), tell))
    work.known(manifest["parts"] if manifest else ())
    if not (manifest and manifest["complete"]):
        what = Cutting(form=form, device=device, time_limit=time_limit, here=_here(sets, folder), result=result)
        try:
            _make(sets, rows, ends, what, work, device)
        except DataError:  # goes wrong again with the same plan
            clear(folder)
            raise
    failed = {name: error for _, part in sorted(work.records.items()) for name, error in part["failed"].items()}
    table = read_table(folder.where, resident=False)
    mean, std = (tuple(json.loads(table.meta[name])) for name in ("mean", "std"))
    return Prepared(table, table.digest(), failed, mean, std)


def _make(sets: Sequence[DataSet], rows: Table, ends: Sequence[int], what: Cutting, work: Work, device: str) -> None:
    with joined(device=device) as cluster:
        write_parts(sets, rows, ends, what, work, cluster)
    records = [record for _, record in sorted(work.records.items())]
    assert isinstance(what.result, Result)
    work.finish(meta_of_parts(rows, records, what.result))


def _counting(total: int, tell: Tell | None) -> Callable[[Mapping[str, Any]], None]:
    done = 0

    def told(part: Mapping[str, Any]) -> None:
        nonlocal done
        done += part["rows"]
        if tell:
            tell(done, total)

    return told


def _here(sets: Sequence[DataSet], folder: Folder) -> str:
    """The working directory, where a path may begin at it."""
    roots = (str(getattr(each, "file", getattr(each, "root", ""))) for data in sets for each in data.pictures)
    return "" if folder.stored and all(map(stores.is_address, roots)) else os.getcwd()
