"""RAF-DB, the part with seven basic expressions, as its authors hand it out and as it goes round.

Li, Deng and Du 2017, "Reliable Crowdsourcing and Deep Locality-Preserving Learning for Expression Recognition in the
Wild", https://doi.org/10.1109/CVPR.2017.277.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mien.core.arrays import texts
from mien.core.errors import UsageError
from mien.core.registry import unknown
from mien.datasets.dataset import DataSet, PictureFile, Published, not_there
from mien.datasets.readers.rafdb_folders import find_folders, read_folders
from mien.datasets.readers.rafdb_names import LABELS, ORIGIN
from mien.datasets.readers.rafdb_tree import IMAGES, LISTS, find_list, read_tree
from mien.datasets.table import LabelColumn

# In the order of the label set.
_COUNTS = {"train": (1290, 281, 717, 4772, 1982, 705, 2524), "test": (329, 74, 160, 1185, 478, 162, 680)}
_ALIGNED = (100, 100)


def read_rafdb(
    root: str | os.PathLike[str], *, splits: Sequence[str] | None = None, images: str | None = None
) -> DataSet:
    """Read RAF-DB's basic expressions.

    Args:
        root: holds the folder ``basic``, or is it; or holds ``train`` and ``test`` (or ``valid``, which is the test
            split then) with a folder a class, on Kaggle below ``DATASET``.
        splits: read these alone, out of train and test; None: all there.
        images: ``aligned``, face crops of 100x100, or ``original``, the photographs; None: aligned where they are
            there, else original.

    Returns:
        Pictures with the label source ``rafdb``. Where ``Annotation/manual`` is there, ``extra`` holds
        ``group_gender``, ``group_race`` and ``group_age``; with the photographs ``landmarks`` (n, 10), eyes, nose and
        corners of the mouth, and where ``Annotation/boundingbox`` is there ``box``: both lie in the photographs, and
        not in the aligned pictures. What a picture has no file about is "" or NaN.

    Raises:
        DataError: none of the forms is there, a file is not as it should be (named by its line), or a split is not
            there.
        UsageError: no such pictures or split exist.
    """
    if images is not None and images not in IMAGES:
        raise UsageError(unknown("value of images", str(images), IMAGES))
    root = Path(root)
    labels = find_list(root)
    base = find_folders(root) if labels is None and images != "original" else None
    if labels is not None:
        pictures = read_tree(root, labels, images=images)
    elif base is not None:
        pictures = read_folders(root, base)
    else:
        folders = "" if images == "original" else ", or folders train/1 to train/7"
        raise not_there(root, f"basic/{LISTS[0]}{folders}", ORIGIN)
    rows = pictures.rows
    ids = np.array([row.class_id for row in rows], np.int16)
    counts = {split: dict(zip(LABELS, n, strict=True)) for split, n in _COUNTS.items()}
    return DataSet(
        name="rafdb",
        root=root,
        form=pictures.form,
        origin=ORIGIN,
        ids=texts((f"rafdb-{row.name}" for row in rows), f"the names by {pictures.file} in {root}"),
        split=np.array([row.split for row in rows], np.str_),
        pictures=[PictureFile(str(root), row.path) for row in rows],
        sources={"rafdb": LabelColumn(LABELS, ids, rule=pictures.rule, file=pictures.file)},
        extra=pictures.extra,
        faces=pictures.faces,
        gray=False,
        published=Published("rafdb", counts, size=_ALIGNED if pictures.faces else None),
        original=pictures.original,
        notes=pictures.notes,
    ).of_splits(splits)
