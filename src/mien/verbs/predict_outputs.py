"""What `mien predict` makes of clips beside the table: a summary, a page each, a drawn copy each."""

import os
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mien.core.errors import UsageError
from mien.core.files import printable, replacing
from mien.core.labels import LabelSet
from mien.core.optional import require
from mien.evaluation.behaviour import ClipBehaviour, Observer, timed
from mien.evaluation.timeline import Course, Recorder
from mien.pipeline.annotate import Annotations
from mien.pipeline.baseline import Baseline
from mien.pipeline.predict_table import Row
from mien.pipeline.sources import ANNOTATED_CLIP, TIMELINE, Contents
from mien.verbs.predict_config import PredictConfig
from mien.verbs.predict_photographs import check_annotations
from mien.verbs.summarise import check_summary, summary_path, write_summary

_PAGE = ".html"


@dataclass
class ClipOutputs:
    """Watches the rows of clips go by, and writes what is made of them.

    Attributes:
        config: what is asked. labels: of the model.
        clips: what was seen in each.
        drawn, pages: the files written. notes: what the user should know.
    """

    config: PredictConfig
    labels: LabelSet
    clips: list[ClipBehaviour] = field(default_factory=list)
    drawn: list[Path] = field(default_factory=list)
    pages: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        config = self.config
        self._copies = None if config.annotate is None else Annotations(config.annotate, ANNOTATED_CLIP)
        self._reports = None if config.report is None else Annotations(config.report, _PAGE)

    def watched(
        self,
        source: str,
        frames: Iterable[list[Row]],
        baseline: Baseline,
        draw: Callable[[Path], str | None],
    ) -> Generator[list[Row], None, str | None]:
        """The rows of each frame of a clip; after the last of them, its page and its drawn copy are written.

        Args:
            source: the clip.
            frames: the rows.
            baseline: that was taken off its faces.
            draw: draws the clip, with what was found in it, on the copy of that name; says why it could not, or None.

        Returns:
            Why there is no drawn copy, if it is missing.
        """
        observer, recorder = Observer(printable(source), self.labels.labels), Recorder(self.labels.labels)
        for rows, length_s in timed(frames):
            observer.add(rows, length_s)
            recorder.add(rows, length_s)
            yield list(rows)
        clip = observer.result()
        self.clips.append(clip)
        page, copy = (names and names.path(source) for names in (self._reports, self._copies))
        if not clip.frames:
            return None
        self._note_baseline(clip, baseline)
        if page:
            self._write_page(page, clip, recorder.result())
        error = draw(copy) if copy else None
        if copy and not error:
            self.drawn.append(copy)
        return error

    def finish(self) -> dict[str, Any]:
        """Write the summary of all clips beside the table, if there is one. Returns fields of a `PredictResult`."""
        summary = None
        if self.config.out is not None:
            summary, _ = write_summary(self.clips, summary_path(self.config.out))
        return {"summary": summary, "pages": tuple(self.pages), "notes": tuple(self.notes)}

    def _note_baseline(self, clip: ClipBehaviour, baseline: Baseline) -> None:
        if self.config.baseline is None:
            return
        without = [str(face.face_id) for face in clip.faces if face.face_id not in baseline.bias]
        if without:
            start, end = self.config.baseline
            faces = f"face {without[0]}" if len(without) == 1 else f"faces {', '.join(without[:9])}"
            more = f" and {len(without) - 9} more" if len(without) > 9 else ""
            self.notes.append(
                f"{clip.source}: {faces}{more} not seen from {start:g} s to {end:g} s, values kept without a baseline"
            )

    def _write_page(self, path: Path, clip: ClipBehaviour, course: Course) -> None:
        from mien.reporting.clip_page import clip_page

        picture = path.with_suffix(TIMELINE)
        foot = f"Beside this page: {picture.name}."
        if self.config.out is not None:
            foot += (
                f" The rows stand in {Path(self.config.out).name}, the figures in {summary_path(self.config.out).name}."
            )
        page = clip_page(Path(clip.source).name, clip, course, facts=self._facts(), foot=foot)
        with replacing(picture) as partial:
            partial.write_bytes(page.timeline.png)
        with replacing(path) as partial:
            partial.write_text(page.html, "utf-8", newline="\n")
        self.pages.append(path)

    def _facts(self) -> list[tuple[str, str]]:
        config = self.config
        facts = [("model", Path(config.model).name), ("steadied", config.smooth or "no")]
        if config.baseline is not None:
            facts.append(("baseline", f"{config.baseline[0]:g} to {config.baseline[1]:g} s"))
        return facts


def check_clip_outputs(sources: Sequence[str | os.PathLike[str]], contents: Contents, config: PredictConfig) -> None:
    """Raise where what is asked of clips cannot be made or written, before any work starts.

    Raises:
        UsageError: it is asked of photographs, or heat maps are asked of clips.
        OutputError: a file is there already, or a folder cannot be written.
        MissingExtraError: a package for it is not installed.
    """
    if config.report is not None and not contents.clips:
        raise UsageError("expected a clip for --report, got photographs alone: leave it out")
    if not contents.clips:
        return
    require("scipy.optimize", extra="video")
    if config.explain:
        raise UsageError(f"expected photographs alone for --explain, got {contents.clips} clips, too: leave one out")
    replaces = config.overwrite or config.resume
    if config.out is not None:
        check_summary(summary_path(config.out), overwrite=replaces)
    if config.annotate is not None:
        require("av", extra="video")
        check_annotations(sources, config.annotate, overwrite=replaces, clip_endings=(ANNOTATED_CLIP,))
    if config.report is not None:
        for package in ("matplotlib", "jinja2"):
            require(package, extra="report")
        check_annotations(sources, config.report, overwrite=replaces, clip_endings=(_PAGE, TIMELINE))
