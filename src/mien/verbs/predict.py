"""`mien predict`: photographs in, a table of faces and emotions out, drawn copies beside."""

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mien.core.errors import InputError, OutputError, UsageError
from mien.core.images import write_image
from mien.core.labels import LabelSet
from mien.core.types import Faces, Image
from mien.pipeline import annotate as drawing
from mien.pipeline import predict_table
from mien.pipeline.predict_table import Row
from mien.pipeline.recognizer import Recognizer
from mien.pipeline.sinks import Sink, check_target
from mien.pipeline.sources import Skipped, check, expand
from mien.runtime.session import check_options
from mien.verbs.explainers import explaining


@dataclass(frozen=True, kw_only=True)
class PredictConfig:
    """What decides a prediction.

    Attributes:
        model: a name out of `mien models list`, an ONNX file with its card beside it, or a run folder.
        head: which of its label sets; the card's default if None. variant: which of its weight files.
        detector: mtcnn, haar, dlib, or none (each picture is a face crop already). min_face: in pixels.
        device: auto, cpu or cuda. threads: of each network.
        abstain: leave the label empty below this probability.
        out: a table: .csv, .json, .jsonl or .parquet. annotate: a folder for drawn copies.
        explain: lay over each face on these copies where the model sees the emotion: Grad-CAM, or occlusion, which
            takes a second a face, of a model whose feature map does not say it.
        overwrite: replace what stands under those names.
    """

    model: str | os.PathLike[str] = "mien-s"
    head: str | None = None
    variant: str | None = None
    detector: str = "mtcnn"
    min_face: int = 40
    device: str = "auto"
    threads: int | None = None
    abstain: float | None = None
    out: str | os.PathLike[str] | None = None
    annotate: str | os.PathLike[str] | None = None
    explain: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        check_options(threads=self.threads, device=self.device)
        if self.explain and self.annotate is None:
            raise UsageError(
                "expected --annotate DIR beside --explain, for the pictures to draw heat maps on, got none"
            )
        if self.abstain is not None and not 0 <= self.abstain <= 1:
            raise UsageError(f"expected a probability in 0..1 to abstain below, got {self.abstain}")


@dataclass(frozen=True)
class PredictResult:
    """What was found.

    Attributes:
        pictures: how many were looked at. faces: how many were found in them.
        failed: source -> why it could not be read.
        skipped: one line on the files of folders that are not photographs; empty if there were none.
        rows: the table, where it was not written to a file.
        label_set: what the model tells apart.
        out, annotated: the files written.
    """

    pictures: int
    faces: int
    failed: dict[str, str]
    skipped: str
    rows: tuple[Row, ...]
    label_set: LabelSet
    out: Path | None = None
    annotated: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Step:
    """Told after each picture.

    Attributes:
        rows: of this picture. total: how many pictures there are in all.
    """

    rows: Sequence[Row]
    total: int


def predict(
    sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    config: PredictConfig | None = None,
    *,
    tell: Callable[[Step], None] | None = None,
    **changes: Any,
) -> PredictResult:
    """Find the faces in photographs and what they express.

    Args:
        sources: photographs, and folders of them.
        config: the settings; the defaults if None.
        tell: called after each picture with its rows. With it, or with `out`, the result holds no rows of its own,
            so that memory does not grow with the number of pictures.
        **changes: fields of `PredictConfig` to set, such as ``out="faces.csv"``.

    Returns:
        Counts, the inputs that failed, and the rows. One picture that cannot be read among several is a row with an
        error; the others go on.

    Raises:
        UsageError: an option or name is not known.
        InputError: the only input cannot be read.
        OutputError: the table or a drawn copy cannot be written; then nothing is left under the table's name.
        ModelError: the model is missing, damaged, or does not fit its card.

    Example:
        >>> import mien
        >>> mien.predict(mien.sample("astronaut"), detector="haar").rows[0]["label"]
        'happiness'
    """
    config = replace(config or PredictConfig(), **changes)
    sources = [sources] if isinstance(sources, str | os.PathLike) else list(sources)
    if config.out is not None:
        check_target(config.out, overwrite=config.overwrite)
    total = check(sources)
    if config.annotate is not None:
        _check_annotations(sources, config.annotate, overwrite=config.overwrite)
    recognizer = Recognizer(
        config.model,
        detector=config.detector,
        head=config.head,
        min_face=config.min_face,
        device=config.device,
        threads=config.threads,
        variant=config.variant,
    )
    return _run(recognizer, sources, config, total, tell)


def _run(
    recognizer: Recognizer,
    sources: Sequence[str | os.PathLike[str]],
    config: PredictConfig,
    total: int,
    tell: Callable[[Step], None] | None,
) -> PredictResult:
    labels, skipped = recognizer.label_set, Skipped()
    failed: dict[str, str] = {}
    kept: list[Row] = []
    written: list[Path] = []
    pictures = faces = 0
    with ExitStack() as open_files:
        sink = None
        if config.out is not None:
            table = Sink(config.out, predict_table.columns(labels), overwrite=config.overwrite)
            sink = open_files.enter_context(table)
        copies = drawing.Annotations(config.annotate) if config.annotate is not None else None
        explain = explaining(recognizer, config.model, variant=config.variant) if config.explain else None
        found = expand(sources, skipped=skipped)
        for each in predict_table.recognize(recognizer, found, keep_images=copies is not None):
            if each.error:
                if total == 1:
                    raise InputError(each.error)
                failed[each.source] = each.error
            rows = predict_table.rows(each, labels, abstain=config.abstain)
            pictures += 1
            faces += len(each.predictions) if each.predictions is not None else 0
            if sink:
                sink.write(rows)
            if copies and (path := _write_copy(copies, each, rows, explain)):
                written.append(path)
            if tell:
                tell(Step(rows, total))
            elif not sink:
                kept += rows
    out = Path(config.out) if config.out is not None else None
    line = str(skipped) if skipped.total else ""
    return PredictResult(pictures, faces, failed, line, tuple(kept), labels, out, tuple(written))


def _write_copy(
    copies: drawing.Annotations,
    found: predict_table.Recognized,
    rows: Sequence[Row],
    explain: Callable[[Image, Faces], Image] | None,
) -> Path | None:
    """Draw on a picture and write the copy; None where there is no picture."""
    path = copies.path(found.source)  # a failed picture uses up its name too, as in the check before
    if found.image is None or found.predictions is None:
        return None
    faces = found.predictions.faces
    image = explain(found.image, faces) if explain and len(faces) else found.image
    write_image(path, drawing.annotate(image, found.predictions, labels=[row["label"] for row in rows]))
    return path


def _check_annotations(
    sources: Sequence[str | os.PathLike[str]], folder: str | os.PathLike[str], *, overwrite: bool
) -> None:
    """Make the folder of the drawn copies, and see that none of them is there yet.

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
    names = drawing.Annotations(folder)
    for found in expand(sources):
        path = names.path(found.source)
        if path.exists():
            raise OutputError(f"expected no file at {path}, got one: choose another folder, or give --overwrite")
