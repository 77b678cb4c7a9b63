"""A work divided into parts: consecutive inputs, so that the parts one after the other are the order of the inputs.

A photograph counts as one, a clip as the frames of it that are looked at; a part holds `PART` of them or a few more.
A clip of more than `LONG` frames is a part of its own, and its first pass is divided into ranges of frames.
"""

import contextlib
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from mien.core.errors import MALFORMED, OutputError, one_line
from mien.core.files import printable
from mien.core.optional import require
from mien.pipeline.distributed.result import Folder
from mien.pipeline.sources import Found
from mien.pipeline.video import Sampling

PART = 256  # so that what a killed worker loses is seconds
MOST_PARTS = 20_000  # of more photographs and frames a part holds more
LONG = 4096
RANGE = 2048  # frames of a range, or more:
MOST_RANGES = 8  # for each range decodes the frames before it, too
_TOGETHER = 1000  # parts whose inputs are listed in one file


@dataclass(frozen=True)
class Input:
    """A photograph or clip, and how its frames are divided.

    Attributes:
        found: what.
        frames: of a clip, that will be looked at, about. blocks: in how many blocks they are stored, about.
        ranges: into how many the blocks are divided.
    """

    found: Found
    frames: int = 0
    blocks: int = 1
    ranges: int = 1

    @property
    def weight(self) -> int:
        """How much of a part it is."""
        return max(self.frames, 1)

    def blocks_of(self, number: int) -> tuple[int, int | None]:
        """The first block of a range, and the one after its last; None: to the end, wherever that is."""
        first, end = (self.blocks * each // self.ranges for each in (number, number + 1))
        return first, None if number == self.ranges - 1 else end


def clip_input(found: Found, frames: int, fps: float, sampling: Sampling) -> Input:
    """A clip of so many frames, of which some will be looked at."""
    wanted = sampling.count(frames, fps)
    blocks = max(math.ceil(frames / sampling.block(fps)), 1)
    ranges = min(MOST_RANGES, math.ceil(wanted / RANGE), blocks) if wanted > LONG else 1
    return Input(found, wanted, blocks, ranges)


def divided(inputs: Iterable[Input], total: int) -> Iterator[list[Input]]:
    """The parts; `total` is what the inputs weigh together."""
    size = max(PART, total // MOST_PARTS)
    held: list[Input] = []
    weight = 0
    for each in inputs:
        if held and (each.ranges > 1 or held[0].ranges > 1 or weight + each.weight > size):
            yield held
            held, weight = [], 0
        held.append(each)
        weight += each.weight
    if held:
        yield held


def write_inputs(folder: Folder, parts: Iterable[Sequence[Input]]) -> list[int]:
    """List the inputs of each part in the result's folder. Returns how many ranges each part has; 1: it is not long."""
    ranges: list[int] = []
    numbered = enumerate(parts)
    for file, group in groupby(numbered, key=lambda each: each[0] // _TOGETHER):
        pyarrow, parquet = require("pyarrow", extra="data"), require("pyarrow.parquet", extra="data")
        schema = _schema(pyarrow)
        data = io.BytesIO()
        with parquet.ParquetWriter(data, schema, compression="zstd") as out:
            for number, part in group:
                rows = [_row(number, each) for each in part]
                out.write_table(pyarrow.Table.from_pylist(rows, schema=schema), row_group_size=len(rows))
                ranges.append(part[0].ranges)
        folder.write(_name(file), data.getvalue())
    return ranges


def read_inputs(folder: Folder, part: int) -> list[Input]:
    """The inputs of a part.

    Raises:
        OutputError: their list is not there, or damaged.
    """
    with _listing(folder, part // _TOGETHER) as file:
        return [_input(row) for row in file.read_row_group(part % _TOGETHER).to_pylist()]


def read_ranges(folder: Folder, parts: int) -> list[int]:
    """What `write_inputs` returned, of so many parts; raises as `read_inputs`."""
    ranges: list[int] = []
    for number in range(math.ceil(parts / _TOGETHER)):
        with _listing(folder, number) as file:
            read = file.read(["part", "ranges"])
            ranges += dict(zip(read["part"].to_pylist(), read["ranges"].to_pylist(), strict=True)).values()
    return ranges


@contextlib.contextmanager
def _listing(folder: Folder, number: int) -> Iterator[Any]:
    data, what = folder.read(_name(number)), f"expected the list of inputs {folder.where}/{_name(number)}"
    if data is None:
        raise OutputError(f"{what}, got none: begin anew")
    arrow = require("pyarrow", extra="data")
    try:
        with require("pyarrow.parquet", extra="data").ParquetFile(io.BytesIO(data)) as file:
            yield file
    except (arrow.ArrowException, OSError, *MALFORMED) as error:
        raise OutputError(f"{what}, got a damaged one ({one_line(error)}): begin anew") from error


def _name(number: int) -> str:
    return f"_inputs/{number:06}.parquet"


def _schema(pyarrow: Any) -> Any:
    text, number = pyarrow.string(), pyarrow.int64()
    # Paths as bytes: Linux allows names that are no text.
    kinds = {"part": number, "source": pyarrow.binary(), "row": number, "clip": pyarrow.bool_(), "error": text}
    return pyarrow.schema({**kinds, "frames": number, "blocks": number, "ranges": number})


def _row(part: int, each: Input) -> dict[str, Any]:
    found = each.found
    what = {"source": found.source.encode("utf-8", "surrogateescape"), "row": found.row, "clip": found.clip}
    divided = {"frames": each.frames, "blocks": each.blocks, "ranges": each.ranges}
    return {"part": part, **what, "error": found.error and printable(found.error), **divided}


def _input(row: dict[str, Any]) -> Input:
    source = row["source"].decode("utf-8", "surrogateescape")
    return Input(Found(source, row["error"], row["clip"], row["row"]), row["frames"], row["blocks"], row["ranges"])
