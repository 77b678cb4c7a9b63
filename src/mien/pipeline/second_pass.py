"""What comes after all faces of a clip were found: whose they are, a person's baseline taken off, and steadiness.

The first pass may run in any order, on any number of workers, or in several attempts: its frames are stored, and this
pass reads them in the order of the clip. So a face has the same number however the first pass went.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from mien.core.errors import UsageError
from mien.core.files import printable
from mien.core.labels import LabelSet
from mien.core.types import Floats, Predictions
from mien.faces.smooth import Smoother
from mien.faces.track import Ids, Tracker
from mien.pipeline.baseline import Baseline, measured
from mien.pipeline.predict_table import Row, columns, rounded

QUALITY = ("blur", "brightness", "yaw")
_UNKNOWN = -1  # id of a face before the second pass


@dataclass(frozen=True, eq=False)
class ClipFrame:
    """The faces of one frame of a clip: as the first pass found them, and as the second leaves them.

    Attributes:
        index: of the frame in the clip, from 0. time_s: when it is shown.
        predictions: its n faces; after the second pass with the corrected and steady probabilities.
        quality: name out of `QUALITY` -> (n,) float32, NaN where it is not known.
        cut: whether the picture before belongs to another shot.
        raw: (n, K) what the model said; the probabilities of `predictions` if None.
        ids: (n,) whose the faces are; -1 before the second pass, also if None.
    """

    index: int
    time_s: float
    predictions: Predictions
    quality: dict[str, Floats] = field(default_factory=dict)
    cut: bool = False
    raw: Floats | None = None
    ids: Ids | None = None

    def __post_init__(self) -> None:
        if self.raw is None:
            object.__setattr__(self, "raw", self.predictions.probabilities)
        if self.ids is None:
            object.__setattr__(self, "ids", np.full(len(self.predictions), _UNKNOWN, np.int64))


@dataclass(frozen=True, kw_only=True)
class SecondPass:
    """What decides the second pass.

    Attributes:
        smooth: a name out of `mien.faces.smooth.SMOOTHINGS`, or None to leave the values as they are.
        memory_s: how far back smoothing looks, in seconds.
        baseline: first and last second of a stretch in which each person is neutral, or None.
        patience_s: a face that was not found for longer gets a new id.
    """

    smooth: str | None = None
    memory_s: float = 0.5
    baseline: tuple[float, float] | None = None
    patience_s: float = 1.0

    def __post_init__(self) -> None:
        if self.baseline is not None and not 0 <= self.baseline[0] < self.baseline[1] < np.inf:
            raise UsageError(
                "expected a baseline from an earlier to a later second, such as 0-5, got "
                f"{self.baseline[0]:g}-{self.baseline[1]:g}"
            )
        if self.smooth is not None:
            Smoother(self.smooth, memory_s=self.memory_s)  # says what is wrong

    def baseline_of(self, frames: Iterable[ClipFrame], labels: LabelSet) -> Baseline:
        """The bias of each face in the stretch; frames are read up to its end."""
        if self.baseline is None:
            return Baseline()
        start, end = self.baseline
        until = itertools.takewhile(lambda frame: frame.time_s <= end, frames)
        tracked = _tracked(until, Tracker(patience_s=self.patience_s))
        return measured(((frame.ids, frame.raw) for frame in tracked if frame.time_s >= start), labels)  # type: ignore[misc]

    def run(self, frames: Iterable[ClipFrame], baseline: Baseline | None = None) -> Iterator[ClipFrame]:
        """The frames with ids and final probabilities, one by one: memory does not grow with the clip.

        Args:
            frames: all that the first pass looked at, in the order of the clip; those without a face, too, for they
                say that a face was out of sight.
            baseline: of `baseline_of`, over the same frames.
        """
        smoother = Smoother(self.smooth, memory_s=self.memory_s) if self.smooth else None
        for frame in _tracked(frames, Tracker(patience_s=self.patience_s)):
            assert frame.ids is not None and frame.raw is not None
            values = baseline.subtracted(frame.ids, frame.raw) if baseline else frame.raw
            if smoother:
                values = smoother.update(frame.ids, values, frame.time_s)
            yield replace(frame, predictions=replace(frame.predictions, probabilities=values))


def second_pass(
    frames: Callable[[], Iterable[ClipFrame]], labels: LabelSet, how: SecondPass
) -> tuple[Iterator[ClipFrame], Baseline]:
    """Go over the stored frames of a clip: once, and before that, where there is a baseline, up to its end.

    Args:
        frames: begins to read the stored frames, in the order of the clip.
        labels: of their probabilities.
        how: the settings.

    Returns:
        The final frames, one by one, and the baseline: a face that is not in its `bias` was not seen in the stretch,
        and keeps its values.
    """
    baseline = how.baseline_of(frames(), labels)
    return how.run(frames(), baseline), baseline


def clip_columns(labels: LabelSet) -> dict[str, type]:
    """Column name -> type of its values, of a table that holds clips."""
    return columns(labels) | {f"raw_p_{label}": float for label in labels} | dict.fromkeys(QUALITY, float)


def rows(frame: ClipFrame, source: str, *, abstain: float | None = None) -> list[Row]:
    """The rows of one frame: one a face, or one without a face_id where there is none.

    Args:
        frame: after the second pass.
        source: path of the clip.
        abstain: leave the label empty where the most probable one has less than this probability.
    """
    labels = frame.predictions.label_set
    blank: Row = dict.fromkeys(clip_columns(labels))
    blank |= {"source": printable(source), "frame": frame.index, "time_s": round(frame.time_s, 6)}
    if not len(frame.predictions):
        return [blank]
    assert frame.ids is not None and frame.raw is not None
    found = frame.predictions.to_dict() | {"face_id": frame.ids.tolist()}
    found |= {f"raw_p_{label}": frame.raw[:, k].tolist() for k, label in enumerate(labels)}
    found |= {name: values.tolist() for name, values in frame.quality.items()}
    if abstain is not None:
        sure = frame.predictions.probabilities.max(1) >= abstain
        found["label"] = [label if keep else None for label, keep in zip(found["label"], sure, strict=True)]
    names = list(found)
    return [
        blank | {name: rounded(name, value) for name, value in zip(names, values, strict=True)}
        for values in zip(*found.values(), strict=True)
    ]


def _tracked(frames: Iterable[ClipFrame], tracker: Tracker) -> Iterator[ClipFrame]:
    for frame in frames:
        if frame.cut:
            tracker.reset()
        yield replace(frame, ids=tracker.update(frame.predictions.boxes, frame.time_s))
