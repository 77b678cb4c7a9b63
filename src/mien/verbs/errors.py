"""Where a model is wrong: a prediction table and its faces in, tables and picture galleries out."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError, OutputError
from mien.core.files import make_folder, replacing, unwritable, write_csv
from mien.core.images import as_image
from mien.core.optional import require
from mien.datasets import Table
from mien.datasets.measures import measure
from mien.datasets.noise import entropy_bits, votes_of
from mien.evaluation import PredictionTable, read_predictions
from mien.evaluation.errors import BINS, MOST, ErrorAnalysis, find_errors
from mien.faces.landmarks import find_landmarks
from mien.faces.pose import yaw_degrees

JSON = "errors.json"

Values = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class ErrorsResult:
    """What was found, and the files written."""

    analysis: ErrorAnalysis
    files: tuple[Path, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**self.analysis.to_dict(), "files": [str(each) for each in self.files]}


def analyse_errors(
    predictions: str | os.PathLike[str] | PredictionTable,
    images: npt.NDArray[np.uint8] | None = None,
    *,
    landmarks: npt.NDArray[np.float32] | None = None,
    conditions: Mapping[str, npt.ArrayLike] | None = None,
    second: Mapping[str, str | None] | PredictionTable | None = None,
    most: int = MOST,
    bins: int = BINS,
) -> ErrorAnalysis:
    """Analyse the errors of a prediction table: hard faces, confused classes, suspect labels, accuracy by condition.

    Args:
        predictions: a prediction table, or the path of one.
        images: (n, H, W) or (n, H, W, 3) uint8, one a row: brightness and sharpness are measured.
        landmarks: (n, 5, 2): the turn of the head is measured, as ``yaw``, in degrees to either side.
        conditions: further numbers, one a row, by name; NaN where not known.
        second: labels of another source by id, or predictions that are judged by it, for labels that may be wrong.
        most: faces in the lists of the hardest and the confidently wrong.
        bins: of each condition.

    Raises:
        DataError: the table is empty, has no labels or an id twice, or an argument does not fit it.

    Example:
        >>> found = mien.verbs.errors.analyse_errors("runs/a/predictions-test.parquet")  # doctest: +SKIP
        >>> found.confused[0].label, found.confused[0].predicted  # doctest: +SKIP
        ('fear', 'sadness')
    """
    table = predictions if isinstance(predictions, PredictionTable) else read_predictions(predictions)
    measured: dict[str, npt.ArrayLike] = {}
    if images is not None:
        if len(images) != len(table):
            raise DataError(f"expected an image for each of {len(table):,} rows of predictions, got {len(images):,}")
        found = measure(images)
        measured |= {"brightness": found.brightness, "sharpness": found.sharpness}
    if landmarks is not None:
        measured["yaw"] = np.abs(yaw_degrees(landmarks))
    return find_errors(table, conditions={**measured, **(conditions or {})}, second=second, most=most, bins=bins)


def write_errors(
    predictions: PredictionTable,
    data: Table,
    out: str | os.PathLike[str],
    *,
    pose: bool = True,
    second: str | None = None,
    overwrite: bool = False,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> ErrorsResult:
    """Analyse errors with all that the data know of the faces, and write csv tables and galleries.

    Args:
        predictions: of one model.
        data: the table that holds these faces, and maybe others.
        out: the folder for errors.json, hardest.csv, confident.csv, confused.csv, suspects.csv, conditions.csv, and
            the galleries as PNG.
        pose: find landmarks in each face for the turn of the head; takes milliseconds a face.
        second: the label source that may know better; None: FER+, or another than the predictions are judged by.
        overwrite: replace an earlier analysis.
        tell: called with the number of faces done, and their total, while landmarks are found.

    Raises:
        DataError: predictions of faces that the data do not hold, or as in `analyse_errors`.
        OutputError: an earlier analysis is there, or the folder cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    require("matplotlib", extra="report")
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise OutputError(f"expected a folder for the errors, got the file {out}: choose another name")
    if (out / JSON).exists() and not overwrite:
        raise OutputError(f"expected no errors in {out}, got {JSON}: choose another folder, or overwrite")
    found, images = errors_in(predictions, data, pose=pose, second=second, tell=tell)
    return ErrorsResult(found, _write(found, images, out))


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured in the pictures of faces: once, whatever the number of models.

    Attributes:
        conditions: name -> a number for each face.
        row: id of a face -> its place in them.
    """

    conditions: Mapping[str, Values]
    row: Mapping[str, int]

    def of(self, ids: Sequence[str]) -> dict[str, Values]:
        """The numbers of these faces, in this order."""
        rows = [self.row[each] for each in ids]
        return {name: values[rows] for name, values in self.conditions.items()}


def measure_faces(
    faces: Table, *, pose: bool = True, tell: Callable[[int, int], None] = lambda done, total: None
) -> Measured:
    """Brightness and sharpness of faces and, with `pose`, the turn of the head as ``yaw`` in degrees to either side.

    Args:
        faces: the table.
        pose: find landmarks in each face, which takes milliseconds.
        tell: called with the number of faces done, and their total, while landmarks are found.
    """
    found = measure(faces.images)
    conditions = {"brightness": found.brightness, "sharpness": found.sharpness}
    if pose:
        conditions["yaw"] = np.abs(yaw_degrees(_landmarks(faces.images, tell)))
    return Measured(conditions, {name: row for row, name in enumerate(faces.ids.tolist())})


def errors_in(
    predictions: PredictionTable,
    data: Table,
    *,
    pose: bool = True,
    second: str | None = None,
    measured: Measured | None = None,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[ErrorAnalysis, npt.NDArray[np.uint8]]:
    """Analyse errors with all that the data know of the faces; the pictures of its rows, too. See `write_errors`.

    `measured` holds these faces, and maybe others, where they were measured before.
    """
    if (predictions.label_ids >= 0).any():  # else `find_errors` says what is wrong
        predictions = predictions.labelled()
    faces = data.select(rows_of(predictions, data))
    measured = measured or measure_faces(faces, pose=pose, tell=tell)
    name, labels, note = _second_source(faces, predictions, second)
    conditions = {**measured.of(faces.ids.tolist()), **_conditions(faces, predictions, name)}
    found = analyse_errors(predictions, conditions=conditions, second=labels)
    return replace(found, notes=(*found.notes, *note)), faces.images


def rows_of(predictions: PredictionTable, data: Table) -> npt.NDArray[np.intp]:
    """The row of each prediction's face in the data; DataError where some are not there."""
    rows = {name: row for row, name in enumerate(data.ids.tolist())}
    missing = [each for each in predictions.ids.tolist() if each not in rows]
    if missing:
        raise DataError(
            f"expected predictions of faces in the data, got {len(missing):,} ids that are not there "
            f"({', '.join(missing[:3])}): give the data that the predictions are of"
        )
    return np.array([rows[each] for each in predictions.ids.tolist()], np.intp)


def _landmarks(images: npt.NDArray[np.uint8], tell: Callable[[int, int], None]) -> npt.NDArray[np.float32]:
    """Five landmarks in each crop, which is taken as the face's box."""
    found = np.empty((len(images), 5, 2), np.float32)
    box = np.array([[0, 0, images.shape[2], images.shape[1]]], np.float32)
    for row, image in enumerate(images):
        found[row] = find_landmarks(as_image(image), box, threads=1)[0]
        tell(row + 1, len(images))
    return found


def _second_source(
    faces: Table, predictions: PredictionTable, wanted: str | None
) -> tuple[str | None, dict[str, str | None] | None, tuple[str, ...]]:
    """Name and labels of the source that may know better, and what to say of it."""
    own = predictions.meta.get("label_source")
    others = (
        [wanted] if wanted else [each for each in ("ferplus", *faces.sources) if each in faces.sources and each != own]
    )
    if not others:
        return None, None, ("no second label source in the data: labels that may be wrong were not looked for",)
    column = faces.source(others[0])
    labels = dict(zip(faces.ids.tolist(), column.names(), strict=True))
    if not set(labels.values()) & set(predictions.label_set):
        if wanted:
            return others[0], labels, ()  # an error, which `find_errors` says
        return others[0], None, (f"{others[0]} has no label in common with the predictions on these faces",)
    return others[0], labels, (f"labels that may be wrong: by {others[0]}",)


def _conditions(faces: Table, predictions: PredictionTable, second: str | None) -> dict[str, npt.ArrayLike]:
    """Numbers that the data hold: the size of each face where it was found, and how undecided its raters were."""
    found: dict[str, npt.ArrayLike] = {}
    box = faces.extra.get("box")
    if box is not None and box.ndim == 2 and box.shape[1] == 4:
        size = (box[:, 2:] - box[:, :2]).astype(np.float64).max(1)
        found["face_size"] = np.where(size > 0, size, np.nan)
    for source in (second, predictions.meta.get("label_source"), *faces.sources):
        votes = votes_of(faces, source) if source is not None and source in faces.sources else None
        if votes is not None and votes.any():
            found["vote_entropy"] = entropy_bits(votes)
            break
    return found


def _write(found: ErrorAnalysis, images: npt.NDArray[np.uint8], out: Path) -> tuple[Path, ...]:
    from mien.reporting.galleries import GALLERIES, error_galleries

    drawings = error_galleries(found, images)
    make_folder(out)
    for name in GALLERIES:  # of an earlier analysis: these errors may not allow all of them
        try:
            (out / f"{name}.png").unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(out / f"{name}.png", error) from error
    files = []
    for name, rows in found.tables().items():
        write_csv(out / name, rows)
        files.append(out / name)
    for name, png in drawings.items():
        with replacing(out / f"{name}.png") as partial:
            partial.write_bytes(png)
        files.append(out / f"{name}.png")
    text = json.dumps(found.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with replacing(out / JSON) as partial:
        partial.write_text(text, "utf-8", newline="\n")
    return (*files, out / JSON)
