"""The rows of a prediction table: pictures are read ahead, their faces batched through the classifier.

One row a face: source, frame, time_s, face_id, x1, y1, x2, y2, score, p_<label>..., label, error.
A picture without a face has one row without a face_id; one that cannot be read has one row with its error.
"""

import functools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mien.core.errors import MienError
from mien.core.files import printable
from mien.core.labels import LabelSet
from mien.core.types import Faces, Image, Predictions
from mien.pipeline.batch import attempt, ordered
from mien.pipeline.reading import read_found
from mien.pipeline.recognizer import Recognizer
from mien.pipeline.sources import Found
from mien.runtime.preprocess import Crops

Row = dict[str, Any]

BATCH = 64  # faces that go through the classifier together
_PICTURES = 64  # so that rows keep coming where pictures hold few faces
_PIXELS = 48_000_000  # held at once where the pictures themselves are wanted (two of a large camera)
_AHEAD = 1  # pictures read while another is looked at; each may take 100 MB


@dataclass(frozen=True, eq=False)
class Recognized:
    """What was found in one picture.

    Attributes:
        source: its path.
        predictions: its faces; None where it could not be read.
        error: why it could not be read, else None.
        image: the picture itself, where it was asked for.
    """

    source: str
    predictions: Predictions | None
    error: str | None = None
    image: Image | None = None


def columns(labels: LabelSet) -> dict[str, type]:
    """Column name -> type of its values, in the order of the table. Any value may be None."""
    names: dict[str, type] = {"source": str, "frame": int, "time_s": float, "face_id": int}
    names |= dict.fromkeys(("x1", "y1", "x2", "y2", "score"), float)
    names |= {f"p_{label}": float for label in labels}
    return names | {"label": str, "error": str}


def recognize(
    recognizer: Recognizer,
    pictures: Iterable[Found],
    *,
    keep_images: bool = False,
    batch: int = BATCH,
    workers: int = 1,
    read: Callable[[Found], Image] = read_found,
) -> Iterator[Recognized]:
    """Run `recognizer` over pictures, in order; memory does not grow with their number.

    A picture that cannot be read does not stop the others: it is yielded with its error.

    Args:
        recognizer: the detector and the classifier.
        pictures: what to read.
        keep_images: hand the pictures on, for drawing.
        batch: how many faces to gather before the classifier runs.
        workers: threads; one reads the next picture while faces are looked for in this, several do both, and with 0
            all is done in the caller's.
        read: reads a picture; called once for each, and by one worker in their order.
    """
    held: list[tuple[Recognized, Crops | None]] = []
    faces = pixels = 0
    work = functools.partial(_read, read=read, recognizer=recognizer if workers > 1 else None)
    if workers:
        looked = ordered(work, pictures, workers=workers, ahead=max(_AHEAD, workers))
    else:
        looked = ((found, attempt(work, found)) for found in pictures)
    for found, result in looked:
        if isinstance(result, MienError):
            held.append((Recognized(found.source, None, str(result)), None))
        else:
            image, known = result
            located, crops = known or recognizer.locate(image)
            kept = image if keep_images else None
            held.append((Recognized(found.source, _unclassified(located, recognizer.label_set), None, kept), crops))
            faces += len(located)
            pixels += image.shape[0] * image.shape[1] if keep_images else 0
        if faces >= batch or pixels >= _PIXELS or len(held) >= _PICTURES:
            yield from _classified(recognizer, held)
            held, faces, pixels = [], 0, 0
    yield from _classified(recognizer, held)


def rows(found: Recognized, labels: LabelSet, *, abstain: float | None = None) -> list[Row]:
    """The rows of one picture, every one with all the columns.

    Args:
        found: the picture.
        labels: of the recognizer.
        abstain: leave the label empty where the most probable one has less than this probability.
    """
    blank: Row = {
        **dict.fromkeys(columns(labels)),
        "source": printable(found.source),
        "error": found.error and printable(found.error),
    }
    if found.predictions is None or not len(found.predictions):
        return [blank]
    table = found.predictions.to_dict()
    if abstain is not None:
        sure = found.predictions.probabilities.max(1) >= abstain
        table["label"] = [label if keep else None for label, keep in zip(table["label"], sure, strict=True)]
    return [
        blank | {"face_id": i} | {name: rounded(name, values[i]) for name, values in table.items()}
        for i in range(len(found.predictions))
    ]


def rounded(name: str, value: Any) -> Any:
    """Digits that say something: hundredths of a pixel, millionths of a probability; None where it is not known."""
    if not isinstance(value, float):
        return value
    return None if math.isnan(value) else round(value, 2 if name in ("x1", "y1", "x2", "y2") else 6)


def _unclassified(faces: Faces, labels: LabelSet) -> Predictions:
    return Predictions(faces, np.zeros((len(faces), len(labels)), np.float32), labels)


def _classified(recognizer: Recognizer, held: list[tuple[Recognized, Crops | None]]) -> Iterator[Recognized]:
    found = [
        (each.predictions.faces, crops) for each, crops in held if each.predictions is not None and crops is not None
    ]
    answers = iter(recognizer.classify(found))
    for each, crops in held:
        yield each if crops is None else Recognized(each.source, next(answers), None, each.image)


def _read(
    found: Found, *, read: Callable[[Found], Image], recognizer: Recognizer | None
) -> tuple[Image, tuple[Faces, Crops] | None]:
    """A picture, with its faces if a recognizer is given to find them."""
    image = read(found)
    return image, recognizer.locate(image) if recognizer else None
