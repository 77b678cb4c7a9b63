"""What to do about each image that an audit found: the rows of its list.

- A blank image is dropped.
- An image that stands again in a later split, exactly or nearly, is dropped: what is evaluated on stays as published.
- Of exact copies within a split one is kept. If their labels contradict each other it takes the majority's; without a
  majority all of them are dropped from train, and are for review elsewhere.
- Near copies within a split, copies between data sets, labels that contradict those of another split, and subjects
  and clips that cross splits are for review: they change nothing until someone has looked.
- An image in which most raters see no face is dropped from train, and is for review elsewhere; one in which a
  detector finds none is for review.
"""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from mien.datasets.audit import OVERSAMPLED, Mask, Rows, contradict, holds, stands_later
from mien.datasets.duplicates import Ids
from mien.datasets.lists import DROP, RELABEL, REVIEW, Entry
from mien.datasets.table import SPLITS

TRAIN = SPLITS.index("train")


def remedies(rows: Rows) -> list[Entry]:
    """The list of an audit. An image has one row with the action drop or relabel at most."""
    return _Remedies(rows).entries


class _Remedies:
    """Collects the entries; `gone` are the images that are dropped so far."""

    def __init__(self, rows: Rows) -> None:
        self.rows, self.gone = rows, np.zeros(len(rows), np.bool_)
        self.entries: list[Entry] = []
        # Where two tables hold an image of one id, to drop it would drop it from both.
        self.common = np.zeros(len(rows), np.bool_)
        if rows.data.max(initial=0):
            _, number, count = np.unique(rows.ids, return_inverse=True, return_counts=True)
            self.common = count[number.reshape(-1)] > 1
        for row in _where(rows.blank):
            self._add(row, "blank", DROP)
        self._across_splits()
        self._within_splits()
        self._near_within_splits()
        self._between_data()
        self._without_face()
        for name, numbers in (("subject", rows.subject), ("clip", rows.clip)):
            if numbers is not None:
                for row in _where(stands_later(rows, numbers)):
                    self._add(row, f"{name}_across_splits", REVIEW, detail=f"its {name} stands in a later split, too")

    def _add(self, row: int, problem: str, action: str, *, detail: str = "", **more: str) -> None:
        rows = self.rows
        if action == DROP:
            if self.common[row]:
                action = REVIEW
            self.gone[row] = True
        name = str(rows.ids[rows.near[row]])
        self.entries.append(
            Entry(str(rows.ids[row]), SPLITS[rows.split[row]], problem, name, action, detail=detail, **more)
        )

    def _label(self, row: int, source: str) -> str:
        code = self.rows.labels[source][row]
        return self.rows.names[code] if code >= 0 else ""

    def _across_splits(self) -> None:
        """The earlier one goes; the later one, if its label is another, is looked at."""
        rows = self.rows
        for problem, groups in (("copy_across_splits", rows.exact), ("near_copy_across_splits", rows.near)):
            latest = _latest(groups, rows, ~rows.blank)
            for row in _where(~rows.blank & (rows.split[latest[groups]] > rows.split) & ~self.gone):
                other = latest[groups[row]]
                self._add(row, problem, DROP, detail=f"stands in {SPLITS[rows.split[other]]}: {rows.ids[other]}")
        crossing = holds(rows.exact, self.gone & ~rows.blank)
        for source, differ in contradict(rows.exact, rows.labels, ~rows.blank).items():
            for row in _where(differ[rows.exact] & crossing[rows.exact] & ~self.gone):
                label = self._label(row, source)
                detail = "a copy in an earlier split has another label"
                self._add(row, "label_conflict", REVIEW, source=source, label=label, detail=detail)

    def _within_splits(self) -> None:
        """Exact copies in one split of one table: one stays."""
        for members in _members(self.rows, self.rows.exact, ~self.gone):
            labels = {source: Counter(self._labels(members, source)) for source in self.rows.labels}
            conflicts = {source: counts for source, counts in labels.items() if len(counts) > 1}
            tied = [source for source, counts in conflicts.items() if _majority(counts) is None]
            if tied:
                action = DROP if self.rows.split[members[0]] == TRAIN else REVIEW
                for row in members:
                    label, detail = self._label(row, tied[0]), f"labels of its copies: {_said(conflicts[tied[0]])}"
                    self._add(row, "label_conflict", action, source=tied[0], label=label, detail=detail)
                continue
            kept = members[0]
            for source, counts in conflicts.items():
                majority, label = _majority(counts) or "", self._label(kept, source)
                if label != majority:
                    detail = f"labels of its copies: {_said(counts)}"
                    words = {"source": source, "label": label, "suggestion": majority, "detail": detail}
                    self._add(kept, "label_conflict", RELABEL, **words)
            for row in members[1:]:
                self._add(row, "copy", DROP, detail=f"the same pixels as {self.rows.ids[kept]}")

    def _near_within_splits(self) -> None:
        for members in _members(self.rows, self.rows.near, ~self.gone):
            if len({self.rows.exact[row] for row in members}) == 1:
                continue  # seen as exact copies already
            problem = "oversampled" if len(members) >= OVERSAMPLED else "near_copy"
            differ = [source for source in self.rows.labels if len(set(self._labels(members, source))) > 1]
            for row in members:
                words = {"source": differ[0], "label": self._label(row, differ[0])} if differ else {}
                detail = (
                    f"labels of its near copies: {_said(Counter(self._labels(members, differ[0])))}" if differ else ""
                )
                self._add(row, "near_copy_label_conflict" if differ else problem, REVIEW, detail=detail, **words)

    def _labels(self, members: list[int], source: str) -> list[str]:
        return [label for label in (self._label(row, source) for row in members) if label]

    def _between_data(self) -> None:
        """Images of a later table that stand in an earlier one."""
        rows = self.rows
        for data in range(1, int(rows.data.max(initial=0)) + 1):
            there = holds(rows.near, (rows.data < data) & ~rows.blank)
            for row in _where((rows.data == data) & there[rows.near] & ~self.gone & ~rows.blank):
                self._add(row, "copy_between_data", REVIEW, detail="stands in another table, too")

    def _without_face(self) -> None:
        rows = self.rows
        if rows.no_face is not None:
            for row in _where(rows.no_face & ~self.gone):
                action = DROP if rows.split[row] == TRAIN else REVIEW
                self._add(row, "no_face", action, detail="most raters see no face")
        if rows.not_found is not None:
            for row in _where(rows.not_found & ~self.gone):
                self._add(row, "no_face", REVIEW, detail="the detector finds no face")


def _where(mask: Mask) -> list[int]:
    rows: list[int] = np.flatnonzero(mask).tolist()
    return rows


def _latest(groups: Ids, rows: Rows, among: Mask) -> Ids:
    """For each group's name its first image of the latest split that it reaches."""
    which = np.flatnonzero(among)
    order = which[np.lexsort((-which, rows.split[which]))]
    latest = np.arange(len(rows))
    latest[groups[order]] = order  # the last one assigned stays
    return latest


def _members(rows: Rows, groups: Ids, among: Mask) -> Iterator[list[int]]:
    """The images of each group of two or more that share split and table, in order."""
    which = np.flatnonzero(among)
    key = (groups[which] * (int(rows.data.max(initial=0)) + 1) + rows.data[which]) * len(SPLITS) + rows.split[which]
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    sizes = np.diff(starts, append=len(order))
    for start, size in zip(starts[sizes > 1].tolist(), sizes[sizes > 1].tolist(), strict=True):
        yield which[order[start : start + size]].tolist()


def _majority(counts: Counter[str]) -> str | None:
    """The most frequent label, None if two are."""
    (label, most), *rest = counts.most_common(2)
    return None if rest and rest[0][1] == most else label


def _said(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {label}" for label, count in counts.most_common())
