"""Figures of a clip: what each face expressed, second by second."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MultipleLocator

from mien.core.labels import UNSURE
from mien.evaluation.timeline import Course, FaceCourse, Wide, coarser
from mien.reporting.style import GRID, INK, MUTED, color_of, is_narrow, new_figure

MOST_FACES = 6  # in one figure
_STEPS, _STEPS_NARROW = 320, 120
_FACE, _STRIP = 0.95, 0.17  # heights in inches: of a face's probabilities, and of a strip
_UNSURE = "#b6bfc9"
_LEAST = 0.01  # an emotion whose probability is never larger is not drawn


def timeline(course: Course, width: float) -> Figure:
    """For each face the probabilities, stacked, and a strip of what prevailed; below, where nobody was found.

    Args:
        course: of a clip; the `MOST_FACES` faces that were seen the longest are drawn.
        width: of the figure in inches.
    """
    narrow = is_narrow(width)
    course = coarser(course, _STEPS_NARROW if narrow else _STEPS)
    faces = tuple(sorted(course.faces[:MOST_FACES], key=lambda face: face.face_id))
    heights = [*[_FACE, _STRIP] * len(faces), _STRIP]
    figure = new_figure(width, sum(heights) + 0.11 * len(heights) + (1.25 if narrow else 0.75))
    axes = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights).ravel()
    edges = np.arange(len(course.nobody) + 1, dtype=np.float64) * course.step_s
    for k, face in enumerate(faces):
        _probabilities(axes[2 * k], edges, face, course.labels)
        axes[2 * k].set_title(f"face {face.face_id}")
        _strip(axes[2 * k + 1], edges, face, course.states)
    _nobody(axes[-1], edges, course.nobody)
    axes[-1].set_xlim(0, max(course.seconds, course.step_s))
    axes[-1].xaxis.set_major_locator(MultipleLocator(_tick(course.seconds, 4 if narrow else 10)))
    axes[-1].xaxis.set_major_formatter(lambda value, _: clock(value))
    axes[-1].set_xlabel("time (minutes:seconds)")
    _legend(figure, course, faces, columns=4 if narrow else 9)
    return figure


def _tick(seconds: float, most: int) -> float:
    """A round time between marks, of which there are to be at most so many."""
    rounds = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
    return next((each for each in rounds if seconds <= most * each), 3600 * np.ceil(seconds / 3600 / most))


def clock(seconds: float) -> str:
    """Seconds as ``1:05``, with tenths where they are not whole.

    >>> clock(65), clock(2.5)
    ('1:05', '0:02.5')
    """
    tenths = round(10 * seconds)
    whole = f"{tenths // 600}:{tenths // 10 % 60:02}"
    return f"{whole}.{tenths % 10}" if tenths % 10 else whole


def _probabilities(axis: Axes, edges: Wide, face: FaceCourse, labels: tuple[str, ...]) -> None:
    for first, last in _runs(face.state >= 0):
        x = np.concatenate(
            [edges[first : first + 1], (edges[first:last] + edges[first + 1 : last + 1]) / 2, [edges[last]]]
        )
        shares = 100 * face.shares[first:last]
        shares = np.vstack([shares[:1], shares, shares[-1:]])
        tops = np.minimum(shares.cumsum(1), 100)
        for k, label in enumerate(labels):
            if shares[:, k].max() > 100 * _LEAST:
                axis.fill_between(x, tops[:, k] - shares[:, k], tops[:, k], color=color_of(label), lw=0)
    axis.set(ylim=(0, 100), yticks=(0, 50, 100), yticklabels=("0", "50", "100 %"))
    axis.grid(axis="both")


def _strip(axis: Axes, edges: Wide, face: FaceCourse, states: tuple[str, ...]) -> None:
    for k, state in enumerate(states):
        spans = [(edges[first], edges[last] - edges[first]) for first, last in _runs(face.state == k)]
        if spans:
            axis.broken_barh(spans, (0, 1), color=_color(state), lw=0)
    _bare(axis, "label")


def _nobody(axis: Axes, edges: Wide, nobody: Wide) -> None:
    length = edges[1] - edges[0]
    spans = [(edges[first], edges[last] - edges[first]) for first, last in _runs(nobody > 0.5 * length)]
    if spans:
        axis.broken_barh(spans, (0, 1), color=INK, lw=0)
    _bare(axis, "no face")


def _bare(axis: Axes, name: str) -> None:
    """A strip has a name and no scale."""
    axis.set(ylim=(0, 1), yticks=(0.5,), yticklabels=(name,))
    axis.axhline(0, color=GRID, lw=0.7)
    axis.grid(False)


def _legend(figure: Figure, course: Course, faces: tuple[FaceCourse, ...], *, columns: int) -> None:
    shown = [k for k in range(len(course.labels)) if any(np.nanmax(face.shares[:, k]) > _LEAST for face in faces)]
    names = [course.labels[k] for k in shown]
    if any((face.state == len(course.labels)).any() for face in faces):
        names.append(UNSURE)
    if names:
        patches = [Patch(color=_color(name), label=name, lw=0) for name in names]
        figure.legend(
            handles=patches, loc="outside upper left", ncols=columns, frameon=False, fontsize=7.5, labelcolor=MUTED,
            handlelength=1, handleheight=1, columnspacing=1.2,
        )  # fmt: skip


def _color(state: str) -> str:
    return _UNSURE if state == UNSURE else color_of(state)


def _runs(mask: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """First and one past the last of each stretch that is true."""
    changes = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    yield from zip(changes[::2].tolist(), changes[1::2].tolist(), strict=True)
