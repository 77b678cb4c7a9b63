"""The prepared table as Parquet: one file that holds everything, and opens fast."""

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.core import stores
from mien.core.arrays import texts
from mien.core.errors import MALFORMED, DataError, InputError, OutputError, one_line
from mien.core.files import expect_free, expect_on_disk, printable, replacing
from mien.core.images import encode
from mien.core.labels import LabelSet
from mien.core.optional import require
from mien.datasets.stored import Place, Store, StoredImages, in_threads, opened
from mien.datasets.table import LabelColumn, Table, expect_splits, splits_in

ROWS_IN_GROUP = 512  # rows that are written, read and held together
ERROR = "error"  # column that says why a row has no image
FAILED = "failed"  # of the meta: how many have none
MANIFEST = "_manifest.json"  # in a folder of parts: whether all are there, and what is known of all together

_ABOUT = b"mien"  # key of the file's metadata
_COLUMNS = ("id", "image", "split", ERROR)  # what no extra column may be called
Write = Callable[[Table, Sequence[bytes | None], Sequence[str | None] | None], None]


def check_table_path(path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """See whether a table may be written to `path`, before minutes are spent on reading one.

    Raises:
        OutputError: the file exists and `overwrite` is not set, or its suffix is another.
        MissingExtraError: pyarrow is not installed.
    """
    expect_on_disk(path)
    if Path(path).suffix != ".parquet":
        raise OutputError(f"expected a table's name to end in .parquet, got {path}")
    expect_free(path, overwrite=overwrite)
    require("pyarrow.parquet", extra="data")


def write_table(table: Table, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write a table as Parquet, so that `read_table` gives the same again.

    Columns: id, image (PNG bytes), split, label_<source> (names, null where there is none), soft_<source> (lists in
    the order of the source's labels), and the extra columns. Needs the extra `data`.

    Raises:
        OutputError: the file exists and `overwrite` is not set, its suffix is another, or it cannot be written.
    """
    path = Path(path)
    check_table_path(path, overwrite=overwrite)
    with replacing(path) as partial, table_writer(partial, table, shape=table.images.shape[1:]) as write:
        for start in range(0, len(table), ROWS_IN_GROUP):
            rows = table.select(slice(start, start + ROWS_IN_GROUP))
            write(rows, in_threads(encode_small, list(rows.images)), None)


@contextlib.contextmanager
def table_writer(
    path: str | os.PathLike[str], like: Table, *, shape: Sequence[int], errors: bool = False
) -> Iterator[Write]:
    """Write a table some rows at a time, so that its pictures need not be held together.

    The block gets a function that takes the next rows (their own images do not count), their encoded images, and with
    `errors` why an image is not there, else None.

    Args:
        path: a file that is not there yet.
        like: a table with the columns and the meta of the whole.
        shape: of each image.
        errors: whether the table has a column `error`.
    """
    pyarrow = require("pyarrow", extra="data")
    parquet = require("pyarrow.parquet", extra="data")
    schema = arrow_table(like.select(slice(0, 0)), [], [] if errors else None, shape=shape).schema
    with parquet.ParquetWriter(path, schema, **writing(schema)) as file:

        def write(rows: Table, images: Sequence[bytes | None], why: Sequence[str | None] | None) -> None:
            file.write_table(pyarrow.table(_columns(rows, images, why, pyarrow), schema=schema))

        yield write


def arrow_table(
    rows: Table, images: Sequence[bytes | None], why: Sequence[str | None] | None, *, shape: Sequence[int]
) -> Any:
    """A table as pyarrow has it, to be written as a file of its own; arguments as in `table_writer`."""
    pyarrow = require("pyarrow", extra="data")
    table = pyarrow.table(_columns(rows, images, why, pyarrow))
    return table.replace_schema_metadata({_ABOUT: json.dumps(_about(rows, shape))})


def writing(schema: Any) -> dict[str, Any]:
    """How a table is written: options of pyarrow's writer."""
    string = require("pyarrow", extra="data").string()
    words = [field.name for field in schema if field.type == string]  # others repeat too little to count
    return {"compression": "zstd", "use_dictionary": words, "write_statistics": words}


def encode_small(image: npt.NDArray[np.uint8]) -> bytes:
    """An image as it stands in a table: PNG."""
    return encode(image, small=True)


def read_table(path: str | os.PathLike[str], *, splits: Sequence[str] | None = None, resident: bool = True) -> Table:
    """Read a table that `write_table` or `mien data prepare` wrote; needs the extra `data`.

    Rows with an error have no image and are left out; ``meta["failed"]`` says how many.

    Args:
        path: the file, or a folder whose Parquet files are parts of one table, read in the order of their names; or
            an address of the one or the other in an object store.
        splits: read these alone; None: all there.
        resident: whether to read the pictures now; else they are `StoredImages`, which are read when they are needed.

    Raises:
        DataError: no such file, not such a table, a damaged row, or a split that is not there; or a table that is not
            finished.
    """
    try:
        path = stores.tidy(os.fspath(path)) if stores.is_address(path) else Path(path)
        folder = stores.is_folder(path) if isinstance(path, str) else path.is_dir()
        table, there = _read_parts(path, splits) if folder else _read_file(path, splits)
    except InputError as error:  # of a store
        raise DataError(str(error)) from error
    expect_splits(list(splits or ()), there=there, where=path)
    return load(table) if resident else table


def read_column(path: Place, name: str) -> list[Any]:
    """One column of a Parquet file, of which no more is read; DataError where it cannot be."""
    pyarrow = require("pyarrow", extra="data")
    try:
        with opened(path) as file:
            return list(file.read([name])[name].to_pylist())
    except (InputError, OSError, pyarrow.ArrowException, *MALFORMED) as error:
        raise DataError(f"expected the column {name} in {path}, got: {one_line(error)}") from error


def load(table: Table) -> Table:
    """The table with its pictures in memory."""
    return replace(table, images=np.asarray(table.images))


def is_folder_of_tables(path: str | os.PathLike[str]) -> bool:
    """Whether there are Parquet files in a folder; an address is taken to be one, unless it ends as a file."""
    if stores.is_address(path):
        return not os.fspath(path).endswith(".parquet")
    return Path(path).is_dir() and bool(_parts(_names(Path(path))))


def _names(folder: Place) -> list[str]:
    """What is directly in a folder, sorted."""
    if isinstance(folder, str):
        return [name for name in stores.objects(folder) if "/" not in name]
    try:
        return sorted(os.listdir(folder))
    except OSError as error:
        raise DataError(f"expected a readable folder at {folder}, got: {error.strerror or error}") from error


def _parts(names: Sequence[str]) -> list[str]:
    return [name for name in names if name.endswith(".parquet") and not name.startswith((".", "_"))]


def _in(folder: Place, name: str) -> Place:
    return f"{folder.rstrip('/')}/{name}" if isinstance(folder, str) else folder / name


def _meta_of_all(folder: Place, parts: Sequence[str]) -> dict[str, str]:
    """What the manifest says of all parts together; DataError where they are not all there."""
    place = _in(folder, MANIFEST)
    try:
        said = json.loads(stores.read(place) if isinstance(place, str) else place.read_bytes())
        complete, meta = bool(said["complete"]), dict(said.get("meta", {}))
        done, expected = [str(each["file"]) for each in said["parts"]], int(said["inputs"]["parts"])
    except (OSError, *MALFORMED) as error:
        raise DataError(f"expected a readable manifest at {place}, got: {one_line(error)}") from error
    if not complete:
        raise DataError(
            f"expected a finished table in {folder}, got {len(done):,} of {expected:,} parts: go on with `mien data "
            "prepare --resume`"
        )
    if lost := sorted({*done} - {*parts}):
        raise DataError(
            f"expected all {expected:,} parts of the table in {folder}, got it without {', '.join(lost[:3])}: copy it "
            "again, or make it anew"
        )
    if not all(isinstance(each, str) for item in meta.items() for each in item):
        raise DataError(f"expected texts in meta of {place}, got others: make the table anew")
    return meta


def _read_parts(folder: Place, splits: Sequence[str] | None) -> tuple[Table, tuple[str, ...]]:
    """The tables of a folder as one, and the splits that are there."""
    in_it = _names(folder)
    names = _parts(in_it)
    of_all = _meta_of_all(folder, names) if MANIFEST in in_it else {}  # without: parts that someone put there
    if not names:
        raise DataError(f"expected Parquet files in {folder}, got none: make a table with `mien data prepare`")
    parts, there = zip(*(_read_file(_in(folder, each), splits) for each in names), strict=True)
    kinds = sorted({each.meta.get("name", "table") for each in parts})
    if len(kinds) > 1:
        raise DataError(
            f"expected parts of one table in {folder}, got those of {', '.join(kinds)}: put several tables together "
            "with `mien data merge`"
        )
    failed = [int(each.meta[FAILED]) for each in parts if FAILED in each.meta]
    filled = [each for each in parts if len(each)] or parts[:1]  # where every row failed, no face has a shape
    meta = {**filled[0].meta, **({FAILED: str(sum(failed))} if failed else {}), **of_all}
    every = tuple(dict.fromkeys(split for each in there for split in each))
    return replace(Table.concatenate(filled), meta=meta), every


def _read_file(path: Place, splits: Sequence[str] | None) -> tuple[Table, tuple[str, ...]]:
    """A table with its pictures where they are, and the splits that are there."""
    pyarrow = require("pyarrow", extra="data")
    try:
        with opened(path) as file:
            about = _read_about(file.schema_arrow, path)
            counts = [file.metadata.row_group(k).num_rows for k in range(file.metadata.num_row_groups)]
            frame = file.read([name for name in file.schema_arrow.names if name != "image"])
            split = np.array(frame["split"].to_pylist(), np.str_)
            wanted = np.ones(len(split), np.bool_) if splits is None else np.isin(split, list(splits))
            whole, meta = _without_error(frame, wanted, about["meta"])
            kept = wanted & whole
        frame = frame.filter(pyarrow.array(kept))
        sources = {name: _read_labels(frame, name, each, path) for name, each in about["sources"].items()}
        extra = {name: _read_extra(frame[name]) for name in about["extra"]}
        images: Any = StoredImages(Store.of(path, counts, about["shape"]), np.flatnonzero(kept))
        table = Table(
            texts(frame["id"].to_pylist(), f"the column id of {path}"), images, split[kept], sources, extra, meta
        )
        return table, splits_in(split)
    except FileNotFoundError:
        raise DataError(f"expected a table at {path}, got no such file: make one with `mien data prepare`") from None
    except OSError as error:
        raise DataError(f"expected a readable table at {path}, got: {error.strerror or one_line(error)}") from error
    except (pyarrow.ArrowException, *MALFORMED) as error:
        raise DataError(f"expected a table of mien at {path}, got: {one_line(error)}") from error


def _without_error(
    frame: Any, wanted: npt.NDArray[np.bool_], meta: Mapping[str, str]
) -> tuple[npt.NDArray[np.bool_], Mapping[str, str]]:
    """The rows that have an image, and the meta with the number of those wanted that have none."""
    if ERROR not in frame.column_names:  # where nothing can fail
        return np.ones(len(wanted), np.bool_), meta
    whole = np.asarray(frame[ERROR].is_null())
    return whole, {**meta, FAILED: str(np.count_nonzero(wanted & ~whole))}


def _columns(
    table: Table, images: Sequence[bytes | None], errors: Sequence[str | None] | None, pyarrow: Any
) -> dict[str, Any]:
    arrays = {
        "id": pyarrow.array([*map(printable, table.ids.tolist())], pyarrow.string()),
        "image": pyarrow.array(images, pyarrow.binary()),
        "split": pyarrow.array(table.split.tolist(), pyarrow.string()),
    }
    if errors is not None:
        arrays[ERROR] = pyarrow.array(errors, pyarrow.string())
    for name, column in table.sources.items():
        arrays[f"label_{name}"] = pyarrow.array(column.names(), pyarrow.string())
        if column.soft is not None:
            arrays[f"soft_{name}"] = _list_column(pyarrow, column.soft, nan_is_null=True)
    for name, values in table.extra.items():
        if name in arrays or name in _COLUMNS:
            raise DataError(f"expected extra columns that are not {', '.join([*arrays, ERROR])}, got {name!r}")
        arrays[name] = _extra_column(pyarrow, name, values)
    return arrays


def _about(table: Table, shape: Sequence[int]) -> dict[str, Any]:
    """What the columns alone do not say."""
    return {
        "version": 1,
        "gray": len(shape) == 2,
        "shape": list(shape),
        "sources": {
            name: {"label_set": c.label_set.name, "labels": c.label_set.labels, "rule": c.rule, "file": c.file}
            for name, c in table.sources.items()
        },
        "extra": list(table.extra),
        "meta": dict(table.meta),
    }


def _list_column(pyarrow: Any, values: npt.NDArray[Any], *, nan_is_null: bool = False) -> Any:
    flat = pyarrow.array(np.ascontiguousarray(values).ravel())
    null = pyarrow.array(np.isnan(values).any(1)) if nan_is_null else None
    return pyarrow.FixedSizeListArray.from_arrays(flat, values.shape[1], mask=null)


def _extra_column(pyarrow: Any, name: str, values: npt.NDArray[Any]) -> Any:
    if values.ndim == 2 and values.dtype.kind in "iuf":
        return _list_column(pyarrow, values)
    if values.ndim == 1 and values.dtype.kind in "iufb":
        return pyarrow.array(values)
    if values.ndim == 1 and values.dtype.kind == "U":
        return pyarrow.array([*map(printable, values.tolist())], pyarrow.string())
    raise DataError(f"expected numbers or words in the extra column {name!r}, got {values.dtype} of {values.shape}")


def _read_about(schema: Any, path: Place) -> dict[str, Any]:
    text = (schema.metadata or {}).get(_ABOUT)
    if text is None:
        raise DataError(f"expected a table of mien at {path}, got other Parquet: make one with `mien data prepare`")
    about: dict[str, Any] = json.loads(text)
    if about.get("version") != 1:
        raise DataError(f"expected a table of version 1 at {path}, got {about.get('version')}: update mien")
    meta = about["meta"]
    if not all(isinstance(each, str) for each in meta.values()) or not meta.get(FAILED, "0").isdecimal():
        raise DataError(
            f"expected texts, and a number of failures, beside the columns of {path}, got others: make it anew"
        )
    missing = {"id", "image", "split", *(f"label_{name}" for name in about["sources"]), *about["extra"]}
    missing -= set(schema.names)
    if missing:
        raise DataError(f"expected the columns {', '.join(sorted(missing))} in {path}, got {', '.join(schema.names)}")
    return about


def _read_labels(frame: Any, name: str, about: Mapping[str, Any], path: Place) -> LabelColumn:
    label_set = LabelSet(about["label_set"], tuple(about["labels"]))
    numbers: dict[str | None, int] = {None: -1, **{label: k for k, label in enumerate(label_set)}}
    names = frame[f"label_{name}"].to_pylist()
    strange = set(names) - set(numbers)
    if strange:
        raise DataError(f"expected labels out of {', '.join(label_set)} in {path}, got {', '.join(map(repr, strange))}")
    soft = None
    if f"soft_{name}" in frame.column_names:
        soft = np.full((len(names), len(label_set)), np.nan, np.float32)
        column = frame[f"soft_{name}"].combine_chunks()
        there = np.asarray(column.is_valid())
        soft[there] = np.asarray(column.flatten(), np.float32).reshape(-1, len(label_set))
    ids = np.array([numbers[each] for each in names], np.int16)
    return LabelColumn(label_set, ids, soft, about["rule"], about["file"])


def _read_extra(column: Any) -> npt.NDArray[Any]:
    if hasattr(column.type, "list_size"):
        return np.asarray(column.combine_chunks().flatten()).reshape(-1, column.type.list_size)
    values = column.to_pylist() if str(column.type) == "string" else column.to_numpy()
    return np.array(values, np.str_) if isinstance(values, list) else np.asarray(values)
