"""Arrays of what strangers wrote: an npz of numbers and texts, never pickled objects; and texts of a bounded length."""

import lzma
import tokenize
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.core.errors import MALFORMED, DataError, one_line

LONGEST_TEXT = 1024  # characters: more than names and paths need

_DAMAGED = (*MALFORMED, EOFError, OSError, RuntimeError, SyntaxError, tokenize.TokenError, zipfile.BadZipFile,
            zlib.error, lzma.LZMAError)  # fmt: skip


def read_npz(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an npz by name.

    Raises:
        DataError: it is not there, damaged, or holds pickled objects.
    """
    try:
        with np.load(path, allow_pickle=False) as held:
            found = dict(held)
        if not all(isinstance(each, np.ndarray) for each in found.values()):  # other files come as their bytes
            raise ValueError("a file in it that is none")
        return found
    except _DAMAGED as error:  # numpy and zipfile raise what they like for a damaged file
        raise DataError(f"expected an npz of arrays in {path}, got: {one_line(error)}") from error


def texts(values: Iterable[Any], where: str) -> npt.NDArray[np.str_]:
    """Values as an array of texts, in which each takes as much memory as the longest.

    Raises:
        DataError: one is longer than `LONGEST_TEXT`; `where` says where they stand.
    """
    held = list(map(str, values))
    longest = max(held, key=len, default="")
    if len(longest) > LONGEST_TEXT:
        raise DataError(
            f"expected texts of at most {LONGEST_TEXT:,} characters in {where}, got one of {len(longest):,} that "
            f"begins with {longest[:20]!r}: shorten it"
        )
    return np.array(held, np.str_)
