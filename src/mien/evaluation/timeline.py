"""The course of a clip in a few hundred steps of time, however long it is."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from mien.core.labels import UNSURE
from mien.evaluation.behaviour import Row

Wide = npt.NDArray[np.float64]

_FINEST_S = 1 / 64


@dataclass(frozen=True, eq=False)
class FaceCourse:
    """One face over B steps.

    Attributes:
        face_id: its number. seconds: how long it was seen.
        seen: (B,) for how many seconds of each step.
        shares: (B, K) mean probabilities of the time in which it was seen; NaN where it was not.
        state: (B,) number of the state (an emotion, or K for unsure) that prevailed; -1 where it was not seen.
    """

    face_id: int
    seconds: float
    seen: Wide
    shares: Wide
    state: npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Course:
    """A clip in B steps of `step_s` seconds, the first from second 0 on.

    Attributes:
        labels: the K emotions. step_s: length of a step. seconds: of the clip.
        faces: the longest seen first.
        nobody: (B,) for how many seconds of each step nobody was seen.
    """

    labels: tuple[str, ...]
    step_s: float
    seconds: float
    faces: tuple[FaceCourse, ...]
    nobody: Wide

    @property
    def states(self) -> tuple[str, ...]:
        """The emotions, and what a face without a label is in."""
        return (*self.labels, UNSURE)


@dataclass
class Recorder:
    """Draws up the course of a clip from its rows as they go by.

    Steps are as fine as `most` of them allow: where a clip turns out to be longer, two and two become one. So memory
    grows with the faces, not with the frames.

    Attributes:
        labels: of the probabilities. most: how many steps there are at the most.
    """

    labels: tuple[str, ...]
    most: int = 320
    _step_s: float = _FINEST_S
    _end_s: float = 0.0
    _faces: dict[int, dict[int, Wide]] = field(default_factory=dict)  # id -> step -> seconds, p and state times seconds
    _nobody: dict[int, Wide] = field(default_factory=dict)

    def add(self, rows: Sequence[Row], length_s: float) -> None:
        """The rows of one frame, and how long it lasts, see `mien.evaluation.behaviour.timed`."""
        start = rows[0]["time_s"]
        end = start + max(length_s, 1e-6)
        self._end_s = end
        while end > self._step_s * self.most:
            self._step_s *= 2
            self._nobody = _halved(self._nobody)
            self._faces = {face: _halved(steps) for face, steps in self._faces.items()}
        for row in rows:
            if row["face_id"] is None:
                self._spread(self._nobody, start, end, np.ones(1))
            else:
                self._spread(self._faces.setdefault(row["face_id"], {}), start, end, self._values(row))

    def _values(self, row: Row) -> Wide:
        k = len(self.labels)
        values = np.zeros(2 * k + 2)
        values[0] = 1
        values[1 : 1 + k] = [row[f"p_{label}"] for label in self.labels]
        values[1 + k + (self.labels.index(row["label"]) if row["label"] else k)] = 1
        return values

    def _spread(self, steps: dict[int, Wide], start: float, end: float, values: Wide) -> None:
        """Give each step its part of a frame."""
        for step in range(int(start / self._step_s), int(end / self._step_s) + 1):
            part = min(end, (step + 1) * self._step_s) - max(start, step * self._step_s)
            if part > 1e-9:
                steps[step] = steps.get(step, 0) + part * values

    def result(self) -> Course:
        """The course so far."""
        count = max(1, int(np.ceil(round(self._end_s / self._step_s, 6))))
        faces = [self._face(face, steps, count) for face, steps in self._faces.items()]
        faces.sort(key=lambda course: (-round(course.seconds, 6), course.face_id))
        nobody = np.array([float(self._nobody.get(step, np.zeros(1))[0]) for step in range(count)])
        return Course(self.labels, self._step_s, self._end_s, tuple(faces), nobody)

    def _face(self, face: int, steps: dict[int, Wide], count: int) -> FaceCourse:
        k = len(self.labels)
        sums = np.zeros((count, 2 * k + 2))
        for step, values in steps.items():
            sums[min(step, count - 1)] += values
        return _course(face, sums, k)


def coarser(course: Course, most: int) -> Course:
    """The same course in at most so many steps."""
    while len(course.nobody) > most:
        k = len(course.labels)
        faces = []
        for face in course.faces:
            states = np.zeros((len(face.seen), k + 1))
            known = face.state >= 0
            states[np.flatnonzero(known), face.state[known]] = face.seen[known]
            weighted = np.nan_to_num(face.shares) * face.seen[:, None]
            faces.append(_course(face.face_id, _two_by_two(np.column_stack([face.seen, weighted, states])), k))
        nobody = _two_by_two(course.nobody[:, None])[:, 0]
        course = replace(course, step_s=2 * course.step_s, faces=tuple(faces), nobody=nobody)
    return course


def _course(face: int, sums: Wide, classes: int) -> FaceCourse:
    """Means from sums: (B, 1 + K + K + 1) seconds, probabilities times seconds, states times seconds."""
    seen = sums[:, 0]
    shares = np.full((len(sums), classes), np.nan)
    np.divide(sums[:, 1 : 1 + classes], seen[:, None], out=shares, where=seen[:, None] > 0)
    state = np.where(seen > 0, sums[:, 1 + classes :].argmax(1), -1)
    return FaceCourse(face, float(seen.sum()), seen, shares, state)


def _halved(steps: dict[int, Wide]) -> dict[int, Wide]:
    halved: dict[int, Wide] = {}
    for step, values in steps.items():
        halved[step // 2] = halved.get(step // 2, 0) + values
    return halved


def _two_by_two(rows: Wide) -> Wide:
    if len(rows) % 2:
        rows = np.concatenate([rows, np.zeros_like(rows[:1])])
    summed: Wide = rows.reshape(-1, 2, rows.shape[1]).sum(1)
    return summed
