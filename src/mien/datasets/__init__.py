"""Read data sets as they are distributed, and see what is in them. Never a network, never a model."""

import functools
import inspect
import os
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from mien.core import stores
from mien.core.errors import UsageError
from mien.core.registry import unknown
from mien.datasets.dataset import DataSet, Sample
from mien.datasets.looking import Each, each_here
from mien.datasets.mirror import open_stored
from mien.datasets.parquet import is_folder_of_tables, read_table, write_table
from mien.datasets.readers import READERS, READS_STORES
from mien.datasets.table import LabelColumn, Table

__all__ = [
    "READERS",
    "DataSet",
    "LabelColumn",
    "Sample",
    "Table",
    "open_data",
    "open_dataset",
    "read_table",
    "write_table",
]

NO_OPTIONS = ("root", "splits", "each")  # parameters of readers that are no options of a data set


def open_dataset(
    spec: str,
    *,
    splits: Sequence[str] | None = None,
    options: Mapping[str, Any] | None = None,
    each: Each = each_here,
) -> DataSet:
    """Open a data set as it is distributed.

    Args:
        spec: ``NAME=ROOT``, such as ``ferplus=data/fer``.
        splits: read these alone; None: all there.
        options: of the reader, such as ``{"peak": 3}``; its defaults otherwise.
        each: who opens clips where the reader has to know how long they are.

    Raises:
        UsageError: no such form, or an unknown NAME or option (the known ones are listed).
        DataError: what is there is not as it should be.
    """
    name, equals, root = spec.partition("=")
    if not equals or not root:
        raise UsageError(f"expected NAME=FOLDER with a NAME out of {', '.join(READERS)}, got {spec!r}")
    splits = [splits] if isinstance(splits, str) else splits
    reader = READERS[name]
    parameters = inspect.signature(reader).parameters
    known = [option for option in parameters if option not in NO_OPTIONS]
    given: dict[str, Any] = {"each": each} if "each" in parameters else {}
    for option, value in (options or {}).items():
        if option not in known:
            there = unknown("option", option, known) if known else f"expected no option, got {option!r}"
            raise UsageError(f"{there}; these are the options of {name}")
        given[option] = _as_declared(option, value, parameters[option].annotation)
    read = functools.partial(reader, splits=splits, **given)
    if stores.is_address(root):
        return read(root) if name in READS_STORES else open_stored(name, root, read)
    return read(os.path.expanduser(root))  # a shell leaves ~ as it is after NAME=


def _as_declared(option: str, value: Any, annotation: Any) -> Any:
    """The value of an option where the reader says true or false, or a text; a number is as good a text as any."""
    kinds = get_args(annotation) or (annotation,)
    if bool in kinds and value is not None and not isinstance(value, bool):
        raise UsageError(f"expected {option} to be true or false, got {value!r}")
    if str in kinds and bool not in kinds and isinstance(value, bool | list | dict):
        raise UsageError(f"expected {option} to be a text, got {value!r}")
    return str(value) if str in kinds and isinstance(value, int | float) else value


def open_data(
    spec: str | os.PathLike[str],
    *,
    splits: Sequence[str] | None = None,
    resident: bool = True,
    each: Each = each_here,
) -> Table:
    """Open what ``--data`` names, with all its pictures.

    Args:
        spec: the path of a table or of a folder of its parts, or ``NAME=ROOT`` for a data set of face crops as
            distributed.
        splits: read these alone; None: all there.
        resident: whether a table's pictures are read now; see `read_table`.
        each: who reads the pictures of a data set.

    Raises:
        UsageError: neither of the two, or an unknown NAME (the known ones are listed).
        DataError: what is there is not as it should be.
    """
    splits = [splits] if isinstance(splits, str) else splits
    text = os.fspath(spec)
    name, equals, root = text.partition("=")
    table = text.endswith(".parquet") or is_folder_of_tables(text)
    if table and (name not in READERS or not equals):
        return read_table(text, splits=splits, resident=resident)
    if not equals or not root:
        known = ", ".join(READERS)
        raise UsageError(f"expected a .parquet table, or NAME=FOLDER with a NAME out of {known}, got {text!r}")
    return open_dataset(text, splits=splits, each=each).table(each=each)
