"""The photographs of `mien predict`: recognised, drawn on, and kept as they come, so that a broken run can go on."""

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from mien.core.errors import OutputError, WorkerError
from mien.core.files import expect_on_disk, printable
from mien.core.images import write_image
from mien.core.labels import LabelSet
from mien.core.types import Faces, Image
from mien.pipeline import annotate as drawing
from mien.pipeline import predict_table
from mien.pipeline.face_heat import FaceExplainer
from mien.pipeline.journal import Journal
from mien.pipeline.predict_table import Recognized, Row
from mien.pipeline.recognizer import Recognizer
from mien.pipeline.sources import Found, expand
from mien.verbs.predict_config import PredictConfig

Explain = Callable[[Image, Faces], Image]


@dataclass(frozen=True)
class Photograph:
    """One to look at.

    Attributes:
        found: where it is. copy: where the drawn copy goes, if there shall be one.
        number: among all. key: of its state, for the journal.
        kept: its rows, where an earlier run kept them.
    """

    found: Found
    copy: Path | None
    number: int = 0
    key: tuple[Any, ...] = ()
    kept: list[Row] | None = None


Looked = tuple[Photograph, list[Row] | WorkerError]
Look = Callable[[Iterable[Photograph]], Iterator[Looked]]  # at photographs, in order


@dataclass(frozen=True, eq=False)
class Photographs:
    """What is done with photographs, in this process or in a worker.

    Attributes:
        recognizer: finds and classifies. abstain: see `predict_table.rows`.
        draws: whether copies are drawn. explain: lays heat maps over a picture before it is drawn on.
        threads: see `predict_table.recognize`.
    """

    recognizer: Recognizer
    abstain: float | None
    draws: bool
    explain: Explain | None
    threads: int

    @classmethod
    def of(cls, recognizer: Recognizer, config: PredictConfig, *, threads: int) -> Self:
        """What a prediction asks for."""
        explain = None
        if config.explain:
            explain = FaceExplainer(recognizer, config.model, variant=config.variant).lay_over
        return cls(recognizer, config.abstain, config.annotate is not None, explain, threads)

    def look(self, photographs: Iterable[Photograph]) -> Iterator[tuple[Photograph, list[Row]]]:
        """Each photograph with its rows, in order; its copy is drawn before. They are read a little ahead."""
        photographs, again = itertools.tee(photographs)
        recognized = predict_table.recognize(
            self.recognizer, (each.found for each in photographs), keep_images=self.draws, workers=self.threads
        )
        for each, one in zip(again, recognized, strict=True):
            rows = predict_table.rows(one, self.recognizer.label_set, abstain=self.abstain)
            if each.copy:
                self._draw(each.copy, one, rows)
            yield each, rows

    def _draw(self, path: Path, found: Recognized, rows: Sequence[Row]) -> None:
        """Draw on a picture and write the copy, if there is a picture."""
        if found.image is None or found.predictions is None:
            return
        faces = found.predictions.faces
        image = self.explain(found.image, faces) if self.explain and len(faces) else found.image
        write_image(path, drawing.annotate(image, found.predictions, labels=[row["label"] for row in rows]))


class Album:
    """All photographs of a run: where their copies go, and what is known of them already.

    Args:
        config: what is asked. labels: of the model.
        journal: where rows are kept, and those of an earlier run are; None: nowhere.

    Attributes:
        written: the drawn copies.
    """

    def __init__(self, config: PredictConfig, labels: LabelSet, journal: Journal | None) -> None:
        self._copies = None if config.annotate is None else drawing.Annotations(config.annotate)
        self._labels, self._abstain, self._journal = labels, config.abstain, journal
        self._numbers = itertools.count()
        self.written: list[Path] = []

    def rows(self, found: Iterable[Found], look: Look) -> Iterator[tuple[Found, list[Row]]]:
        """Each photograph with its rows, in order; `look` is asked for those that are not known."""
        for known, group in itertools.groupby(map(self._photograph, found), lambda each: each.kept is not None):
            for each, rows in (_known if known else look)(group):
                if isinstance(rows, WorkerError):  # not kept: another run may have more time, or memory
                    rows = predict_table.rows(Recognized(each.found.source, None, str(rows)), self._labels)
                elif self._journal and each.kept is None:
                    self._journal.keep(each.number, each.key, rows)
                if each.copy and not rows[0]["error"]:
                    self.written.append(each.copy)
                yield each.found, rows

    def _photograph(self, found: Found) -> Photograph:
        # One that fails uses up the name of its copy too, as in the check before.
        copy = self._copies.path(found.source) if self._copies else None
        if not self._journal:
            return Photograph(found, copy)
        number, key = next(self._numbers), (self._abstain, printable(found.source), *_stamp(found.file))
        kept = self._journal.find(number, key)
        if kept and copy and not (kept[0]["error"] or copy.exists()):
            kept = None
        return Photograph(found, copy, number, key, kept)


def _known(photographs: Iterable[Photograph]) -> Iterator[Looked]:
    return ((each, each.kept or []) for each in photographs)


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
    expect_on_disk(folder)
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


def _stamp(path: str) -> tuple[int, int]:
    """Changes where the file does."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return (0, 0)
    return (status.st_size, status.st_mtime_ns)
