"""Pictures that stay in their Parquet files and are read as they are needed, a row group at a time.

A table whose pictures are larger than memory has `StoredImages` where others have an array. It has the array's shape,
and is selected from by mask, slice or index as one; what is selected is read when numpy asks for it.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from mien.core import stores
from mien.core.errors import MALFORMED, DataError, InputError, one_line
from mien.core.images import decode
from mien.core.optional import require
from mien.core.processors import available_processors

Pixels = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]
Place = Path | str  # a path, or an address in an object store

AT_ONCE = 1024  # pictures that are held decoded while all are looked at

_MOST_THREADS = 8

Item = TypeVar("Item")
Result = TypeVar("Result")


def decode_as(data: bytes | None, shape: Sequence[int], where: str) -> Pixels:
    """An image of a table; DataError, which names the place, if it is damaged or of another shape."""
    try:
        image = decode(data or b"", name=where)
    except InputError as error:
        raise DataError(str(error)) from error
    if len(shape) == 2:
        image = image[:, :, 0]
    if image.shape != tuple(shape):
        raise DataError(f"expected an image of shape {tuple(shape)} in {where}, got {image.shape}")
    return image


def in_threads(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """What a function that lets other threads run, such as `encode`, makes of each item; in order."""
    workers = min(_MOST_THREADS, available_processors(), len(items))
    if workers < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(workers, thread_name_prefix="mien-table") as pool:
        ends = np.linspace(0, len(items), workers + 1).astype(int).tolist()
        stretches = [items[start:end] for start, end in pairwise(ends)]
        return [result for part in pool.map(lambda part: [*map(function, part)], stretches) for result in part]


@contextlib.contextmanager
def opened(place: Place, **how: Any) -> Iterator[Any]:
    """A Parquet file at a path or an address, as pyarrow's `ParquetFile`; `how` are its options."""
    parquet = require("pyarrow.parquet", extra="data")
    source = stores.open_object(str(place)) if stores.is_address(place) else place
    with parquet.ParquetFile(source, **how) as file:
        yield file


@dataclass(frozen=True, eq=False)
class Store:
    """The row groups of some Parquet files, numbered through.

    Attributes:
        files: of each group, a path or an address. numbers: of the group in its file.
        firsts: (groups + 1,) row at which each begins, counted over all files.
        begins: row at which the group's file begins.
        shape: of each picture, (H, W) or (H, W, 3).
    """

    files: tuple[Place, ...]
    numbers: tuple[int, ...]
    firsts: Rows
    begins: Rows
    shape: tuple[int, ...]

    @classmethod
    def of(cls, path: Place, rows: Sequence[int], shape: Sequence[int]) -> "Store":
        """One file, by the number of rows in each of its groups."""
        groups = len(rows)
        firsts = np.concatenate([[0], np.cumsum(rows, dtype=np.int64)]).astype(np.int64)
        return cls((path,) * groups, tuple(range(groups)), firsts, np.zeros(groups, np.int64), tuple(shape))

    @classmethod
    def join(cls, stores: Sequence["Store"]) -> "Store":
        """Several, one after the other; their pictures are of one shape."""
        ends = np.concatenate([[0], np.cumsum([each.firsts[-1] for each in stores])])
        moved = list(zip(stores, ends[:-1], strict=True))
        return cls(
            tuple(file for each in stores for file in each.files),
            tuple(number for each in stores for number in each.numbers),
            np.concatenate([*(each.firsts[:-1] + by for each, by in moved), ends[-1:]]).astype(np.int64),
            np.concatenate([each.begins + by for each, by in moved]).astype(np.int64),
            stores[0].shape,
        )

    def read(self, group: int) -> Any:
        """The encoded pictures of a group, a Parquet column.

        Raises:
            DataError: the file is gone, or damaged.
        """
        pyarrow = require("pyarrow", extra="data")
        path = self.files[group]
        try:
            with opened(path, pre_buffer=False) as file:
                column = file.read_row_group(self.numbers[group], columns=["image"], use_threads=False)["image"]
        except (OSError, pyarrow.ArrowException, *MALFORMED) as error:
            reason = getattr(error, "strerror", None) or one_line(error)
            raise DataError(f"expected a readable table at {path}, got: {reason}") from error
        kinds = pyarrow.types
        if not any(is_so(column.type) for is_so in (kinds.is_binary, kinds.is_large_binary, kinds.is_null)):
            raise DataError(f"expected the bytes of pictures in the column image of {path}, got {column.type}")
        expected = int(self.firsts[group + 1] - self.firsts[group])
        if len(column) != expected:
            raise DataError(f"expected {expected} rows in a row group of {path}, got {len(column)}: it was replaced")
        return column

    def decode(self, column: Any, group: int, row: int) -> Pixels:
        """One picture of a group that was read; `row` is counted over all files."""
        data = column[int(row - self.firsts[group])].as_py()
        return decode_as(data, self.shape, f"row {row - self.begins[group]} of {self.files[group]}")

    @cached_property
    def pixel_keys(self) -> list[bytes]:
        """`mien.datasets.table.pixel_key` of every picture, read once; b"" of rows that hold none."""
        keys: list[bytes] = []
        for group in range(len(self.files)):
            column = self.read(group)
            rows = range(int(self.firsts[group]), int(self.firsts[group + 1]))
            keys += in_threads(lambda row, group=group, column=column: self._key(column, group, row), rows)  # type: ignore[misc]
        return keys

    def _key(self, column: Any, group: int, row: int) -> bytes:
        empty = column[int(row - self.firsts[group])].as_py() is None
        return b"" if empty else pixel_key(self.decode(column, group, row))


def pixel_key(image: Pixels) -> bytes:
    """A key that two images have in common where they are equal in every pixel."""
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()


class StoredImages:
    """(n, H, W) grey or (n, H, W, 3) RGB uint8 pictures that are read when they are asked for.

    ``images[3]`` is a picture; ``images[2:5]``, ``images[mask]`` and ``images[index]`` are pictures that are not read
    yet, ``np.asarray`` reads them, and so does an index of more than the first axis.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, store: Store, rows: Rows) -> None:
        """`rows` of the store, in the order of the pictures."""
        self.store, self.rows = store, rows

    @classmethod
    def concatenate(cls, parts: Sequence["StoredImages"]) -> "StoredImages":
        """Those of several tables, of one shape."""
        ends = np.concatenate([[0], np.cumsum([each.store.firsts[-1] for each in parts])])
        rows = [each.rows + by for each, by in zip(parts, ends[:-1], strict=True)]
        return cls(Store.join([each.store for each in parts]), np.concatenate(rows).astype(np.int64))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, H, W) or (n, H, W, 3)."""
        return (len(self.rows), *self.store.shape)

    @property
    def ndim(self) -> int:
        """3 or 4."""
        return 1 + len(self.store.shape)

    @property
    def nbytes(self) -> int:
        """How many bytes all of them would take in memory."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def groups(self) -> Rows:
        """(n,) the row group of each."""
        return np.searchsorted(self.store.firsts, self.rows, side="right") - 1

    def __getitem__(self, which: Any) -> Any:
        if isinstance(which, tuple):
            return np.asarray(self[which[0]])[(slice(None), *which[1:])]
        if isinstance(which, int | np.integer):
            return np.asarray(self[[int(which)]])[0]
        return StoredImages(self.store, self.rows[which])

    def __iter__(self) -> Iterator[Pixels]:
        for block in self.blocks():
            yield from block

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Pixels:
        """Read them all."""
        groups = self.groups
        first = int(groups[0]) if len(self) else -1
        held = self.store.read(first) if len(self) else None
        if len(self):  # whether pictures are of the shape that the table says, before it decides how much is reserved
            self.store.decode(held, first, int(self.rows[0]))
        images = np.empty(self.shape, np.uint8)
        order = np.argsort(groups, kind="stable")
        cuts = np.flatnonzero(np.diff(groups[order])) + 1
        for places in np.split(order, cuts) if len(order) else ():
            group = int(groups[places[0]])
            column = held if group == first else self.store.read(group)
            pairs = list(zip(places.tolist(), self.rows[places].tolist(), strict=True))

            def fill(pair: tuple[int, int], group: int = group, column: Any = column) -> None:
                images[pair[0]] = self.store.decode(column, group, pair[1])

            in_threads(fill, pairs)
        return images

    def blocks(self) -> Iterator[Pixels]:
        """All of them in order, some at a time."""
        for start in range(0, len(self), AT_ONCE):
            yield np.asarray(self[start : start + AT_ONCE])

    def batches(self, plan: Iterable[npt.NDArray[Any]]) -> Iterator[Pixels]:
        """Read batch after batch; each row group is read once, and held, encoded, until its last picture was taken.

        Args:
            plan: indices of each batch's pictures. They decide how many groups are held at a time.
        """
        plan, groups = list(plan), self.groups
        left = np.bincount(groups[np.concatenate(plan)], minlength=len(self.store.files)) if plan else groups
        held: dict[int, Any] = {}
        for index in plan:
            of = groups[index]
            for group in dict.fromkeys(of.tolist()):
                if group not in held:
                    held[group] = self.store.read(group)
            pairs = list(zip(of.tolist(), self.rows[index].tolist(), strict=True))
            images = in_threads(lambda pair: self.store.decode(held[pair[0]], *pair), pairs)
            yield np.stack(images) if images else np.empty((0, *self.store.shape), np.uint8)
            np.subtract.at(left, of, 1)
            for group in set(of.tolist()):
                if not left[group]:
                    del held[group]

    def pixel_keys(self) -> list[bytes]:
        """See `mien.datasets.table.Table.pixel_keys`."""
        keys = self.store.pixel_keys
        return [keys[row] for row in self.rows.tolist()]


def stored(images: Any) -> StoredImages | None:
    """The pictures of a table if they are in their files, None if they are an array in memory."""
    return images if isinstance(images, StoredImages) else None
