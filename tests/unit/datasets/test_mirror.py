"""Data sets in object stores, which allow names that no disk does; `tests/contract` has all that a disk does."""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from mien.core import stores
from mien.core.errors import DataError, InputError
from mien.core.images import encode
from mien.datasets import open_dataset
from mien.datasets.check import check
from mien.datasets.dataset import StoredPicture

PICTURE = encode(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
FACES = ("train/happy/1.png", "train/sad/2 #%20ü.png")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A store in memory, with faces in a bucket."""
    files = pytest.importorskip("fsspec").filesystem("memory")
    monkeypatch.setattr(stores, "SCHEMES", (*stores.SCHEMES, "memory"))
    for name in FACES:
        files.pipe_file(f"/bucket/{name}", PICTURE)
    yield files
    files.rm("/bucket", recursive=True)


@pytest.mark.parametrize("address", ["memory://bucket", "memory://bucket/", "MEMORY://bucket//"])
def test_a_whole_bucket(bucket: Any, address: str) -> None:
    data = open_dataset(f"folder={address}")
    assert data.root == "memory://bucket" and [each.where for each in data.pictures] == list(FACES)
    assert all(sample.image.shape == (4, 4, 3) for sample in data)


def test_objects_that_mark_folders_are_no_pictures(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the consoles of clouds make them."""
    find = type(bucket).find

    def with_marks(self: Any, path: str, **options: Any) -> list[str]:
        return [f"{path}/", f"{path}/train/", f"{path}/empty/", *find(self, path, **options)]

    with monkeypatch.context() as patch:
        patch.setattr(type(bucket), "find", with_marks)
        assert len(open_dataset("folder=memory://bucket")) == len(FACES)


@pytest.mark.parametrize("name", ["train/happy", "train/happy/1.png/2.png", f"train/{'a' * 300}.png", "a/../b.png"])
def test_a_name_that_is_none_of_a_file(bucket: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    find = type(bucket).find

    def with_it(self: Any, path: str, **options: Any) -> list[str]:
        return [*find(self, path, **options), f"{path}/{name}"]

    with monkeypatch.context() as patch:
        patch.setattr(type(bucket), "find", with_it)
        with pytest.raises(DataError, match=r"^expected names of files below memory://bucket, got .*: rename it$"):
            open_dataset("folder=memory://bucket")


@pytest.mark.parametrize("where", ["../a.png", "a/../../b.png", "//a.png", ".", ""])
def test_a_list_does_not_reach_objects_outside(where: str) -> None:
    with pytest.raises(InputError, match=r"expected a picture in s3://b/c, got the path .*, which leads out of it"):
        StoredPicture("s3://b/c", where).fetched()


def test_a_picture_that_was_fetched_is_called_as_before(bucket: Any) -> None:
    """So that a cluster, which fetches ahead, says the same of it as one machine."""
    picture = open_dataset("folder=memory://bucket").pictures[0]
    assert isinstance(picture, StoredPicture) and picture.fetched().where == picture.where == FACES[0]


def test_copies_are_known_by_their_names(bucket: Any) -> None:
    bucket.pipe_file("/bucket/train/sad/2_flip.png", PICTURE)
    assert check(open_dataset("folder=memory://bucket")).copies == ("train/sad/2_flip.png",)


@pytest.mark.parametrize(
    "address", ["memory://bucket/hf/a.parquet", "memory://bucket/hf/a.parquet/", "memory://bucket/hf/"]
)
def test_parquet_by_whatever_spelling(bucket: Any, address: str) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    file = io.BytesIO()
    parquet.write_table(pyarrow.table({"image": [PICTURE], "label": ["happy"]}), file)
    bucket.pipe_file("/bucket/hf/a.parquet", file.getvalue())
    data = open_dataset(f"parquet={address}")
    assert data.ids.tolist() == ["parquet-a.parquet#0"] and data[0].image.shape == (4, 4, 3)


def test_no_parquet_is_said_by_its_address(bucket: Any) -> None:
    with pytest.raises(DataError, match=r"expected Parquet files .* in memory://bucket/train, got none of it"):
        open_dataset("parquet=memory://bucket/train")
