"""Object stores by their address, through fsspec: ``s3://``, ``gs://``, ``az://``. Needs the extra `distributed`.

Keys and endpoints are fsspec's and the cloud's own business: their usual variables (``AWS_ENDPOINT_URL``, say), files
and roles count, and so does fsspec's configuration.
"""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from mien.core.errors import InputError, MienError, MissingExtraError
from mien.core.optional import require

Result = TypeVar("Result")

SCHEMES = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss")

# What stores say of a bucket or key that they do not show; several packages, each with errors of its own.
_NOT_ALLOWED = ("forbidden", "access denied", "accessdenied", "unauthorized", "permission", "credentials")
_NOT_THERE = ("nosuchbucket", "bucket does not exist", "no such bucket", "not found", "containernotfound", "404")


def is_address(name: str | os.PathLike[str]) -> bool:
    """Whether a name is an address in an object store."""
    scheme, mark, _ = os.fspath(name).partition("://")
    return bool(mark) and scheme.lower() in SCHEMES


def is_folder(address: str) -> bool:
    """Whether there are objects below an address; a bucket is a folder.

    Raises:
        InputError: nothing is there, or the store cannot be reached or asked.
    """
    files, path = _open(address)
    return bool(_asked(lambda: files.info(path)["type"] == "directory", address))


def objects(address: str) -> Iterator[str]:
    """The names of all objects below a folder, as they follow its address, sorted, hidden ones left out.

    Raises:
        InputError: nothing is there, or the store cannot be reached or asked.
    """
    files, path = _open(address)
    names = (name.removeprefix(path).lstrip("/") for name in sorted(_asked(lambda: files.find(path), address)))
    return (name for name in names if not _hidden(name))


def read(address: str) -> bytes:
    """The bytes of an object; InputError says why there are none."""
    files, path = _open(address)
    return bytes(_asked(lambda: files.cat_file(path), address))


def open_object(address: str) -> Any:
    """An object as an open binary file of which only what is asked for is fetched; InputError as `read`."""
    files, path = _open(address)
    return _asked(lambda: files.open(path, "rb"), address)


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
        MissingExtraError: fsspec, or what it needs for this store, is not installed.
    """
    core = require("fsspec.core", extra="distributed")
    try:
        found: tuple[Any, str] = core.url_to_fs(address)
    except ImportError as error:
        scheme = address.partition("://")[0]
        raise MissingExtraError(
            f"expected a package that reads {scheme}://, got none installed: run `pip install 'mien[distributed]'`"
        ) from error
    return found


def failed(error: Exception, address: str, doing: str = "read") -> InputError:
    """What an error of a store means, in one line."""
    said = " ".join((str(error) or type(error).__name__).split())
    plain = said.lower() + type(error).__name__.lower()
    bucket = "/".join(address.split("/")[:3])
    if isinstance(error, FileNotFoundError) and "bucket" not in plain and bucket != address.rstrip("/"):
        return InputError(f"expected an object at {address}, got none of that name: check the address")
    if isinstance(error, PermissionError) or any(each in plain for each in _NOT_ALLOWED):
        return InputError(f"expected to {doing} {address}, got access denied ({said}): check keys and rights")
    if isinstance(error, FileNotFoundError) or any(each in plain for each in _NOT_THERE):
        return InputError(f"expected to {doing} {address}, got no bucket {bucket} ({said}): check its name")
    return InputError(f"expected to {doing} {address}, got: {said}")


def _open(address: str) -> tuple[Any, str]:
    try:
        return file_system(address)
    except MienError:
        raise
    except Exception as error:  # such as missing keys
        raise failed(error, address) from error


def _asked(question: Callable[[], Result], address: str) -> Result:
    """What a store answers. Each package has a tree of exceptions of its own, without a common root."""
    try:
        return question()
    except MienError:
        raise
    except Exception as error:
        raise failed(error, address) from error


def _hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))
