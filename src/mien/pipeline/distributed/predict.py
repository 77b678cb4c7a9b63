"""The parts of a prediction, as an actor makes them: the same passes over pictures and clips as on one machine."""

import contextlib
import functools
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from mien.core import stores
from mien.core.errors import InputError, MienError, WorkerError
from mien.core.optional import require
from mien.core.video import probe
from mien.pipeline import predict_table
from mien.pipeline.clip_store import ClipStore, first_pass
from mien.pipeline.distributed.care import TRIES, Watch, begun
from mien.pipeline.distributed.division import Input, read_inputs
from mien.pipeline.distributed.machine import arrive
from mien.pipeline.distributed.result import Result
from mien.pipeline.predict_table import Recognized, Row, recognize
from mien.pipeline.processes import Workers
from mien.pipeline.reading import read_ahead
from mien.pipeline.recognizer import Recognizer
from mien.pipeline.second_pass import SecondPass, clip_columns, rows, second_pass
from mien.pipeline.sinks import arrow_schema
from mien.pipeline.sources import Found
from mien.pipeline.video import Sampling

_TOGETHER = 4096  # rows that are held as values


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What the actors of a prediction have to know; it is pickled.

    Attributes:
        result: where the parts go.
        recognizer: makes the detector and the classifier.
        sampling, second_pass, abstain: as on one machine.
        time_limit: seconds that an input may take, or a frame of a clip, once it has brought actors down.
        clips: whether there are any, for their columns.
        here: the working directory of the first process, which relative paths begin at; "" where there are none.
    """

    result: Result
    recognizer: Callable[[], Recognizer]
    sampling: Sampling
    second_pass: SecondPass
    abstain: float | None
    time_limit: float
    clips: bool
    here: str

    def look(self) -> "Callable[[Mapping[str, Any]], dict[str, Any]]":
        """What an actor works with that looks how long clips are."""
        self._arrive()
        return _look

    def make(self) -> "PartMaker":
        """What an actor works with that makes parts."""
        self._arrive()
        return PartMaker(self)

    def _arrive(self) -> None:
        arrive(self.result.plan["version of mien"], self.here)


class PartMaker:
    """Makes parts of a prediction, and ranges of long clips."""

    def __init__(self, what: Prediction) -> None:
        self._what, self._recognizer = what, what.recognizer()
        self._labels = self._recognizer.label_set
        self._columns = (clip_columns if what.clips else predict_table.columns)(self._labels)
        self._watch = Watch()

    def __call__(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """Do a task: a part by its number, or a range of a long clip. Returns the part's record."""
        part, number = task["part"], task.get("range")
        folder, result = self._what.result.folder, self._what.result
        if number is None and (known := result.part(part)):  # an actor has died after it wrote it
            return known
        if number is not None and folder.read(_range_name(part, number)) is not None:
            return dict(task)
        inputs = read_inputs(folder, part)
        careful = begun(folder, f"{part:06}" if number is None else f"{part:06}-{number:02}") >= TRIES
        with self._watch.on() if not careful else contextlib.nullcontext():
            if number is None:
                return self._part(part, inputs, careful=careful)
            folder.write(_range_name(part, number), self._range(inputs[0], number, careful=careful))
            return dict(task)

    def alone(self, item: tuple[int, Input, int | None]) -> Any:
        """What becomes of one input, in a process of its own: rows, or the frames of a range."""
        part, each, number = item
        if number is not None:
            return self._looked(each, number)
        return list(self._rows(part, [each]))

    def _part(self, part: int, inputs: Sequence[Input], *, careful: bool) -> dict[str, Any]:
        counted = _Counted(self._columns)
        counted.clips = sum(each.found.clip for each in inputs)
        counted.pictures = len(inputs) - counted.clips
        for found, found_rows in self._carefully(part, inputs) if careful else self._rows(part, inputs):
            counted.add(found, found_rows)
            self._watch.alive()
        return self._what.result.write_part(part, counted.table(), {"inputs": len(inputs), **counted.record()})

    def _carefully(self, part: int, inputs: Sequence[Input]) -> Iterator[tuple[Found, list[Row]]]:
        with self._workers() as workers:
            for each in inputs:
                if each.ranges > 1:  # nothing of it is decoded here
                    yield from self._rows(part, [each])
                    continue
                try:
                    yield from workers.submit((part, each, None)).result()
                except WorkerError as error:
                    yield each.found, predict_table.rows(Recognized(each.found.source, None, str(error)), self._labels)

    def _workers(self) -> "Workers[tuple[int, Input, int | None], Any]":
        start = functools.partial(_alone, self._what)
        return Workers(start, 1, limit_s=self._what.time_limit, name=lambda item: item[1].found.source, share=False)

    def _rows(self, part: int, inputs: Sequence[Input]) -> Iterator[tuple[Found, list[Row]]]:
        """Each photograph with its rows, and each frame of each clip, and its error; in order."""
        for clip, group in groupby(inputs, key=lambda each: each.found.clip):
            if clip:
                yield from ((each.found, frame) for each in group for frame in self._clip(part, each))
            else:
                yield from self._photographs([each.found for each in group])

    def _photographs(self, found: Sequence[Found]) -> Iterator[tuple[Found, list[Row]]]:
        recognized = recognize(self._recognizer, found, read=read_ahead(found))
        for each, one in zip(found, recognized, strict=True):
            yield each, predict_table.rows(one, self._labels, abstain=self._what.abstain)

    def _clip(self, part: int, each: Input) -> Iterator[list[Row]]:
        """The rows of each frame of a clip, then its error, if there is one."""
        found, error = each.found, each.found.error
        if not error:
            with tempfile.TemporaryDirectory(prefix="mien-") as folder:
                store, error = self._frames(Path(folder, "clip"), part, each)
                final, _ = second_pass(store.frames, self._labels, self._what.second_pass)
                yield from (rows(frame, found.source, abstain=self._what.abstain) for frame in final)
        if error:
            yield predict_table.rows(Recognized(found.source, None, error), self._labels)

    def _frames(self, folder: Path, part: int, each: Input) -> tuple[ClipStore, str | None]:
        """All frames of a clip on this machine, and why it ended early."""
        if each.ranges == 1:
            return self._first_pass(folder, each.found.source, (0, None))
        store = ClipStore(folder, each.found.source, self._labels)
        folder.mkdir()
        for number in range(each.ranges):
            data = self._what.result.folder.read(_range_name(part, number))
            if data is None:
                raise MienError(f"expected range {number} of {each.found.source}, got none: go on with --resume")
            error, blocks = _unpacked(data)
            for name, block in blocks.items():
                Path(folder, name).write_bytes(block)
            if error:  # what comes after it would not be seen on one machine, either
                return store, error
        return store, None

    def _first_pass(self, folder: Path, source: str, blocks: tuple[int, int | None]) -> tuple[ClipStore, str | None]:
        """Look at some blocks of a clip; what is said of a copy is said of the clip itself."""
        try:
            with _here(source) as path:
                store = ClipStore(folder, path, self._labels)
                first_pass(
                    self._recognizer, store, self._what.sampling, workers=1, tell=self._watch.alive, blocks=blocks
                )
                return store, store.error and store.error.replace(path, source)
        except InputError as error:  # there is no copy
            return ClipStore(folder, source, self._labels), str(error)

    def _range(self, each: Input, number: int, *, careful: bool) -> bytes:
        """The first pass over a range of a long clip, to be kept."""
        if not careful:
            return _packed(*self._looked(each, number))
        with self._workers() as workers:
            try:
                return _packed(*workers.submit((0, each, number)).result())
            except WorkerError as error:
                return _packed(str(error), {})

    def _looked(self, each: Input, number: int) -> tuple[str | None, dict[str, bytes]]:
        with tempfile.TemporaryDirectory(prefix="mien-") as folder:
            store, error = self._first_pass(Path(folder, "clip"), each.found.source, each.blocks_of(number))
            return error, {file.name: file.read_bytes() for file in sorted(store.folder.glob("[0-9]*.npz"))}


def _alone(what: Prediction) -> Callable[[tuple[int, Input, int | None]], Any]:
    """What a process works with that can be lost."""
    return PartMaker(what).alone


@dataclass
class _Counted:
    """Rows gathered into an Arrow table, and what a part's record says of them."""

    columns: Mapping[str, type]
    pictures: int = 0
    clips: int = 0
    frames: int = 0
    faces: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    _held: list[Row] = field(default_factory=list)
    _tables: list[Any] = field(default_factory=list)

    def add(self, found: Found, found_rows: Sequence[Row]) -> None:
        """The rows of a photograph, or of a frame of a clip, or the last one of a clip, with its error."""
        error = found_rows[0]["error"]
        if error:
            self.failed[str(found_rows[0]["source"])] = error
        self.frames += found.clip and not error
        self.faces += sum(row["x1"] is not None for row in found_rows)
        self._held += found_rows
        if len(self._held) >= _TOGETHER:
            self._pack()

    def table(self) -> Any:
        self._pack()
        return require("pyarrow", extra="data").concat_tables(self._tables)

    def record(self) -> dict[str, Any]:
        names = ("pictures", "clips", "frames", "faces", "failed")
        return {name: getattr(self, name) for name in names}

    def _pack(self) -> None:
        table = require("pyarrow", extra="data").Table
        self._tables.append(table.from_pylist(self._held, schema=arrow_schema(self.columns)))
        self._held = []


def _look(task: Mapping[str, Any]) -> dict[str, Any]:
    """How long a clip is; of one that cannot be read it is found out later why."""
    try:
        with _here(task["source"]) as path:
            info = probe(path)
        return {"number": task["number"], "frames": info.frames, "fps": info.fps}
    except InputError:
        return {"number": task["number"], "frames": 0, "fps": 0.0}


@contextlib.contextmanager
def _here(source: str) -> Iterator[str]:
    """A clip as a file on this machine."""
    if stores.is_address(source):
        with stores.local_copy(source) as copy:
            yield copy
    else:
        yield source


def _range_name(part: int, number: int) -> str:
    return f"_clips/{part:06}-{number:02}.parquet"


def _packed(error: str | None, blocks: Mapping[str, bytes]) -> bytes:
    """A range as one file, so that it is there whole or not at all."""
    pyarrow, parquet = require("pyarrow", extra="data"), require("pyarrow.parquet", extra="data")
    table = pyarrow.table(
        {
            "name": pyarrow.array(["", *blocks], pyarrow.string()),
            "data": pyarrow.array([(error or "").encode("utf-8", "surrogateescape"), *blocks.values()]),
        }
    )
    out = pyarrow.BufferOutputStream()
    parquet.write_table(table, out, compression="zstd")
    return bytes(out.getvalue())


def _unpacked(data: bytes) -> tuple[str | None, dict[str, bytes]]:
    pyarrow, parquet = require("pyarrow", extra="data"), require("pyarrow.parquet", extra="data")
    table = parquet.read_table(pyarrow.BufferReader(data))
    blocks = dict(zip(table["name"].to_pylist(), table["data"].to_pylist(), strict=True))
    return blocks.pop("").decode("utf-8", "surrogateescape") or None, blocks
