"""The images of one table or several, each compared with all others, and what is known about them in one order."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError
from mien.datasets.duplicates import Fingerprints, Ids, groups_of, groups_of_keys, near_pairs
from mien.datasets.readers.ferplus_rules import VOTES
from mien.datasets.table import SPLITS, LabelColumn, Strings, Table

BLANK = 5.0  # standard deviation of the grey values below which an image shows nothing

Mask = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class Rows:
    """The images of all tables in one row of arrays, n long.

    Attributes:
        ids: theirs. split: 0 train, 1 valid, 2 test. data: number of the table.
        exact: group of images with the same pixels, named by its first row.
        near: group of images that are nearly the same; it holds whole groups of `exact`.
        labels: label source -> number of the label in `names`, -1 where there is none.
        names: of the labels.
        subject, clip: numbers, distinct between tables, -1 where not known; None where no table knows any.
        blank: whether an image shows nothing. no_face: whether most raters saw no face, None where nobody was asked.
        not_found: whether a detector found no face; None where none was asked.
    """

    ids: Strings
    split: npt.NDArray[np.int8]
    data: npt.NDArray[np.int16]
    exact: Ids
    near: Ids
    labels: Mapping[str, Codes]
    names: tuple[str, ...]
    subject: Ids | None
    clip: Ids | None
    blank: Mask
    no_face: Mask | None
    not_found: Mask | None = None

    def __len__(self) -> int:
        return len(self.ids)


def gather(tables: Sequence[Table], *, distance: int, tell: Callable[[int, int], None]) -> Rows:
    """Compare the images of all tables, and bring what is known about them into one order."""
    total, prints = sum(map(len, tables)), list[Fingerprints]()
    if not total:
        raise DataError("expected images to look at, got none: is the table empty?")
    for table in tables:
        before = sum(map(len, prints))
        prints.append(Fingerprints.of(table.images, tell=partial(_tell_sum, tell, before, 2 * total)))
    joined = Fingerprints.concatenate(prints)
    keys = [f"{table.images.shape[1:]}".encode() + key for table in tables for key in table.pixel_keys()]
    exact, clip, blank = groups_of_keys(keys), _numbers("clip_id", tables), joined.spread < BLANK
    labels, names = _label_codes(tables)
    return Rows(
        ids=np.concatenate([table.ids for table in tables]),
        split=np.array([SPLITS.index(each) for table in tables for each in table.split.tolist()], np.int8),
        data=np.repeat(np.arange(len(tables), dtype=np.int16), [len(table) for table in tables]),
        exact=exact,
        near=_near(joined, exact, blank, clip, distance=distance, tell=tell),
        labels=labels,
        names=names,
        subject=_numbers("subject", tables),
        clip=clip,
        blank=blank,
        no_face=_no_face(tables),
    )


def _tell_sum(tell: Callable[[int, int], None], before: int, total: int, done: int) -> None:
    tell(before + done, total)


def _near(
    prints: Fingerprints,
    exact: Ids,
    blank: Mask,
    clip: Ids | None,
    *,
    distance: int,
    tell: Callable[[int, int], None],
) -> Ids:
    """Groups of near copies, whole groups of `exact` in them: one image of each is compared, blank ones are not.

    Frames of one clip are alike by nature: their pairs do not count.
    """
    n = len(prints)
    once = np.flatnonzero((exact == np.arange(n)) & ~blank)
    pairs = near_pairs(prints.select(once), distance=distance, tell=lambda share: tell(n + round(n * share), 2 * n))
    first, second = (once[each] for each in pairs)
    if clip is not None:
        apart = (clip[first] != clip[second]) | (clip[first] < 0)
        first, second = first[apart], second[apart]
    return groups_of(n, np.concatenate([exact, first]), np.concatenate([np.arange(n), second]))


def _label_codes(tables: Sequence[Table]) -> tuple[dict[str, Codes], tuple[str, ...]]:
    """Each label source's labels in one numbering for all, so that those of different data can be compared."""
    columns = [column for table in tables for column in table.sources.values()]
    names = tuple(dict.fromkeys(label for column in columns for label in column.label_set))
    codes = {}
    for source in dict.fromkeys(name for table in tables for name in table.sources):
        codes[source] = np.concatenate(
            [
                codes_of(table.sources[source], names) if source in table.sources else np.full(len(table), -1, np.int16)
                for table in tables
            ]
        )
    return codes, names


def codes_of(column: LabelColumn, names: Sequence[str]) -> Codes:
    """The labels of a column as their numbers in `names`, -1 where there is none: (n,)."""
    numbers = np.array([*(names.index(label) for label in column.label_set), -1], np.int16)  # id -1 is the last
    codes: Codes = numbers[column.ids]
    return codes


def _numbers(name: str, tables: Sequence[Table]) -> Ids | None:
    """The words of an extra column as numbers that differ between tables, -1 where there is none."""
    if not any(name in table.extra for table in tables):
        return None
    parts, used = [], 0
    for table in tables:
        words = table.extra.get(name, np.full(len(table), ""))
        known, numbers = np.unique(words, return_inverse=True)
        parts.append(np.where(words == "", -1, numbers.reshape(-1) + used))
        used += len(known)
    return np.concatenate(parts).astype(np.int64)


def _no_face(tables: Sequence[Table]) -> Mask | None:
    """Where more than half of the raters see no face; None where no table has votes."""
    if not any("votes" in table.extra for table in tables):
        return None
    parts = []
    for table in tables:
        votes = (
            table.extra.get("votes", np.zeros((len(table), len(VOTES)), np.int8)).astype(np.int16).clip(0)
        )  # -1: none
        parts.append(2 * votes[:, VOTES.index("NF")] > votes.sum(1))
    return np.concatenate(parts)


def contradict(groups: Ids, labels: Mapping[str, Codes], among: Mask) -> dict[str, Mask]:
    """Source -> for each group's name, whether the labels of its images out of `among` differ."""
    found = {}
    for source, codes in labels.items():
        which = np.flatnonzero(among & (codes >= 0))
        low, high = np.full(len(groups), np.iinfo(np.int16).max), np.full(len(groups), -1)
        np.minimum.at(low, groups[which], codes[which])
        np.maximum.at(high, groups[which], codes[which])
        found[source] = high > low
    return found


def holds(groups: Ids, members: Mask) -> Mask:
    """For each group's name, whether it holds one of the members."""
    found = np.zeros(len(groups), np.bool_)
    found[groups[members]] = True
    return found


def stands_later(rows: Rows, numbers: Ids) -> Mask:
    """The images whose subject or clip is seen in a later split, too; -1 is nobody."""
    last = np.full(numbers.max(initial=-1) + 1, -1)
    known = numbers >= 0
    np.maximum.at(last, numbers[known], rows.split[known])
    later = np.zeros(len(rows), np.bool_)
    later[known] = last[numbers[known]] > rows.split[known]
    return later
