"""CK+48: faces cut out of the last three frames of CK+'s labelled sequences, 48x48, in a folder a class."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.core.errors import DataError, UsageError
from mien.core.labels import LABEL_SETS
from mien.datasets.dataset import DataSet, PictureFile, Published, not_there
from mien.datasets.readers.ckplus import SEQUENCES
from mien.datasets.readers.listing import files_in, folders_in
from mien.datasets.table import LabelColumn

FOLDER = "CK+48"
ORIGIN = "Kaggle's user shawon10 (ckplus)"
HANDED_OUT = f"the data set is handed out by {ORIGIN}"
FRAMES = 3  # of each sequence of CK+

_LABEL_SET = LABEL_SETS["ck48"]
_EXAMPLE = "S010_004_00000017.png"
_PICTURE = re.compile(r"(S\d+_\d+)_(\d+)\.(?:png|jpe?g|bmp)", re.IGNORECASE)


@dataclass(frozen=True, order=True, slots=True)
class _Face:
    """One row; `path` is relative to the root."""

    clip_id: str
    number: int
    path: str
    class_id: int


def read_ck48(root: str | os.PathLike[str], *, splits: Sequence[str] | None = None) -> DataSet:
    """Read CK+48 from the folder ``CK+48`` with a folder a class, or from a folder that holds it.

    Args:
        root: that folder.
        splits: only train is there.

    Returns:
        48x48 grey faces with the label source ``ck48``; ``extra`` holds ``subject``, ``clip_id`` and ``frame``, which
        stand in the file names.

    Raises:
        DataError: no class folders, a folder that is no class, or two files with one name.
    """
    root = Path(root)
    folder = root / FOLDER if (root / FOLDER).is_dir() else root
    faces, strange = _list_faces(root, folder) if folder.is_dir() else ([], [])
    if not faces:
        raise not_there(root, f"the folders anger, contempt, … with pictures such as {_EXAMPLE}", ORIGIN)
    ids = np.array([each.class_id for each in faces], np.int16)
    return DataSet(
        name="ck48",
        root=root,
        form=FOLDER,
        origin=ORIGIN,
        ids=np.array([f"ck48-{each.clip_id}_{each.number:08d}" for each in faces], np.str_),
        split=np.full(len(faces), "train"),
        pictures=[PictureFile(str(root), each.path) for each in faces],
        sources={"ck48": LabelColumn(_LABEL_SET, ids, rule="the folder of the picture", file=folder.name)},
        extra={
            "subject": np.array([each.clip_id.partition("_")[0] for each in faces], np.str_),
            "clip_id": np.array([each.clip_id for each in faces], np.str_),
            "frame": np.array([each.number for each in faces], np.int32),
        },
        faces=True,
        gray=True,
        published=Published("ck48", {"train": {label: FRAMES * n for label, n in SEQUENCES.items()}}, size=(48, 48)),
        notes=tuple(_notes(len(faces), strange)),
    ).of_splits(splits)


def _list_faces(root: Path, folder: Path) -> tuple[list[_Face], list[str]]:
    """The faces in order, and the files that do not bear such a name."""
    faces: dict[tuple[str, int], _Face] = {}
    strange: list[str] = []
    for class_folder in folders_in(folder):
        class_id = _class_id(folder, class_folder)
        for name in files_in(folder / class_folder):
            path = (folder / class_folder / name).relative_to(root).as_posix()
            match = _PICTURE.fullmatch(name)
            if match is None:
                strange.append(path)
                continue
            key = match[1].upper(), int(match[2])
            if key in faces:
                raise DataError(
                    f"expected each picture once in {folder}, got {faces[key].path} and {path}: remove one; "
                    f"{HANDED_OUT}"
                )
            faces[key] = _Face(*key, path, class_id)
    return sorted(faces.values()), strange


def _class_id(folder: Path, name: str) -> int:
    try:
        return _LABEL_SET.index(name)
    except UsageError:
        known = ", ".join(_LABEL_SET)
        raise DataError(f"expected folders out of {known} in {folder}, got {name!r}: {HANDED_OUT}") from None


def _notes(n: int, strange: Sequence[str]) -> Iterator[str]:
    yield (
        "CK+48 is a third party's rework of CK+: three frames of each sequence, cut out and made 48x48; it has no "
        "splits, all of it is train: split it by subject, for the frames of a sequence are nearly the same"
    )
    if strange:
        total = n + len(strange)
        yield f"left out: {len(strange):,} of {total:,} files, not named as {_EXAMPLE} is, such as {strange[0]}"
