"""Pictures that stand in a column of a Parquet file, encoded as in files of their own. Needs the extra `data`.

The column is called `image`, or by another of `COLUMNS`. It holds bytes, or as in the files of Hugging Face's
`datasets`, structs with the field `bytes`. So a table of `mien data prepare` is one, too.
"""

import bisect
import functools
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from mien.core import stores
from mien.core.errors import MALFORMED, InputError, MissingExtraError, first_line, one_line
from mien.core.optional import require

COLUMNS = ("image", "img", "picture", "photo", "jpg", "jpeg", "png", "bytes", "content")

_lock = threading.Lock()


def is_parquet(name: str) -> bool:
    """Whether a file is called as Parquet."""
    return name.lower().endswith(".parquet")


def holds_pictures(name: str) -> bool:
    """Whether a file of a folder is Parquet with a column of pictures; False where it cannot be read as one."""
    if not is_parquet(name):
        return False
    try:
        _opened(name)
    except (InputError, MissingExtraError):
        return False
    return True


def count(file: str) -> int:
    """How many pictures a file holds.

    Raises:
        InputError: it cannot be read, is no Parquet, or has no column of pictures.
        MissingExtraError: pyarrow is not installed.
    """
    return _opened(file).ends[-1]


def read(file: str, row: int) -> bytes:
    """The bytes of one picture; those of its row group are kept, for its neighbours are asked for next.

    Raises:
        InputError: the file cannot be read, or has nothing in this row.
    """
    state = _state(file)
    with _lock:  # a file of pyarrow's is for one thread
        ends = _open(file, state).ends
        number = bisect.bisect_right(ends, row) - 1
        try:
            found = _pictures(file, state, number)[row - ends[number]].as_py() if row < ends[-1] else None
        except MALFORMED as error:  # two fields of one name, say
            raise InputError(f"expected a picture in {file}#{row}, got: {one_line(error)}") from error
    data = found.get("bytes") if isinstance(found, dict) else found
    if data is None:
        raise InputError(f"expected a picture in {file}#{row}, got an empty cell")
    return bytes(data)


@dataclass(frozen=True, eq=False)
class _File:
    """An open file, the name of its column of pictures, and the number of rows before each row group, and in all."""

    parquet: Any
    column: str
    ends: tuple[int, ...]


def _opened(file: str) -> _File:
    return _open(file, _state(file))


@functools.lru_cache(maxsize=2)
def _open(file: str, state: Any) -> _File:
    parquet, pyarrow = require("pyarrow.parquet", extra="data"), require("pyarrow", extra="data")
    try:
        opened = parquet.ParquetFile(stores.open_object(file) if stores.is_address(file) else file)
        groups = (opened.metadata.row_group(k).num_rows for k in range(opened.metadata.num_row_groups))
        return _File(opened, _picture_column(opened.schema_arrow, file, pyarrow), (0, *accumulate(groups)))
    except (pyarrow.ArrowException, *MALFORMED) as error:
        raise InputError(f"expected Parquet in {file}, got: {first_line(error)}") from error
    except OSError as error:
        raise InputError(f"expected a readable Parquet file at {file}, got: {error.strerror or error}") from error


@functools.lru_cache(maxsize=2)  # of two threads one may be in the next group already
def _pictures(file: str, state: Any, group: int) -> Any:
    opened, pyarrow = _open(file, state), require("pyarrow", extra="data")
    try:
        # Threads of pyarrow's would take addresses, of which a process that decodes has few.
        return opened.parquet.read_row_group(group, columns=[opened.column], use_threads=False)[opened.column]
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"expected whole pictures in {file}, got: {first_line(error)}") from error


def _picture_column(schema: Any, file: str, pyarrow: Any) -> str:
    for name in COLUMNS:
        kinds = [schema.field(place).type for place in schema.get_all_field_indices(name)]
        if not any(_is_binary(kind, pyarrow) or _is_packed(kind, pyarrow) for kind in kinds):
            continue
        if len(kinds) > 1:
            raise InputError(f"expected one column {name} in {file}, got {len(kinds)}: leave one, or rename the others")
        return name
    raise InputError(
        f"expected a column with the bytes of pictures in {file}, called {_or(COLUMNS)}, got the columns "
        f"{', '.join(schema.names)}"
    )


def _is_binary(kind: Any, pyarrow: Any) -> bool:
    return bool(pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind) or str(kind) == "binary_view")


def _is_packed(kind: Any, pyarrow: Any) -> bool:
    """Whether these are structs with the bytes of a picture in them."""
    fields = {field.name: field.type for field in kind} if pyarrow.types.is_struct(kind) else {}
    return "bytes" in fields and _is_binary(fields["bytes"], pyarrow)


def _state(file: str) -> Any:
    """Changes where a file on this machine does."""
    if stores.is_address(file):
        return None
    try:
        status = os.stat(file)
    except (OSError, ValueError):
        return None
    return status.st_size, status.st_mtime_ns


def _or(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
