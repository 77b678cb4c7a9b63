"""AffectNet in both forms in which its authors have handed it out, and one that goes round.

Mollahosseini, Hasani and Mahoor 2017, "AffectNet: A Database for Facial Expression, Valence, and Arousal Computing in
the Wild", https://doi.org/10.1109/TAFFC.2017.2740923.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mien.core.arrays import texts
from mien.core.errors import UsageError
from mien.core.labels import LabelSet
from mien.core.registry import unknown
from mien.datasets.dataset import DataSet, PictureFile, not_there
from mien.datasets.readers.affectnet_2017 import PARTS, find_lists, read_lists
from mien.datasets.readers.affectnet_2021 import find_sets, read_sets
from mien.datasets.readers.affectnet_faces import LABELS, ORIGIN, AffectFaces
from mien.datasets.readers.affectnet_kaggle import find_kaggle, find_yolo, read_kaggle, refuse_yolo
from mien.datasets.table import LabelColumn


def read_affectnet(
    root: str | os.PathLike[str],
    *,
    splits: Sequence[str] | None = None,
    classes: int = 8,
    annotated: str | None = None,
    landmarks: bool = False,
) -> DataSet:
    """Read AffectNet from a folder that holds one of its forms.

    Args:
        root: holds ``train_set`` and ``val_set`` (2021), or ``Manually_Annotated_Images`` and, there or one folder
            below, ``training.csv`` and ``validation.csv`` (2017), or ``labels.csv`` (Kaggle).
        splits: read these alone; None: all there. AffectNet's validation set is test, for nobody has its test set.
        classes: 8, or 7 without contempt.
        annotated: which faces of 2017: ``manual``, or ``automatic``, labelled by a net; None: what is there, people's
            labels before the net's.
        landmarks: read these too, which takes time and memory.

    Returns:
        Face crops (2021) or photographs with a box each (2017) with the label source ``affectnet``; faces without an
        emotion are left out. ``extra`` holds ``valence``, ``arousal``, ``box`` (2017) and, if asked for,
        ``landmarks`` (n, 136).

    Raises:
        DataError: none of the forms is there, a row or file is not as it should be, or a split is not there.
        UsageError: an option is none of those known.
    """
    if classes not in (7, 8):
        raise UsageError(f"expected classes to be 8, or 7 without contempt, got {classes!r}")
    if annotated is not None and annotated not in PARTS:
        raise UsageError(unknown("value of annotated", str(annotated), list(PARTS)))
    root = Path(root)
    faces = _read(root, splits, annotated, landmarks)
    data = DataSet(
        name="affectnet",
        root=root,
        form=faces.form,
        origin=ORIGIN,
        ids=texts(faces.ids, f"the paths by {faces.file} in {root}"),
        split=np.array(faces.split, np.str_),
        pictures=[PictureFile(str(root), path) for path in faces.paths],
        sources={"affectnet": LabelColumn(LABELS, np.array(faces.classes, np.int16), rule=faces.rule, file=faces.file)},
        extra=faces.extra,
        faces=faces.faces,
        gray=False,
        published=faces.published,
        original=faces.original,
        notes=faces.notes,
    ).of_splits(splits)
    return data if classes == 8 else _without_contempt(data)


def _read(root: Path, splits: Sequence[str] | None, annotated: str | None, landmarks: bool) -> AffectFaces:
    """The faces in the first form that is there."""
    sets = find_sets(root) if annotated is None else []
    if sets:
        return read_sets(root, sets, splits=splits, landmarks=landmarks)
    lists = find_lists(root, annotated)
    if lists:
        return read_lists(root, *lists, splits=splits, landmarks=landmarks)
    if annotated is not None:
        part = PARTS[annotated]
        raise not_there(root, f"{part.folder} and {' and '.join(part.files)}", ORIGIN)
    csv = find_kaggle(root)
    if csv:
        return read_kaggle(root, csv)
    yolo = find_yolo(root)
    if yolo:
        raise refuse_yolo(yolo)
    raise not_there(root, "train_set and val_set, or Manually_Annotated_Images and training.csv", ORIGIN)


def _without_contempt(data: DataSet) -> DataSet:
    """The seven classes that most figures are given for."""
    seven = LabelSet(LABELS.name, tuple(each for each in LABELS if each != "contempt"))
    kept = data.select(data.sources["affectnet"].ids != LABELS.index("contempt"))
    column = kept.sources["affectnet"]
    ids = LABELS.columns_in(seven)[column.ids].astype(np.int16)
    rule = f"{column.rule}; contempt is left out"
    published = data.published
    if published is not None:
        counts = {split: {label: n[label] for label in seven} for split, n in published.counts.items()}
        published = replace(published, counts=counts)
    return replace(
        kept,
        sources={"affectnet": LabelColumn(seven, ids, rule=rule, file=column.file)},
        published=published,
        notes=(*data.notes, f"faces left out, for their expression is contempt: {len(data) - len(kept):,}"),
    )
