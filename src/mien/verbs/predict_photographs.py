"""The photographs of `mien predict`: recognised, drawn on, and kept some hundred at a time, so that it can go on."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from mien.core.errors import OutputError
from mien.core.files import printable, replacing
from mien.core.images import write_image
from mien.core.types import Faces, Image
from mien.pipeline import annotate as drawing
from mien.pipeline import predict_table
from mien.pipeline.face_heat import FaceExplainer
from mien.pipeline.predict_table import Recognized, Row
from mien.pipeline.recognizer import Recognizer
from mien.pipeline.sources import Found, expand
from mien.verbs.predict_config import PredictConfig

TOGETHER = 256  # photographs that are kept together

Explain = Callable[[Image, Faces], Image]


@dataclass(frozen=True, eq=False)
class Photographs:
    """What is done with photographs.

    Attributes:
        recognizer: finds and classifies. abstain: see `predict_table.rows`.
        copies: names of drawn copies, or None. explain: lays heat maps over a picture before it is drawn on.
        workers: threads that look for faces.
        written: the copies.
    """

    recognizer: Recognizer
    abstain: float | None
    copies: drawing.Annotations | None
    explain: Explain | None
    workers: int
    written: list[Path] = field(default_factory=list)

    @classmethod
    def of(cls, recognizer: Recognizer, config: PredictConfig) -> Self:
        """What a prediction asks for."""
        copies = None if config.annotate is None else drawing.Annotations(config.annotate)
        explain = None
        if config.explain:
            explain = FaceExplainer(recognizer, config.model, variant=config.variant).lay_over
        return cls(recognizer, config.abstain, copies, explain, config.workers)

    def rows(self, found: Sequence[Found]) -> Iterator[tuple[Found, list[Row]]]:
        """Each photograph with its rows, in order."""
        recognized = predict_table.recognize(
            self.recognizer, found, keep_images=self.copies is not None, workers=self.workers
        )
        for each, one in zip(found, recognized, strict=True):
            rows = predict_table.rows(one, self.recognizer.label_set, abstain=self.abstain)
            if self.copies:
                self._draw(self.copies, one, rows)
            yield each, rows

    def kept_rows(self, found: Sequence[Found], path: Path) -> Iterator[tuple[Found, list[Row]]]:
        """As `rows`, taken from where an earlier run kept them if it did, else kept there."""
        state = _state(found, self.abstain)
        kept = _kept(path, state)
        if kept is None:
            kept = []
            for each, rows in self.rows(found):
                kept.append(rows)
                yield each, rows
            with replacing(path) as partial:
                partial.write_text(json.dumps({"state": state, "rows": kept}), "utf-8")
            return
        for each, rows in zip(found, kept, strict=True):
            if self.copies and (copy := self.copies.path(each.source)).exists():
                self.written.append(copy)
            yield each, rows

    def _draw(self, copies: drawing.Annotations, found: Recognized, rows: Sequence[Row]) -> None:
        """Draw on a picture and write the copy, if there is a picture."""
        path = copies.path(found.source)  # a failed picture uses up its name too, as in the check before
        if found.image is None or found.predictions is None:
            return
        faces = found.predictions.faces
        image = self.explain(found.image, faces) if self.explain and len(faces) else found.image
        write_image(path, drawing.annotate(image, found.predictions, labels=[row["label"] for row in rows]))
        self.written.append(path)


def check_annotations(
    sources: Sequence[str | os.PathLike[str]],
    folder: str | os.PathLike[str],
    *,
    overwrite: bool,
    clip_endings: Sequence[str] = (),
) -> None:
    """Make the folder of the drawn copies, and see that none of them is there yet.

    Args:
        sources: what is looked at.
        folder: where copies go.
        overwrite: whether those that are there are replaced.
        clip_endings: how the names of what is made of a clip end; if none, copies of photographs are looked for.

    Raises:
        OutputError: it cannot be made or written, or holds a copy of that name.
    """
    folder = Path(folder)
    probe = folder / f".{os.getpid()}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputError(
            f"expected a folder to write annotated pictures at {folder}, got: {error.strerror}"
        ) from error
    if overwrite or not any(folder.iterdir()):
        return
    for names in [drawing.Annotations(folder, ending) for ending in clip_endings] or [drawing.Annotations(folder)]:
        for found in expand(sources, clips=bool(clip_endings)):
            if clip_endings and not found.clip:
                continue
            path = names.path(found.source)
            if path.exists():
                raise OutputError(f"expected no file at {path}, got one: choose another folder, or give --overwrite")


def _state(found: Sequence[Found], abstain: float | None) -> list[Any]:
    """Changes where one of the files does."""
    return [abstain, *([printable(each.source), *_stamp(each.source)] for each in found)]


def _stamp(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return (0, 0)
    return (status.st_size, status.st_mtime_ns)


def _kept(path: Path, state: list[Any]) -> list[list[Row]] | None:
    """The rows of each photograph that an earlier run kept; None where there are none, or of other files."""
    try:
        read = json.loads(path.read_text("utf-8"))
        return list(read["rows"]) if read["state"] == state else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
