"""The part of `mien explain` that explains clips of a face, for models that see clips."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.core.errors import InputError, UsageError
from mien.core.files import expect_free, make_folder, printable
from mien.core.images import write_image
from mien.datasets.looking import FEW_CLIPS
from mien.explanation.explainer import Explainer, explain_faces
from mien.explanation.maps import peak_of
from mien.pipeline import heat as drawing
from mien.pipeline.annotate import Annotations
from mien.pipeline.clips import ClipOfFace, ClipToRead, expand_clips, face_in_clip
from mien.pipeline.picture_workers import PictureWorkers
from mien.pipeline.recognizer import Recognizer
from mien.pipeline.sources import EXPLAINED
from mien.verbs.explainers import open_explainer

if TYPE_CHECKING:
    from mien.verbs.explain import ExplainConfig

Row = dict[str, Any]

CLIP_COLUMNS = (
    *("source", "frame", "time_s", "x1", "y1", "x2", "y2", "label", "explained", "p", "heat", "peak_x", "peak_y"),
)


@dataclass
class ExplainedClips:
    """What was found in clips.

    Attributes:
        clips: how many were looked at. explained: how many of them were explained.
        rows: one a frame: `CLIP_COLUMNS`; ``heat`` is the frame's share of all heat in its clip.
        failed: source -> why it could not be explained. files: the pictures.
    """

    clips: int
    explained: int = 0
    rows: list[Row] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)


def explain_clips(
    model: str | os.PathLike[str],
    recognizer: Recognizer,
    sources: Sequence[str | os.PathLike[str]],
    config: "ExplainConfig",
    tell: Callable[[int, int], None],
) -> ExplainedClips:
    """Explain the face of each clip, and draw its frames as the model sees them.

    Args:
        model: as given to `load_classifier`; one that sees clips.
        recognizer: of that model.
        sources: videos and folders of frames.
        config: the settings.
        tell: called with how many clips are done, and their total.

    Raises:
        UsageError: something that is for models of single faces alone.
        InputError: the only clip cannot be read, or a frame of it has no face.
    """
    name = recognizer.classifier.card.name
    for given, what in ((config.data is not None, "--data"), (config.faithfulness, "--faithfulness")):
        if given:
            raise UsageError(
                f"expected a model of single faces for {what}, got {name}, which sees clips: leave it out, and give "
                "videos or folders of frames"
            )
    clips = list(expand_clips(sources))
    explainer = open_explainer(model, recognizer.classifier, method=config.method, variant=config.variant)
    if config.label is not None:
        explainer.label_set(config.head).index(config.label)
    out = Path(config.out)
    make_folder(out)
    sheets, found = Annotations(out, EXPLAINED), ExplainedClips(len(clips))
    count = recognizer.classifier.card.input.frames
    there = [ClipToRead(each.source, count) for each in clips if not each.error]
    with PictureWorkers() as workers:
        read = workers.each(ClipToRead.read, there, range(len(there)), at_once=1, few=FEW_CLIPS)
        for done, each in enumerate(clips, 1):
            path = sheets.path(each.source)
            expect_free(path, overwrite=config.overwrite)
            try:
                frames = InputError(each.error) if each.error else next(read)
                if isinstance(frames, InputError):
                    raise frames
                _explain(each.source, face_in_clip(recognizer, frames), explainer, config, path, found)
            except InputError as error:
                if len(clips) == 1:
                    raise
                found.failed[each.source] = str(error)
            tell(done, len(clips))
    return found


def _explain(
    source: str, clip: ClipOfFace, explainer: Explainer, config: "ExplainConfig", path: Path, found: ExplainedClips
) -> None:
    """Explain one clip: a row a frame, and a sheet."""
    labels, clips = explainer.label_set(config.head), clip.crops[None]
    attribution = explain_faces(explainer, clips, method=config.method, head=config.head, label=config.label)
    probabilities = explainer.predict(clips, head=config.head)[0]
    top = int(probabilities.argmax())
    asked = top if config.label is None else labels.index(config.label)
    maps = attribution.maps[0]
    total = float(maps.sum())
    rows: list[Row] = [
        {
            "source": printable(source),
            "frame": frame.index,
            "time_s": None if frame.time_s is None else round(frame.time_s, 3),
            **dict(zip(("x1", "y1", "x2", "y2"), box, strict=True)),
            "label": labels.labels[top],
            "explained": attribution.label[0],
            "p": round(float(probabilities[asked]), 6),
            "heat": round(float(heat.sum()) / total, 4) if total else 0.0,
            **peak_of(heat),
        }
        for frame, box, heat in zip(clip.frames, clip.boxes, maps, strict=True)
    ]
    said = f"{attribution.label[0] or labels.labels[top]} {probabilities[asked]:.0%}, {attribution.method}"
    times = ["" if frame.time_s is None else f", {frame.time_s:.2f} s" for frame in clip.frames]
    under = [(f"frame {row['frame']}{time}", f"heat {row['heat']:.0%}") for row, time in zip(rows, times, strict=True)]
    write_image(path, drawing.clip_sheet(clip.crops, maps, under, said))
    found.rows += rows
    found.files.append(path)
    found.explained += 1
