"""Read data sets as they are distributed into tables. Never a network, never a model.

A new reader is a function ``(root, *, splits=None) -> Table`` under ``@READERS.register("name")``.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from mien.core.errors import UsageError
from mien.core.registry import Registry
from mien.datasets.fer2013 import read_fer2013
from mien.datasets.ferplus import read_ferplus
from mien.datasets.parquet import read_table, write_table
from mien.datasets.table import LabelColumn, Table

__all__ = ["READERS", "LabelColumn", "Table", "open_data", "read_table", "write_table"]

READERS: Registry[Table] = Registry("data set")
READERS.register("fer2013")(read_fer2013)
READERS.register("ferplus")(read_ferplus)


def open_data(spec: str | os.PathLike[str], *, splits: Sequence[str] | None = None) -> Table:
    """Open what ``--data`` names.

    Args:
        spec: ``NAME=ROOT`` for a data set as distributed, such as ``ferplus=data/fer``, or the path of a table.
        splits: read these alone; None: all there.

    Raises:
        UsageError: neither of the two, or an unknown NAME (the known ones are listed).
        DataError: what is there is not as it should be.
    """
    text = os.fspath(spec)
    name, equals, root = text.partition("=")
    if Path(text).suffix == ".parquet" and (name not in READERS or not equals):
        return read_table(text, splits=splits)
    if not equals or not root:
        known = ", ".join(READERS)
        raise UsageError(f"expected a .parquet table, or NAME=FOLDER with a NAME out of {known}, got {text!r}")
    return READERS[name](root, splits=splits)
