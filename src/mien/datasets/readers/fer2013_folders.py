"""FER2013 as folders of pictures, one a class: its own splits and rows, recovered from the names of the files."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError, UsageError
from mien.core.images import SUFFIXES
from mien.core.labels import LABEL_SETS, canonical
from mien.datasets.dataset import PictureFile
from mien.datasets.readers.fer2013_csv import HANDED_OUT, USAGES
from mien.datasets.readers.listing import files_in, folders_in
from mien.datasets.table import SPLITS, Strings

# The rows of fer2013.csv that each split takes up.
ROWS = {"train": range(28_709), "valid": range(28_709, 32_298), "test": range(32_298, 35_887)}
# The names under which these folders go round, and the split of a file whose name does not tell its own.
_SPLIT_FOLDERS = {"train": "train", "validation": "valid", "test": "test"}
_PLACES = ("", "fer2013", "images", "images/images")

_USAGE = re.compile(rf"({'|'.join(USAGES)})(?![A-Za-z])")  # how a name begins that tells its split
_NUMBER = re.compile(rf"(?:(?:{'|'.join(USAGES)})_)?(\d{{1,9}})")  # a name that is a number, or ends in one

# Kaggle's own numbers, drawn out of some hundred million, lie within the rows of Training by chance for about eight
# pictures, none of them below 1,000, and for next to none of the other splits. So pictures of Training alone tell
# whether their numbers are rows if they are more than these, or one has a small number.
_FEW, _SMALL = 64, 1_000

_LABELS = LABEL_SETS["fer2013"]


@dataclass(frozen=True, eq=False)
class FolderPictures:
    """The pictures of all splits, in order.

    Attributes:
        form: in words.
        ids, split: (n,) str. emotions: (n,) int16.
        rows: (n,) their rows in fer2013.csv; None where the names do not say them.
        files: where each is.
        notes: how splits and ids came about, a sentence each.
    """

    form: str
    ids: Strings
    split: Strings
    emotions: npt.NDArray[np.int16]
    rows: npt.NDArray[np.intp] | None
    files: list[PictureFile]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _File:
    where: str  # under the root
    stem: str
    folder: str  # of `_SPLIT_FOLDERS`
    emotion: int
    usage: str | None  # that its name tells
    number: int  # in its name, -1 without


def find_folders(root: Path) -> Path | None:
    """The folder under `root` that holds train, validation or test with a folder an emotion; None if there is none."""
    for place in _PLACES:
        splits = [root / place / folder for folder in _SPLIT_FOLDERS if (root / place / folder).is_dir()]
        if any(_is_emotion(name) for split in splits for name in folders_in(split)):
            return root / place
    return None


def read_folders(root: Path, base: Path) -> FolderPictures:
    """List what `find_folders` found.

    Splits are FER2013's own: ``Training_``, ``PublicTest_`` or ``PrivateTest_`` at the beginning of a file's name
    tells them, for a folder ``test`` holds two of them. In the form with a folder ``validation``, whose division is
    somebody's own, the name is the row in fer2013.csv and tells the split as well.

    Raises:
        DataError: a class that FER2013 does not have, or no picture at all.
    """
    files, others = _list(root, base)
    if not files:
        raise DataError(f"expected pictures in the folders of {base}, got none: {HANDED_OUT}")
    redivided = base.name == "images" or (base / "validation").is_dir()
    rows = _rows(files, by_number_alone=redivided)
    split = [_split(each, None if rows is None else each.number) for each in files]
    if rows is not None:
        order = np.argsort(rows, kind="stable")
    else:
        order = np.argsort([SPLITS.index(each) for each in split], kind="stable")  # by path within a split
    ids, repeated = _ids(files, rows)
    notes = (*_notes(files, split, rows, redivided), *repeated)
    if others:
        notes += (f"files that are no pictures by their names, or are in no folder of a class, left out: {others:,}",)
    return FolderPictures(
        form=f"a folder a class under {'train and validation' if redivided else 'train and test'}",
        ids=np.array(ids, np.str_)[order],
        split=np.array(split, np.str_)[order],
        emotions=np.array([each.emotion for each in files], np.int16)[order],
        rows=None if rows is None else rows[order],
        files=[PictureFile(str(root), files[k].where) for k in order.tolist()],
        notes=notes,
    )


def _list(root: Path, base: Path) -> tuple[list[_File], int]:
    """The pictures by path, and how many other files lie beside them."""
    files: list[_File] = []
    others = 0
    for split in (each for each in _SPLIT_FOLDERS if (base / each).is_dir()):
        others += len(files_in(base / split))
        for name in folders_in(base / split):
            folder = base / split / name
            emotion, above = _emotion(folder), folder.relative_to(root).as_posix()
            there = files_in(folder)
            pictures = [each for each in there if each.lower().endswith(SUFFIXES)]
            files += [_file(f"{above}/{each}", split, emotion) for each in pictures]
            others += len(there) - len(pictures)
    return files, others


def _file(where: str, folder: str, emotion: int) -> _File:
    stem = where.rpartition("/")[2].rpartition(".")[0]
    usage, number = _USAGE.match(stem), _NUMBER.fullmatch(stem)
    return _File(where, stem, folder, emotion, usage and usage[1], int(number[1]) if number else -1)


def _is_emotion(name: str) -> bool:
    try:
        canonical(name)
    except DataError:
        return False
    return True


def _emotion(folder: Path) -> int:
    try:
        return _LABELS.index(folder.name)
    except UsageError:
        raise DataError(
            f"expected folders named after the emotions {', '.join(_LABELS)} in {folder.parent}, got {folder.name!r}: "
            f"rename it or take it away; {HANDED_OUT}"
        ) from None


def _rows(files: list[_File], *, by_number_alone: bool) -> npt.NDArray[np.intp] | None:
    """The row in fer2013.csv of each file, where the numbers of all names can be just that; else None.

    Kaggle's form has numbers of its own, most of them far above 35,887.
    """
    can_be = _can_be_rows(files, by_number_alone=by_number_alone)
    return np.array([each.number for each in files], np.intp) if can_be and not _too_few(files) else None


def _can_be_rows(files: list[_File], *, by_number_alone: bool) -> bool:
    """Whether all numbers are distinct and within the rows of their split."""
    for each in files:
        split = _split_of_row(each.number)
        if split is None or (USAGES[each.usage] != split if each.usage else not by_number_alone):
            return False
    return len({each.number for each in files}) == len(files)


def _too_few(files: list[_File]) -> bool:
    return len(files) <= _FEW and all(each.usage == "Training" and each.number >= _SMALL for each in files)


def _split_of_row(row: int) -> str | None:
    return next((split for split in SPLITS if row in ROWS[split]), None)


def _split(file: _File, row: int | None) -> str:
    """FER2013's own split of a file, or that of its folder where its name does not tell."""
    told = USAGES[file.usage] if file.usage else None if row is None else _split_of_row(row)
    return told or _SPLIT_FOLDERS[file.folder]


def _ids(files: list[_File], rows: npt.NDArray[np.intp] | None) -> tuple[list[str], tuple[str, ...]]:
    """Ids by row, else by name, else by path; and what to say of names that stand more than once."""
    if rows is not None:
        return [f"fer2013-{row:05d}" for row in rows.tolist()], ()
    places: dict[str, str] = {}
    for each in files:
        if each.stem in places:
            first = places[each.stem]
            note = f"several files have one name, such as {first} and {each.where}: their paths are their ids"
            return [f"fer2013-{each.where}" for each in files], (note,)
        places[each.stem] = each.where
    return [f"fer2013-{each.stem}" for each in files], ()


def _notes(files: list[_File], split: list[str], rows: npt.NDArray[np.intp] | None, redivided: bool) -> Iterator[str]:
    jpeg = any(each.where.lower().endswith((".jpg", ".jpeg")) for each in files)
    rework = "jonathanoheix/face-expression-recognition-dataset" if redivided else "msambare/fer2013"
    pixels = "; its JPEG files have slightly other pixels" if jpeg else ""
    yield f"this is a rework with a file a picture (as Kaggle's {rework}), not the csv of the authors{pixels}"
    if rows is not None:
        yield "the numbers in the names of the files are taken as rows of fer2013.csv: each lies within its split's"
    elif _too_few(files) and _can_be_rows(files, by_number_alone=redivided):
        yield (
            "the numbers in the names of the files are not taken as rows of fer2013.csv, though they could be: so few "
            "pictures of Training alone do not tell"
        )
    untold = Counter(each.folder for each in files if rows is None and each.usage is None)
    for folder, count in untold.items():
        yield f"files in {folder} whose names do not tell their split, taken as {_SPLIT_FOLDERS[folder]}: {count:,}"
    moved = [
        each.where
        for each, of in zip(files, split, strict=True)
        if of != _SPLIT_FOLDERS[each.folder] and not (each.folder == "test" and of == "valid")
    ]
    if moved:
        told = "the rows of fer2013.csv" if rows is not None else "the prefixes"
        yield (
            f"files in a folder of another split than FER2013's own: {len(moved):,}, such as {moved[0]}; {told} in "
            "their names tell FER2013's own, which counts"
        )
