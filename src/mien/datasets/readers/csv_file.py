"""A csv of paths and labels: one's own pictures, or a data set that someone labelled anew."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path

from mien.core.errors import DataError
from mien.datasets.dataset import DataSet, not_there, picture_at
from mien.datasets.labelmap import LabelMap, read_map
from mien.datasets.readers.cells import BOX, Rows, extra_of, ids_of, labels_of, splits_of, without

ORIGIN = "whoever made it"

# What the column of paths may be called, in this order of preference; see `mien.datasets.readers.cells` for others.
PATHS = ("path", "image", "file", "filename", "pth", "filepath")


def read_csv(
    root: str | os.PathLike[str],
    *,
    splits: Sequence[str] | None = None,
    label_map: LabelMap | str | os.PathLike[str] | None = None,
    images: str | os.PathLike[str] | None = None,
    name: str = "csv",
    faces: bool | None = None,
    gray: bool = False,
) -> DataSet:
    """Read a csv with a row a picture.

    Columns, whatever their case and order: a path out of `PATHS`; a label out of `LABELS`, or shares of labels in
    ``p_<label>`` or ``soft_<label>``, or both; and, where they are there, ``id``, ``split``, ``subject``, ``clip_id``
    and ``frame``, ``time_s``, ``valence``, ``arousal``, ``group_*``, and ``x1``, ``y1``, ``x2``, ``y2``, the box of
    the face in pixels. An empty cell is a value that is not known; without a split all is train.

    Args:
        root: the file; comma, semicolon or tab between its cells.
        splits: read these alone; None: all there.
        label_map: names for labels that are no emotions, such as numbers; see `LabelMap`.
        images: the folder that paths start from, or an address; None: that of the file.
        name: what ids begin with where there is no column `id`: tables that are merged need different ones.
        faces: False for photographs in which the face has to be found first, or stands in a box; None: False if there
            are boxes.
        gray: whether the pictures are to be taken as grey.

    Returns:
        The label source is ``labels``, or what the label map says.

    Raises:
        DataError: no such file, a column that is missing, a row that is not as it should be (named by its line), a
            picture that is named twice, or a split that is not there.
    """
    path, renames = Path(root), read_map(label_map)
    if not path.is_file():
        raise not_there(path, "a csv of paths and labels (csv=FILE)", ORIGIN)
    rows = _read_rows(path)
    column = rows.first(PATHS)
    if column is None:
        raise DataError(f"expected a column out of {', '.join(PATHS)} in {path}, got {', '.join(rows.columns)[:200]}")
    paths = rows.read(column, _path, "a path")
    label_set, source, dropped = labels_of(rows, renames, name)
    folder = path.parent if images is None else images
    data = DataSet(
        name="csv",
        root=path,
        form="a csv of paths and labels",
        origin=ORIGIN,
        ids=ids_of(rows, paths, name),
        split=splits_of(rows),
        pictures=[picture_at(folder, each) for each in paths],
        sources={label_set.name: source},
        extra=extra_of(rows),
        faces=not set(BOX) <= set(rows.columns) if faces is None else faces,
        gray=gray,
    )
    return without(data, dropped).of_splits(splits)


def _read_rows(path: Path) -> Rows:
    """All rows; blank lines are passed over."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=max(",;\t", key=first.count))
            header = [" ".join(each.lower().split()) for each in next(reader, [])]
            cells, lines = [], []
            for row in reader:
                if not any(each.strip() for each in row):
                    continue
                if len(row) != len(header):
                    raise DataError(
                        f"expected {len(header)} columns in {path}, line {reader.line_num}, got {len(row)}: "
                        "is the file cut off?"
                    )
                cells.append([each.strip() for each in row])
                lines.append(reader.line_num)
    except OSError as error:
        raise DataError(f"expected a readable csv at {path}, got: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"expected a csv in UTF-8 at {path}, got: {error}") from error
    if not cells:
        raise DataError(f"expected rows in {path}, got {'its header alone' if any(header) else 'an empty file'}")
    columns = {each: [row[k] for row in cells] for k, each in reversed([*enumerate(header)])}  # the first of a name
    return Rows(path, dict(reversed(columns.items())), lambda row: f"line {lines[row]}")


def _path(cell: str) -> str:
    if not cell or "\0" in cell:
        raise ValueError(cell)
    return cell.replace("\\", "/")  # as Windows writes it
