"""Arrays in a file, as NumPy's npz holds them: numbers and texts, never pickled objects."""

import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.core.errors import MALFORMED, DataError, one_line

_DAMAGED = (*MALFORMED, EOFError, OSError, NotImplementedError, SyntaxError, tokenize.TokenError, zipfile.BadZipFile,
            zlib.error)  # fmt: skip


def read_npz(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an npz by name.

    Raises:
        DataError: it is not there, damaged, or holds pickled objects.
    """
    try:
        with np.load(path, allow_pickle=False) as held:
            return dict(held)
    except _DAMAGED as error:  # numpy and zipfile raise what they like for a damaged file
        raise DataError(f"expected an npz of arrays in {path}, got: {one_line(error)}") from error
