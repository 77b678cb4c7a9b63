"""`mien data merge`: several tables in, one out; with a label map under common labels."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError, UsageError
from mien.core.files import make_folder
from mien.core.images import to_gray
from mien.core.registry import unknown
from mien.datasets import Table, write_table
from mien.datasets.labelmap import LabelMap, read_map
from mien.datasets.parquet import check_table_path
from mien.pipeline.picture_workers import open_data
from mien.runtime.preprocess import resize
from mien.verbs.made_table import Counts, count_labels, count_splits, described

Spec = str | os.PathLike[str]


@dataclass(frozen=True)
class MergeResult:
    """What was written.

    Attributes:
        out: the table. digest: its sha256, which runs save. images: data set -> split -> images.
        labels: label source -> label -> split -> images; those without a label stand under "".
        notes: what was left out, and why.
    """

    out: Path
    digest: str
    images: dict[str, Counts]
    labels: dict[str, dict[str, Counts]]
    notes: tuple[str, ...] = ()


def merge(
    data: Spec | Sequence[Spec],
    *,
    out: Spec,
    label_map: LabelMap | Spec | None = None,
    sources: str | Sequence[str] = (),
    size: int | None = None,
    gray: bool = False,
    overwrite: bool = False,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> MergeResult:
    """Make one table out of several; its column `dataset` says where an image comes from.

    Without a label map the label sources stand side by side. With one there is a single source, and images without a
    label of it are left out.

    Args:
        data: prepared tables, or ``"NAME=ROOT"`` for data sets of face crops.
        out: a file name that ends in .parquet.
        label_map: common names for the labels; see `LabelMap`.
        sources: which label source the map is for, where a table has several.
        size: bring all images to so many pixels a side.
        gray: bring all images to grey.
        overwrite: replace the file if it is there.
        tell: called with how many tables are read, and how many there are.

    Raises:
        UsageError, DataError: data or map are not as they should be, an id stands in two tables, images of several
            sizes or colours.
        OutputError: the table cannot be written.

    Example:
        >>> mien.merge(["a.parquet", "ck48=data/ck48"], out="both.parquet", size=48).images  # doctest: +SKIP
        {'fer2013': {'train': 28709, 'valid': 3589}, 'ck48': {'train': 981}}
    """
    out = Path(out)
    check_table_path(out, overwrite=overwrite)
    data = [data] if isinstance(data, str | os.PathLike) else list(data)
    sources = [sources] if isinstance(sources, str) else sources
    if not data:
        raise UsageError("expected tables to merge, got none")
    if size is not None and not 1 <= size <= 4096:
        raise UsageError(f"expected a size of 1 to 4096 pixels, got {size}")
    if sources and label_map is None:
        raise UsageError(f"expected a label map with the source {', '.join(sources)}, got none: give --label-map")
    renames = None if label_map is None else read_map(label_map)
    tables = []
    for done, spec in enumerate(data, 1):
        tables.append(_fit(open_data(spec), size, gray=gray))
        tell(done, len(data))
    digests = [each.digest() for each in tables]
    names = _names(data, tables)
    _expect_one_shape(names, tables)
    notes: list[str] = []
    if renames is not None:
        _expect_sources(sources, tables)
        tables, notes = _renamed(tables, names, renames, sources)
    tables = [_with_origin(table, name) for table, name in zip(tables, names, strict=True)]
    merged = Table.concatenate(tables)
    about = {"label_map": Path(renames.file).name} if renames is not None else {}
    merged = described(merged, name="+".join(names), merged=dict(zip(names, digests, strict=True)), **about)
    make_folder(out.parent)
    write_table(merged, out, overwrite=overwrite)
    origins = merged.extra["dataset"]
    return MergeResult(
        out=out,
        digest=merged.digest(),
        images={str(each): count_splits(merged.select(origins == each)) for each in dict.fromkeys(origins.tolist())},
        labels={name: count_labels(merged, column) for name, column in merged.sources.items()},
        notes=tuple(notes),
    )


def _fit(table: Table, size: int | None, *, gray: bool) -> Table:
    """The table with images of another size, or in grey."""
    images = table.images
    gray = gray and images.ndim == 4
    if not gray and (size is None or images.shape[1:3] == (size, size)):
        return table
    height, width = images.shape[1:3] if size is None else (size, size)
    fitted = np.empty((len(images), height, width, *([] if gray else images.shape[3:])), np.uint8)
    for out, image in zip(fitted, images, strict=True):
        out[:] = resize(to_gray(image) if gray else image, (width, height))
    return replace(table, images=fitted)


def _names(specs: Sequence[Spec], tables: Sequence[Table]) -> list[str]:
    """What each is called: its data set, or its file or folder where that is one's own or two are of one data set."""
    names = [table.meta.get("name", "") for table in tables]
    unclear = ("", "folder", "csv", *(name for name, times in Counter(names).items() if times > 1))
    names = [Path(spec).stem if name in unclear else name for spec, name in zip(specs, names, strict=True)]
    for name, times in Counter(names).items():
        if times > 1:
            raise UsageError(f"expected tables of different names, got {name} {times} times: rename a file")
    return names


def _expect_one_shape(names: Sequence[str], tables: Sequence[Table]) -> None:
    shapes = {table.images.shape[1:]: name for name, table in zip(names, tables, strict=True)}
    if len(shapes) > 1:
        found = ", ".join(
            f"{shape[1]}x{shape[0]} {'grey' if len(shape) == 2 else 'colour'} in {name}"
            for shape, name in shapes.items()
        )
        raise DataError(
            f"expected images of one size and colour, got {found}: bring them to one with --size PX, --gray, or both"
        )


def _renamed(
    tables: Sequence[Table], names: Sequence[str], renames: LabelMap, sources: Sequence[str]
) -> tuple[list[Table], list[str]]:
    """The tables with one label source, without the images that have no label of it; and what to say of those."""
    of = [(name, _source(table, name, sources, renames)) for name, table in zip(names, tables, strict=True)]
    columns = [table.sources[source] for table, (_, source) in zip(tables, of, strict=True)]
    found = {
        renames.rename(label, *both) for column, both in zip(columns, of, strict=True) for label in column.label_set
    }
    into = renames.label_set(found)
    notes = [
        f"{renames.file} has a part for {each}, which is none of the data: {', '.join(names)}"
        for each in renames.own
        if not any(each in both for both in of)
    ]
    renamed = []
    for table, column, both in zip(tables, columns, of, strict=True):
        column = renames.apply(column, *both, into=into)
        kept = column.ids >= 0
        if column.soft is not None:
            kept |= ~np.isnan(column.soft).any(1)
        renamed.append(replace(table, sources={into.name: column}).select(kept))
        if not kept.all():
            notes.append(f"images of {both[0]} left out, without a label of the map: {(~kept).sum():,}")
    return renamed, notes


def _expect_sources(wanted: Sequence[str], tables: Sequence[Table]) -> None:
    there = list(dict.fromkeys(source for table in tables for source in table.sources))
    for source in wanted:
        if source not in there:
            raise UsageError(unknown("label source", source, there))


def _source(table: Table, name: str, wanted: Sequence[str], renames: LabelMap) -> str:
    """The label source to map: one that is wanted, the one that is called as the map, or the only one."""
    there = list(table.sources)
    own = [renames.name] if renames.name in there else there
    chosen = [each for each in there if each in wanted] or own
    if len(chosen) != 1:
        found = ", ".join(chosen) or "none"
        raise UsageError(f"expected one label source of {name} to map, got {found}: name one with --source")
    return chosen[0]


def _with_origin(table: Table, name: str) -> Table:
    """The table with the column `dataset`, which a table that was merged before has already."""
    origin: npt.NDArray[np.str_] = np.full(len(table), name)
    return replace(table, extra={"dataset": origin} | dict(table.extra))
