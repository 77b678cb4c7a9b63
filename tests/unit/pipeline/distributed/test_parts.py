"""The parts of a prediction without a cluster: once each, and with care where actors died over them."""

import functools
import multiprocessing
import os
import time
from pathlib import Path
from typing import Any

import pytest

from mien import Recognizer, __version__
from mien.core.errors import MienError
from mien.pipeline.distributed.care import TRIES, Watch, begun, forget
from mien.pipeline.distributed.division import Input, write_inputs
from mien.pipeline.distributed.predict import PartMaker, Prediction
from mien.pipeline.distributed.result import Folder, Result
from mien.pipeline.second_pass import SecondPass
from mien.pipeline.sources import Found
from mien.pipeline.video import Sampling

parquet = pytest.importorskip("pyarrow.parquet")


def prediction(model: Path, out: Path, **changes: Any) -> Prediction:
    settings: dict[str, Any] = {
        "result": Result(Folder(str(out)), "00c0ffee", {"version of mien": __version__}),
        "recognizer": functools.partial(Recognizer, model, detector="none", threads=1),
        "sampling": Sampling(),
        "second_pass": SecondPass(),
        "abstain": None,
        "time_limit": 1.0,
        "clips": False,
        "here": "",
    }
    return Prediction(**settings | changes)


def test_a_part_is_made_once(tiny_model: Path, samples: Path, tmp_path: Path) -> None:
    what = prediction(tiny_model, tmp_path / "out")
    write_inputs(what.result.folder, [[Input(Found(str(samples / "astronaut.jpg"))), Input(Found("gone.jpg"))]])
    record = what.make()({"part": 0})
    assert record == {
        "part": 0, "file": "part-000000-00c0ffee.parquet", "rows": 2, "inputs": 2, "pictures": 2, "clips": 0,
        "frames": 0, "faces": 1,
        "failed": {"gone.jpg": "expected a picture at gone.jpg, got no such file: check the path"},
    }  # fmt: skip
    path = tmp_path / "out" / record["file"]
    time_ns = path.stat().st_mtime_ns
    assert what.make()({"part": 0}) == record and path.stat().st_mtime_ns == time_ns
    path.write_bytes(path.read_bytes()[:-9])  # cut off: made again
    assert what.make()({"part": 0}) == record and parquet.read_table(path).num_rows == 2


def test_what_holds_actors_up_costs_a_row(tiny_model: Path, samples: Path, tmp_path: Path) -> None:
    stuck = tmp_path / "stuck.jpg"
    os.mkfifo(stuck)
    what = prediction(tiny_model, tmp_path / "out")
    names = [str(samples / "astronaut.jpg"), str(stuck), str(samples / "grace_hopper.jpg")]
    write_inputs(what.result.folder, [[Input(Found(name)) for name in names]])
    assert [begun(what.result.folder, "000000") for _ in range(TRIES)] == list(range(TRIES))
    record = PartMaker(what)({"part": 0})
    assert record["faces"] == 2 and list(record["failed"]) == [str(stuck)]
    assert f"expected at most 1 s for {stuck}, got more" in record["failed"][str(stuck)]
    forget(what.result.folder)
    assert what.result.folder.names() == ["_inputs", record["file"]]


def test_a_machine_that_differs(tiny_model: Path, tmp_path: Path) -> None:
    other = Result(Folder(str(tmp_path)), "00c0ffee", {"version of mien": "0.0"})
    with pytest.raises(MienError, match=f"expected mien 0.0 on every machine of the cluster, got {__version__} on "):
        prediction(tiny_model, tmp_path, result=other).make()
    with pytest.raises(MienError, match="expected the folder /gone on every machine .*: use a file system that all"):
        prediction(tiny_model, tmp_path, here="/gone").make()


def _hang() -> None:
    with Watch(0.2).on():
        time.sleep(60)


def test_an_actor_that_hangs_ends() -> None:
    process = multiprocessing.get_context("fork").Process(target=_hang)
    process.start()
    process.join(30)
    assert process.exitcode == 3
    watch = Watch(0.4)
    with watch.on():
        for _ in range(4):
            time.sleep(0.2)
            watch.alive()
