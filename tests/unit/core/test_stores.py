"""Addresses of object stores, and what their errors mean. On loopback: `tests/e2e/test_distributed.py`."""

import pytest

from mien.core import stores
from mien.core.errors import MissingExtraError


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
    monkeypatch.setattr("fsspec.core.url_to_fs", lambda address: (_ for _ in ()).throw(ImportError("no gcsfs")))
    with pytest.raises(
        MissingExtraError, match=r"expected a package that reads gs://, got none .*'mien\[distributed\]'"
    ):
        stores.read("gs://a/b")
