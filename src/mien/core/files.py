"""Files that are complete or not there at all, and that are not replaced unasked."""

import contextlib
import csv
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mien.core.errors import OutputError
from mien.core.stores import SCHEMES

_ADDRESS = re.compile(rf"({'|'.join(SCHEMES)}):/+(.*)", re.IGNORECASE)  # a path has one slash of its two
PARTIAL = ".part"  # how the name of a file ends while it grows


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a file complete or not at all: the block writes to the path given to it, which takes the name at its end.

    After an error, Ctrl-C or on a full disk what was begun is removed, and what stood under the name before still does.

    Raises:
        OutputError: the block or the renaming failed with an OSError.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp(), "a.txt")
    >>> with replacing(target) as partial:
    ...     _ = partial.write_text("whole", "utf-8")
    >>> target.read_text("utf-8")
    'whole'
    """
    partial = partial_path(path)
    try:
        yield partial
        os.replace(partial, path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def write_csv(path: str | os.PathLike[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write rows, the header first, as UTF-8 with a line feed after each; whole or not at all, see `replacing`."""
    with replacing(path) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def partial_path(path: str | os.PathLike[str]) -> Path:
    """Where a file grows before it takes its name: hidden beside it, so that renaming crosses no file system."""
    path = Path(path)
    return path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")


def printable(name: str) -> str:
    """The name of a file, with bytes that are no UTF-8 (Linux allows them) replaced, so that any format can hold it."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def file_name(name: str) -> str:
    """Any name, such as a model's or a label's, as part of the name of a file that every system allows.

    What is no letter, digit, or one of ``._+-`` becomes ``_``.

    >>> file_name("fear/anger: 50 %")
    'fear_anger__50__'
    """
    return re.sub(r"[^\w.+-]", "_", name)


def expect_free(path: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Raise OutputError where a file stands under the name and may not be replaced, or the name is an address."""
    expect_on_disk(path)
    if not overwrite and Path(path).exists():
        raise OutputError(f"expected no file at {path}, got one: choose another name, or give --overwrite")


def expect_on_disk(path: str | os.PathLike[str]) -> None:
    """Raise OutputError where a name is an address in an object store: as a path it would be a folder ``s3:`` here."""
    if found := _ADDRESS.match(os.fspath(path)):
        raise OutputError(
            f"expected a name on this machine, got {found[1]}://{found[2]}: only `predict` and `data prepare` write to "
            "object stores, with --engine ray and the address of a folder"
        )


def make_folder(path: str | os.PathLike[str]) -> None:
    """Make a folder, and those above it, where it is not there yet; OutputError says why it cannot be."""
    expect_on_disk(path)
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"expected to write into {path}, got: {error.strerror or error}") from error


def unwritable(path: str | os.PathLike[str], error: OSError) -> OutputError:
    """The error that says why a file could not be written."""
    return OutputError(f"expected to write {path}, got: {error.strerror or error}; nothing was left there")
