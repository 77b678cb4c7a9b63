"""FER+: ten raters' votes on the images of FER2013, joined with one of its forms, or beside pictures of their own.

Barsoum et al. 2016, "Training Deep Networks for Facial Expression Recognition with Crowd-Sourced Label
Distribution", https://doi.org/10.1145/2993148.2993165.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mien.core.arrays import texts
from mien.core.errors import DataError, UsageError
from mien.core.images import SUFFIXES
from mien.core.labels import LABEL_SETS
from mien.core.registry import unknown
from mien.datasets.dataset import DataSet, PictureFile, Published, not_there
from mien.datasets.readers.fer2013 import FerFaces, find_faces
from mien.datasets.readers.ferplus_csv import HANDED_OUT, ORIGIN, VoteRows, read_label_csv, read_votes
from mien.datasets.readers.ferplus_rules import MODES, Votes, label_column
from mien.datasets.readers.listing import files_in
from mien.datasets.table import SPLITS, expect_splits

FILE = "fer2013new.csv"
FOLDERS = {"FER2013Train": "train", "FER2013Valid": "valid", "FER2013Test": "test"}
_PLACES = ("", "data", "FERPlus/data", "ferplus/data", "FERPlus", "ferplus")

# By the majority rule. The classes were counted where the votes are at hand; the authors give the number of each split.
_LABELLED = {
    "train": (8740, 7287, 3149, 3014, 2100, 119, 532, 119),
    "valid": (1182, 865, 415, 351, 287, 24, 62, 13),
}
PUBLISHED = Published(
    "ferplus",
    {split: dict(zip(LABEL_SETS["ferplus"], n, strict=True)) for split, n in _LABELLED.items()},
    unlabelled={"train": 3_649, "valid": 390, "test": 436},
    totals={"train": 28_709, "valid": 3_589, "test": 3_589},
    size=(48, 48),
)
# A name of two images counts once, for there is one picture of it.
PUBLISHED_FOLDERS = Published(
    "ferplus", {}, totals={"train": 28_558, "valid": 3_579, "test": 3_573}, size=PUBLISHED.size
)


def read_ferplus(
    root: str | os.PathLike[str], *, splits: Sequence[str] | None = None, mode: str = "majority"
) -> DataSet:
    """Read FER2013 with the labels of FER+ beside its own, or the folders that FER+'s own tool makes.

    ``fer2013new.csv`` is joined by the order of rows with FER2013's csv, or with folders of pictures whose names are
    rows of it: the numbers in FER+'s own image names are not rows. Where it is not there, or FER2013 is not, folders
    ``FER2013Train``, ``FER2013Valid`` and ``FER2013Test`` are read, whose pictures ``label.csv`` names.

    Args:
        root: a folder with FER2013 and `fer2013new.csv`, FER2013's csv with the other beside it, or a folder that
            holds the three (or its ``data``).
        splits: read these alone; None: all there.
        mode: how votes become labels: ``majority``, ``probability`` or ``multi-target``; see
            `mien.datasets.readers.ferplus_rules`.

    Returns:
        48x48 grey faces with the label sources ``fer2013`` (not in the folders of FER+) and ``ferplus``; ``extra``
        holds ``votes`` (n, 10) int8 in the order of `ferplus_rules.VOTES` and ``image_name``.

    Raises:
        UsageError: no such mode or split exists.
        DataError: a file is missing or not as it should be, two do not belong together, or a split is not there.
    """
    if mode not in MODES:
        raise UsageError(unknown("mode", str(mode), tuple(MODES)))
    root = Path(root)
    faces = find_faces(root, splits=splits)
    path = _find_votes(root, faces)
    if faces is not None and path is not None:
        return _join(root, faces, path, mode)
    folders = _find_folders(root)
    if folders:
        return _read_folders(root, folders, splits, mode)
    if faces is not None:
        raise not_there(root, f"{FILE} in it, or beside {faces.form}", ORIGIN)
    raise not_there(root, f"FER2013 and {FILE}, or {', '.join(FOLDERS)} with label.csv,", ORIGIN)


def _find_votes(root: Path, faces: FerFaces | None) -> Path | None:
    """The csv of votes: in the folder given, in one inside it, or beside FER2013's csv."""
    base = root if root.is_dir() else root.parent
    beside = () if faces is None else (faces.path.parent, faces.path.parent.parent)
    folders = (base, base / "FERPlus", base / "ferplus", *beside)
    return next((folder / FILE for folder in folders if (folder / FILE).is_file()), None)


def _join(root: Path, faces: FerFaces, path: Path, mode: str) -> DataSet:
    rows = read_votes(path)
    _expect_same_rows(faces, rows, path)
    votes = rows.votes[faces.rows]
    return DataSet(
        name="ferplus",
        root=root,
        form=f"{faces.form} and {path.name}",
        origin=ORIGIN,
        ids=faces.ids,
        split=faces.split,
        pictures=faces.pictures,
        sources={"fer2013": faces.labels, "ferplus": label_column(votes, mode=mode, file=path.name)},
        extra={"votes": votes, "image_name": texts(rows.names, f"the column Image name of {path}")[faces.rows]},
        faces=True,
        gray=True,
        published=PUBLISHED if mode == "majority" else replace(PUBLISHED, counts={}, unlabelled={}),
        original=faces.original,
        notes=faces.notes,
    )


def _expect_same_rows(faces: FerFaces, votes: VoteRows, path: Path) -> None:
    """Check that the rows of both are the same; else DataError."""
    whole = "take both files whole, or the same rows of both"
    if faces.rows is None:
        raise DataError(
            f"expected pictures in {faces.path} whose names are rows of fer2013.csv, by which the votes in {path} are "
            f"joined, got others ({faces.form}): take fer2013.csv, or make {', '.join(FOLDERS)} from it; {HANDED_OUT}"
        )
    n = len(votes.names)
    if faces.whole is not None and n != len(faces.whole):
        raise DataError(
            f"expected as many rows in {path} as in {faces.path}, {len(faces.whole):,}, got {n:,}: {whole}; "
            f"{HANDED_OUT}"
        )
    if len(faces.rows) and faces.rows.max() >= n:
        raise DataError(
            f"expected rows up to {faces.rows.max():,} of fer2013.csv in {path}, got {n:,} rows: {whole}; {HANDED_OUT}"
        )
    split, rows = (faces.split, faces.rows) if faces.whole is None else (faces.whole, np.arange(n))
    differs = rows[votes.split[rows] != split]
    if len(differs):
        raise DataError(
            f"expected the same Usage row by row in {path} and {faces.path}, got {len(differs):,} rows that differ, "
            f"the first in line {differs[0] + 2}: keep both in their original order; {HANDED_OUT}"
        )


def _find_folders(root: Path) -> dict[str, Path]:
    """Split -> the folder of its pictures and their label.csv."""
    for place in _PLACES:
        found = {split: root / place / name for name, split in FOLDERS.items() if (root / place / name).is_dir()}
        if found:
            return found
    return {}


def _read_folders(root: Path, folders: dict[str, Path], splits: Sequence[str] | None, mode: str) -> DataSet:
    expect_splits(list(splits or ()), there=tuple(folders), where=root, handed_out=HANDED_OUT)
    read = {split: _folder(folders[split]) for split in SPLITS if split in folders and split in (splits or SPLITS)}
    names = [name for each in read.values() for name in each.names]
    if len(set(names)) < len(names):
        name = Counter(names).most_common(1)[0][0]
        twice = " and ".join(str(folders[split] / name) for split, each in read.items() if name in each.names)
        raise DataError(f"expected a picture in one folder alone, got {twice}: take one of them away; {HANDED_OUT}")
    votes = np.concatenate([each.votes for each in read.values()])
    where = [
        (folders[split] / name).relative_to(root).as_posix() for split, each in read.items() for name in each.names
    ]
    return DataSet(
        name="ferplus",
        root=root,
        form="FER2013Train, FER2013Valid and FER2013Test with label.csv",
        origin=ORIGIN,
        ids=texts(
            (f"ferplus-{name.rpartition('.')[0] or name}" for name in names), f"the names by label.csv in {root}"
        ),
        split=np.concatenate([np.full(len(each.names), split) for split, each in read.items()]),
        pictures=[PictureFile(str(root), each) for each in where],
        sources={"ferplus": label_column(votes, mode=mode, file="label.csv")},
        extra={"votes": votes, "image_name": texts(names, f"the names by label.csv in {root}")},
        faces=True,
        gray=True,
        published=PUBLISHED_FOLDERS,
        notes=tuple(note for split, each in read.items() for note in _notes(folders[split], each)),
    )


@dataclass(frozen=True, eq=False)
class _Folder:
    names: list[str]  # one a picture
    votes: Votes
    boxes: bool
    repeated: int  # names that stand in several rows
    unnamed: int  # pictures that no row names


def _folder(folder: Path) -> _Folder:
    """What ``label.csv`` says of the pictures beside it: of rows with one name the last, whose picture is there."""
    path = folder / "label.csv"
    rows = read_label_csv(path)
    last = {name: row for row, name in enumerate(rows.names)}
    kept = sorted(last.values())
    there = {name for name in files_in(folder) if name.lower().endswith(SUFFIXES)}
    if not there & last.keys():
        raise DataError(
            f"expected the pictures that {path} names, such as {rows.names[0]}, beside it, got none of {len(last):,}: "
            f"make them with generate_training_data.py of {ORIGIN}, by which the votes are handed out"
        )
    names = [rows.names[row] for row in kept]
    return _Folder(names, rows.votes[kept], rows.boxes, len(rows.names) - len(last), len(there - last.keys()))


def _notes(path: Path, folder: _Folder) -> Iterator[str]:
    if folder.boxes:
        yield (
            f"{path.name}: the votes are those of label.csv as the repository hands it out, which differ from "
            f"{FILE} for many images: figures on the two cannot be compared"
        )
    if folder.repeated:
        yield (
            f"{path.name}: FER+ gives some names to two images, of which the later row and picture count; rows of "
            f"label.csv without a picture for that: {folder.repeated:,}"
        )
    if folder.unnamed:
        yield f"{path.name}: pictures that label.csv does not name, left out: {folder.unnamed:,}"
