"""RAF-DB as its authors hand it out: the folder ``basic`` with pictures, a list of labels, and what else is known."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError
from mien.datasets.dataset import not_there
from mien.datasets.readers.listing import files_in, first_folder
from mien.datasets.readers.rafdb_names import HANDED_OUT, ORIGIN, RafPicture, RafPictures, class_of, name_of

IMAGES = ("aligned", "original")  # in this order of preference
LISTS = ("EmoLabel/list_patition_label.txt", "EmoLabel/list_partition_label.txt")  # the first is the authors' spelling

# What the numbers at the end of a file in Annotation/manual mean.
GROUPS = {
    "group_gender": ("male", "female", "unsure"),
    "group_race": ("Caucasian", "African-American", "Asian"),
    "group_age": ("0-3", "4-19", "20-39", "40-69", "70+"),
}
_POINTS = 5

_PLACES = ("basic", "")


def find_list(root: Path) -> Path | None:
    """The list of labels under `root`, None if there is none."""
    paths = (root / place / name for place in _PLACES for name in LISTS)
    return next((path for path in paths if path.is_file()), None)


def read_tree(root: Path, labels: Path, *, images: str | None = None) -> RafPictures:
    """The pictures that a list of labels names.

    Args:
        root: that paths start from.
        labels: what `find_list` found.
        images: one of `IMAGES`; None: the first of them that is there.

    Raises:
        DataError: the pictures asked for are not there, or a file is not as it should be.
    """
    base = labels.parent.parent
    kind, folder = _find_images(base, images)
    classes = _read_labels(labels)
    files = {name: file for file in files_in(folder) if (name := name_of(file))}
    suffix = "_aligned.jpg" if kind == "aligned" else ".jpg"
    above = folder.relative_to(root).as_posix()
    rows = [RafPicture(name, k, f"{above}/{files.get(name, name + suffix)}") for name, k in classes.items()]
    rows.sort(key=lambda row: row.place)
    names = [row.name for row in rows]
    extra = _read_attributes(base, names, kind)
    if kind == "original":
        extra |= _read_boxes(base, names)
    unlabelled = sorted(set(files) - set(classes))
    notes = (
        [f"pictures in no list, left out: {len(unlabelled):,}, such as {files[unlabelled[0]]}"] if unlabelled else []
    )
    return RafPictures(
        form=f"basic, {kind}",
        rows=rows,
        rule="as listed",
        file=labels.name,
        faces=kind == "aligned",
        extra=extra,
        notes=tuple(notes),
    )


def _find_images(base: Path, images: str | None) -> tuple[str, Path]:
    """Which pictures are read, and the folder they are in."""
    kinds = IMAGES if images is None else (images,)
    for kind in kinds:
        # A zip file unpacked into a folder of its name holds the folder a second time.
        folder = first_folder(base, (f"Image/{kind}/{kind}", f"Image/{kind}"))
        if folder is not None:
            return kind, folder
    raise not_there(base, " or ".join(f"the folder Image/{kind}" for kind in kinds), ORIGIN)


def _read_labels(path: Path) -> dict[str, int]:
    """Name of each picture -> its class id."""
    classes: dict[str, int] = {}
    lines: dict[str, int] = {}
    for line, row in enumerate((_read_text(path) or "").splitlines(), 1):
        if not row.strip():
            continue
        file, *number = row.split()
        name = name_of(file)
        if name is None or len(number) != 1:
            raise DataError(
                f"expected rows such as 'train_00001.jpg 5' in {path}, line {line}, got {row[:60]!r}: is the file cut "
                f"off? {HANDED_OUT}"
            )
        if name in lines:
            raise DataError(
                f"expected each picture once in {path}, got {name} in lines {lines[name]} and {line}; {HANDED_OUT}"
            )
        classes[name], lines[name] = class_of(number[0], f"{path}, line {line}"), line
    if not classes:
        raise DataError(f"expected rows in {path}, got an empty file: {HANDED_OUT}")
    return classes


def _read_attributes(base: Path, names: Sequence[str], kind: str) -> dict[str, npt.NDArray[Any]]:
    """What Annotation/manual says of each picture; its points lie in the photographs and fit no crop."""
    cells = _read_cells(base, "manual", "_manu_attri.txt", names)
    if cells is None:
        return {}
    points = np.full((len(names), 2 * _POINTS), np.nan, np.float32)
    groups: dict[str, list[str]] = {name: [""] * len(names) for name in GROUPS}
    for row, (path, numbers) in cells.items():
        expected = f"{_POINTS} rows of x and y, then gender, race and age"
        if len(numbers) != 2 * _POINTS + len(GROUPS):
            raise _bad(path, expected, f"{len(numbers)} numbers")
        points[row] = _floats(numbers[: 2 * _POINTS], path, expected)
        for (group, words), number in zip(GROUPS.items(), numbers[2 * _POINTS :], strict=True):
            known = [str(k) for k in range(len(words))]
            if number not in known:
                raise _bad(path, f"{group.removeprefix('group_')} in 0..{known[-1]}", repr(number[:40]))
            groups[group][row] = words[known.index(number)]
    extra: dict[str, npt.NDArray[Any]] = {name: np.array(words, np.str_) for name, words in groups.items()}
    return extra | ({"landmarks": points} if kind == "original" else {})


def _read_boxes(base: Path, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """The box of the face that each photograph was taken for: xyxy in pixels."""
    cells = _read_cells(base, "boundingbox", "_boundingbox.txt", names)
    if cells is None:
        return {}
    boxes = np.full((len(names), 4), np.nan, np.float32)
    for row, (path, numbers) in cells.items():
        if len(numbers) != 4:
            raise _bad(path, "x1 y1 x2 y2", f"{len(numbers)} numbers")
        boxes[row] = _floats(numbers, path, "x1 y1 x2 y2")
    return {"box": boxes}


def _read_cells(
    base: Path, folder: str, suffix: str, names: Sequence[str]
) -> Mapping[int, tuple[Path, list[str]]] | None:
    """Row -> the file about its picture and what stands in it, tabs, spaces or commas between; None without a folder.

    A picture that has no file is left out.
    """
    there = first_folder(base, (f"Annotation/{folder}/{folder}", f"Annotation/{folder}"))
    if there is None:
        return None
    cells = {}
    for row, name in enumerate(names):
        path = there / f"{name}{suffix}"
        text = _read_text(path)
        if text is not None:
            cells[row] = path, text.replace(",", " ").split()
    return cells


def _read_text(path: Path) -> str | None:
    """What stands in a file; None if it is not there."""
    try:
        return path.read_text("utf-8-sig")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no text in UTF-8"
        raise DataError(f"expected a readable text at {path}, got: {reason}; {HANDED_OUT}") from error


def _floats(cells: Sequence[str], path: Path, expected: str) -> list[float]:
    try:
        values = [float(each) for each in cells]
    except ValueError:
        raise _bad(path, expected, repr(" ".join(cells)[:60])) from None
    if not np.isfinite(values).all():
        raise _bad(path, expected, repr(" ".join(cells)[:60]))
    return values


def _bad(path: Path, expected: str, got: str) -> DataError:
    return DataError(f"expected {expected} in {path}, got {got}: copy it again; {HANDED_OUT}")
