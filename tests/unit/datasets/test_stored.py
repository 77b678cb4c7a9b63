"""Pictures that stay in their files are those that an array would hold, and are read group by group."""

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow")

from mien.core import stores
from mien.core.errors import DataError, UsageError
from mien.core.labels import LABEL_SETS
from mien.datasets import LabelColumn, Table, open_data, read_table, write_table
from mien.datasets.parquet import ROWS_IN_GROUP, load, table_writer
from mien.datasets.stored import Store, StoredImages

N = 2 * ROWS_IN_GROUP + 76  # three row groups


def make(n: int = N, *, first: int = 0, name: str = "noise") -> Table:
    chance = np.random.default_rng(first)
    return Table(
        np.array([f"face-{first + k}" for k in range(n)]),
        chance.integers(0, 256, (n, 6, 5), np.uint8),
        np.where(np.arange(n) % 4 == 3, "valid", "train"),
        {"fer2013": LabelColumn(LABEL_SETS["fer2013"], (np.arange(n) % 7).astype(np.int16))},
        meta={"name": name, "made": "by chance"},
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stored") / "noise.parquet"
    write_table(make(), path)
    return path


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """How often each row group is read."""
    counted: Counter[int] = Counter()
    read = Store.read

    def counting(self: Store, group: int) -> object:
        counted[group] += 1
        return read(self, group)

    monkeypatch.setattr(Store, "read", counting)
    return counted


def test_they_are_selected_from_as_an_array_is(path: Path, reads: Counter[int]) -> None:
    images, stored = make().images, read_table(path, resident=False).images
    assert isinstance(stored, StoredImages)
    assert (stored.shape, stored.ndim, stored.dtype, len(stored)) == (images.shape, 3, np.uint8, N)
    mask, index = np.arange(N) % 5 == 0, np.array([1050, 3, 600, 3])
    for which in (slice(500, 530), mask, index, slice(None, None, -1)):
        assert isinstance(stored[which], StoredImages)
        assert not reads
        np.testing.assert_array_equal(np.asarray(stored[which]), images[which])
        reads.clear()
    np.testing.assert_array_equal(stored[1050], images[1050])
    np.testing.assert_array_equal(stored[10:20, :, ::-1], images[10:20, :, ::-1])
    np.testing.assert_array_equal(np.stack(list(stored[:30])), images[:30])


def test_a_table_says_the_same_of_itself(path: Path) -> None:
    stored, table = read_table(path, resident=False), make()
    assert stored.digest() == table.digest() == load(stored).digest()
    assert stored.of_split("valid").pixel_keys() == table.of_split("valid").pixel_keys()
    assert read_table(path, splits=["valid"], resident=False).digest() == table.of_split("valid").digest()


def test_batches_read_each_group_once_and_let_it_go(path: Path, reads: Counter[int]) -> None:
    stored, images = read_table(path, resident=False).images, make().images
    assert isinstance(stored, StoredImages)
    plan = list(np.split(np.random.default_rng(1).permutation(N), 10))
    for index, batch in zip(plan, stored.batches(plan), strict=True):
        np.testing.assert_array_equal(batch, images[index])
    assert reads == {0: 1, 1: 1, 2: 1}
    reads.clear()
    batches = stored[:ROWS_IN_GROUP].batches([np.array([0, 1]), np.array([0])])
    assert len(next(batches)) == 2
    assert len(next(batches)) == 1  # the first face once more, as some ways of sampling draw it
    assert next(batches, None) is None
    assert reads == {0: 1}


def test_several_tables_are_one(path: Path, tmp_path: Path) -> None:
    other = make(40, first=N)
    write_table(other, tmp_path / "other.parquet")
    both = Table.concatenate([read_table(each, resident=False) for each in (path, tmp_path / "other.parquet")])
    assert isinstance(both.images, StoredImages)
    assert both.digest() == Table.concatenate([make(), other]).digest()
    with pytest.raises(DataError, match=r"expected a readable table at .*other.parquet, got"):
        (tmp_path / "other.parquet").unlink()
        both.images[N + 3]


def test_a_folder_of_parts_is_one_table(path: Path, tmp_path: Path) -> None:
    shutil.copy(path, tmp_path / "part-0.parquet")
    write_table(make(40, first=N), tmp_path / "part-1.parquet")
    (tmp_path / "manifest.json").write_text("{}", "utf-8")
    table = open_data(tmp_path)
    assert table.digest() == Table.concatenate([make(), make(40, first=N)]).digest()
    assert table.meta == {"name": "noise", "made": "by chance"}
    assert set(open_data(tmp_path, splits="valid").split.tolist()) == {"valid"}
    with pytest.raises(DataError, match="expected the split 'test' in .*, got train, valid only"):
        open_data(tmp_path, splits="test")
    write_table(make(4, first=N + 100, name="others"), tmp_path / "part-2.parquet")
    with pytest.raises(DataError, match="expected parts of one table in .*, got those of noise, others: put several"):
        open_data(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="expected a .parquet table, or NAME=FOLDER"):
        open_data(tmp_path / "empty")
    with pytest.raises(DataError, match="expected Parquet files in .*empty, got none"):
        read_table(tmp_path / "empty")


def parts(folder: Path, *, complete: bool = True) -> None:
    """A table in two parts with their manifest; in the first no picture gave a face."""
    folder.mkdir()
    table = make(6)
    none = table_writer(folder / "part-0.parquet", replace(table, images=np.empty((6, 0, 0), np.uint8),
                        meta={"name": "noise", "size": "0x0", "failed": "6"}), shape=(0, 0), errors=True)  # fmt: skip
    with none as write:
        write(table, [None] * 6, ["expected a face, got none"] * 6)
    write_table(replace(make(4, first=6), meta={"name": "noise", "size": "5x6"}), folder / "part-1.parquet")
    said = {"complete": complete, "inputs": {"parts": 2}, "meta": {"mean": "[0.5]"},
            "parts": [{"file": f"part-{k}.parquet"} for k in range(2)]}  # fmt: skip
    (folder / "_manifest.json").write_text(json.dumps(said), "utf-8")


def test_a_part_without_a_face_says_nothing_of_the_others(tmp_path: Path) -> None:
    parts(tmp_path / "faces")
    table = read_table(tmp_path / "faces")
    assert len(table) == 4 and table.meta == {"name": "noise", "size": "5x6", "failed": "6", "mean": "[0.5]"}


def test_a_part_that_is_lost_is_said(tmp_path: Path) -> None:
    parts(tmp_path / "faces")
    (tmp_path / "faces" / "part-0.parquet").unlink()
    with pytest.raises(
        DataError, match=r"expected all 2 parts of the table in .*, got it without part-0\.parquet: copy"
    ):
        open_data(tmp_path / "faces")


def test_a_manifest_that_a_store_does_not_give_is_no_table_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a table that is not finished would pass for one that is."""
    files = pytest.importorskip("fsspec").filesystem("memory")
    monkeypatch.setattr(stores, "SCHEMES", (*stores.SCHEMES, "memory"))
    parts(tmp_path / "faces", complete=False)
    for each in (tmp_path / "faces").iterdir():
        files.pipe_file(f"/bucket/faces/{each.name}", each.read_bytes())
    try:
        with pytest.raises(DataError, match="expected a finished table in memory://bucket/faces, got 2 of 2 parts"):
            open_data("memory://bucket/faces/")
        with monkeypatch.context() as patch:
            patch.setattr(
                stores, "read", lambda address: (_ for _ in ()).throw(stores.failed(OSError("slow"), address))
            )
            with pytest.raises(DataError, match=r"expected to read memory://bucket/faces/_manifest\.json, got: slow"):
                open_data("memory://bucket/faces/")
    finally:
        files.rm("/bucket", recursive=True)


def test_a_file_that_was_replaced_is_said(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "a.parquet"
    shutil.copy(path, copy)
    stored = read_table(copy, resident=False)
    write_table(make(30), copy, overwrite=True)
    with pytest.raises(DataError, match=r"expected 512 rows in a row group of .*a.parquet, got 30: it was replaced"):
        np.asarray(stored.images[:3])
