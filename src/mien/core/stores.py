"""Object stores by their address, through fsspec: ``s3://``, ``gs://``, ``az://``. Needs the extra `distributed`.

Keys and endpoints are fsspec's and the cloud's own business: their usual variables (``AWS_ENDPOINT_URL``, say), files
and roles count, and so does fsspec's configuration.
"""

import contextlib
import functools
import io
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from mien.core.errors import InputError, MienError, MissingExtraError, one_line
from mien.core.optional import require

Result = TypeVar("Result")

SCHEMES = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss")

# What stores say of a bucket or key that they do not show; several packages, each with errors of its own.
_NOT_ALLOWED = ("forbidden", "access denied", "accessdenied", "unauthorized", "permission", "credentials")
_NO_BUCKET = ("nosuchbucket", "bucket does not exist", "no such bucket", "containernotfound")
_NOT_THERE = (*_NO_BUCKET, "not found", "404")


def is_address(name: str | os.PathLike[str]) -> bool:
    """Whether a name is an address in an object store."""
    scheme, mark, _ = os.fspath(name).partition("://")
    return bool(mark) and scheme.lower() in SCHEMES


def tidy(address: str) -> str:
    """An address as messages and results have it: its scheme in small letters, no slash at its end.

    Raises:
        InputError: it names no bucket.

    >>> tidy("S3://bucket/faces/")
    's3://bucket/faces'
    """
    scheme, _, path = address.partition("://")
    if not path.strip("/") or path.startswith("/"):
        scheme = scheme.lower()
        raise InputError(f"expected {scheme}://BUCKET/NAME, got {address}, which names no bucket: add it")
    return f"{scheme.lower()}://{path.rstrip('/')}"


def is_folder(address: str) -> bool:
    """Whether there are objects below an address; a bucket is a folder.

    Raises:
        InputError: nothing is there, or the store cannot be reached or asked.
    """
    files, path = _open(address)
    files.invalidate_cache()  # others write there, too
    return bool(_asked(lambda: files.info(path)["type"] == "directory", address))


def objects(address: str) -> Iterator[str]:
    """The names of all objects below a folder, as they follow its address, sorted, hidden ones left out.

    Raises:
        InputError: nothing is there, or the store cannot be reached or asked.
    """
    files, path = _open(address)
    files.invalidate_cache()
    names = (name.removeprefix(path).lstrip("/") for name in sorted(_asked(lambda: files.find(path), address)))
    # Consoles mark a folder by an object whose name ends as one.
    return (name for name in names if name and not name.endswith("/") and not _hidden(name))


def read(address: str) -> bytes:
    """The bytes of an object; InputError says why there are none."""
    files, path = _open(address)
    return bytes(_asked(lambda: files.cat_file(path), address))


def open_object(address: str) -> io.RawIOBase:
    """An object as an open binary file of which only what is asked for is fetched.

    Raises:
        InputError: as `read`. What fails later, when the file is read, is an OSError, as of a file on a disk.
    """
    files, path = _open(address)

    def opened() -> Any:
        # Without a cache: s3fs would read ahead 50 MB, so all of most files.
        return files.open(path, "rb", cache_type="none")

    def opened_at_last() -> Any:
        try:
            return opened()
        except FileNotFoundError:  # when names were listed; others write there, too
            files.invalidate_cache()
            return opened()

    return _Object(_asked(opened_at_last, address))


def copy(pairs: Sequence[tuple[str, Path]]) -> None:
    """Objects of one store as files on this machine, many at a time; InputError as `read`."""
    if not pairs:
        return
    files, _ = _open(pairs[0][0])
    keys = [_open(address)[1] for address, _ in pairs]
    _asked(lambda: files.get(keys, [str(path) for _, path in pairs]), pairs[0][0])


@contextlib.contextmanager
def local_copy(address: str) -> Iterator[str]:
    """An object as a file on this machine, for what reads only those; removed at the end."""
    files, path = _open(address)
    with tempfile.TemporaryDirectory(prefix="mien-") as folder:
        copy = str(Path(folder, path.rpartition("/")[2]))
        _asked(lambda: files.get_file(path, copy), address)
        yield copy


def file_system(address: str) -> tuple[Any, str]:
    """Fsspec's file system of an address, and the path in it.

    Raises:
        InputError: the address names no bucket.
        MissingExtraError: fsspec, or what it needs for this store, is not installed.
    """
    fsspec, address = require("fsspec", extra="distributed"), tidy(address)
    scheme = address.partition("://")[0]
    _keep_logs_off_stderr()
    try:
        kind = fsspec.get_filesystem_class(scheme)
        # Not by `url_to_fs`, to which "::" in a name means another address.
        return fsspec.filesystem(scheme, **kind._get_kwargs_from_urls(address)), str(kind._strip_protocol(address))
    except ImportError as error:
        raise MissingExtraError(
            f"expected a package that reads {scheme}://, got none installed: run `pip install 'mien[distributed]'`"
        ) from error


def failed(error: Exception, address: str, doing: str = "read") -> InputError:
    """What an error of a store means, in one line."""
    said = one_line(error)
    name = address.partition("://")[2].strip("/")
    plain = (said.replace(name, "") + type(error).__name__).lower()  # names may say anything
    bucket = "/".join(address.split("/")[:3])
    no_bucket = bucket == address.rstrip("/") or any(each in plain for each in _NO_BUCKET)
    if isinstance(error, FileNotFoundError) and not no_bucket:
        return InputError(f"expected an object at {address}, got none of that name: check the address")
    if isinstance(error, PermissionError) or any(each in plain for each in _NOT_ALLOWED):
        return InputError(f"expected to {doing} {address}, got access denied ({said}): check keys and rights")
    if isinstance(error, FileNotFoundError) or any(each in plain for each in _NOT_THERE):
        return InputError(f"expected to {doing} {address}, got no bucket {bucket} ({said}): check its name")
    return InputError(f"expected to {doing} {address}, got: {said}")


class _Object(io.RawIOBase):
    """An open object; see `open_object`."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return int(self._file.tell())

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return int(self._file.seek(offset, whence))

    def read(self, size: int = -1, /) -> bytes:
        try:
            return bytes(self._file.read(size))
        except OSError:
            raise
        except Exception as error:  # see `_asked`
            raise OSError(one_line(error)) from error

    def close(self) -> None:
        super().close()
        self._file.close()


def _open(address: str) -> tuple[Any, str]:
    try:
        return file_system(address)
    except MienError:
        raise
    except Exception as error:  # such as missing keys
        raise failed(error, address) from error


@functools.cache
def _keep_logs_off_stderr() -> None:
    """What these packages log, pages where a store is out of reach, is for handlers that somebody set up."""
    for name in ("gcsfs", "adlfs", "azure", "s3fs", "aiobotocore", "fsspec"):
        logging.getLogger(name).addHandler(logging.NullHandler())


def _asked(question: Callable[[], Result], address: str) -> Result:
    """What a store answers. Each package has a tree of exceptions of its own, without a common root."""
    try:
        return question()
    except MienError:
        raise
    except Exception as error:
        raise failed(error, address) from error


def _hidden(path: str) -> bool:
    return any(part.startswith(".") and part not in (".", "..") for part in path.split("/"))
