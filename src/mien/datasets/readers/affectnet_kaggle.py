"""AffectNet's pictures as they go round on Kaggle, made smaller and labelled anew."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mien.core.errors import DataError, UsageError
from mien.datasets.readers.affectnet_faces import HANDED_OUT, LABELS, AffectFaces, published, unlisted
from mien.datasets.readers.csv_rows import read_rows

FILE = "labels.csv"


def find_kaggle(root: Path) -> Path | None:
    """The csv of the rework in which pictures are 96x96, None if it is not under `root`."""
    path = root / FILE
    return path if path.is_file() else None


def read_kaggle(root: Path, path: Path) -> AffectFaces:
    """The faces that the csv names; the label is what it says, for the folders often say something else.

    Raises:
        DataError: a row is not as it should be, or a picture is named twice.
    """
    lines: dict[str, int] = {}
    classes: list[int] = []
    shares: list[float] = []
    for line, (file, label, share) in read_rows(path, ("pth", "label", "relFCs"), handed_out=HANDED_OUT):
        file = file.replace("\\", "/")
        if not file or file in lines:
            got = f"{file} in lines {lines[file]} and {line}" if file else f"an empty cell in line {line}"
            raise DataError(f"expected each picture once in {path}, got {got}: take one out; {HANDED_OUT}")
        lines[file] = line
        classes.append(_class_of(label, f"{path}, line {line}"))
        shares.append(_share(share, f"{path}, line {line}"))
    return AffectFaces(
        form="Kaggle, 96x96",
        file=path.name,
        rule="the label that a net chose",
        ids=[f"affectnet-kaggle_{file}" for file in lines],
        split=["train"] * len(lines),
        paths=list(lines),
        classes=classes,
        published=published(),
        faces=True,
        extra={"relfcs": np.array(shares, np.float32)},
        original=False,
        notes=(*_notes(list(lines), classes), *unlisted(root, lines)),
    )


def find_yolo(root: Path) -> Path | None:
    """The folder that holds ``images`` and ``labels`` with a text a picture, as detectors want them; None without."""
    for place in ("", "train", "YOLO_format", "YOLO_format/train"):
        labels = root / place / "labels"
        if (root / place / "images").is_dir() and labels.is_dir() and any(labels.glob("*.txt")):
            return root / place
    return None


def refuse_yolo(folder: Path) -> DataError:
    """The error that names it."""
    return DataError(
        f"expected AffectNet as its authors hand it out, got the YOLO form with images and labels/*.txt in {folder}, a "
        f"rework with boxes for detectors and classes in another order: use the original; {HANDED_OUT}"
    )


def _class_of(label: str, where: str) -> int:
    try:
        return LABELS.index(label)
    except UsageError:
        raise DataError(
            f"expected a label out of {', '.join(LABELS)} in {where}, got {label[:40]!r}: {HANDED_OUT}"
        ) from None


def _share(cell: str, where: str) -> float:
    try:
        return float(cell or "nan")
    except ValueError:
        raise DataError(f"expected a number relFCs in {where}, got {cell[:40]!r}: {HANDED_OUT}") from None


def _notes(files: list[str], classes: list[int]) -> Iterator[str]:
    yield (
        "this is the Kaggle rework (noamsegal/affectnet-training-data), not the original: a tenth of the pictures, "
        "made 96x96, with labels that a net chose, and without splits, valence and arousal; all of it is train"
    )
    elsewhere = [
        file for file, k in zip(files, classes, strict=True) if _folder_class(file.partition("/")[0]) not in (None, k)
    ]
    if elsewhere:
        yield (
            f"pictures in the folder of another class than their label: {len(elsewhere):,}, such as {elsewhere[0]}; "
            "the label counts"
        )


def _folder_class(folder: str) -> int | None:
    try:
        return LABELS.index(folder)
    except UsageError:
        return None
