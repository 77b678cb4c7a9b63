"""Addresses of object stores, and what their errors mean. On loopback: `tests/e2e/test_distributed.py`."""

import io
import logging
from pathlib import Path
from typing import Any

import pytest

from mien.core import stores
from mien.core.errors import InputError, MissingExtraError


def test_addresses() -> None:
    assert all(map(stores.is_address, ("s3://a", "S3://a/b", "gs://a", "az://a/b.jpg", "abfss://a@b/c")))
    assert not any(map(stores.is_address, ("a.jpg", "rtsp://camera", "http://a/b.jpg", "s3:", "C:\\a", "camera:0")))


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            PermissionError("Forbidden"),
            "expected to read s3://a/b, got access denied (Forbidden): check keys and rights",
        ),
        (
            OSError("Unable to locate credentials"),
            "expected to read s3://a/b, got access denied (Unable to locate credentials): check keys and rights",
        ),
        (FileNotFoundError("a/b"), "expected an object at s3://a/b, got none of that name: check the address"),
        (FileNotFoundError("a"), "expected an object at s3://a/b, got none of that name: check the address"),
        (
            FileNotFoundError("The specified bucket does not exist"),
            "expected to read s3://a/b, got no bucket s3://a (The specified bucket does not exist): check its name",
        ),
        (
            ConnectionError("Could not connect\nto the endpoint"),
            "expected to read s3://a/b, got: Could not connect to the endpoint",
        ),
    ],
)
def test_errors_in_a_line(error: Exception, line: str) -> None:
    assert str(stores.failed(error, "s3://a/b")) == line


def test_a_store_whose_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fsspec")
    monkeypatch.setattr("fsspec.get_filesystem_class", lambda scheme: (_ for _ in ()).throw(ImportError("no gcsfs")))
    with pytest.raises(
        MissingExtraError, match=r"expected a package that reads gs://, got none .*'mien\[distributed\]'"
    ):
        stores.read("gs://a/b")


@pytest.mark.parametrize("key", ["my-bucket/404 forbidden.png", "my-bucket/no such bucket/a.png"])
def test_a_name_that_says_something_itself(key: str) -> None:
    line = f"expected an object at s3://{key}, got none of that name: check the address"
    assert str(stores.failed(FileNotFoundError(key), f"s3://{key}")) == line


@pytest.mark.parametrize("address", ["s3://", "S3:///", "s3:///faces/a.png"])
def test_an_address_without_a_bucket(address: str) -> None:
    """As a shell writes it where a variable is not set."""
    with pytest.raises(InputError, match=f"^expected s3://BUCKET/NAME, got {address}, which names no bucket: add it$"):
        stores.tidy(address)
    with pytest.raises(InputError, match="names no bucket"):
        stores.read(address)


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A store in memory."""
    files = pytest.importorskip("fsspec").filesystem("memory")
    monkeypatch.setattr(stores, "SCHEMES", (*stores.SCHEMES, "memory"))
    yield files
    files.rm("/bucket", recursive=True)


def test_names_that_mean_something_to_others(memory: Any, tmp_path: Path) -> None:
    """Patterns and escapes: here all of them are names."""
    names = ["[1]*?.png", "a #%20b.png", "a b/ü.png"]
    for name in names:
        memory.pipe_file(f"/bucket/odd/{name}", name.encode())
    assert list(stores.objects("MEMORY://bucket/odd/")) == sorted(names)
    assert stores.is_folder("memory://bucket/odd/") and not stores.is_folder("memory://bucket/odd/[1]*?.png")
    assert [stores.read(f"memory://bucket/odd/{name}").decode() for name in names] == names
    stores.copy([(f"memory://bucket/odd/{name}", tmp_path / str(k)) for k, name in enumerate(names)])
    assert [(tmp_path / str(k)).read_text() for k in range(len(names))] == names


def test_a_chain_of_addresses_is_a_name() -> None:
    """Lists of strangers name pictures."""
    pytest.importorskip("s3fs")
    files, path = stores.file_system("s3://bucket/a::simplecache::file:///etc/passwd")
    assert files.protocol[0] == "s3" and path == "bucket/a::simplecache::file:///etc/passwd"


def test_a_store_that_goes_away_while_an_object_is_read(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its package raises then, such as botocore's errors, which are no OSError."""
    memory.pipe_file("/bucket/a", b"0123456789")
    with stores.open_object("memory://bucket/a") as file:
        assert file.seek(-3, io.SEEK_END) == 7 and file.read(2) == b"78" and file.tell() == 9

    class Gone(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise RuntimeError("could not connect\nto the endpoint")

    monkeypatch.setattr(type(memory), "open", lambda *args, **options: Gone())
    with stores.open_object("memory://bucket/a") as file, pytest.raises(OSError, match="^could not connect to the end"):
        file.read(1)


def test_what_packages_log_does_not_stand_beside_the_line() -> None:
    """Google's client logs pages where it reaches nobody; without a handler, Python would print them."""
    pytest.importorskip("s3fs")
    stores.file_system("s3://bucket/a")
    assert all(logging.getLogger(name).hasHandlers() for name in ("gcsfs", "azure", "s3fs"))
    assert [type(each) for each in logging.getLogger("gcsfs").handlers] == [logging.NullHandler]
