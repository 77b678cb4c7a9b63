"""A folder a class, as most people keep pictures that they labelled themselves; optionally below a folder a split."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.core.images import SUFFIXES
from mien.core.labels import LabelSet
from mien.datasets.dataset import DataSet, PictureFile, not_there
from mien.datasets.labelmap import LabelMap, read_map
from mien.datasets.readers.listing import files_in, folders_in
from mien.datasets.splits import SPELLINGS
from mien.datasets.table import LabelColumn

ORIGIN = "whoever made it"


@dataclass(frozen=True)
class _Found:
    """A class folder: its split ("" where there are none), its path under the root, the pictures and the rest in it."""

    split: str
    folder: str
    pictures: list[str]
    strange: list[str]

    @property
    def name(self) -> str:
        """What the folder is called."""
        return self.folder.rpartition("/")[2]


def read_folder(
    root: str | os.PathLike[str],
    *,
    splits: Sequence[str] | None = None,
    label_map: LabelMap | str | os.PathLike[str] | None = None,
    name: str = "folder",
    faces: bool = True,
    gray: bool = False,
) -> DataSet:
    """Read pictures that lie in a folder a class, or in such folders below ``train``, ``valid`` or ``val``, ``test``.

    Args:
        root: the folder. A class folder may hold folders, one level, such as one a person.
        splits: read these alone; None: all there. Without split folders all is train.
        label_map: names for folders that are not called as an emotion; see `LabelMap`.
        name: what ids begin with: tables that are merged need different ones.
        faces: False for photographs in which the face has to be found first.
        gray: whether the pictures are to be taken as grey.

    Returns:
        The label source is ``labels``, or what the label map says.

    Raises:
        DataError: no pictures there, a folder that is named after no emotion, or a split that is not there.
    """
    root, renames = Path(root), read_map(label_map)
    found, outside = _class_folders(root)
    labels = [_label(each, root, renames, name) for each in found]
    label_set, rows = _rows(found, labels, renames)
    if label_set is None:
        raise not_there(root, f"a folder a class with pictures in it ({' '.join(SUFFIXES)})", ORIGIN)
    paths = [path for _, _, path in rows]
    classes = np.array([k for _, k, _ in rows], np.int16)
    data = DataSet(
        name="folder",
        root=root,
        form="a folder a class" + (" below a folder a split" if any(each.split for each in found) else ""),
        origin=ORIGIN,
        ids=np.array([f"{name}-{path}" for path in paths], np.str_),
        split=np.array([split or "train" for split, _, _ in rows], np.str_),
        pictures=[PictureFile(str(root), path) for path in paths],
        sources={label_set.name: LabelColumn(label_set, classes, None, renames.rule("the folder's name"), "folders")},
        faces=faces,
        gray=gray,
        notes=tuple(_notes(found, labels, outside)),
    )
    return data.of_splits(splits)


def _rows(
    found: list[_Found], labels: list[str], renames: LabelMap
) -> tuple[LabelSet | None, list[tuple[str, int, str]]]:
    """The classes, and (split, class id, path) of each picture; None where there is no picture."""
    kept = [(each, label) for each, label in zip(found, labels, strict=True) if label and each.pictures]
    if not kept:
        return None, []
    label_set = renames.label_set(label for _, label in kept)
    return label_set, [
        (each.split, label_set.labels.index(label), path) for each, label in kept for path in each.pictures
    ]


def _label(found: _Found, root: Path, renames: LabelMap, name: str) -> str:
    """The label of a folder's pictures; "" where the label map drops it, or there are none."""
    return renames.read(found.name, name, where=f"the folder {root / found.folder}") if found.pictures else ""


def _class_folders(root: Path) -> tuple[list[_Found], list[str]]:
    """The class folders in the order of their paths, and what lies outside of them."""
    if not root.is_dir():
        return [], []
    folders, outside = folders_in(root), files_in(root)
    splits = {each: SPELLINGS[each.lower()] for each in folders if each.lower() in SPELLINGS}
    if not splits:
        return [_look_into(root, each, "") for each in folders], outside
    outside += [each for each in folders if each not in splits]
    found = []
    for folder, split in splits.items():
        outside += [f"{folder}/{each}" for each in files_in(root / folder)]
        found += [_look_into(root, f"{folder}/{each}", split) for each in folders_in(root / folder)]
    return found, outside


def _look_into(root: Path, folder: str, split: str) -> _Found:
    """A class folder, and the folders in it."""
    paths, deeper = [f"{folder}/{each}" for each in files_in(root / folder)], []
    for inner in folders_in(root / folder):
        paths += [f"{folder}/{inner}/{each}" for each in files_in(root / folder / inner)]
        deeper += [f"{folder}/{inner}/{each}" for each in folders_in(root / folder / inner)]
    pictures = [path for path in paths if path.lower().endswith(SUFFIXES)]
    return _Found(split, folder, pictures, [path for path in paths if not path.lower().endswith(SUFFIXES)] + deeper)


def _notes(found: list[_Found], labels: list[str], outside: list[str]) -> Iterator[str]:
    """What was left out, and why."""
    strange = [path for each in found for path in each.strange]
    if strange:
        yield f"no pictures, or deeper than one folder below a class, left out: {len(strange):,}, {_some(strange)}"
    if outside:
        yield f"files and folders outside of the class folders, left out: {len(outside):,}, {_some(outside)}"
    for each, label in zip(found, labels, strict=True):
        if each.pictures and not label:
            yield f"pictures left out, for the label map drops {each.folder}: {len(each.pictures):,}"


def _some(paths: list[str]) -> str:
    return ", ".join(paths[:3]) + (", …" if len(paths) > 3 else "")
