"""Data sets as distributed in, one table of faces out: cut as a model sees them, a row for every picture.

What fails is a row that says why. Finished parts are kept beside the result until it is whole, so that memory does not
grow with the number of pictures and broken-off work can go on.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mien import __version__
from mien.core.errors import DataError, OutputError
from mien.core.files import printable
from mien.core.optional import require
from mien.datasets import DataSet, Table
from mien.datasets.parquet import FAILED, ROWS_IN_GROUP, table_writer
from mien.datasets.stored import decode_as, in_threads
from mien.datasets.table import digest, strings
from mien.pipeline.cut import Form, Row
from mien.pipeline.parts import Parts
from mien.pipeline.prepare_workers import Job, Made, workers_for
from mien.runtime.card import COLORS

Pixels = npt.NDArray[np.uint8]

PART = ROWS_IN_GROUP  # rows that are kept together
_JOB = 16  # rows that a thread takes at once, more where they are frames of one video
_FACTS = ["error", "box", "score", "source", "sums", "shape"]  # what a part holds beside images


class MakeParts(Protocol):
    """What makes the parts elsewhere."""

    def __call__(
        self,
        sets: Sequence[DataSet],
        form: Form,
        parts: Parts,
        ends: Sequence[int],
        *,
        tell: Callable[[int, int], None] | None,
    ) -> None:
        """Make those that are not there yet; part k holds the pictures from ``ends[k]`` on, before ``ends[k + 1]``."""
        ...


@dataclass(frozen=True, eq=False)
class Prepared:
    """What stands in the table that was written.

    Attributes:
        rows: its faces without their pixels. digest: its sha256. failed: id -> why there is no face.
        mean, std: of each channel, in 0..1, over the train split (over all where there is none).
    """

    rows: Table
    digest: str
    failed: dict[str, str]
    mean: tuple[float, ...]
    std: tuple[float, ...]


def rows_of(sets: Sequence[DataSet]) -> Table:
    """Labels, splits and all else that data sets know, side by side, without pixels.

    Raises:
        DataError: an image stands in two of them, or they have different labels or columns of one name.
    """
    blank = [
        Table(
            strings([printable(name) for name in each.ids.tolist()]),
            np.empty((len(each), 0, 0), np.uint8),
            each.split,
            each.sources,
            each.extra,
            {"name": each.name, "form": each.form},
        )
        for each in sets
    ]
    forms = " + ".join(dict.fromkeys(each.form for each in sets))
    notes = [note for each in sets for note in each.notes]
    rows = Table.concatenate(blank)
    return replace(rows, meta={**rows.meta, "form": forms, "notes": json.dumps(notes, ensure_ascii=False)})


def plan_of(sets: Sequence[DataSet], form: Form) -> dict[str, Any]:
    """What decides the pixels of a table, in plain values; under the names that a message calls them by."""
    pictures = hashlib.sha256()
    for data in sets:
        for name, picture in zip(data.ids.tolist(), data.pictures, strict=True):
            pictures.update(f"{name}\0{picture.where}\n".encode("utf-8", "surrogateescape"))
    names = [f"{each.name} ({each.form}), {'faces' if each.faces else 'photographs'}" for each in sets]
    return {"version of mien": __version__, "data": names, "set of pictures": pictures.hexdigest()[:16], **asdict(form)}


def prepare_table(
    sets: Sequence[DataSet],
    rows: Table,
    form: Form,
    parts: Parts,
    *,
    workers: int,
    time_limit: float | None = None,
    device: str = "auto",
    tell: Callable[[int, int], None] | None = None,
    make: MakeParts | None = None,
) -> Prepared:
    """Make the faces that are not in `parts` yet, then write the table.

    Args:
        sets: where the pictures are.
        rows: `rows_of` the sets.
        form: how the faces look.
        parts: where to keep what is done; it has begun. Removed at the end.
        workers: threads, or processes. The table is the same however many there are.
        time_limit: seconds that a process may take over a picture; None: the workers are threads.
        device: auto, cpu or cuda, where faces are sought.
        tell: called with how many pictures are done now, and how many there were to do.
        make: makes the parts elsewhere.

    Raises:
        DataError: face crops of several sizes and none asked for, or not one picture that gives a face.
        OutputError: the table cannot be written; what is done so far is kept.
    """
    ends = [*range(0, len(rows), PART), len(rows)]
    try:
        if not len(rows):
            raise DataError(f"expected pictures in {', '.join(str(each.root) for each in sets)}, got none")
        if make is None:
            with workers_for(sets, form, workers, time_limit, device) as made:
                _make_parts(sets, form, parts, ends, made, tell=tell)
        else:
            make(sets, form, parts, ends, tell=tell)
        return _assemble(rows, form, parts, ends)
    except DataError:  # goes wrong again with the same plan
        parts.remove()
        raise
    except (OutputError, OSError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        why = getattr(cause, "strerror", None) or cause or error
        raise OutputError(
            f"expected to write {parts.out}, got: {why}; what is done is kept: go on with --resume"
        ) from error


def _make_parts(
    sets: Sequence[DataSet],
    form: Form,
    parts: Parts,
    ends: Sequence[int],
    made: Made,
    *,
    tell: Callable[[int, int], None] | None,
) -> None:
    missing = parts.missing(ends)
    total = sum(map(len, missing.values()))
    wanted = (job for part, each in missing.items() for job in jobs(sets, part, each))
    held: list[Row] = []
    shape: tuple[int, ...] | None = None
    done = 0
    for job, rows in made(wanted):
        shape = _expect_shape(shape, rows, job)
        held += rows
        if len(held) == len(missing[job.part]):
            parts.write(job.part, part_columns(held, COLORS[form.color]))
            held = []
        done += len(rows)
        if tell:
            tell(done, total)


def jobs(sets: Sequence[DataSet], part: int, rows: range) -> Iterator[Job]:
    """The pictures of a part, cut where another data set begins, or after some that are not of one video."""
    first = 0
    for data in sets:
        start, stop = max(rows.start - first, 0), min(rows.stop - first, len(data))
        begin = start
        for row in range(start + 1, stop):
            if row - begin >= _JOB and not _of_one_file(data, row - 1, row):
                yield Job(data, range(begin, row), part)
                begin = row
        if begin < stop:
            yield Job(data, range(begin, stop), part)
        first += len(data)


def _of_one_file(data: DataSet, row: int, other: int) -> bool:
    """Whether two pictures are frames of one video, which is quickest read in order and by one thread."""
    path = getattr(data.pictures[row], "path", None)
    return path is not None and path == getattr(data.pictures[other], "path", None)


def _expect_shape(shape: tuple[int, ...] | None, rows: Iterable[Row], job: Job) -> tuple[int, ...] | None:
    for number, row in zip(job.rows, rows, strict=True):
        if row.image is None:
            continue
        shape = shape or row.shape
        if row.shape != shape:
            raise different_sizes(shape, row.shape, job.data.pictures[number].where)
    return shape


def different_sizes(one: Sequence[int], other: Sequence[int], where: str) -> DataError:
    """The error for face crops that do not fit into one table."""
    sizes = " and ".join(f"{each[1]} x {each[0]}" for each in (one, other))
    return DataError(
        f"expected face crops of one size, got {sizes} ({where}): say with --size PX which they shall have"
    )


def part_columns(rows: Sequence[Row], channels: int) -> dict[str, Any]:
    """The columns of a part: what became of some pictures, with faces of so many channels."""
    pyarrow = require("pyarrow", extra="data")
    lists: dict[str, npt.NDArray[Any]] = {
        "box": np.array([row.box for row in rows], np.float32),
        "sums": np.array([row.sums or (0,) * 2 * channels for row in rows], np.int64),
        "shape": np.array([row.shape[:2] or (0, 0) for row in rows], np.int32),
    }
    return {
        "image": pyarrow.array([row.image for row in rows], pyarrow.binary()),
        "error": pyarrow.array([row.error for row in rows], pyarrow.string()),
        "score": pyarrow.array([row.score for row in rows], pyarrow.float32()),
        "source": pyarrow.array([row.source for row in rows], pyarrow.binary()),
        **{
            name: pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(values.ravel()), values.shape[1])
            for name, values in lists.items()
        },
    }


def _assemble(rows: Table, form: Form, parts: Parts, ends: Sequence[int]) -> Prepared:
    """Stream the parts into the table."""
    facts = _facts(parts, len(ends) - 1)
    good = np.array([each is None for each in facts["error"]], np.bool_)
    failed = {str(rows.ids[k]): facts["error"][k] for k in np.flatnonzero(~good)}
    if not good.any():
        first = next(iter(failed.values()), "no picture")
        raise DataError(f"expected a face in at least one of {len(rows):,} pictures, got none; the first: {first}")
    shape = _shape(facts["shape"][good], form)
    counted = facts["sums"][_in_train(rows.split, good)]
    mean, std = moments(counted.sum(0), len(counted), shape)
    meta = meta_of_all(rows.ids.tolist(), facts["source"], mean, std)
    rows = described(rows, form, shape, box=facts["box"], score=facts["score"], failed=len(failed))
    rows = replace(rows, meta={**rows.meta, **meta})
    with table_writer(parts.whole, rows, shape=shape, errors=True) as write:

        def blocks() -> Iterator[Pixels]:
            for number, (start, end) in enumerate(pairwise(ends)):
                images = parts.read(number, ["image"])["image"].to_pylist()
                write(rows.select(slice(start, end)), images, facts["error"][start:end])
                kept = [image for image in images if image is not None]
                yield np.array(in_threads(lambda image: decode_as(image, shape, str(parts.out)), kept), np.uint8)

        faces = rows.select(good)
        sha256 = digest(faces, blocks(), shape=(len(faces), *shape))
    parts.finish()
    return Prepared(faces, sha256, failed, mean, std)


def _facts(parts: Parts, count: int) -> dict[str, Any]:
    """All that the parts hold but images: columns as arrays, or as lists of bytes and texts."""
    pyarrow = require("pyarrow", extra="data")
    table = pyarrow.concat_tables([parts.read(number, _FACTS) for number in range(count)]).combine_chunks()
    facts: dict[str, Any] = {name: table[name].to_pylist() for name in ("error", "source")}
    for name in ("box", "sums", "shape"):
        width = table[name].type.list_size
        facts[name] = np.asarray(table[name].combine_chunks().flatten()).reshape(-1, width)
    return facts | {"score": np.asarray(table["score"])}


def _shape(shapes: npt.NDArray[np.int32], form: Form) -> tuple[int, ...]:
    """The shape of every face; they are compared here too, for some may come from an earlier run."""
    sizes = np.unique(shapes, axis=0).tolist()
    if len(sizes) > 1:
        raise different_sizes(sizes[0], sizes[1], "in parts made earlier")
    return (*sizes[0], 3) if form.color == "rgb" else (*sizes[0],)


def _in_train(split: npt.NDArray[np.str_], good: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The faces of the train split; all where it has none."""
    train: npt.NDArray[np.bool_] = good & (split == "train")
    return train if train.any() else good


def moments(
    sums: npt.NDArray[np.int64], count: int, shape: Sequence[int]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel over all pixels of so many faces, in 0..1; `sums` as in `Row`."""
    pixels = count * shape[0] * shape[1]
    values, squares = np.split(sums, 2)
    mean = values / pixels
    variance = np.maximum(squares / pixels - mean * mean, 0)
    return tuple((mean / 255).tolist()), tuple((np.sqrt(variance) / 255).tolist())


def described(
    rows: Table,
    form: Form,
    shape: Sequence[int],
    *,
    box: npt.NDArray[np.float32],
    score: npt.NDArray[np.float32],
    failed: int,
) -> Table:
    """The rows with what was found out about their faces; so many gave none.

    A box that the data set gave makes way for the one found, and is called `box_given`.
    """
    extra = dict(rows.extra)
    if form.finds:
        if "box" in extra:
            extra["box_given"] = extra.pop("box")
        extra |= {"box": box, "score": score}
    meta = {
        **rows.meta,
        "mien": __version__,
        "size": f"{shape[1]}x{shape[0]}",
        "colour": form.color,
        "detector": form.detector,
        "min_face": str(form.min_face) if form.finds else "",
        "geometry": json.dumps(asdict(form.crop)) if form.crop else "",
        FAILED: str(failed),
    }
    return replace(rows, extra=extra, meta=meta)


def meta_of_all(
    ids: Sequence[str], sources: Iterable[bytes], mean: Sequence[float], std: Sequence[float]
) -> dict[str, str]:
    """What is known once all rows are there; `sources` as in `Row`."""
    state = hashlib.sha256()
    for name, pixels in zip(ids, sources, strict=True):
        state.update(name.encode() + b"\0" + pixels)
    return {
        "source_sha256": state.hexdigest(),
        "mean": json.dumps(list(mean)),
        "std": json.dumps(list(std)),
    }
