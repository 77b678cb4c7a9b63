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

from mien.datasets.compared import Mask, Rows, contradict, holds, stands_later
from mien.datasets.duplicates import Ids
from mien.datasets.lists import DROP, RELABEL, REVIEW, Entry
from mien.datasets.table import SPLITS

OVERSAMPLED = 5  # images of one split that are copies of each other: more than chance brings together
TRAIN = SPLITS.index("train")


def remedies(rows: Rows) -> list[Entry]:
    """The list of an audit. An image has one row with the action drop or relabel at most."""
    found = _Remedies(rows)
    found.blank()
    found.across_splits()
    found.within_splits()
    found.near_within_splits()
    found.between_data()
    found.without_face()
    found.subjects_across_splits()
    return found.entries


class _Remedies:
    """Collects the entries; `gone` are the images that are dropped so far, of which nothing more is said."""

    def __init__(self, rows: Rows) -> None:
        self.rows, self.gone = rows, np.zeros(len(rows), np.bool_)
        self.entries: list[Entry] = []
        # Where two tables hold an image of one id, to drop it would drop it from both.
        _, number, count = np.unique(rows.ids, return_inverse=True, return_counts=True)
        self.common = count[number.reshape(-1)] > 1

    def blank(self) -> None:
        """They show nothing."""
        for row in _where(self.rows.blank):
            self._add(row, "blank", DROP)

    def across_splits(self) -> None:
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

    def within_splits(self) -> None:
        """Of exact copies in one split of one table one stays."""
        for members in _members(self.rows, self.rows.exact, ~self.gone):
            labels = {source: self._labels(members, source) for source in self.rows.labels}
            conflicts = {source: counts for source, counts in labels.items() if len(counts) > 1}
            tied = next((source for source, counts in conflicts.items() if _majority(counts) is None), None)
            if tied is not None:
                action = DROP if self.rows.split[members[0]] == TRAIN else REVIEW
                for row in members:
                    self._conflict(row, tied, conflicts[tied], action)
                continue
            kept = members[0]
            for source, counts in conflicts.items():
                majority = _majority(counts)
                if majority and self._label(kept, source) != majority:
                    self._conflict(kept, source, counts, RELABEL, suggestion=majority)
            for row in members[1:]:
                self._add(row, "copy", DROP, detail=f"the same pixels as {self.rows.ids[kept]}")

    def near_within_splits(self) -> None:
        """Near copies in one split of one table are looked at."""
        for members in _members(self.rows, self.rows.near, ~self.gone):
            if len({self.rows.exact[row] for row in members}) == 1:
                continue  # seen as exact copies already
            problem = "oversampled" if len(members) >= OVERSAMPLED else "near_copy"
            labels = {source: self._labels(members, source) for source in self.rows.labels}
            differ = next((source for source, counts in labels.items() if len(counts) > 1), None)
            for row in members:
                if differ is None:
                    self._add(row, problem, REVIEW)
                else:
                    self._conflict(row, differ, labels[differ], REVIEW, problem="near_copy_label_conflict")

    def between_data(self) -> None:
        """Images of a later table that stand in an earlier one."""
        rows = self.rows
        for data in range(1, int(rows.data.max(initial=0)) + 1):
            there = holds(rows.near, (rows.data < data) & ~rows.blank)
            for row in _where((rows.data == data) & there[rows.near] & ~self.gone & ~rows.blank):
                self._add(row, "copy_between_data", REVIEW, detail="stands in another table, too")

    def without_face(self) -> None:
        """By the raters, and by a detector, which errs more often."""
        rows = self.rows
        if rows.no_face is not None:
            for row in _where(rows.no_face & ~self.gone):
                action = DROP if rows.split[row] == TRAIN else REVIEW
                self._add(row, "no_face", action, detail="most raters see no face")
        if rows.not_found is not None:
            for row in _where(rows.not_found & ~self.gone):
                self._add(row, "no_face", REVIEW, detail="the detector finds no face")

    def subjects_across_splits(self) -> None:
        """Images whose subject or clip stands in a later split."""
        for name, numbers in (("subject", self.rows.subject), ("clip", self.rows.clip)):
            if numbers is not None:
                for row in _where(stands_later(self.rows, numbers)):
                    self._add(row, f"{name}_across_splits", REVIEW, detail=f"its {name} stands in a later split, too")

    def _conflict(
        self,
        row: int,
        source: str,
        counts: Counter[str],
        action: str,
        *,
        problem: str = "label_conflict",
        suggestion: str = "",
    ) -> None:
        detail = "labels of its copies: " + ", ".join(f"{count} {label}" for label, count in counts.most_common())
        label = self._label(row, source)
        self._add(row, problem, action, source=source, label=label, suggestion=suggestion, detail=detail)

    def _add(
        self,
        row: int,
        problem: str,
        action: str,
        *,
        source: str = "",
        label: str = "",
        suggestion: str = "",
        detail: str = "",
    ) -> None:
        name, split, group = self.rows.ids[row], SPLITS[self.rows.split[row]], self.rows.ids[self.rows.near[row]]
        if action == DROP:
            self.gone[row] = True
            if self.common[row]:
                action = REVIEW
        self.entries.append(Entry(str(name), split, problem, str(group), action, source, label, suggestion, detail))

    def _label(self, row: int, source: str) -> str:
        code = self.rows.labels[source][row]
        return self.rows.names[code] if code >= 0 else ""

    def _labels(self, members: list[int], source: str) -> Counter[str]:
        """Label -> how many of the members have it; those without one do not count."""
        return Counter(label for label in (self._label(row, source) for row in members) if label)


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
