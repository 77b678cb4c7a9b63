"""What `mien predict` is asked, and what it answers."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mien import __version__
from mien.core.errors import UsageError
from mien.core.labels import LabelSet
from mien.core.processors import check_workers
from mien.core.registry import unknown
from mien.pipeline.predict_table import Row
from mien.pipeline.recognizer import Recognizer
from mien.pipeline.second_pass import SecondPass
from mien.pipeline.video import Sampling
from mien.runtime.session import check_options

ENGINES = ("local", "ray")


def check_engine(name: str) -> None:
    """UsageError where no engine has this name."""
    if name not in ENGINES:
        raise UsageError(unknown("engine", name, list(ENGINES)))


@dataclass(frozen=True, kw_only=True)
class PredictConfig:
    """What decides a prediction.

    Attributes:
        model: a name out of `mien models list`, an ONNX file with its card beside it, or a run folder.
        head: which of its label sets; the card's default if None. variant: which of its weight files.
        detector: mtcnn, haar, dlib, or none (each picture is a face crop already). min_face: in pixels.
        device: auto, cpu or cuda. threads: of each network.
        every: look at the frames 0, `every`, 2 `every`, ... of a clip. fps: instead, at so many frames a second.
        detect_every: look for faces in the frames 0, `detect_every`, ... of a clip; between them they lie on lines;
            None: in every 5th, or more often where frames are few a second.
        smooth: make the emotions of a clip's faces steady over time: exponential or bayesian; None leaves them.
        baseline: first and last second of a stretch of each clip in which the people in it are neutral.
        abstain: leave the label empty below this probability.
        out: a table: .csv, .json, .jsonl or .parquet; of clips, a summary goes beside it.
        annotate: a folder for drawn copies. report: a folder for a page and a picture of the timeline of each clip.
        explain: lay over each face on these copies where the model sees the emotion: Grad-CAM, or occlusion, which
            takes a second a face, of a model whose feature map does not say it.
        engine: local, or ray for many machines: `out` is a folder, or an address such as ``s3://bucket/faces``, then.
        workers: processes that look at photographs and clips; the table is the same. 0: this one does. None: one a
            processor where there are many, and none where there are few, which are done before others have started.
        time_limit: seconds that a worker may take over a photograph, or from one frame of a clip to the next; then it
            is ended, and the input has an error.
        resume: go on with the work that a broken run left beside `out`.
        overwrite: replace what stands under those names.
    """

    model: str | os.PathLike[str] = "mien-s"
    head: str | None = None
    variant: str | None = None
    detector: str = "mtcnn"
    min_face: int = 40
    device: str = "auto"
    threads: int | None = None
    every: int = 1
    fps: float | None = None
    detect_every: int | None = None
    smooth: str | None = None
    baseline: tuple[float, float] | None = None
    abstain: float | None = None
    out: str | os.PathLike[str] | None = None
    annotate: str | os.PathLike[str] | None = None
    report: str | os.PathLike[str] | None = None
    explain: bool = False
    engine: str = "local"
    workers: int | None = None
    time_limit: float = 120.0
    resume: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        check_options(threads=self.threads, device=self.device)
        if self.explain and self.annotate is None:
            raise UsageError(
                "expected --annotate DIR beside --explain, for the pictures to draw heat maps on, got none"
            )
        if self.abstain is not None and not 0 <= self.abstain <= 1:
            raise UsageError(f"expected a probability in 0..1 to abstain below, got {self.abstain}")
        check_engine(self.engine)
        check_workers(self.workers, self.time_limit)
        if self.resume and self.out is None:
            raise UsageError("expected --out FILE beside --resume, for the table that is to be finished, got none")
        _ = self.sampling, self.second_pass  # say what is wrong

    @property
    def sampling(self) -> Sampling:
        """Which frames of a clip are looked at."""
        return Sampling(every=self.every, fps=self.fps, detect_every=self.detect_every)

    @property
    def second_pass(self) -> SecondPass:
        """What is done once all faces of a clip are found."""
        return SecondPass(smooth=self.smooth, baseline=self.baseline)

    @property
    def plan(self) -> dict[str, Any]:
        """What decides the unfinished parts of a table, under the names that a message calls it by."""
        names = ("head", "variant", "detector", "min_face", "device", "threads", "every", "fps", "detect_every")
        drawn = None if self.annotate is None else str(self.annotate)
        options = {name: getattr(self, name) for name in names} | {"annotate": drawn, "explain": self.explain}
        return {"version of mien": __version__, "model": str(self.model)} | options

    def recognizer(self, *, threads: int | None) -> Recognizer:
        """The model and the detector."""
        return Recognizer(
            self.model,
            detector=self.detector,
            head=self.head,
            min_face=self.min_face,
            device=self.device,
            threads=threads,
            variant=self.variant,
        )


@dataclass(frozen=True)
class PredictResult:
    """What was found.

    Attributes:
        pictures: how many photographs were looked at. faces: how many were found; in a clip, in each frame.
        failed: source -> why it could not be read, or not to its end.
        skipped: one line on the files of folders that are not looked at; empty if there were none.
        rows: the table, where it was not written to a file.
        label_set: what the model tells apart.
        out, annotated, summary, pages: the files written; `out` may be an address in an object store.
        notes: what the user should know, a line each.
        clips, frames: how many clips were looked at, and frames of them.
    """

    pictures: int
    faces: int
    failed: dict[str, str]
    skipped: str
    rows: tuple[Row, ...]
    label_set: LabelSet
    out: Path | str | None = None
    annotated: tuple[Path, ...] = ()
    clips: int = 0
    frames: int = 0
    summary: Path | None = None
    pages: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """Told after each picture, and while a clip is looked at.

    Attributes:
        rows: of this picture, or, once a clip is looked at, of a frame of it.
        total: how many pictures and frames there are in all, about. done: how many of them since the step before.
    """

    rows: Sequence[Row]
    total: int
    done: int = 1


Tell = Callable[[Step], None]
