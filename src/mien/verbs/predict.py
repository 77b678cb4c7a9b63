"""`mien predict`: photographs and clips in, a table of faces and emotions out, drawn copies beside."""

import itertools
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.core.errors import InputError
from mien.core.labels import LabelSet
from mien.pipeline import predict_table
from mien.pipeline.journal import TOGETHER, Journal
from mien.pipeline.parts import Unfinished
from mien.pipeline.predict_table import Row
from mien.pipeline.second_pass import clip_columns
from mien.pipeline.sinks import Sink, check_target
from mien.pipeline.sources import Contents, Found, Skipped, check, expand
from mien.pipeline.video import Sampling
from mien.verbs.predict_config import PredictConfig, PredictResult, Step, Tell
from mien.verbs.predict_photographs import Album, Look, Photographs, check_annotations

if TYPE_CHECKING:  # what clips and worker processes need is loaded where there are some: a photograph shall not wait
    from mien.pipeline.recognizer import Recognizer
    from mien.verbs.predict_clips import Clips
    from mien.verbs.predict_workers import Elsewhere

SEVERAL = 4  # inputs, below which nobody asks whether they are many


def predict(
    sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    config: PredictConfig | None = None,
    *,
    tell: Tell | None = None,
    **changes: Any,
) -> PredictResult:
    """Find the faces in photographs and clips and what they express.

    With `out`, what is done of clips and of many photographs is kept beside it until all is: ``resume=True`` goes on
    where a run was broken off, to the same table. A script for other systems than Linux that looks at many files, or
    gives ``workers``, needs the usual ``if __name__ == "__main__":``, for there each process reads the script.

    Args:
        sources: photographs, clips, Parquet files with a column of photographs, folders of all these, and addresses of
            the same in object stores.
        config: the settings; the defaults if None.
        tell: called after each picture with its rows. With it, or with `out`, the result holds no rows of its own,
            so that memory does not grow with the number of pictures.
        **changes: fields of `PredictConfig` to set, such as ``out="faces.csv"``.

    Returns:
        Counts, the inputs that failed, and the rows. One picture that cannot be read among several is a row with an
        error; the others go on.

    Raises:
        UsageError: an option or name is not known, or `resume` finds the work of other options.
        InputError: the only input cannot be read.
        OutputError: the table or a drawn copy cannot be written, then nothing is left under the table's name; or
            there is unfinished work on it, and nothing says what to do.
        ModelError: the model is missing, damaged, or does not fit its card.
        MissingExtraError: a clip is given, and SciPy (extra `video`) is not installed.

    Example:
        >>> import mien
        >>> mien.predict(mien.sample("astronaut"), detector="haar").rows[0]["label"]
        'happiness'
    """
    config = replace(config or PredictConfig(), **changes)
    sources = [sources] if isinstance(sources, str | os.PathLike) else list(sources)
    if config.engine == "ray":
        from mien.verbs.predict_distributed import predict_distributed

        return predict_distributed(sources, config, tell=tell)
    if config.out is not None:
        check_target(config.out, overwrite=config.overwrite)
    contents = check(sources, clips=True)
    if contents.clips or config.report is not None:
        from mien.verbs.predict_outputs import check_clip_outputs

        check_clip_outputs(sources, contents, config)
    if config.annotate is not None:
        check_annotations(sources, config.annotate, overwrite=config.overwrite or config.resume)
    work = None
    if config.out is not None:
        work = Unfinished(Path(config.out), config.plan, pattern="*/[0-9]*.npz")
        work.check(resume=config.resume, overwrite=config.overwrite)
    tally = _Tally(alone=contents.total == 1)
    try:
        labels, skipped = _run(sources, config, contents, work, tally, tell)
    except InputError:  # the only input cannot be read: there is nothing to go on with
        if work:
            work.remove()
        raise
    if work:
        work.remove()
    out = Path(config.out) if config.out is not None else None
    line = str(skipped) if skipped.total else ""
    counts = (tally.pictures, tally.faces, tally.failed)
    return PredictResult(*counts, line, tuple(tally.rows), labels, out, **tally.made)


@dataclass
class _Tally:
    """Counts rows as they come.

    Attributes:
        alone: whether there is one source only, whose error ends all.
        rows: those that nobody else gets.
        made: the files written, and what is known of clips alone, as `PredictResult` calls it.
    """

    alone: bool
    pictures: int = 0
    faces: int = 0
    frames: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    made: dict[str, Any] = field(default_factory=dict)

    def add(self, found: Found, rows: Sequence[Row]) -> None:
        """The rows of a photograph, or of a frame of a clip, or the last one of a clip, with its error."""
        error = rows[0]["error"]
        if error:
            if self.alone and not self.frames:
                raise InputError(error)
            self.failed[found.source] = error
        if not found.clip:
            self.pictures += 1
        elif not error:
            self.frames += 1
        self.faces += sum(row["x1"] is not None for row in rows)


def _run(
    sources: Sequence[str | os.PathLike[str]],
    config: PredictConfig,
    contents: Contents,
    work: Unfinished | None,
    tally: _Tally,
    tell: Tell | None,
) -> tuple[LabelSet, Skipped]:
    """Send the rows of all sources where they go."""
    skipped = Skipped(clips=True)
    total = contents.photographs

    def progress(frames: int) -> None:
        if tell and frames:
            tell(Step((), total, frames))

    with ExitStack() as stack:
        labels, look, where = _lookers(config, contents, stack)
        if tell and contents.clips:
            total += _frames_to_come(sources, config, where)
        columns = clip_columns(labels) if contents.clips else predict_table.columns(labels)
        sink = None
        if config.out is not None:
            sink = stack.enter_context(Sink(config.out, columns, overwrite=config.overwrite))
        album = Album(config, labels, _journal(contents, work, stack))
        clips = None
        if contents.clips:
            from mien.verbs.predict_clips import Clips

            folder = work.folder if work else Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mien-")))
            clips = Clips(sources, config, labels, where, folder, progress)
        found = expand(sources, skipped=skipped, clips=True)
        for each, rows in _rows(found, album, look, clips):
            tally.add(each, rows)
            whole = [dict.fromkeys(columns) | row for row in rows]
            if sink:
                sink.write(whole)
            if tell:
                tell(Step(whole, total, 0 if each.clip else 1))
            elif not sink:
                tally.rows += whole
        tally.made = {"annotated": tuple(album.written)}
        if clips:
            tally.made |= clips.outputs.finish() | {"clips": contents.clips, "frames": tally.frames}
            tally.made["annotated"] += tuple(clips.outputs.drawn)
    return labels, skipped


def _lookers(
    config: PredictConfig, contents: Contents, stack: ExitStack
) -> tuple[LabelSet, Look, "Recognizer | Elsewhere"]:
    """The labels of the model, what looks at photographs, and what looks at clips: this process or others."""
    if config.workers or (config.workers is None and contents.total >= SEVERAL):
        from mien.verbs.predict_workers import Elsewhere, worker_count

        if count := worker_count(config, contents):
            elsewhere = stack.enter_context(Elsewhere(config, count))
            return elsewhere.labels, elsewhere.look, elsewhere
    # Of a clip several frames are looked at at once, each by one thread; of photographs, one by all threads.
    one_thread = config.recognizer(threads=config.threads or 1) if contents.clips else None
    recognizer = config.recognizer(threads=config.threads) if contents.photographs or not one_thread else one_thread
    return recognizer.label_set, Photographs.of(recognizer, config, threads=1).look, one_thread or recognizer


def _journal(contents: Contents, work: Unfinished | None, stack: ExitStack) -> Journal | None:
    """Where rows of photographs are kept: if there are clips or many of them; a few are as quickly done again."""
    if not work or not (contents.clips or contents.photographs >= TOGETHER):
        return None
    work.make()
    return stack.enter_context(closing(Journal(work.folder, "photographs")))


def _frames_to_come(
    sources: Sequence[str | os.PathLike[str]], config: PredictConfig, where: "Recognizer | Elsewhere"
) -> int:
    """How many frames will be looked at, and drawn on, about; where others look at clips, they count them, too."""
    from mien.pipeline.video import frames_of
    from mien.verbs.predict_clips import frames_in

    count = getattr(where, "frames_of", frames_of)
    drawn = frames_in(sources, Sampling(), count=count) if config.annotate is not None else 0
    return frames_in(sources, config.sampling, count=count) + drawn


def _rows(found: Iterable[Found], album: Album, look: Look, clips: "Clips | None") -> Iterator[tuple[Found, list[Row]]]:
    """Each photograph with its rows, and each frame of each clip, in order."""
    for is_clip, group in itertools.groupby(found, key=lambda each: each.clip):
        if is_clip and clips:
            yield from ((each, rows) for each in group for rows in clips.rows(each))
        else:
            yield from album.rows(group, look)
