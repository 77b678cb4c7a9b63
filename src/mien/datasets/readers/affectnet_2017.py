"""AffectNet as it was handed out from 2017 on: photographs, and csv files with a row a face."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError
from mien.datasets.dataset import Published, not_there
from mien.datasets.readers.affectnet_faces import (
    HANDED_OUT,
    ORIGIN,
    POINTS,
    PUBLISHED_2017,
    AffectFaces,
    FaceRows,
    published,
    unlisted,
)
from mien.datasets.readers.csv_rows import read_rows
from mien.datasets.readers.listing import first_folder, folders_in
from mien.datasets.table import SPLITS, expect_splits

COLUMNS = (
    "subDirectory_filePath",
    "face_x",
    "face_y",
    "face_width",
    "face_height",
    "facial_landmarks",
    "expression",
    "valence",
    "arousal",
)


@dataclass(frozen=True)
class _Part:
    """Half of what is handed out.

    Attributes:
        folder: of the pictures.
        files: name of a csv -> its split, and what its ids begin with.
        rule: where the labels come from.
    """

    folder: str
    files: Mapping[str, tuple[str, str]]
    rule: str
    published: Published


PARTS = {
    "manual": _Part(
        "Manually_Annotated_Images",
        {"training.csv": ("train", "train"), "validation.csv": ("test", "val")},
        "the label of one annotator",
        published(PUBLISHED_2017),
    ),
    "automatic": _Part(
        "Automatically_Annotated_Images",
        {"automatically_annotated.csv": ("train", "auto")},
        "the label of a net that learned from the faces people annotated",
        Published("affectnet", {}, certain=False),
    ),
}


def find_lists(root: Path, annotated: str | None = None) -> tuple[str, dict[str, Path]] | None:
    """Which part is under `root`, and its csv files by name; None if there is none.

    They lie in `root` or in a folder one below, or two below where the archives were unpacked side by side.
    """
    if not root.is_dir():
        return None
    below = [root, *(root / name for name in folders_in(root))]
    below += [each / name for each in below[1:] if _may_hold_lists(each.name.lower()) for name in folders_in(each)]
    for part in PARTS if annotated is None else (annotated,):
        for folder in below:
            files = {name: folder / name for name in PARTS[part].files if (folder / name).is_file()}
            if files:
                return part, files
    return None


def _may_hold_lists(folder: str) -> bool:
    return folder.startswith(("manually_annotated", "automatically_annotated")) and not folder.endswith("images")


def read_lists(
    root: Path, part: str, files: Mapping[str, Path], *, splits: Sequence[str] | None, landmarks: bool
) -> AffectFaces:
    """The faces in the csv files that `find_lists` found.

    Raises:
        DataError: the folder of the pictures or a split is not there, or a row is not as it should be.
    """
    about = PARTS[part]
    folder = _find_images(root, about.folder)
    there = {about.files[name][0] for name in files}
    there_in_order = [each for each in SPLITS if each in there]
    expect_splits(list(splits or ()), there=there_in_order, where=root, handed_out=HANDED_OUT)
    rows, listed = FaceRows(), set[str]()
    for name, path in files.items():
        split, prefix = about.files[name]
        if splits is None or split in splits:
            listed |= _read_file(path, rows, split=split, prefix=prefix, folder=folder, landmarks=landmarks)
    whole = set(splits or there) == there
    return AffectFaces(
        form=f"2017, {part}",
        file=", ".join(files),
        rule=about.rule,
        ids=rows.ids,
        split=rows.split,
        paths=rows.paths,
        classes=rows.classes,
        published=about.published,
        faces=False,
        extra=rows.extra(),
        notes=(*rows.notes(), *(unlisted(root / folder, listed) if whole else ())),
    )


def _find_images(root: Path, name: str) -> str:
    """The folder of the pictures under `root`; archives unpacked into a folder of their name hold it twice."""
    above = name.removesuffix("_Images")
    folder = first_folder(root, (f"{name}/{name}", name, f"{above}/{name}/{name}", f"{above}/{name}"))
    if folder is None:
        raise not_there(root, f"the folder {name}", ORIGIN)
    return folder.relative_to(root).as_posix()


def _read_file(path: Path, rows: FaceRows, *, split: str, prefix: str, folder: str, landmarks: bool) -> set[str]:
    """Add the rows of one csv, which is also met without a header; returns the paths of all that it names."""
    seen: Counter[str] = Counter()
    for line, cells in read_rows(path, COLUMNS, handed_out=HANDED_OUT, without_header=COLUMNS):
        file, *box, points, expression, valence, arousal = cells
        where = f"{path}, line {line}"
        if not file:
            raise DataError(f"expected a path in {where}, got an empty cell: {HANDED_OUT}")
        seen[file] += 1  # whether the row is kept or not, so that ids never move
        class_id = rows.class_of(_number(expression, "a whole number", where), where)
        if class_id is None:
            continue
        x, y, width, height = (_number(each, "a box of four numbers", where) for each in box)
        if width < 0:
            rows.left_out["their face_width is below 0"] += 1
            continue
        again = f"#{seen[file]}" if seen[file] > 1 else ""
        rows.ids.append(f"affectnet-{prefix}_{file}{again}")
        rows.split.append(split)
        rows.paths.append(f"{folder}/{file}")
        rows.classes.append(class_id)
        rows.boxes.append((x, y, x + width, y + height))
        rows.valence.append(_number(valence, "a valence", where))
        rows.arousal.append(_number(arousal, "an arousal", where))
        if landmarks:
            rows.landmarks.append(_points(points, where))
    return set(seen)


def _number(cell: str, expected: str, where: str) -> float:
    """NaN where nothing is known."""
    try:
        value = math.nan if cell in ("", "NULL") else float(cell)
    except ValueError:
        value = math.inf
    if math.isinf(value):
        raise DataError(f"expected {expected} in {where}, got {cell[:40]!r}: {HANDED_OUT}")
    return value


def _points(cell: str, where: str) -> npt.NDArray[np.float32]:
    """68 points as x;y;x;y, NaN where there are none."""
    if cell in ("", "NULL"):
        return np.full(2 * POINTS, np.nan, np.float32)
    try:
        points = np.array(cell.split(";"), np.float32)
    except ValueError:
        points = np.empty(0, np.float32)
    if len(points) != 2 * POINTS:
        raise DataError(f"expected {POINTS} points x;y in {where}, got {cell[:40]!r}: {HANDED_OUT}")
    return points
