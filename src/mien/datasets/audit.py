"""What is wrong with data: copies, leaks between splits, labels that contradict each other, blank images.

`audit` finds and counts; what to do about each image is decided in `mien.datasets.remedies`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations, count
from typing import Any

import numpy as np

from mien.datasets.compared import Codes, Mask, Rows, codes_of, contradict, gather, holds, stands_later
from mien.datasets.duplicates import DISTANCE, Ids
from mien.datasets.lists import DROP, RELABEL, REVIEW, Entry
from mien.datasets.remedies import OVERSAMPLED, remedies
from mien.datasets.table import SPLITS, Table


@dataclass(frozen=True, eq=False)
class Audit:
    """The figures of an audit.

    Attributes:
        data: name of each table -> split -> images.
        cross_split: ``"train|valid"`` -> `images` of the later split with an exact copy in the earlier, `groups` of
            such copies, `label_conflicts` among them (groups), the same for each label source, and `near_images` of
            the later split that have a near copy, but no exact one, in the earlier.
        within_split: split -> `images` that repeat an earlier one, `groups`, `label_conflicts`, `near_images`,
            `blank`, `oversampled` images, and `most_copies` of one image.
        between_data: ``"a|b"`` -> as in `cross_split`, whatever the split; the labels are those of each table's
            first source.
        subjects_crossing, clips_crossing: those seen in several splits; None where the data name none.
        blank, oversampled: images. no_face: images in which most raters see none; None where nobody was asked.
        no_face_found: images in which the detector found none; None where it was not asked.
        entries: what to do, a row an image and problem.
    """

    data: Mapping[str, Mapping[str, int]]
    cross_split: Mapping[str, Mapping[str, Any]]
    within_split: Mapping[str, Mapping[str, Any]]
    between_data: Mapping[str, Mapping[str, Any]]
    subjects_crossing: int | None
    clips_crossing: int | None
    blank: int
    no_face: int | None
    no_face_found: int | None
    oversampled: int
    entries: tuple[Entry, ...]

    @property
    def rows(self) -> int:
        """Images in all tables."""
        return sum(sum(splits.values()) for splits in self.data.values())

    @property
    def clean(self) -> bool:
        """Whether nothing crosses splits and no labels contradict each other."""
        counted = [*self.cross_split.values(), *self.within_split.values(), *self.between_data.values()]
        crossing = any(each["images"] or each["near_images"] for each in self.cross_split.values())
        conflicts = any(each["label_conflicts"] for each in counted)
        return not (crossing or conflicts or self.subjects_crossing or self.clips_crossing)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: all but the entries, of which it says how many there are."""
        figures = {name: value for name, value in vars(self).items() if name != "entries"}
        actions = {name: sum(each.action == name for each in self.entries) for name in (DROP, RELABEL, REVIEW)}
        return {"rows": self.rows, **figures, "actions": actions, "clean": self.clean}


def audit(
    tables: Sequence[Table],
    *,
    distance: int = DISTANCE,
    not_found: Mask | None = None,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Audit:
    """Look at the images of tables, each by itself and against all others.

    Args:
        tables: of images of any size, grey or colour.
        distance: most bits, 0 to 11, in which the hashes of near copies differ.
        not_found: (n,) of all tables' images in a row, true where a detector found no face; None: not asked.
        tell: called with the number of images seen and compared so far, and the total of both.
    """
    rows = replace(gather(tables, distance=distance, tell=tell), not_found=not_found)
    names = data_names(tables)
    within = {SPLITS[split]: _within(rows, split) for split in np.unique(rows.split).tolist()}
    first = {"first": _first_labels(tables, rows.names)}
    return Audit(
        data={
            name: {split: int(np.count_nonzero(table.split == split)) for split in table.splits}
            for name, table in zip(names, tables, strict=True)
        },
        cross_split={
            f"{one}|{other}": _shared(
                rows, rows.split == SPLITS.index(one), rows.split == SPLITS.index(other), rows.labels
            )
            for one, other in combinations([each for each in SPLITS if each in within], 2)
        },
        within_split=within,
        between_data={
            f"{names[one]}|{names[other]}": _shared(rows, rows.data == one, rows.data == other, first)
            for one, other in combinations(range(len(tables)), 2)
        },
        subjects_crossing=_crossing(rows, rows.subject),
        clips_crossing=_crossing(rows, rows.clip),
        blank=int(rows.blank.sum()),
        no_face=None if rows.no_face is None else int(rows.no_face.sum()),
        no_face_found=None if not_found is None else int(not_found.sum()),
        oversampled=sum(each["oversampled"] for each in within.values()),
        entries=tuple(remedies(rows)),
    )


def _shared(rows: Rows, earlier: Mask, later: Mask, labels: Mapping[str, Codes]) -> dict[str, Any]:
    """What two sets of images have in common."""
    there = holds(rows.exact, earlier)
    both = there & holds(rows.exact, later)
    exact_copy = later & there[rows.exact]
    near_copy = later & holds(rows.near, earlier)[rows.near] & ~exact_copy
    return {
        "images": int(exact_copy.sum()),
        "groups": int(both.sum()),
        **_conflicts(rows.exact, labels, earlier | later, both),
        "near_images": int(near_copy.sum()),
    }


def _conflicts(groups: Ids, labels: Mapping[str, Codes], among: Mask, which: Mask) -> dict[str, Any]:
    by_source = {source: which & each for source, each in contradict(groups, labels, among).items()}
    anywhere = np.logical_or.reduce(list(by_source.values())) if by_source else np.zeros(1, np.bool_)
    return {
        "label_conflicts": int(anywhere.sum()),
        "label_conflicts_by_source": {source: int(each.sum()) for source, each in by_source.items()},
    }


def _within(rows: Rows, split: int) -> dict[str, Any]:
    """What repeats itself in one split; each table is looked at by itself."""
    figures = [_within_one(rows, (rows.split == split) & (rows.data == data)) for data in np.unique(rows.data)]
    total: dict[str, Any] = {}
    for each in figures:
        for name, value in each.items():
            if isinstance(value, dict):
                total[name] = {key: total.get(name, {}).get(key, 0) + more for key, more in value.items()}
            else:
                total[name] = max(total.get(name, 0), value) if name == "most_copies" else total.get(name, 0) + value
    return total


def _within_one(rows: Rows, here: Mask) -> dict[str, Any]:
    exact, near = (np.bincount(groups[here], minlength=len(rows)) for groups in (rows.exact, rows.near))
    seen = np.bincount(rows.near[here & ~rows.blank], minlength=len(rows))
    repeated = np.maximum(exact - 1, 0).sum()
    return {
        "images": int(repeated),
        "groups": int((exact > 1).sum()),
        **_conflicts(rows.exact, rows.labels, here, exact > 1),
        "near_images": int(np.maximum(near - 1, 0).sum() - repeated),
        "blank": int((rows.blank & here).sum()),
        "oversampled": int(seen[seen >= OVERSAMPLED].sum()),
        "most_copies": int(seen.max(initial=0)),
    }


def _crossing(rows: Rows, numbers: Ids | None) -> int | None:
    """How many subjects or clips stand in several splits."""
    return None if numbers is None else len(np.unique(numbers[stands_later(rows, numbers)]))


def _first_labels(tables: Sequence[Table], names: tuple[str, ...]) -> Codes:
    """The labels of each table's first source."""
    parts = [
        codes_of(next(iter(table.sources.values())), names) if table.sources else np.full(len(table), -1, np.int16)
        for table in tables
    ]
    return np.concatenate(parts)


def data_names(tables: Sequence[Table]) -> list[str]:
    """What to call the tables: distinct."""
    names: list[str] = []
    for table in tables:
        name = table.meta.get("name", "table")
        others = (f"{name}-{number}" for number in count(len(names) + 1))
        names.append(next(each for each in chain([name], others) if each not in names))
    return names
