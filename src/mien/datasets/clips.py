"""The clips of a table: which rows belong together, in which order, and which frames of them a net sees."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError
from mien.datasets.table import LabelColumn, Table, strings
from mien.runtime.preprocess import choose_frames

Rows = npt.NDArray[np.intp]

_CLIPS_TRUE = "readers of clips give all frames the label of theirs with --set clips=true"


@dataclass(frozen=True, eq=False)
class Clips:
    """n clips of a table of pictures.

    Attributes:
        table: a row a clip: its id, split and labels, and the picture and further columns of its peak.
        pictures: (m, H, W[, 3]) uint8, all of the table that the clips are made of.
        frames: (n, T) rows of `pictures`, in order of time.
        peak: (n,) rows of `pictures`.
    """

    table: Table
    pictures: npt.NDArray[np.uint8]
    frames: Rows
    peak: Rows

    def __len__(self) -> int:
        return len(self.frames)

    def select(self, which: Any) -> "Clips":
        """Some of the clips by mask, slice or index array."""
        return replace(self, table=self.table.select(which), frames=self.frames[which], peak=self.peak[which])


def clips_of(table: Table, frames: int) -> Clips:
    """Put the rows of each clip together.

    The peak of a clip is its row where the column `key` is true, which then is not among its frames; without such a
    row it is the last frame. A clip's label is that of its rows; rows without a label have no say.

    Args:
        table: has the columns `clip_id` and `frame`.
        frames: T, how many frames of each clip are taken, evenly spaced; short clips repeat their last frame.

    Raises:
        DataError: a column is missing, a row belongs to no clip, or the rows of a clip contradict each other.
    """
    names, parts = _parts(table)
    key = np.asarray(table.extra.get("key", np.zeros(len(table))), np.bool_)
    chosen = np.empty((len(parts), frames), np.intp)
    peak = np.empty(len(parts), np.intp)
    for clip, (name, rows) in enumerate(zip(names, parts, strict=True)):
        if len(set(table.split[rows].tolist())) > 1:
            raise DataError(
                f"expected one split a clip, got {' and '.join(sorted({*table.split[rows].tolist()}))} in the clip "
                f"{name}: split by clips"
            )
        chosen[clip], peak[clip] = _choose(rows, key[rows], frames, name)
    sources = {source: _labels_of_clips(source, column, names, parts) for source, column in table.sources.items()}
    return Clips(replace(table.select(peak), ids=strings(names), sources=sources), table.images, chosen, peak)


def _parts(table: Table) -> tuple[list[str], list[Rows]]:
    """Each clip's id, and its rows in order of time."""
    missing = [name for name in ("clip_id", "frame") if name not in table.extra]
    if missing:
        raise DataError(
            f"expected the columns clip_id and frame in the data of a net that takes clips, got no {missing[0]}: "
            "choose a net of single pictures, or data that name their clips"
        )
    clip_ids, frame = strings(table.extra["clip_id"]), table.extra["frame"]
    alone = np.flatnonzero(clip_ids == "")
    if len(alone):
        raise DataError(
            f"expected a clip_id in every row for a net that takes clips, got none in {len(alone):,} rows, such as "
            f"{table.ids[alone[0]]}: leave them out with --drop"
        )
    order = np.lexsort((frame, clip_ids))
    new = np.flatnonzero(clip_ids[order][1:] != clip_ids[order][:-1]) + 1
    parts = np.split(order, new) if len(order) else []
    names = [str(clip_ids[rows[0]]) for rows in parts]
    for name, rows in zip(names, parts, strict=True):
        if (np.diff(frame[rows]) == 0).any():
            raise DataError(f"expected each frame once in the clip {name}, got two of one number")
    return names, parts


def _choose(rows: Rows, key: npt.NDArray[np.bool_], frames: int, name: str) -> tuple[Rows, int]:
    """The rows that are seen as frames, and the one that is seen as the peak."""
    if key.sum() > 1 or key.all():
        raise DataError(
            f"expected at most one row with key in the clip {name}, and a frame beside it, got {int(key.sum())} of "
            f"{len(rows)} rows"
        )
    moving = rows[~key]
    peak = rows[key][0] if key.any() else rows[-1]
    return moving[choose_frames(len(moving), frames)], int(peak)


def _labels_of_clips(source: str, column: LabelColumn, names: Sequence[str], parts: Sequence[Rows]) -> LabelColumn:
    """One label a clip, out of those of its rows."""
    ids = np.full(len(parts), -1, np.int16)
    soft = None if column.soft is None else np.full((len(parts), len(column.label_set)), np.nan, np.float32)
    for clip, (name, rows) in enumerate(zip(names, parts, strict=True)):
        known = np.unique(column.ids[rows][column.ids[rows] >= 0])
        if len(known) > 1:
            said = " and ".join(column.label_set.labels[each] for each in known)
            raise DataError(f"expected one label of {source} a clip, got {said} in the clip {name}: {_CLIPS_TRUE}")
        ids[clip] = known[0] if len(known) else -1
        if column.soft is not None and soft is not None:
            votes = _alike(column.soft[rows], f"expected one distribution of {source} a clip, got others in {name}")
            soft[clip] = votes if votes is not None else np.nan
    return LabelColumn(column.label_set, ids, soft, column.rule, column.file)


def _alike(votes: npt.NDArray[np.float32], otherwise: str) -> npt.NDArray[np.float32] | None:
    """The distribution that all rows with one share; None if there is none."""
    given = votes[np.isfinite(votes).all(1)]
    if not len(given):
        return None
    if np.abs(given - given[0]).max() > 1e-3:
        raise DataError(otherwise)
    first: npt.NDArray[np.float32] = given[0]
    return first
