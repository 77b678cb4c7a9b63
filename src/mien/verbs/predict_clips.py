"""The clips of `mien predict`: a first pass over each, here or in several processes, a second one, a drawn copy.

What the first pass finds is stored, so that what the second says does not depend on how the first one went.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from pathlib import Path

from mien.core.errors import WorkerError
from mien.core.files import partial_path
from mien.core.labels import LabelSet
from mien.pipeline import predict_table
from mien.pipeline.clip_store import ClipStore, first_pass
from mien.pipeline.drawn_clip import Drawing
from mien.pipeline.predict_table import Recognized, Row
from mien.pipeline.recognizer import Recognizer
from mien.pipeline.second_pass import rows, second_pass
from mien.pipeline.sources import Found, expand
from mien.pipeline.video import Sampling
from mien.verbs.predict_config import PredictConfig
from mien.verbs.predict_outputs import ClipOutputs
from mien.verbs.predict_workers import Elsewhere

Progress = Callable[[int], None]  # told how many frames were looked at since the last call

_PATIENCE_S = 0.2  # between two looks at how far other processes are


class Clips:
    """The rows of clips.

    Args:
        sources: among which the clips are.
        config: what is asked. labels: of the model.
        where: a recognizer for this process, or worker processes.
        folder: where the stores are. progress: told of frames that were looked at.
    """

    def __init__(
        self,
        sources: Sequence[str | os.PathLike[str]],
        config: PredictConfig,
        labels: LabelSet,
        where: Recognizer | Elsewhere,
        folder: Path,
        progress: Progress,
    ) -> None:
        self._config, self._labels, self._folder, self._number = config, labels, folder, 0
        self.outputs = ClipOutputs(config, labels)
        if isinstance(where, Elsewhere):
            stores = (self._store(number, found) for number, found in enumerate(_clips(sources)))
            self._passes: FirstPasses | FirstPassesElsewhere = FirstPassesElsewhere(where, stores, progress)
        else:
            self._passes = FirstPasses(where, config.sampling, progress)

    def rows(self, found: Found) -> Iterator[list[Row]]:
        """The rows of each frame of the next clip, and its error, if there is one; both passes are done before."""
        errors = [found.error]
        if not found.error:
            store = self._store(self._number, found)
            self._number += 1
            self._passes.over(store)
            how = self._config.second_pass
            final, baseline = second_pass(store.frames, self._labels, how)
            table = (rows(frame, found.source, abstain=self._config.abstain) for frame in final)

            def draw(copy: Path) -> str | None:
                drawing = Drawing(store, how, baseline, copy, partial_path(copy), self._config.abstain)
                return self._passes.draw(drawing)

            not_drawn = yield from self.outputs.watched(found.source, table, baseline, draw)
            errors = [store.error, not_drawn]
        for error in filter(None, errors):
            yield predict_table.rows(Recognized(found.source, None, error), self._labels)

    def _store(self, number: int, found: Found) -> ClipStore:
        return ClipStore(self._folder / f"clip-{number:06}", found.source, self._labels)


class FirstPasses:
    """First passes over clips in this process, one after the other."""

    def __init__(self, recognizer: Recognizer, sampling: Sampling, progress: Progress) -> None:
        self._recognizer, self._sampling, self._progress = recognizer, sampling, progress

    def over(self, store: ClipStore) -> None:
        """Have all frames of a clip in its store."""
        first_pass(self._recognizer, store, self._sampling, tell=self._progress)

    def draw(self, drawing: Drawing) -> str | None:
        """Make a drawn copy; there is nothing that could not be made and is no error of its own."""
        drawing.make(self._progress)
        return None


class FirstPassesElsewhere:
    """First passes in worker processes, a few clips ahead of the one that is asked for.

    Args:
        elsewhere: the processes.
        stores: of all the clips, in the order in which they are asked for.
        progress: told of the frames of all clips.
    """

    def __init__(self, elsewhere: Elsewhere, stores: Iterator[ClipStore], progress: Progress) -> None:
        self._elsewhere, self._stores, self._progress = elsewhere, stores, progress
        self._begun: deque[tuple[Path, Future[None]]] = deque()

    def over(self, store: ClipStore) -> None:
        """Have all frames of a clip in its store, or those before its error."""
        while len(self._begun) <= self._elsewhere.count and (following := next(self._stores, None)):
            self._begun.append((following.folder, self._elsewhere.first_pass(following)))
        folder, result = self._begun.popleft()
        assert folder == store.folder
        if error := self._awaited(result):
            store.finish(error)

    def draw(self, drawing: Drawing) -> str | None:
        """Have a drawn copy made, or hear why a process did not survive that or took too long; then nothing is left."""
        error = self._awaited(self._elsewhere.draw(drawing))
        if error:
            drawing.partial.unlink(missing_ok=True)
        return error

    def _awaited(self, result: Future[None]) -> str | None:
        """Wait for what another process does, and say how it ended, where that was before its time."""
        while not wait([result], _PATIENCE_S).done:
            self._progress(self._elsewhere.frames_seen())
        self._progress(self._elsewhere.frames_seen())
        try:
            result.result()
        except WorkerError as error:
            return str(error)
        return None


def frames_in(
    sources: Sequence[str | os.PathLike[str]], sampling: Sampling, *, count: Callable[[str, Sampling], int]
) -> int:
    """How many frames of all clips will be looked at, about; `count` says it of one."""
    return sum(count(found.source, sampling) for found in _clips(sources))


def _clips(sources: Sequence[str | os.PathLike[str]]) -> Iterator[Found]:
    """The clips that are there, in order."""
    return (found for found in expand(sources, clips=True) if found.clip and not found.error)
