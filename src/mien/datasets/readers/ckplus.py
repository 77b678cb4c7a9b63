"""CK+ as distributed: photographs in sequences from a neutral face to the height of an expression.

Lucey et al. 2010, "The Extended Cohn-Kanade Dataset (CK+)", https://doi.org/10.1109/CVPRW.2010.5543262.
"""

import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError
from mien.core.labels import LABEL_SETS
from mien.datasets.dataset import DataSet, PictureFile, Published, not_there
from mien.datasets.readers.listing import first_folder, walk
from mien.datasets.readers.sequences import FrameChoice
from mien.datasets.table import LabelColumn

# The names of the zip files, and those of the folders in them.
PICTURES = ("cohn-kanade-images", "extended-cohn-kanade-images")
LABELS = ("Emotion", "Emotion_labels")
LANDMARKS = ("Landmarks",)
ORIGIN = "Jeffrey Cohn's group at the University of Pittsburgh, on request"
HANDED_OUT = f"the data set is handed out by {ORIGIN}"

# Sequences of each class.
SEQUENCES = {
    "anger": 45,
    "contempt": 18,
    "disgust": 59,
    "fear": 25,
    "happiness": 69,
    "sadness": 28,
    "surprise": 83,
}
_FRAMES = 5_876  # of all labelled sequences
_SHORTEST = 4  # frames that every labelled sequence has; with more of them asked for, a sequence may have fewer

_LABEL_SET = LABEL_SETS["ckplus"]
_POINTS = 68

_PICTURE = re.compile(r"(S\d+_\d+)_(\d+)\.(?:png|jpe?g|tiff?|bmp)", re.IGNORECASE)
_LABEL = re.compile(r"(S\d+_\d+)_(\d+)_emotion\.txt", re.IGNORECASE)
_LANDMARK = re.compile(r"(S\d+_\d+)_(\d+)_landmarks\.txt", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Label:
    """What the label file of a sequence says: the class, and in its name the number of the last frame."""

    class_id: int
    frame: int


@dataclass(frozen=True, slots=True)
class _Frame:
    """One row: a frame of a labelled sequence. `path` is relative to the root."""

    clip_id: str
    number: int
    path: str
    class_id: int


def read_ckplus(
    root: str | os.PathLike[str],
    *,
    splits: Sequence[str] | None = None,
    peak: int | None = None,
    neutral: int | None = None,
    clips: bool = False,
) -> DataSet:
    """Read the labelled sequences of CK+ from a folder that holds its pictures and its label files.

    Args:
        root: holds ``cohn-kanade-images`` and ``Emotion``, or folders with the names of their zip files.
        splits: only train is there.
        peak: so many last frames of each sequence carry its label; 3 if not given, as in CK+48.
        neutral: so many first frames of each sequence count as neutral; none if not given. A frame is never both.
        clips: all frames of each sequence carry its label instead; not with `peak` or `neutral`.

    Returns:
        Photographs with the label source ``ckplus``; ``extra`` holds ``subject``, ``clip_id``, ``frame`` and, where
        the folder ``Landmarks`` is there, ``landmarks`` (n, 136).

    Raises:
        DataError: a folder is missing, a label file is not as it should be, or two files bear one name.
        UsageError: the options are out of range or exclude each other.
    """
    choice = FrameChoice.of(peak=peak, neutral=neutral, clips=clips)
    root = Path(root)
    pictures, labels = first_folder(root, PICTURES), first_folder(root, LABELS)
    if pictures is None or labels is None:
        raise not_there(root, f"{' or '.join(PICTURES)}, and beside it {' or '.join(LABELS)},", ORIGIN)
    sequences, of_sequence = _list_frames(pictures), _read_labels(labels)
    rows = _choose(sequences, of_sequence, choice, pictures.relative_to(root).as_posix())
    if not rows:
        raise not_there(root, f"pictures in {pictures.name} of sequences that have a file in {labels.name}", ORIGIN)
    extra: dict[str, npt.NDArray[np.generic]] = {
        "subject": np.array([each.clip_id.partition("_")[0] for each in rows], np.str_),
        "clip_id": np.array([each.clip_id for each in rows], np.str_),
        "frame": np.array([each.number for each in rows], np.int32),
    }
    landmarks = first_folder(root, LANDMARKS)
    if landmarks is not None:
        extra["landmarks"] = _read_landmarks(landmarks, rows)
    ids = np.array([each.class_id for each in rows], np.int16)
    return DataSet(
        name="ckplus",
        root=root,
        form=f"{pictures.name} and {labels.name}",
        origin=ORIGIN,
        ids=np.array([f"ckplus-{each.clip_id}_{each.number:08d}" for each in rows], np.str_),
        split=np.full(len(rows), "train"),
        pictures=[PictureFile(str(root), each.path) for each in rows],
        sources={
            "ckplus": LabelColumn(
                _LABEL_SET, ids, rule=choice.rule(where="at the end of each sequence"), file=labels.name
            )
        },
        extra=extra,
        faces=False,
        gray=False,
        published=_published(choice),
        notes=tuple(_notes(sequences, of_sequence)),
    ).of_splits(splits)


def _list_frames(folder: Path) -> dict[str, dict[int, str]]:
    """Sequence -> number of a frame -> its path under `folder`; sequences and frames in their order."""
    sequences: dict[str, dict[int, str]] = {}
    for (clip_id, number), path in _named(folder, _PICTURE).items():
        sequences.setdefault(clip_id, {})[number] = path
    return {clip_id: dict(sorted(frames.items())) for clip_id, frames in sorted(sequences.items())}


def _named(folder: Path, pattern: re.Pattern[str]) -> dict[tuple[str, int], str]:
    """(Sequence, frame) -> the file that is named so, wherever it is under `folder`."""
    found: dict[tuple[str, int], str] = {}
    for path in walk(folder):
        name = pattern.fullmatch(path.rpartition("/")[2])
        if name is None:
            continue
        key = name[1].upper(), int(name[2])
        if key in found:
            raise DataError(
                f"expected one file a frame in {folder}, got {found[key]} and {path}: remove one; {HANDED_OUT}"
            )
        found[key] = path
    return found


def _read_labels(folder: Path) -> dict[str, _Label]:
    """Sequence -> its label; most sequences' folders hold none."""
    labels: dict[str, _Label] = {}
    for (clip_id, number), path in _named(folder, _LABEL).items():
        if clip_id in labels:
            raise DataError(
                f"expected one label file of {clip_id} in {folder}, got {path} and another: remove one; {HANDED_OUT}"
            )
        labels[clip_id] = _Label(_read_class_id(folder / path), number)
    return labels


def _read_class_id(path: Path) -> int:
    """The class id in a label file, a float in scientific notation."""
    text = _read_text(path)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if value not in range(len(_LABEL_SET)):
        raise DataError(
            f"expected a class id in 0..{len(_LABEL_SET) - 1} in {path}, got {text.strip()[:40]!r}: "
            f"copy it again; {HANDED_OUT}"
        )
    return int(value)


def _choose(
    sequences: Mapping[str, Mapping[int, str]], labels: Mapping[str, _Label], choice: FrameChoice, folder: str
) -> list[_Frame]:
    rows = []
    for clip_id, frames in sequences.items():
        if clip_id not in labels:
            continue
        numbers = list(frames)
        for position, neutral in choice.of_sequence(len(numbers)):
            class_id = _LABEL_SET.index("neutral") if neutral else labels[clip_id].class_id
            number = numbers[position]
            rows.append(_Frame(clip_id, number, f"{folder}/{frames[number]}", class_id))
    return rows


def _published(choice: FrameChoice) -> Published:
    """Sequences of each class times frames; of whole sequences the frames are known in all only."""
    if choice.clips:
        return Published("ckplus", {}, certain=False, totals={"train": _FRAMES})
    counts = {label: n * choice.peak for label, n in SEQUENCES.items()}
    if choice.neutral:
        counts["neutral"] = choice.neutral * sum(SEQUENCES.values())
    return Published("ckplus", {"train": counts}, certain=choice.peak + choice.neutral <= _SHORTEST)


def _notes(sequences: Mapping[str, Mapping[int, str]], labels: Mapping[str, _Label]) -> Iterable[str]:
    yield "CK+ has no splits, all of it is train: split it by subject"
    unlabelled = sum(clip_id not in labels for clip_id in sequences)
    if unlabelled:
        yield f"sequences without a label, left out: {unlabelled:,} of {len(sequences):,}"
    empty = sorted(set(labels) - set(sequences))
    if empty:
        yield f"labelled sequences without pictures: {len(empty):,} of {len(labels):,}, such as {empty[0]}"
    other = [each for each, frames in sequences.items() if each in labels and labels[each].frame != [*frames][-1]]
    if other:
        yield (
            f"labelled sequences that end at another frame than their label file names: {len(other):,} of "
            f"{len(labels):,}, such as {other[0]}; the last pictures there may not show the expression at its height"
        )


def _read_landmarks(folder: Path, rows: Sequence[_Frame]) -> npt.NDArray[np.float32]:
    """(n, 136): x and y of 68 points of each frame, NaN where there is no file."""
    there = _named(folder, _LANDMARK)
    landmarks = np.full((len(rows), 2 * _POINTS), np.nan, np.float32)
    for row, frame in enumerate(rows):
        if (frame.clip_id, frame.number) in there:
            landmarks[row] = _read_points(folder / there[frame.clip_id, frame.number])
    return landmarks


def _read_points(path: Path) -> list[float]:
    try:
        values = [float(each) for each in _read_text(path).split()]
    except ValueError as error:
        raise DataError(f"expected {_POINTS} lines of x and y in {path}, got: {error}; {HANDED_OUT}") from error
    if len(values) != 2 * _POINTS:
        raise DataError(f"expected {_POINTS} lines of x and y in {path}, got {len(values)} numbers; {HANDED_OUT}")
    return values


def _read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig", "replace")
    except OSError as error:
        raise DataError(f"expected a readable file at {path}, got: {error.strerror}; {HANDED_OUT}") from error
