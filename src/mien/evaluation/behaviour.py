"""What each face did over a clip: how long it was seen, with which emotions, in what episodes and order.

Everything counts seconds, not rows: a frame lasts until the next one that was looked at. So clips of variable frame
rate, or of every fifth frame, give the same figures.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.core.labels import UNSURE

Row = dict[str, Any]
Wide = npt.NDArray[np.float64]

GAP_S = 1.0
"""A face that was out of sight for longer begins a new episode."""


def timed(frames: Iterable[Sequence[Row]]) -> Iterator[tuple[Sequence[Row], float]]:
    """The rows of each frame, and how many seconds it lasts: until the next one, the last as long as the one before.

    Args:
        frames: of one clip, in order; each has one row at least.
    """
    before: Sequence[Row] | None = None
    length = 0.0
    for rows in frames:
        if before is not None:
            length = rows[0]["time_s"] - before[0]["time_s"]
            yield before, length
        before = rows
    if before is not None:
        yield before, length


@dataclass(frozen=True, eq=False)
class FaceBehaviour:
    """One face over a clip.

    Attributes:
        face_id: its number. first_s, last_s: when it was seen first, and when the last frame with it ends.
        seconds: how long it was seen in all. frames: in how many frames that were looked at.
        states: the S emotions, and `UNSURE` where the label was left empty at times.
        share: (S,) of the time in which it was seen; sums to 1.
        mean: (K,) mean probability of each emotion over that time; sums to 1.
        episodes: (S,) how often each state was entered. An episode ends with another state, and where the face is out
            of sight for more than `GAP_S`.
        episode_s: (S,) mean seconds of these episodes, NaN where there is none. Time out of sight does not count.
        transitions: (S, S) how often a state (row) was followed by another (column) without such a gap.
    """

    face_id: int
    first_s: float
    last_s: float
    seconds: float
    frames: int
    states: tuple[str, ...]
    share: Wide
    mean: Wide
    episodes: npt.NDArray[np.int64]
    episode_s: Wide
    transitions: npt.NDArray[np.int64]

    @property
    def label(self) -> str:
        """The state that it was in for the longest time."""
        return self.states[int(self.share.argmax())]


@dataclass(frozen=True, eq=False)
class ClipBehaviour:
    """All faces of a clip.

    Attributes:
        source: the clip. labels: the K emotions that the model tells apart.
        seconds: from the first frame to the end of the last. without_face_s: of these, how long nobody was seen.
        frames: how many were looked at.
        faces: by their numbers.
    """

    source: str
    labels: tuple[str, ...]
    seconds: float
    without_face_s: float
    frames: int
    faces: tuple[FaceBehaviour, ...]


@dataclass
class _Sums:
    """What is known of a face so far."""

    first_s: float
    last_s: float
    frames: int
    time: Wide  # (S,) seconds
    mean: Wide  # (K,) probability times seconds
    episodes: npt.NDArray[np.int64]
    transitions: npt.NDArray[np.int64]
    state: int | None = None


@dataclass
class Observer:
    """Watches the rows of a clip go by; memory grows with the faces, not with the frames.

    Attributes:
        source: the clip. labels: of its probabilities.
    """

    source: str
    labels: tuple[str, ...]
    _faces: dict[int, _Sums] = field(default_factory=dict)
    _seconds: float = 0.0
    _empty_s: float = 0.0
    _frames: int = 0

    def add(self, rows: Sequence[Row], length_s: float) -> None:
        """The rows of one frame, and how long it lasts, see `timed`."""
        self._frames += 1
        self._seconds += length_s
        seen = [row for row in rows if row["face_id"] is not None]
        if not seen:
            self._empty_s += length_s
        for row in seen:
            self._add_face(row, length_s)

    def _add_face(self, row: Row, length_s: float) -> None:
        k, start = len(self.labels), row["time_s"]
        sums = self._faces.get(row["face_id"])
        if sums is None:
            counts = np.zeros(k + 1, np.int64)
            sums = _Sums(start, start, 0, np.zeros(k + 1), np.zeros(k), counts, np.zeros((k + 1, k + 1), np.int64))
            self._faces[row["face_id"]] = sums
        state = self.labels.index(row["label"]) if row["label"] else k
        within = start - sums.last_s <= GAP_S
        if state != sums.state or not within:
            sums.episodes[state] += 1
            if sums.state is not None and within:
                sums.transitions[sums.state, state] += 1
        # A clip of a single frame lasts no time, but has its shares.
        weight = max(length_s, 1e-9)
        sums.time[state] += weight
        sums.mean += weight * np.array([row[f"p_{label}"] for label in self.labels])
        sums.state, sums.last_s, sums.frames = state, start + length_s, sums.frames + 1

    def result(self) -> ClipBehaviour:
        """What was seen so far."""
        faces = tuple(self._face(number, self._faces[number]) for number in sorted(self._faces))
        return ClipBehaviour(self.source, self.labels, self._seconds, self._empty_s, self._frames, faces)

    def _face(self, number: int, sums: _Sums) -> FaceBehaviour:
        unsure = bool(sums.episodes[-1])
        states = (*self.labels, UNSURE) if unsure else self.labels
        n = len(states)
        total = sums.time.sum()
        lengths = np.full(n, np.nan)
        np.divide(sums.time[:n], sums.episodes[:n], out=lengths, where=sums.episodes[:n] > 0)
        return FaceBehaviour(
            face_id=number,
            first_s=sums.first_s,
            last_s=sums.last_s,
            seconds=total,
            frames=sums.frames,
            states=states,
            share=sums.time[:n] / total,
            mean=sums.mean / total,
            episodes=sums.episodes[:n],
            episode_s=lengths,
            transitions=sums.transitions[:n, :n],
        )


def summary_rows(clips: Iterable[ClipBehaviour]) -> Iterator[list[Any]]:
    """A header, and a row a face: of a csv file. Shares of `UNSURE` have columns where any face has them.

    The columns: source, face_id, first_s, last_s, seconds, frames, label; then share_, episodes_ and episode_s_ of
    each state, and p_ of each emotion.
    """
    clips = list(clips)
    states = _states(clips)
    labels = clips[0].labels if clips else ()
    yield [
        *("source", "face_id", "first_s", "last_s", "seconds", "frames", "label"),
        *(f"{what}_{state}" for what in ("share", "episodes", "episode_s") for state in states),
        *(f"p_{label}" for label in labels),
    ]
    for clip in clips:
        for face in clip.faces:
            more = len(states) - len(face.states)  # this face was never unsure
            yield [
                *(clip.source, face.face_id, *_digits([face.first_s, face.last_s, face.seconds]), face.frames),
                face.label,
                *_digits([*face.share, *[0.0] * more]),
                *[*face.episodes.tolist(), *[0] * more],
                *_digits([*face.episode_s, *[np.nan] * more]),
                *_digits(face.mean),
            ]


def transition_rows(clips: Iterable[ClipBehaviour]) -> Iterator[list[Any]]:
    """A header, and a row a face and pair of states: how often one followed the other, and the share of all that did.

    Of K states there are K (K - 1) pairs; the share is empty where a state was never left.
    """
    yield ["source", "face_id", "from", "to", "count", "share"]
    for clip in clips:
        for face in clip.faces:
            for i, before in enumerate(face.states):
                left = int(face.transitions[i].sum())
                for j, after in enumerate(face.states):
                    if i != j:
                        count = int(face.transitions[i, j])
                        share = round(count / left, 6) if left else None
                        yield [clip.source, face.face_id, before, after, count, share]


def _states(clips: Sequence[ClipBehaviour]) -> tuple[str, ...]:
    return max((face.states for clip in clips for face in clip.faces), key=len, default=())


def _digits(values: Iterable[float]) -> list[float | None]:
    return [None if np.isnan(value) else round(float(value), 6) for value in values]
