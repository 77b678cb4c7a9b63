"""Inputs divided into parts."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.errors import OutputError
from mien.pipeline.distributed.division import (
    LONG,
    MOST_RANGES,
    PART,
    Input,
    clip_input,
    divided,
    read_inputs,
    read_ranges,
    write_inputs,
)
from mien.pipeline.distributed.result import Folder
from mien.pipeline.sources import Found
from mien.pipeline.video import Sampling

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

LENGTHS = st.lists(st.one_of(st.just(0), st.integers(1, 3 * LONG)), max_size=40)


def made(lengths: list[int]) -> list[Input]:
    """A photograph where the length is 0, else a clip."""
    found = [Found(f"{number}", clip=length > 0) for number, length in enumerate(lengths)]
    return [
        clip_input(each, length, 25.0, Sampling()) if length else Input(each)
        for each, length in zip(found, lengths, strict=True)
    ]


@given(LENGTHS)
def test_each_input_once_and_in_order(lengths: list[int]) -> None:
    inputs = made(lengths)
    parts = list(divided(inputs, len(inputs)))
    assert [each for part in parts for each in part] == inputs
    assert all(len(part) == 1 for part in parts if part[0].ranges > 1)
    assert all(sum(each.weight for each in part) <= PART for part in parts if len(part) > 1)


@given(st.integers(1, 10_000_000), st.sampled_from([1, 3, 30]), st.sampled_from([0.0, 5.0, 29.97]))
def test_ranges_are_all_blocks_once(frames: int, every: int, fps: float) -> None:
    each = clip_input(Found("a.mp4", clip=True), frames, fps, Sampling(every=every))
    ends = [each.blocks_of(number) for number in range(each.ranges)]
    assert ends[0][0] == 0 and ends[-1][1] is None and 1 <= each.ranges <= MOST_RANGES
    assert all(end == start for (_, end), (start, _) in pairwise(ends))
    assert all(end is None or start < end for start, end in ends)
    assert each.blocks * Sampling(every=every).block(fps) >= frames
    assert (each.ranges > 1) <= (each.frames > LONG)


def test_many_photographs_are_few_parts() -> None:
    inputs = [Input(Found("a.jpg"))] * 3000
    assert [len(part) for part in divided(inputs, 20_000_000)] == [1000] * 3


def test_a_damaged_list_is_said_in_one_line(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    write_inputs(folder, [[Input(Found("a.jpg"))]])
    path = tmp_path / "_inputs" / "000000.parquet"
    whole = path.read_bytes()
    parquet.write_table(pyarrow.table({"part": [0], "source": ["a"]}), tmp_path / "other.parquet")
    for data in (whole[:40], b"", (tmp_path / "other.parquet").read_bytes()):
        path.write_bytes(data)
        with pytest.raises(OutputError, match="expected the list of inputs .*, got a damaged one"):
            read_inputs(folder, 0)


def test_listed_and_read(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    parts = [
        [Input(Found("a\udcff.jpg")), Input(Found("b.parquet#3", row=3))],
        [clip_input(Found("c.mp4", clip=True), 10_000, 25.0, Sampling())],
        [Input(Found("gone", "expected a picture at gone, got no such file: check the path"))],
    ]
    assert write_inputs(folder, parts) == read_ranges(folder, 3) == [1, parts[1][0].ranges, 1]
    assert [read_inputs(folder, number) for number in range(3)] == parts
    with pytest.raises(OutputError, match="expected the list of inputs .*000001.parquet, got none: begin anew"):
        read_inputs(folder, 1000)
