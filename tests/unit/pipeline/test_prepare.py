"""Faces of data sets as a table: a row for every picture, the same however it was made."""

import errno
import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import fragile
import numpy as np
import pyarrow.parquet as parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.core.errors import DataError, InputError, OutputError, UsageError
from mien.core.images import encode, read_image, to_gray
from mien.core.labels import LABEL_SETS
from mien.core.types import Faces
from mien.datasets import DataSet, LabelColumn, read_table, write_table
from mien.datasets.dataset import PictureFile, PictureRow, PictureRows
from mien.pipeline import cut
from mien.pipeline import parts as parts_module
from mien.pipeline import prepare as module
from mien.pipeline.cut import Form
from mien.pipeline.parts import Parts
from mien.pipeline.prepare import Prepared, plan_of, prepare_table, rows_of
from mien.pipeline.recognizer import Recognizer
from mien.runtime.card import CropGeometry

FACES = Form(size=None, color="gray", detector="none")
PHOTOGRAPHS = Form(size=24, color="rgb", detector="mtcnn", crop=CropGeometry(scale=1.0))


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PART", 7)
    monkeypatch.setattr(module, "_JOB", 3)


class Bright:
    """A detector for tests: as many faces, each larger than the one before, as the picture's first pixel says."""

    def detect(self, image: np.ndarray, /, *, min_face: int = 40) -> Faces:
        n = int(image[0, 0, 0])
        boxes = np.array([[20 * i, 5, 20 * i + 10 + i, 15 + i] for i in range(n)], np.float32).reshape(n, 4)
        return Faces(boxes, np.linspace(1, 0.5, n), np.full((n, 5, 2), np.nan))


@pytest.fixture
def bright(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cut, "DETECTORS", type("Registry", (), {"create": lambda *_, **__: Bright()}))


@dataclass(frozen=True)
class Made:
    """A picture out of nothing, or an error."""

    where: str
    pixels: np.ndarray | None
    seen: Callable[["Made"], Any] | None = None
    path: str | None = None

    def read(self) -> np.ndarray:
        if self.seen:
            self.seen(self)
        if self.pixels is None:
            raise InputError(f"expected a picture at {self.where}, got no such file: check the path")
        return self.pixels


def data_set(pictures: Any, *, name: str = "made", faces: bool = True, gray: bool = True, **changes: Any) -> DataSet:
    n = len(pictures)
    known: dict[str, Any] = {
        "ids": [f"{name}-{k}" for k in range(n)],
        "split": [("train", "train", "valid")[k % 3] for k in range(n)],
        "sources": {"fer2013": LabelColumn(LABEL_SETS["fer2013"], np.arange(n, dtype=np.int16) % 7, rule="all")},
        "extra": {"subject": np.array([f"s{k % 4}" for k in range(n)], np.str_)},
    }
    return DataSet(
        name=name, root=Path(name), form="made up", origin="nobody", pictures=pictures, faces=faces, gray=gray,
        **(known | changes),
    )  # fmt: skip


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def face_rows(n: int = 25) -> DataSet:
    return data_set(PictureRows(noise(n, 12, 10), [f"row {k}" for k in range(n)]))


def photographs(counts: list[int | None], **changes: Any) -> DataSet:
    """A photograph with so many faces each, None for one that cannot be read."""
    pictures = []
    for k, count in enumerate(counts):
        pixels = noise(40, 90, 3, seed=k)
        pixels[0, 0, 0] = count or 0
        pictures.append(Made(f"{k}.jpg", None if count is None else pixels))
    return data_set(pictures, faces=False, gray=False, **changes)


def make(
    out: Path, *sets: DataSet, form: Form = FACES, workers: int = 2, resume: bool = False, overwrite: bool = False,
    time_limit: float | None = None, tell: Any = None,
) -> Prepared:  # fmt: skip
    parts = Parts(out, plan_of(sets, form))
    parts.begin(resume=resume, overwrite=overwrite)
    return prepare_table(sets, rows_of(sets), form, parts, workers=workers, time_limit=time_limit, tell=tell)


def test_face_crops_are_taken_as_they_are(tmp_path: Path) -> None:
    data = face_rows()
    prepared = make(tmp_path / "t.parquet", data)
    table, whole = read_table(tmp_path / "t.parquet"), data.table()
    assert table.digest() == whole.digest() == prepared.digest
    assert table.extra["subject"].tolist() == whole.extra["subject"].tolist() and "box" not in table.extra
    assert table.sources["fer2013"].rule == "all"
    assert not prepared.failed and table.meta["failed"] == "0" and table.meta["detector"] == "none"
    assert [each.name for each in tmp_path.iterdir()] == ["t.parquet"]


@pytest.mark.parametrize("workers", [1, 4])
def test_the_file_is_the_same_whatever_the_workers(tmp_path: Path, workers: int, bright: None) -> None:
    data = photographs([k % 3 if k % 5 else None for k in range(30)])
    make(tmp_path / "one.parquet", data, form=PHOTOGRAPHS, workers=2)
    make(tmp_path / "two.parquet", data, form=PHOTOGRAPHS, workers=workers)
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()


def test_processes_make_the_same_file_but_for_what_none_survives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two data sets: a picture brings its process down, one holds it up, one does so only once."""
    monkeypatch.setenv(fragile.MARK, str(tmp_path / "mark"))
    colors = {4: fragile.DEADLY, 9: fragile.ONCE, 12: fragile.SLOW}
    bad = data_set(
        [fragile.Made(f"{k}.png", colors.get(k, (k, 9, 9))) for k in range(16)], name="bad", gray=False
    )  # fmt: skip
    form = replace(FACES, color="rgb")
    prepared = make(tmp_path / "bad.parquet", face_rows(5), bad, form=replace(form, size=12), time_limit=2)
    assert prepared.failed == {
        "bad-4": "expected a worker process to live through 4.png, got one that ended by SIGSEGV: leave it out, or "
        "convert it; if others fail, too, memory may be short",
        "bad-12": "expected at most 2 s for 12.png, got more: leave it out, or allow more time",
    }
    good = face_rows(20)
    make(tmp_path / "here.parquet", good)
    make(tmp_path / "there.parquet", good, time_limit=60)
    assert (tmp_path / "here.parquet").read_bytes() == (tmp_path / "there.parquet").read_bytes()


def test_what_fails_is_a_row_and_the_rest_goes_on(tmp_path: Path, bright: None) -> None:
    prepared = make(tmp_path / "t.parquet", photographs([1, None, 2, 0, 1, 1, 1, 1, 1]), form=PHOTOGRAPHS)
    assert prepared.failed == {
        "made-1": "expected a picture at 1.jpg, got no such file: check the path",
        "made-3": "expected a face in 3.jpg, got none of 40 pixels or more",
    }
    frame = parquet.read_table(tmp_path / "t.parquet").to_pylist()
    assert [row["id"] for row in frame] == [f"made-{k}" for k in range(9)]
    assert {row["id"]: row["error"] for row in frame if row["image"] is None} == prepared.failed
    assert all(row["error"] is None for row in frame if row["image"] is not None)
    table = read_table(tmp_path / "t.parquet")
    assert table.ids.tolist() == ["made-0", "made-2", *(f"made-{k}" for k in range(4, 9))]
    assert table.digest() == prepared.digest and table.meta["failed"] == "2"
    assert read_table(tmp_path / "t.parquet", splits=["valid"]).meta["failed"] == "0"
    assert table.sources["fer2013"].ids.tolist() == [0, 2, 4, 5, 6, 0, 1]


def test_nothing_but_failures_is_no_table(tmp_path: Path, bright: None) -> None:
    with pytest.raises(DataError, match=r"a face in at least one of 2 pictures, got none; the first: expected a face"):
        make(tmp_path / "t.parquet", photographs([0, None]), form=PHOTOGRAPHS)
    assert not list(tmp_path.iterdir())


def test_a_face_is_the_same_as_at_inference(tmp_path: Path, tiny_model: Path, samples: Path) -> None:
    names = ["astronaut.jpg", "grace_hopper.jpg"]
    data = data_set([PictureFile(str(samples), name) for name in names], faces=False, gray=False)
    for model in (str(tiny_model), "mien-s"):
        recognizer = Recognizer(model)
        card = recognizer.classifier.card
        form = Form(size=card.input.size, color=card.input.color, crop=card.crop)
        make(tmp_path / "t.parquet", data, form=form, overwrite=True)
        table = read_table(tmp_path / "t.parquet")
        for k, name in enumerate(names):
            faces, crops = recognizer.locate(read_image(samples / name))
            largest = faces.areas.argmax()
            np.testing.assert_array_equal(table.images[k], crops[largest])
            np.testing.assert_array_equal(table.extra["box"][k], faces.boxes[largest])
            assert table.extra["score"][k] == faces.scores[largest]
    about = read_table(tmp_path / "t.parquet").meta
    assert about["detector"] == "mtcnn" and json.loads(about["geometry"])["scale"] == card.crop.scale
    assert (about["size"], about["colour"]) == (f"{card.input.size}x{card.input.size}", card.input.color)


def test_which_face_of_several(tmp_path: Path, bright: None) -> None:
    """The largest, or the one that lies at the box that the data set gives."""
    boxes = np.array([[np.nan] * 4, [19, 4, 32, 17], [0, 5, 10, 15], [60, 30, 80, 40], [-1, -1, -1, -1]], np.float32)
    data = photographs([3, 3, 3, 3, 3], extra={"box": boxes})
    prepared = make(tmp_path / "t.parquet", data, form=PHOTOGRAPHS)
    table = read_table(tmp_path / "t.parquet")
    assert table.extra["box"][:, 0].tolist() == [40, 20, 0, 40] and table.extra["score"].tolist() == [0.5, 0.75, 1, 0.5]
    np.testing.assert_array_equal(table.extra["box_given"], boxes[[0, 1, 2, 4]])
    assert prepared.failed == {"made-3": "expected a face in 3.jpg at its box 60, 30, 80, 40, got 3 elsewhere alone"}


def test_photographs_that_are_faces_already(tmp_path: Path) -> None:
    data = photographs([1, 1])
    make(tmp_path / "t.parquet", data, form=replace(PHOTOGRAPHS, detector="none"))
    table = read_table(tmp_path / "t.parquet")
    assert table.images.shape == (2, 24, 24, 3) and "box" not in table.extra
    boxes = np.array([[10, 5, 34, 29], [np.nan] * 4], np.float32)  # one says where its face is
    data = photographs([1, 1], extra={"box": boxes})
    make(tmp_path / "u.parquet", data, form=replace(PHOTOGRAPHS, detector="none"))
    other = read_table(tmp_path / "u.parquet")
    np.testing.assert_array_equal(other.images[0], data.pictures[0].read()[5:29, 10:34])
    np.testing.assert_array_equal(other.images[1], table.images[1])
    np.testing.assert_array_equal(other.extra["box"], boxes)


def test_size_and_colour(tmp_path: Path) -> None:
    out = tmp_path / "t.parquet"
    pictures = [Made("a", noise(20, 20, 3)), Made("b", noise(20, 20, 3, seed=1))]
    make(out, data_set(pictures, gray=False), form=replace(FACES, color="rgb"))
    np.testing.assert_array_equal(read_table(out).images[1], pictures[1].pixels)
    for data in (data_set(pictures), data_set(pictures, gray=False)):
        make(out, data, overwrite=True)
        np.testing.assert_array_equal(read_table(out).images[0], to_gray(pictures[0].pixels))
    make(out, face_rows(3), form=replace(FACES, color="rgb", size=16), overwrite=True)
    assert read_table(out).images.shape == (3, 16, 16, 3)


def test_several_sizes_need_one(tmp_path: Path) -> None:
    pictures = [Made(f"{k}.png", noise(20, 20 + (k == 9))) for k in range(12)]
    with pytest.raises(DataError, match=r"crops of one size, got 20 x 20 and 21 x 20 \(9\.png\): say with --size PX"):
        make(tmp_path / "t.parquet", data_set(pictures))
    assert not list(tmp_path.iterdir())
    make(tmp_path / "t.parquet", data_set(pictures), form=replace(FACES, size=20))
    assert len(read_table(tmp_path / "t.parquet")) == 12


def test_mean_and_deviation_are_those_of_train(tmp_path: Path) -> None:
    data = data_set([Made(f"{k}", noise(9, 8, 3, seed=k)) for k in range(10)], gray=False)
    for split in (data.split.tolist(), ["test"] * 10):
        prepared = make(
            tmp_path / "t.parquet", replace(data, split=split), form=replace(FACES, color="rgb"), overwrite=True
        )
        table = read_table(tmp_path / "t.parquet")
        pixels = table.images[table.split == split[0]].reshape(-1, 3) / 255
        np.testing.assert_allclose(prepared.mean, pixels.mean(0), rtol=1e-12)
        np.testing.assert_allclose(prepared.std, pixels.std(0), rtol=1e-9)
        assert json.loads(table.meta["mean"]) == list(prepared.mean)
        assert json.loads(table.meta["std"]) == list(prepared.std)


def test_data_sets_side_by_side(tmp_path: Path) -> None:
    one = face_rows(9)
    other = data_set(
        PictureRows(noise(8, 12, 10, seed=1), [f"row {k}" for k in range(8)]),
        name="other",
        sources={"ck48": LabelColumn(LABEL_SETS["ck48"], np.zeros(8, np.int16))},
        extra={},
        notes=("odd",),
    )
    make(tmp_path / "t.parquet", one, other)
    table = read_table(tmp_path / "t.parquet")
    assert table.ids.tolist() == [*one.ids, *other.ids] and list(table.sources) == ["fer2013", "ck48"]
    assert table.sources["ck48"].ids.tolist() == [-1] * 9 + [0] * 8 and table.extra["subject"][9:].tolist() == [""] * 8
    assert table.meta["name"] == "made+other" and json.loads(table.meta["notes"]) == ["odd"]
    np.testing.assert_array_equal(table.images[9:], other.pictures.images)
    with pytest.raises(DataError, match="without a common image"):
        rows_of([one, one])


class Broken(Exception):
    """Stands for whatever ends a process."""


def broken_off(after: int) -> Callable[[int, int], None]:
    def tell(done: int, total: int) -> None:
        if done >= after:
            raise Broken

    return tell


@pytest.mark.parametrize("after", [1, 8, 20, 25])
def test_broken_off_and_resumed_is_the_same_as_unbroken(tmp_path: Path, after: int) -> None:
    make(tmp_path / "unbroken.parquet", face_rows())
    read: list[str] = []
    pictures = [
        Made(each.where, each.read(), seen=lambda made: read.append(made.where)) for each in face_rows().pictures
    ]
    with pytest.raises(Broken):
        make(tmp_path / "t.parquet", data_set(pictures), tell=broken_off(after))
    assert not (tmp_path / "t.parquet").exists()
    read.clear()
    told: list[tuple[int, int]] = []
    make(tmp_path / "t.parquet", data_set(pictures), resume=True, tell=lambda *each: told.append(each))
    assert (tmp_path / "t.parquet").read_bytes() == (tmp_path / "unbroken.parquet").read_bytes()
    kept = after // 7 * 7 if after < 25 else 25
    assert sorted(read) == sorted(f"row {k}" for k in range(kept, 25))
    assert not told or told[-1] == (25 - kept, 25 - kept)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["t.parquet", "unbroken.parquet"]


def test_what_was_broken_off_is_not_mixed_up(tmp_path: Path) -> None:
    out = tmp_path / "t.parquet"
    with pytest.raises(Broken):
        make(out, face_rows(), tell=broken_off(15))
    with pytest.raises(
        OutputError, match=r"no unfinished work on .*t\.parquet, got 2 parts .* --resume, .* --overwrite"
    ):
        make(out, face_rows())
    with pytest.raises(UsageError, match=r"the same color as in the unfinished work on .* \(gray\), got rgb"):
        make(out, face_rows(), form=replace(FACES, color="rgb"), resume=True)
    with pytest.raises(UsageError, match="the same set of pictures as"):
        make(out, face_rows(24), resume=True)
    make(out, face_rows(24), overwrite=True)
    assert len(read_table(out)) == 24
    make(out, face_rows(), resume=True, overwrite=True)  # nothing there to go on with
    assert len(read_table(out)) == 25


def test_a_damaged_part_is_made_again(tmp_path: Path) -> None:
    out = tmp_path / "t.parquet"
    with pytest.raises(Broken):
        make(out, face_rows(), tell=broken_off(15))
    folder = tmp_path / ".t.parquet.parts"
    path = folder / "000001.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    (folder / ".000002.parquet.123.part").write_bytes(b"left by a process that was killed")
    (folder / "whole.parquet").write_bytes(b"this too")
    make(out, face_rows(), resume=True)
    assert read_table(out).digest() == face_rows().table().digest()
    assert [each.name for each in tmp_path.iterdir()] == ["t.parquet"]


@pytest.mark.parametrize("where", ["part", "whole"])
def test_a_full_disk_is_one_line_and_can_be_resumed(
    tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")

    def refuse(*_: Any, **__: Any) -> None:
        raise full

    out = tmp_path / "t.parquet"
    with monkeypatch.context() as patch:
        patch.setattr(parquet, "write_table", refuse) if where == "part" else patch.setattr(
            parquet.ParquetWriter, "write_table", refuse
        )
        with pytest.raises(OutputError, match="No space left on device; what is done is kept: .* --resume") as caught:
            make(out, face_rows())
        assert str(out) in str(caught.value) and "\n" not in str(caught.value)
    assert not out.exists()
    make(out, face_rows(), resume=True)
    assert read_table(out).digest() == face_rows().table().digest()


def test_frames_of_one_video_are_read_in_order_by_one_thread(tmp_path: Path) -> None:
    """Within a part, of seven pictures here."""
    read: list[tuple[str, int, str]] = []
    lock = threading.Lock()

    def seen(made: Made) -> None:
        with lock:
            read.append((made.path or "", int(made.where), threading.current_thread().name))

    lengths = {"a.avi": 5, "b.avi": 6, "c.avi": 1, "d.avi": 9}
    paths = [path for path, count in lengths.items() for _ in range(count)]
    pictures = [Made(str(row), noise(8, 8, seed=row), seen, path) for row, path in enumerate(paths)]
    make(tmp_path / "t.parquet", data_set(pictures), workers=3)
    assert sorted(row for _, row, _ in read) == list(range(21))
    for part in range(3):
        for path in lengths:
            stretch = [(row, thread) for name, row, thread in read if name == path and row // 7 == part]
            assert stretch == sorted(stretch) and len({thread for _, thread in stretch}) <= 1


@settings(deadline=None, max_examples=30)
@given(sizes=st.lists(st.integers(1, 30), min_size=1, max_size=4), films=st.integers(1, 9), start=st.integers(0, 40))
def test_jobs_cover_each_row_once_and_in_order(sizes: list[int], films: int, start: int) -> None:
    sets = [
        data_set(
            [Made(f"{s} {k}", None, path=f"{k // films}" if films > 1 else None) for k in range(size)], name=f"d{s}"
        )
        for s, size in enumerate(sizes)
    ]
    total = sum(sizes)
    jobs = list(module.jobs(sets, 0, range(min(start, total), total)))
    rows = [f"{job.data.name}-{k}" for job in jobs for k in job.rows]
    assert rows == [each for data in sets for each in data.ids.tolist()][min(start, total) :]
    assert all(job.rows for job in jobs)
    for one, two in pairwise(jobs):
        if one.data is two.data and films > 1:
            assert one.rows[-1] // films != two.rows[0] // films


def test_pictures_are_read_no_further_ahead_than_the_threads_need(tmp_path: Path) -> None:
    read = []
    pictures = [Made(f"{k}", noise(8, 8), seen=lambda made: read.append(made.where)) for k in range(300)]
    with pytest.raises(Broken):
        make(tmp_path / "t.parquet", data_set(pictures), workers=2, tell=broken_off(1))
    assert len(read) <= 3 * (4 * 2 + 2)


def test_the_hash_of_the_source_sees_what_was_read(tmp_path: Path) -> None:
    def source(*changed: int, workers: int = 2, prefix: str = "made") -> str:
        pictures = [Made(f"{k}", noise(8, 8, seed=k + 100 * (k in changed))) for k in range(9)]
        make(tmp_path / "t.parquet", data_set(pictures, name=prefix), workers=workers, overwrite=True)
        return str(read_table(tmp_path / "t.parquet").meta["source_sha256"])

    assert source() == source(workers=1) and len(source()) == len(hashlib.sha256().hexdigest())
    assert len({source(), source(3), source(8), source(prefix="other")}) == 4


def test_an_odd_file_name_is_no_obstacle(tmp_path: Path) -> None:
    name = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    pictures = [Made(name, None), Made(name, noise(8, 8))]
    data = data_set(pictures, ids=[f"a-{name}", f"b-{name}"], extra={"subject": np.array([name, name])})
    prepared = make(tmp_path / "t.parquet", data)
    why = "expected a picture at caf\ufffd.jpg, got no such file: check the path"
    assert prepared.failed == {"a-caf\ufffd.jpg": why}
    table = read_table(tmp_path / "t.parquet")
    assert table.ids.tolist() == ["b-caf\ufffd.jpg"] and table.extra["subject"].tolist() == ["caf\ufffd.jpg"]
    assert table.digest() == prepared.digest


def test_no_picture_at_all(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected pictures in made, got none"):
        make(tmp_path / "t.parquet", face_rows(0))
    assert not list(tmp_path.iterdir())


def test_a_picture_in_a_file_is_read_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode(noise(8, 8)))
    (tmp_path / "b.png").write_bytes(b"nothing")
    data = data_set(
        [PictureFile(str(tmp_path), "a.png"), PictureFile(str(tmp_path), "b.png"), PictureRow("c", noise(8, 8))]
    )
    prepared = make(tmp_path / "t.parquet", data)
    assert list(prepared.failed) == ["made-1"] and prepared.failed["made-1"].startswith("expected a picture in ")
    np.testing.assert_array_equal(read_table(tmp_path / "t.parquet").images[0], noise(8, 8))


def test_a_table_written_again_is_the_same(tmp_path: Path, bright: None) -> None:
    make(tmp_path / "t.parquet", photographs([1, 0, 2, 1]), form=PHOTOGRAPHS)
    table = read_table(tmp_path / "t.parquet")
    write_table(table, tmp_path / "u.parquet")
    again = read_table(tmp_path / "u.parquet")
    assert again.digest() == table.digest() and again.meta == table.meta


def test_parts_say_what_is_missing(tmp_path: Path) -> None:
    parts = parts_module.Parts(tmp_path / "t.parquet", {"a": 1})
    parts.begin(resume=True, overwrite=False)
    assert not parts.has(0, 3)
    parts.write(0, {"a": [1, 2, 3]})
    assert parts.has(0, 3) and not parts.has(0, 4) and parts.read(0, ["a"])["a"].to_pylist() == [1, 2, 3]
    (parts.folder / "plan.json").write_text("{")
    parts.begin(resume=True, overwrite=False)  # killed before its plan was whole: nothing to go on with
    assert not parts.has(0, 3)
