"""AffectNet as it is handed out since 2021: face crops of 224x224, and four small files about each."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError
from mien.core.images import SUFFIXES
from mien.datasets.readers.affectnet_faces import HANDED_OUT, POINTS, PUBLISHED_2021, AffectFaces, FaceRows, published
from mien.datasets.readers.npy import NpyFiles
from mien.datasets.table import SPLITS, expect_splits

# Folder -> its split, and what its ids begin with.
SETS = {"train_set": ("train", "train"), "val_set": ("test", "val")}
_EXPRESSION = "_exp.npy"


def find_sets(root: Path) -> list[str]:
    """Which of the folders `SETS` are under `root` with annotations."""
    return [name for name in SETS if (root / name / "annotations").is_dir()]


def read_sets(root: Path, sets: Sequence[str], *, splits: Sequence[str] | None, landmarks: bool) -> AffectFaces:
    """The faces in the folders that `find_sets` found.

    Raises:
        DataError: a split is not there, a file is damaged, or two pictures have one name.
    """
    there = {SETS[name][0] for name in sets}
    there_in_order = [each for each in SPLITS if each in there]
    expect_splits(list(splits or ()), there=there_in_order, where=root, handed_out=HANDED_OUT)
    rows, files = FaceRows(), NpyFiles(HANDED_OUT)
    notes: list[str] = []
    for name in sets:
        if splits is None or SETS[name][0] in splits:
            notes += _read_set(root, name, rows, files, landmarks=landmarks)
    notes += [
        f"{name}/annotations is not there, and so none of the pictures in {name} has a label"
        for name in SETS
        if name not in sets and (root / name / "images").is_dir()
    ]
    if not rows.ids:
        raise DataError(
            f"expected files such as 0{_EXPRESSION} in {root / sets[0] / 'annotations'}, got none of an "
            f"emotion: {HANDED_OUT}"
        )
    return AffectFaces(
        form="2021",
        file="annotations",
        rule="the label of one annotator",
        ids=rows.ids,
        split=rows.split,
        paths=rows.paths,
        classes=rows.classes,
        published=published(PUBLISHED_2021, size=(224, 224)),
        faces=True,
        extra=rows.extra(),
        notes=(*rows.notes(), *notes),
    )


def _read_set(root: Path, name: str, rows: FaceRows, files: NpyFiles, *, landmarks: bool) -> list[str]:
    """Add the faces of one folder; returns a sentence on pictures without a label."""
    split, prefix = SETS[name]
    pictures = _list_pictures(root / name / "images")
    annotations = os.path.join(root, name, "annotations")
    labelled = {each.removesuffix(_EXPRESSION) for each in _list(annotations) if each.endswith(_EXPRESSION)}
    for stem in sorted(labelled, key=lambda each: (len(each), each)):  # 2 before 10
        about = os.path.join(annotations, stem)
        class_id = rows.class_of(_value(files, f"{about}{_EXPRESSION}"), f"{about}{_EXPRESSION}")
        if class_id is None:
            continue
        rows.ids.append(f"affectnet-{prefix}_{stem}")
        rows.split.append(split)
        rows.paths.append(f"{name}/images/{pictures.get(stem, f'{stem}.jpg')}")
        rows.classes.append(class_id)
        rows.valence.append(_value(files, f"{about}_val.npy"))
        rows.arousal.append(_value(files, f"{about}_aro.npy"))
        if landmarks:
            rows.landmarks.append(_points(files, f"{about}_lnd.npy"))
    unlabelled = [file for stem, file in pictures.items() if stem not in labelled]
    if not unlabelled:
        return []
    return [f"pictures without a label, left out: {len(unlabelled):,}, such as {name}/images/{unlabelled[0]}"]


def _list(folder: str | Path) -> list[str]:
    """The names in a folder, hidden ones left out; names alone, for there are over a million."""
    try:
        return [name for name in os.listdir(folder) if not name.startswith(".")]
    except OSError as error:
        raise DataError(
            f"expected a readable folder at {folder}, got: {error.strerror or error}; {HANDED_OUT}"
        ) from error


def _list_pictures(folder: Path) -> dict[str, str]:
    """Name without suffix -> file."""
    pictures: dict[str, str] = {}
    for file in sorted(_list(folder)):
        if file.lower().endswith(SUFFIXES):
            stem = file.rpartition(".")[0]
            if pictures.setdefault(stem, file) != file:
                raise DataError(
                    f"expected each picture once in {folder}, got {pictures[stem]} and {file}: remove one; {HANDED_OUT}"
                )
    return pictures


def _value(files: NpyFiles, path: str) -> float:
    """The one number in a file, NaN if there is no such file."""
    values = files.read(path)
    if values is None:
        return np.nan
    if values.size != 1:
        raise DataError(f"expected one number in {path}, got {values.size}: {HANDED_OUT}")
    return float(values[0])


def _points(files: NpyFiles, path: str) -> npt.NDArray[np.float32]:
    values = files.read(path)
    if values is None:
        return np.full(2 * POINTS, np.nan, np.float32)
    if values.size != 2 * POINTS:
        raise DataError(f"expected {POINTS} points in {path}, got {values.size} numbers: {HANDED_OUT}")
    return values.astype(np.float32)
