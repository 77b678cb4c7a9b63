"""FER2013 in the forms in which it goes round: csv files, and folders of pictures.

Goodfellow et al. 2013, "Challenges in Representation Learning", https://doi.org/10.1007/978-3-642-42051-1_16.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mien.core.labels import LABEL_SETS
from mien.datasets.dataset import DataSet, Picture, PictureRows, Published, not_there
from mien.datasets.readers.fer2013_csv import HANDED_OUT, ORIGIN, CsvRows, columns_of, count_rows, read_csv
from mien.datasets.readers.fer2013_folders import find_folders, read_folders
from mien.datasets.table import SPLITS, LabelColumn, Strings, expect_splits, splits_in

FILES = ("fer2013.csv", "fer2013/fer2013.csv", "icml_face_data.csv", "fer2013/icml_face_data.csv")
_SPLIT_FILES = {"train.csv": "train", "val.csv": "valid", "test.csv": "test"}
_PLACES = ("", "fer2013")

_LABELS = LABEL_SETS["fer2013"]
_COUNTS = {
    "train": (3995, 436, 4097, 7215, 4830, 3171, 4965),
    "valid": (467, 56, 496, 895, 653, 415, 607),
    "test": (491, 55, 528, 879, 594, 416, 626),
}
PUBLISHED = Published(
    "fer2013", {split: dict(zip(_LABELS, n, strict=True)) for split, n in _COUNTS.items()}, size=(48, 48)
)


@dataclass(frozen=True, eq=False)
class FerFaces:
    """The faces of one form of FER2013, those of the splits that were asked for.

    Attributes:
        path: what was read: a csv, or a folder. form: in words. file: that holds the labels.
        ids, split: (n,) str. emotions: (n,) int16. pictures: n.
        rows: (n,) rows in fer2013.csv; None where the form does not say them.
        whole: (N,) split of every row of a csv, those not asked for included; None in other forms.
        original, notes: as in `DataSet`.
    """

    path: Path
    form: str
    file: str
    ids: Strings
    split: Strings
    emotions: npt.NDArray[np.int16]
    pictures: Sequence[Picture]
    rows: npt.NDArray[np.intp] | None
    whole: Strings | None = None
    original: bool = True
    notes: tuple[str, ...] = ()

    @property
    def labels(self) -> LabelColumn:
        """The label source ``fer2013``."""
        return LabelColumn(_LABELS, self.emotions, rule="all rows", file=self.file)


def read_fer2013(root: str | os.PathLike[str], *, splits: Sequence[str] | None = None) -> DataSet:
    """Read FER2013 from a folder that holds one of its forms, or from one of its csv files.

    Of several forms the first is taken: ``fer2013.csv``; ``icml_face_data.csv``; ``train.csv`` (and ``val.csv``,
    ``test.csv``); a folder a class under ``train`` and ``test``, or under ``images/train`` and ``images/validation``.

    Args:
        root: the folder, or the csv.
        splits: read these alone, out of train (Training), valid (PublicTest) and test (PrivateTest); None: all there.

    Returns:
        48x48 grey faces with the label source ``fer2013``.

    Raises:
        DataError: none of the forms is there, a row is not as it should be (named by file and line), a folder is
            named after no emotion of FER2013, or a split is not there.
    """
    faces = find_faces(root, splits=splits)
    if faces is None:
        raise not_there(root, "fer2013.csv, icml_face_data.csv, train.csv or folders train/<emotion>", ORIGIN)
    return DataSet(
        name="fer2013",
        root=Path(root),
        form=faces.form,
        origin=ORIGIN,
        ids=faces.ids,
        split=faces.split,
        pictures=faces.pictures,
        sources={"fer2013": faces.labels},
        faces=True,
        gray=True,
        published=PUBLISHED,
        original=faces.original,
        notes=faces.notes,
    )


def find_faces(root: str | os.PathLike[str], *, splits: Sequence[str] | None = None) -> FerFaces | None:
    """The faces under `root` in the first form that is there, None if none is; see `read_fer2013`."""
    root = Path(root)
    if root.is_file():
        usage = root.name not in _SPLIT_FILES or "usage" in columns_of(root)
        return _of_csv(root, splits) if usage else _of_split_files({_SPLIT_FILES[root.name]: root}, splits)
    for name in FILES:
        if (root / name).is_file():
            return _of_csv(root / name, splits)
    for place in _PLACES:
        files = {split: root / place / name for name, split in _SPLIT_FILES.items() if (root / place / name).is_file()}
        columns = {split: columns_of(path) for split, path in files.items()}
        if not any({"emotion", "pixels"} & set(each) for each in columns.values()):
            continue  # csv files of something else
        test = columns.get("test", [])
        unlabelled = [files.pop("test")] if "pixels" in test and "emotion" not in test else []
        if files:
            return _of_split_files(files, splits, unlabelled)
    base = find_folders(root)
    return None if base is None else _of_folders(root, base, splits)


def _of_csv(path: Path, splits: Sequence[str] | None) -> FerFaces:
    rows = read_csv(path, splits=splits)
    return FerFaces(
        path=path,
        form=path.name,
        file=path.name,
        ids=np.array(_ids(rows), np.str_),
        split=rows.split[rows.kept],
        emotions=rows.emotions,
        pictures=_pictures(rows),
        rows=rows.numbers,
        whole=rows.split,
    )


def _of_split_files(
    files: Mapping[str, Path], splits: Sequence[str] | None, unlabelled: Sequence[Path] = ()
) -> FerFaces:
    """A csv a split, without the column Usage; those that have no labels are left out."""
    folder = next(iter(files.values())).parent
    there = [split for split in SPLITS if split in files]
    expect_splits(list(splits or ()), there=there, where=folder, handed_out=HANDED_OUT)
    read = [split for split in there if splits is None or split in splits]
    parts = [read_csv(files[split], split=split) for split in read]
    competition = list(files) == ["train"]  # its train.csv holds the Training rows of fer2013.csv
    notes = [
        f"{path.name} has no labels, and does not say which rows are PublicTest and which PrivateTest: its "
        f"{count_rows(path):,} pictures are left out; fer2013.csv and icml_face_data.csv hold them with labels"
        for path in unlabelled
    ]
    if not competition:
        notes.append("this is fer2013.csv cut by somebody into a file a split, not the csv of the authors")
    names = ", ".join(path.name for path in files.values())
    return FerFaces(
        path=folder,
        form=names,
        file=", ".join(part.path.name for part in parts),
        ids=np.array([each for part in parts for each in _ids(part)], np.str_),
        split=np.concatenate([part.split for part in parts]),
        emotions=np.concatenate([part.emotions for part in parts]),
        pictures=_pictures(*parts),
        rows=parts[0].numbers if competition else None,
        original=competition,
        notes=tuple(notes),
    )


def _ids(rows: CsvRows) -> list[str]:
    """By the row in fer2013.csv; in files of which nobody knows whether they keep its order, by their own."""
    own = "" if _SPLIT_FILES.get(rows.path.name, "train") == "train" else f"{rows.path.stem}_"
    return [f"fer2013-{own}{number:05d}" for number in rows.numbers.tolist()]


def _pictures(*parts: CsvRows) -> PictureRows:
    names = [f"{part.path.name}, row {number}" for part in parts for number in part.numbers.tolist()]
    images = parts[0].images if len(parts) == 1 else np.concatenate([part.images for part in parts])
    return PictureRows(images, names)


def _of_folders(root: Path, base: Path, splits: Sequence[str] | None) -> FerFaces:
    found = read_folders(root, base)
    expect_splits(list(splits or ()), there=splits_in(found.split), where=root, handed_out=HANDED_OUT)
    kept = np.flatnonzero(np.isin(found.split, SPLITS if splits is None else list(splits)))
    return FerFaces(
        path=base,
        form=found.form,
        file="names of folders",
        ids=found.ids[kept],
        split=found.split[kept],
        emotions=found.emotions[kept],
        pictures=[found.files[k] for k in kept.tolist()],
        rows=None if found.rows is None else found.rows[kept],
        original=False,
        notes=found.notes,
    )
