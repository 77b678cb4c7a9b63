"""`--engine ray`: on a cluster of two machines, with an object store on loopback, and with processes killed."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import clips as made
import numpy as np
import pytest
from bucket import stored
from clips import Shelf

import mien
from mien.core.errors import DataError, InputError, MienError, MissingExtraError, OutputError, UsageError
from mien.core.images import write_image
from mien.datasets import open_data, read_table
from mien.pipeline.distributed import division
from mien.pipeline.distributed.cluster import joined
from mien.pipeline.distributed.result import MANIFEST
from mien.verbs import prepare_distributed

ray = pytest.importorskip("ray")
pytest.importorskip("moto")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a cluster of two machines on one: needs Linux")

Rows = list[dict[str, Any]]
SMALL = {"min_face": 60, "detect_every": 30}


@pytest.fixture(scope="module")
def environment() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        source = str(Path(mien.__file__).parents[1])
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH")))))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        yield patch


@pytest.fixture(scope="module")
def store(environment: pytest.MonkeyPatch) -> Iterator[Any]:
    """An object store on loopback with an empty bucket ``mien``: its file system."""
    with stored("mien") as files:
        yield files


@pytest.fixture(scope="module")
def cluster(environment: pytest.MonkeyPatch, store: Any) -> Iterator[Any]:
    """Two machines of a processor each, one of which claims a GPU, with little memory for objects."""
    from ray.cluster_utils import Cluster

    machine = {"num_cpus": 1, "object_store_memory": 80 * 1024**2, "include_log_monitor": False}
    both = Cluster(initialize_head=True, head_node_args={**machine, "include_dashboard": False, "no_monitor": True})
    both.add_node(**machine, num_gpus=1)
    environment.setenv("RAY_ADDRESS", both.address)
    yield both
    ray.shutdown()
    both.shutdown()


@pytest.fixture
def connected(cluster: Any) -> Iterator[None]:
    """One connection for several runs; mien leaves alone what it did not begin."""
    ray.init(address=cluster.address, log_to_driver=False, configure_logging=False)
    yield
    ray.shutdown()


@pytest.fixture
def options(tiny_model: Path) -> dict[str, Any]:
    return {"model": tiny_model, **SMALL}


def read(folder: str | Path, files: Any = None) -> Rows:
    """The rows of all parts in order."""
    import pyarrow.parquet as parquet

    names = sorted(files.glob(f"{folder}/part-*.parquet") if files else Path(folder).glob("part-*.parquet"))
    return [row for name in names for row in parquet.read_table(name, filesystem=files).to_pylist()]


def expect_equal(rows: Rows, expected: Rows) -> None:
    """All values, probabilities to 1e-5."""
    assert len(rows) == len(expected)
    for row, other in zip(rows, expected, strict=True):
        assert list(row) == list(other)
        for name, value in other.items():
            same = pytest.approx(value, abs=1e-5) if isinstance(value, float) else value
            assert row[name] == same, (name, row, other)


@pytest.fixture
def long_clip(clips: Shelf, tmp_path: Path) -> Path:
    """One of 300 frames, which the test below reads in three ranges."""
    path = tmp_path / "long.mp4"
    made._ffmpeg("-stream_loop", "3", "-i", str(clips["crossing"].path), "-c", "copy", str(path))
    return path


def test_the_rows_are_those_of_one_machine(
    connected: None,
    store: Any,
    clips: Shelf,
    long_clip: Path,
    samples: Path,
    tmp_path: Path,
    options: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import pyarrow
    import pyarrow.parquet as parquet

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(division, "PART", 2)
    monkeypatch.setattr(division, "LONG", 150)
    monkeypatch.setattr(division, "RANGE", 100)
    pictures = Path("pictures")
    pictures.mkdir()
    for number, name in enumerate(("astronaut", "grace_hopper", "astronaut")):
        (pictures / f"{number}.jpg").write_bytes((samples / f"{name}.jpg").read_bytes())
    (pictures / "3.jpg").write_bytes(b"no picture")
    (pictures / "notes.txt").write_text("x")
    packed = [(samples / f"{name}.jpg").read_bytes() for name in ("grace_hopper", "astronaut")]
    parquet.write_table(pyarrow.table({"image": [*packed, None]}), "packed.parquet", row_group_size=2)
    store.put("pictures", "mien/in/pictures", recursive=True)
    store.put("packed.parquet", "mien/in/packed.parquet")
    store.put(str(clips["cut"].path), "mien/in/zoo/cut.mp4")
    made.text(tmp_path / "letter.mp4")

    told: list[tuple[int, int]] = []
    found = mien.predict(
        ["pictures", "packed.parquet", clips["cut"].path, long_clip, "letter.mp4", "s3://mien/in"],
        engine="ray", out="s3://mien/out/faces", smooth="exponential", **options,
        tell=lambda step: told.append((step.done, step.total)),
    )  # fmt: skip
    rows = read("mien/out/faces", store)

    here = mien.predict(
        ["pictures", "packed.parquet", clips["cut"].path, long_clip, "letter.mp4"], smooth="exponential", **options
    )
    in_store = [row for row in rows if str(row["source"]).startswith("s3://")]
    expect_equal(rows[: len(here.rows)], list(here.rows))
    names = list(dict.fromkeys(row["source"].removeprefix("s3://mien/in/") for row in in_store))
    assert names == [
        "packed.parquet#0", "packed.parquet#1", "packed.parquet#2",
        "pictures/0.jpg", "pictures/1.jpg", "pictures/2.jpg", "pictures/3.jpg", "zoo/cut.mp4",
    ]  # fmt: skip
    of_clip = [row | {"source": str(clips["cut"].path)} for row in in_store if row["source"].endswith("cut.mp4")]
    expect_equal(of_clip, [row for row in here.rows if row["source"] == str(clips["cut"].path)])
    stored = [row for row in in_store if "pictures" in row["source"] and not row["error"]]
    expect_equal(
        [row | {"source": row["source"].removeprefix("s3://mien/in/")} for row in stored],
        [row for row in here.rows if str(row["source"]).startswith("pictures/") and not row["error"]],
    )

    assert (found.pictures, found.clips, found.frames) == (14, 4, 300 + 75 * 2)
    assert sorted(map(Path, found.failed)) == sorted(
        map(Path, ["pictures/3.jpg", "packed.parquet#2", "letter.mp4",
                   "s3://mien/in/pictures/3.jpg", "s3://mien/in/packed.parquet#2"])
    )  # fmt: skip
    assert found.failed["s3://mien/in/packed.parquet#2"] == (
        "expected a picture in s3://mien/in/packed.parquet#2, got an empty cell"
    )
    assert found.skipped == "skipped 2 files that are neither photographs nor clips: 2 .txt"
    assert sum(done for done, _ in told) == 18 and {total for _, total in told} == {18}
    manifest = json.loads(store.cat(f"mien/out/faces/{MANIFEST}"))
    assert manifest["complete"] and manifest["plan"]["smooth"] == "exponential"
    assert sum(part["inputs"] for part in manifest["parts"]) == 18
    assert sum(part["rows"] for part in manifest["parts"]) == len(rows)
    assert sorted(Path(name).name for name in store.ls("mien/out/faces")) == [
        "_inputs", MANIFEST, *(part["file"] for part in manifest["parts"])
    ]  # fmt: skip


def test_a_table_is_that_of_one_machine(connected: None, samples: Path, tmp_path: Path) -> None:
    for name, label in (("astronaut", "happy"), ("grace_hopper", "neutral")):
        (tmp_path / "people" / label).mkdir(parents=True)
        (tmp_path / "people" / label / "a.jpg").write_bytes((samples / f"{name}.jpg").read_bytes())
    (tmp_path / "people" / "happy" / "b.jpg").write_bytes(b"no picture")
    told: list[tuple[int, int]] = []
    words = {"data": f"folder={tmp_path / 'people'}", "options": {"faces": False}}
    found = mien.prepare(
        **words, out=tmp_path / "ray.parquet", engine="ray", tell=lambda done, total: told.append((done, total))
    )
    here = mien.prepare(**words, out=tmp_path / "here.parquet")
    assert found.digest == here.digest and found.failed == here.failed and len(found.failed) == 1
    assert told == [(3, 3)]
    assert not list(tmp_path.glob(".*"))


def test_a_table_in_parts_in_an_object_store(
    connected: None, store: Any, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From class folders, labels in a csv, and Parquet, all of them in a bucket, into the bucket."""
    import pyarrow
    import pyarrow.parquet as parquet

    monkeypatch.setattr(prepare_distributed, "ROWS_IN_GROUP", 2)
    one, two = ((samples / f"{name}.jpg").read_bytes() for name in ("astronaut", "grace_hopper"))
    files = {"people/happy/a.jpg": one, "people/happy/b.jpg": b"no picture", "people/neutral/a.jpg": two}
    files |= {"list/labels.csv": b"path,label,split\na.jpg,happy,test\n../people/happy/a.jpg,neutral,train\n"}
    files |= {"list/a.jpg": one}
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "packed").mkdir()
    columns = {"image": [one, two, None], "label": ["happy", "neutral", "neutral"]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "packed" / "0.parquet")
    store.put(f"{tmp_path}/people", "mien/sets/people", recursive=True)
    store.put(f"{tmp_path}/list", "mien/sets/list", recursive=True)
    store.put(f"{tmp_path}/packed", "mien/sets/packed", recursive=True)

    def data(root: str) -> list[str]:
        return [f"folder={root}/people", f"csv={root}/list/labels.csv", f"parquet={root}/packed"]

    told: list[tuple[int, int]] = []
    words = {"options": {"faces": False}, "size": 48}
    found = mien.prepare(
        data("s3://mien/sets"), out="s3://mien/faces", engine="ray", tell=lambda *step: told.append(step), **words
    )
    here = mien.prepare(data(str(tmp_path)), out=tmp_path / "here.parquet", **words)
    assert found.digest == here.digest and found.faces == here.faces == {"train": 4, "test": 1}
    assert (found.mean, found.std, found.labelled) == (here.mean, here.std, here.labelled)
    assert list(found.failed) == list(here.failed) == [
        "folder-happy/b.jpg", "csv-../people/happy/a.jpg", "parquet-0.parquet#2"
    ]  # fmt: skip
    assert "which leads out of it" in found.failed["csv-../people/happy/a.jpg"]
    assert found.out == "s3://mien/faces" and told[-1] == (8, 8) and len(told) == 4

    table, whole = read_table("s3://mien/faces"), read_table(tmp_path / "here.parquet")
    assert {**table.meta, "name": ""} == {**whole.meta, "name": ""} and table.digest() == whole.digest()
    assert table.extra.keys() == whole.extra.keys() and (table.extra["box"] == whole.extra["box"]).all()
    assert open_data("s3://mien/faces", splits="test").split.tolist() == ["test"]
    manifest = json.loads(store.cat(f"mien/faces/{MANIFEST}"))
    assert [part["rows"] for part in manifest["parts"]] == [2] * 4 and manifest["complete"]
    again = mien.prepare(data("s3://mien/sets"), out="s3://mien/faces", engine="ray", resume=True, **words)
    assert again.digest == found.digest and again.failed == found.failed  # nothing to do

    with pytest.raises(UsageError, match="expected the same size as in the unfinished work on s3://mien/faces"):
        mien.prepare(data("s3://mien/sets"), out="s3://mien/faces", engine="ray", resume=True, **words | {"size": 32})
    with pytest.raises(DataError, match="expected an object at s3://mien/sets/absent, got none"):
        mien.prepare("folder=s3://mien/sets/absent", out="s3://mien/more", engine="ray")


def test_parts_of_a_table_that_cannot_be(connected: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare_distributed, "ROWS_IN_GROUP", 1)
    for name, size in (("a", 32), ("b", 40)):
        (tmp_path / "faces" / "happy").mkdir(parents=True, exist_ok=True)
        write_image(tmp_path / "faces" / "happy" / f"{name}.png", np.zeros((size, size, 3), np.uint8))
    out = tmp_path / "table"
    line = "expected face crops of one size, got (32 x 32 and 40 x 40|40 x 40 and 32 x 32) .* --size PX"
    with pytest.raises(DataError, match=line):
        mien.prepare(f"folder={tmp_path / 'faces'}", out=out, engine="ray")
    assert not list(out.iterdir())
    assert mien.prepare(f"folder={tmp_path / 'faces'}", out=out, engine="ray", size=24).faces == {"train": 2}
    for path in (tmp_path / "faces" / "happy").iterdir():
        path.write_bytes(b"no picture")
    with pytest.raises(DataError, match="expected a face in at least one of 2 pictures, got none; the first: "):
        mien.prepare(f"folder={tmp_path / 'faces'}", out=out, engine="ray", size=24, overwrite=True)
    with pytest.raises(OutputError, match=r"expected TABLE.parquet, or a folder for its parts, got .*t\.csv"):
        mien.prepare(f"folder={tmp_path / 'faces'}", out=tmp_path / "t.csv", engine="ray")
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="expected a folder for the parts of --engine ray at .*, got a file"):
        mien.prepare(f"folder={tmp_path / 'faces'}", out=tmp_path / "file", engine="ray")


def test_actors_share_gpus(connected: None, samples: Path, options: dict[str, Any], tmp_path: Path) -> None:
    with joined(device="cuda") as two:
        assert (two.slots, two.gpus) == (2, 0.25)
    with pytest.raises(UsageError, match="expected onnxruntime with CUDA"):  # an actor of the machine that claims one
        mien.predict(samples, engine="ray", device="cuda", out=tmp_path / "faces", **options)


@pytest.mark.timeout(1500)
def test_killed_and_resumed(
    cluster: Any, samples: Path, tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures, out = tmp_path / "pictures", tmp_path / "faces"
    mend = write_with_one_stuck(pictures, samples)
    words = f"model={str(options['model'])!r}, min_face=60, detect_every=30"
    before = killed(cluster, f"mien.predict({str(pictures)!r}, engine='ray', out={str(out)!r}, {words})", out)
    monkeypatch.setattr(division, "PART", 2)  # of no consequence now: the division stands
    with pytest.raises(OutputError, match=f"expected no unfinished work on {out}, got .* parts of it: go on with"):
        mien.predict(pictures, engine="ray", out=out, **options)
    with pytest.raises(UsageError, match="expected the same abstain as in the unfinished work on .* got 0.9: give"):
        mien.predict(pictures, engine="ray", out=out, resume=True, abstain=0.9, **options)

    mend()
    found = mien.predict(pictures, engine="ray", out=out, resume=True, **options)
    assert found.pictures == 24 and found.failed == {}
    assert all((out / name).stat().st_mtime_ns == time_ns for name, time_ns in before.items())
    expect_equal(read(out), list(mien.predict(pictures, **options).rows))
    manifest = json.loads((out / MANIFEST).read_text())
    assert manifest["complete"] and [part["part"] for part in manifest["parts"]] == list(range(12))
    assert sorted(path.name for path in out.iterdir()) == [
        "_inputs",
        MANIFEST,
        *(path.name for path in parts(out)),
    ]
    with pytest.raises(OutputError, match=f"expected no result at {out}, got one: choose another, or give --overwrite"):
        mien.predict(pictures, engine="ray", out=out, **options)
    assert mien.predict(pictures, engine="ray", out=out, resume=True, **options).pictures == 24  # nothing to do


@pytest.mark.timeout(1500)
def test_a_preparation_killed_and_resumed(
    cluster: Any, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people, out = tmp_path / "people", tmp_path / "faces"
    mend = write_with_one_stuck(people / "happy", samples)
    words: dict[str, Any] = {"data": f"folder={people}", "options": {"faces": False}}
    before = killed(cluster, f"mien.prepare(engine='ray', out={str(out)!r}, **{words})", out)
    with pytest.raises(DataError, match=f"expected a finished table in {out}, got .* of 12 parts: go on with"):
        read_table(out)

    mend()
    monkeypatch.setattr(prepare_distributed, "ROWS_IN_GROUP", 2)
    found = mien.prepare(**words, engine="ray", out=out, resume=True)
    assert all((out / name).stat().st_mtime_ns == time_ns for name, time_ns in before.items())
    here = mien.prepare(**words, out=tmp_path / "here.parquet")
    assert found.failed == {} and found.faces == {"train": 24} and found.digest == here.digest
    assert len(parts(out)) == 12 and read_table(out).digest() == here.digest


def write_with_one_stuck(folder: Path, samples: Path) -> Callable[[], None]:
    """24 pictures, of which one cannot be read until what is returned is called: it holds one actor up."""
    folder.mkdir(parents=True)
    for number in range(24):
        name = ("astronaut", "grace_hopper")[number % 2]
        (folder / f"{number:02}.jpg").write_bytes((samples / f"{name}.jpg").read_bytes())
    stuck, whole = folder / "09.jpg", folder.parent / "whole.jpg"
    stuck.replace(whole)
    os.mkfifo(stuck)

    def mend() -> None:
        whole.replace(stuck)

    return mend


def killed(cluster: Any, call: str, out: Path) -> dict[str, int]:
    """Have another process work in parts of two pictures; kill all actors in the middle, then this process.

    Returns:
        The parts that are there then, and when each was written.
    """
    driver = subprocess.Popen([sys.executable, "-c", _SMALL_PARTS + call], stderr=subprocess.PIPE)
    try:
        wait_for(lambda: len(parts(out)) >= 2, driver)
        for actor in actors(cluster):
            os.kill(actor, signal.SIGKILL)
        wait_for(lambda: len(parts(out)) >= 8, driver)
    finally:
        driver.kill()
        driver.wait()
        assert driver.stderr
        driver.stderr.close()
    before = {path.name: path.stat().st_mtime_ns for path in parts(out)}
    assert 8 <= len(before) < 12
    return before


_SMALL_PARTS = """
import mien
from mien.pipeline.distributed import division
from mien.verbs import prepare_distributed
division.PART = prepare_distributed.ROWS_IN_GROUP = 2
"""


def parts(folder: Path) -> list[Path]:
    return sorted(folder.glob("part-*.parquet"))


def actors(cluster: Any) -> list[int]:
    """The processes of Ray Data's actors on the machines of this cluster."""
    machines = {node.all_processes["raylet"][0].process.pid for node in cluster.list_all_nodes()}
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            if parent in machines and b"MapWorker" in (process / "cmdline").read_bytes():
                found.append(int(process.name))
    assert found
    return found


def wait_for(condition: Callable[[], bool], driver: subprocess.Popen[bytes], *, limit_s: float = 600) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert driver.stderr
        assert driver.poll() is None, driver.stderr.read().decode()
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({}, "expected --out FOLDER beside --engine ray, for the parts of the table, got none"),
        ({"out": "t.csv"}, "expected a folder for the parts of --engine ray, got --out t.csv: leave out its ending"),
        ({"out": "t", "annotate": "d"}, "expected rows alone of --engine ray, got --annotate: leave it out"),
        ({"out": "t", "workers": 3}, "expected no --workers beside --engine ray, .* got 3"),
    ],
)
def test_what_the_engine_does_not_do(options: dict[str, Any], line: str) -> None:
    with pytest.raises(UsageError, match=line):
        mien.predict("a.jpg", engine="ray", **options)
    with pytest.raises(UsageError, match="expected an engine out of local, ray, got 'dask'"):
        mien.predict("a.jpg", engine="dask")


def test_a_cluster_that_does_not_answer(samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    line = r"expected a Ray cluster at 127.0.0.1:1 \(RAY_ADDRESS\), got no answer .*: start one with `ray start --head`"
    with pytest.raises(MienError, match=line):
        mien.predict(samples, engine="ray", out=tmp_path / "faces")


def test_without_the_extra(samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"expected the package 'ray', got none .* 'mien\[distributed\]'"):
        mien.predict(samples, engine="ray", out=tmp_path / "faces")


def test_somebody_elses_folder(samples: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(OutputError, match="expected an empty folder, or a result of --engine ray, .* got thesis.tex"):
        mien.predict(samples, engine="ray", out=tmp_path, overwrite=True)
    assert (tmp_path / "thesis.tex").exists()


def test_buckets_that_are_not_there(store: Any, samples: Path) -> None:
    with pytest.raises(InputError, match="expected to read s3://gone/a, got no bucket s3://gone .*: check its name"):
        mien.predict("s3://gone/a")
    with pytest.raises(InputError, match="expected an object at s3://mien/a.jpg, got none of that name"):
        mien.predict("s3://mien/a.jpg")
    with pytest.raises(OutputError, match="expected to write s3://gone/out, got no bucket s3://gone"):
        mien.predict(samples, engine="ray", out="s3://gone/out")
