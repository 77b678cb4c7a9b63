"""Many small npy files read fast: their headers are few, and each is parsed once."""

import io
import math
import tokenize
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy_format

from mien.core.errors import MALFORMED, DataError

_KINDS = "iufSU"  # numbers and texts
_VERSION = (1, 0)  # later ones are for headers that no plain array has
_PROLOGUE = 10  # bytes up to the header, the last two of them its length


@dataclass(frozen=True)
class NpyFiles:
    """Reads npy files that hold numbers, or texts of numbers; pickled objects never.

    Attributes:
        handed_out: how an error's message ends: the sentence that says who hands the files out.
    """

    handed_out: str
    _known: dict[bytes, tuple[np.dtype[Any], int]] = field(default_factory=dict, repr=False)

    def read(self, path: str) -> npt.NDArray[np.float64] | None:
        """The values of one file in a row; None if it is not there.

        Raises:
            DataError: it cannot be read, is cut off, or holds something else.
        """
        try:
            with open(path, "rb", buffering=0) as file:
                data = file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._bad(path, str(error.strerror)) from error
        start = _PROLOGUE + int.from_bytes(data[8:_PROLOGUE], "little")
        dtype, size = self._known.get(data[:start]) or self._parse(data, start, path)
        if len(data) != start + size * dtype.itemsize:
            raise self._bad(path, f"{len(data):,} bytes: it is cut off or damaged")
        try:
            return np.frombuffer(data, dtype, offset=start).astype(np.float64)
        except ValueError:
            raise self._bad(path, f"values of the kind {dtype}") from None

    def _parse(self, data: bytes, start: int, path: str) -> tuple[np.dtype[Any], int]:
        """Kind and number of the values, by the header."""
        header = data[:start]
        try:
            file = io.BytesIO(header)
            version = npy_format.read_magic(file)
            shape, columns_first, dtype = npy_format.read_array_header_1_0(file)
        except (*MALFORMED, SyntaxError, tokenize.TokenError):
            raise self._bad(path, "another file, or a damaged one") from None
        plain = dtype.kind in _KINDS and dtype.itemsize and not (columns_first and len(shape) > 1)
        if version != _VERSION or not plain:
            # Not the shape itself: its numbers may have more digits than Python prints.
            raise self._bad(path, f"an array of {len(shape)} axes of the kind {str(dtype)[:40]}, version {version[0]}")
        return self._known.setdefault(header, (dtype, math.prod(shape)))

    def _bad(self, path: str, got: str) -> DataError:
        return DataError(f"expected an npy file of numbers at {path}, got {got}: copy it again; {self.handed_out}")
