"""Is a data set complete, and as its authors hand it out? Counts against the published ones, and every picture opened.

What is looked for is what goes round: copies with a split or a class missing, with classes filled up by augmented
pictures, with other pixels or labels than the original, and copies that were cut off on their way.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mien.core.errors import InputError
from mien.datasets.dataset import DataSet, Picture, PictureRows, Published, StoredPicture
from mien.datasets.looking import Each, each_here
from mien.datasets.table import SPLITS

Tell = Callable[[int, int], None]
_Expected = Mapping[str, int]  # label, or "" where there is none

_NAMED = 3  # classes in a sentence
_TOLD = 256  # pictures from one word on how far it is to the next

# How tools name what they made out of a picture: `a_aug3.jpg`, `flip_a.jpg`, `a (1).jpg`, `a - Copy.jpg`.
_COPY = re.compile(
    r"(?:^|[^a-z])(?:aug(?:mented)?|flip(?:ped)?|mirror(?:ed)?|rot(?:ated?)?|copy)\d*(?:[^a-z]|$)|\(\d+\)\.",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Count:
    """How many pictures there are of one class.

    Attributes:
        label: None for pictures without a label.
        found: listed and, as far as that was looked at, readable. published: None where the authors do not say.
    """

    label: str | None
    found: int
    published: int | None

    @property
    def difference(self) -> int | None:
        """How many more than published; negative if fewer."""
        return None if self.published is None else self.found - self.published


@dataclass(frozen=True)
class SplitCount:
    """How many pictures there are in one split (or all of them: ``"all"``), in sum and class by class."""

    split: str
    found: int
    published: int | None
    classes: tuple[Count, ...]

    @property
    def difference(self) -> int | None:
        """How many more than published; negative if fewer."""
        return None if self.published is None else self.found - self.published


@dataclass(frozen=True)
class BadPicture:
    """A picture that is listed, but is not there, cannot be read, or is not as the others."""

    id: str
    where: str
    error: str


@dataclass(frozen=True)
class SharedName:
    """A name that several files of one split have."""

    name: str
    split: str
    places: tuple[str, ...]


@dataclass(frozen=True)
class CheckReport:
    """What was found.

    Attributes:
        name, root, form, origin, original: as in `DataSet`.
        source: the label source that is counted, None if there is none.
        compared: whether there are published counts. certain: whether a copy confirmed them.
        pictures: how many the data set lists. opened: whether each of them was opened.
        counts: split by split.
        missing: listed, but no such file. unreadable: there, but no picture.
        sizes: (width, height, pictures), the most frequent first.
        odd_sizes: of another size than published or, where none is, face crops of another size than the rest.
        shared_names: files of one split with one name. copies: where names speak of an augmented or copied picture.
        lacking: what is not there, a sentence each. altered: what is not as the authors hand it out.
        notes: what else to know.
    """

    name: str
    root: str
    form: str
    origin: str
    original: bool
    source: str | None
    compared: bool
    certain: bool
    pictures: int
    opened: bool
    counts: tuple[SplitCount, ...]
    missing: tuple[BadPicture, ...]
    unreadable: tuple[BadPicture, ...]
    sizes: tuple[tuple[int, int, int], ...]
    odd_sizes: tuple[BadPicture, ...]
    shared_names: tuple[SharedName, ...]
    copies: tuple[str, ...]
    lacking: tuple[str, ...]
    altered: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether it is complete and as distributed, as far as one can tell."""
        return not (self.lacking or self.altered)

    @property
    def verdict(self) -> str:
        """One sentence."""
        looked = "each opened" if self.opened else "none opened"
        if self.ok and not self.compared:
            return f"nothing wrong: {_pictures(self.pictures)}, {looked}; there are no published counts to compare with"
        if self.ok:
            return f"complete and as distributed: {_pictures(self.pictures)}, {looked}"
        parts = [_first("incomplete", self.lacking), _first("not as distributed", self.altered)]
        return "; ".join([*filter(None, parts), f"the data set is handed out by {self.origin}"])

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        counts = [
            asdict(split)
            | {"difference": split.difference}
            | {"classes": [asdict(each) | {"difference": each.difference} for each in split.classes]}
            for split in self.counts
        ]
        return asdict(self) | {"counts": counts, "ok": self.ok, "verdict": self.verdict}


class _File(NamedTuple):
    """A picture that is a file."""

    where: str
    split: str

    @property
    def name(self) -> str:
        """Without its folders."""
        return re.split(r"[/\\]", self.where)[-1]


def check(
    dataset: DataSet, *, decode: bool = True, tell: Tell = lambda done, total: None, each: Each = each_here
) -> CheckReport:
    """Compare a data set with what its authors publish, and open every picture.

    Args:
        dataset: as its reader gives it, all splits.
        decode: open every picture; else see only whether its file is there.
        tell: called with the number of pictures done and their total.
        each: who opens them.
    """
    sizes, errors = _look_at_all(dataset.pictures, decode, tell, each)
    missing, unreadable = _bad_pictures(dataset, errors)
    source, published = _counted_by(dataset)
    there = np.ones(len(dataset), np.bool_)
    there[list(errors)] = False
    counts = _count(dataset, there, source, published)
    compared = any(each.published is not None for each in counts)
    certain = compared and published is not None and published.certain
    odd = _odd_sizes(dataset, sizes, published)
    files = _files(dataset)
    shared, copies = _shared_names(files), tuple(each.where for each in files if _COPY.search(each.name))
    lacking = (*_lacking_files(missing, unreadable), *_lacking_counts(counts))
    altered, notes = [*_rework(dataset), *_too_many(counts)], [*dataset.notes]
    # What stands in a folder of one's own may bear any name; the authors' own files are known.
    (altered if published else notes).extend(_name_sentences(shared, copies))
    notes += _size_sentences(odd, sizes)
    if compared and not certain:
        notes.append("the published counts could not be confirmed on a copy: a difference may be theirs")
    return CheckReport(
        name=dataset.name,
        root=str(dataset.root),
        form=dataset.form,
        origin=dataset.origin,
        original=dataset.original,
        source=source,
        compared=compared,
        certain=certain,
        pictures=len(dataset),
        opened=decode,
        counts=counts,
        missing=missing,
        unreadable=unreadable,
        sizes=_size_counts(sizes),
        odd_sizes=odd,
        shared_names=shared,
        copies=copies,
        lacking=lacking,
        altered=tuple(altered),
        notes=tuple(notes),
    )


# Pictures ------------------------------------------------------------------------------------------------------------


def _look_at_all(
    pictures: Sequence[Picture], decode: bool, tell: Tell, each: Each
) -> tuple[npt.NDArray[np.int32], dict[int, tuple[bool, str]]]:
    """Width and height of each picture, 0 where not known, and row -> (whether a file is there, what is wrong)."""
    n = len(pictures)
    sizes = np.zeros((n, 2), np.int32)
    if isinstance(pictures, PictureRows):  # in memory already, and of one size
        sizes[:] = pictures.images.shape[2], pictures.images.shape[1]
        return sizes, {}
    errors: dict[int, tuple[bool, str]] = {}
    for row, seen in enumerate(each(_size, pictures, range(n)) if decode else map(_find, pictures)):
        if isinstance(seen, InputError):
            errors[row] = (_is_there(pictures[row]), str(seen))
        else:
            sizes[row] = seen
        if (row + 1) % _TOLD == 0 or row + 1 == n:
            tell(row + 1, n)
    return sizes, errors


def _size(picture: Picture) -> tuple[int, int]:
    height, width = picture.read().shape[:2]
    return width, height


def _find(picture: Picture) -> tuple[int, int] | InputError:
    return (0, 0) if _is_there(picture) else InputError(f"expected a picture at {picture.where}, got no such file")


def _is_there(picture: Picture) -> bool:
    path = getattr(picture, "path", None)
    return path is None or os.path.isfile(path)


def _bad_pictures(
    dataset: DataSet, errors: dict[int, tuple[bool, str]]
) -> tuple[tuple[BadPicture, ...], tuple[BadPicture, ...]]:
    """Those that are missing, and those that are there."""
    bad: dict[bool, list[BadPicture]] = {False: [], True: []}
    for row, (there, error) in errors.items():
        bad[there].append(BadPicture(str(dataset.ids[row]), dataset.pictures[row].where, error))
    return tuple(bad[False]), tuple(bad[True])


def _size_counts(sizes: npt.NDArray[np.int32]) -> tuple[tuple[int, int, int], ...]:
    counted = Counter(map(tuple, sizes[sizes.any(1)].tolist()))
    return tuple((width, height, n) for (width, height), n in counted.most_common())


def _odd_sizes(dataset: DataSet, sizes: npt.NDArray[np.int32], published: Published | None) -> tuple[BadPicture, ...]:
    """Pictures that have not the size that they should have, or face crops that have not that of most."""
    counted = _size_counts(sizes)
    usual = published.size if published else None
    if usual is None and dataset.faces and counted:
        usual = counted[0][:2]
    if usual is None:
        return ()
    rows = np.flatnonzero(sizes.any(1) & (sizes != usual).any(1)).tolist()
    expected = f"expected {usual[0]} x {usual[1]} pixels"
    return tuple(
        BadPicture(
            str(dataset.ids[row]), dataset.pictures[row].where, f"{expected}, got {sizes[row, 0]} x {sizes[row, 1]}"
        )
        for row in rows
    )


def _files(dataset: DataSet) -> list[_File]:
    """The pictures that are files."""
    if isinstance(dataset.pictures, PictureRows):
        return []
    some = zip(dataset.pictures, dataset.split.tolist(), strict=True)
    own = (pair for pair in some if hasattr(pair[0], "path") or isinstance(pair[0], StoredPicture))
    return [_File(each.where, split) for each, split in own]


def _shared_names(files: Sequence[_File]) -> tuple[SharedName, ...]:
    """Names of several files in one split; a file with several faces is one file."""
    places: dict[tuple[str, str], dict[str, None]] = {}
    for each in files:
        places.setdefault((each.name, each.split), {})[each.where] = None
    return tuple(SharedName(name, split, tuple(at)) for (name, split), at in places.items() if len(at) > 1)


# Counts --------------------------------------------------------------------------------------------------------------


def _counted_by(dataset: DataSet) -> tuple[str | None, Published | None]:
    """The label source whose classes are counted, and what is published of it."""
    published = dataset.published
    if published is not None and published.source in dataset.sources:
        return published.source, published
    return next(iter(dataset.sources), None), None


def _count(
    dataset: DataSet, there: npt.NDArray[np.bool_], source: str | None, published: Published | None
) -> tuple[SplitCount, ...]:
    column = None if source is None else dataset.sources[source]
    ids = np.full(len(dataset), -1) if column is None else column.ids
    labels = (*(column.label_set if column else ()), None)  # id -1 is the last

    def count(split: str, in_it: npt.NDArray[np.bool_], expected: _Expected | None, in_all: int | None) -> SplitCount:
        found = Counter(ids[there & in_it].tolist())
        classes = (
            Count(label, found[-1 if label is None else k], None if expected is None else expected.get(label or "", 0))
            for k, label in enumerate(labels)
        )
        # A class that nobody expects and nobody found is not worth a line.
        return SplitCount(split, found.total(), in_all, tuple(each for each in classes if each.found or each.published))

    counts = []
    for split in SPLITS:
        in_all = published.pictures(split) if published else None
        if split in dataset.splits or in_all:
            counts.append(count(split, dataset.split == split, _expected(published, split), in_all))
    if published and published.overall:
        counts.append(count("all", there, published.overall, sum(published.overall.values())))
    return tuple(counts)


def _expected(published: Published | None, split: str) -> _Expected | None:
    """None where the authors say nothing of the split's classes; a class that they do not have counts 0."""
    if published is None or split not in published.counts:
        return None
    return {**published.counts[split], "": published.unlabelled.get(split, 0)}


# Sentences -----------------------------------------------------------------------------------------------------------


def _first(state: str, faults: Sequence[str]) -> str:
    """The state with the first of its reasons."""
    if not faults:
        return ""
    return f"{state}: {faults[0]}" + (f", and {len(faults) - 1} more" if len(faults) > 1 else "")


def _lacking_files(missing: Sequence[BadPicture], unreadable: Sequence[BadPicture]) -> Iterator[str]:
    if missing:
        yield f"{_pictures(len(missing))} that the labels name {_is(len(missing))} missing, such as {missing[0].where}"
    if unreadable:
        yield f"{_pictures(len(unreadable))} cannot be read, such as {unreadable[0].where}"


def _lacking_counts(counts: Sequence[SplitCount]) -> Iterator[str]:
    for each in counts:
        if each.published is None or each.found == each.published:
            continue  # nobody says, or other labels at most
        fewer = [some for some in each.classes if (some.difference or 0) < 0]
        if not each.found:
            yield f"{_subject(each)} is missing, {_pictures(each.published)}"
        elif fewer or each.found < each.published:
            yield f"{_subject(each)} has {each.found:,} of {each.published:,} pictures{_worst(fewer)}"


def _too_many(counts: Sequence[SplitCount]) -> Iterator[str]:
    for each in counts:
        if each.published is None:
            continue
        moved = [some for some in each.classes if some.difference]
        more = [some for some in moved if (some.difference or 0) > 0]
        if each.found == each.published and moved:
            yield f"{_subject(each)} has as many pictures as published, but other labels{_worst(moved)}"
        elif more or each.found > each.published:
            yield f"{_subject(each)} has more than published{_worst(more)}: an oversampled or augmented copy?"


def _subject(count: SplitCount) -> str:
    return "all of it" if count.split == "all" else count.split


def _worst(counts: Sequence[Count]) -> str:
    """The classes that differ most for their size, in brackets; the table has them all."""
    worst = sorted(counts, key=lambda each: -abs(each.difference or 0) / (each.published or 1))
    parts = [f"{each.label or 'no label'} {each.found:,} instead of {each.published:,}" for each in worst[:_NAMED]]
    more = ["…"] if len(counts) > _NAMED else []
    return f" ({', '.join(parts + more)})" if parts else ""


def _rework(dataset: DataSet) -> Iterator[str]:
    """The reader's own sentence on what it is instead, where it has one."""
    if not dataset.original:
        said = (each for each in dataset.notes if each.startswith("this is "))
        yield next(said, f"this is {dataset.form}, a rework of someone else, not the original")


def _name_sentences(shared: Sequence[SharedName], copies: Sequence[str]) -> Iterator[str]:
    if shared:
        first = shared[0]
        names = "1 name is" if len(shared) == 1 else f"{len(shared):,} names are"
        yield f"{names} used for several files of a split, such as {' and '.join(first.places[:2])}"
    if copies:
        yield f"the names of {_pictures(len(copies))} speak of augmented or copied ones, such as {copies[0]}"


def _size_sentences(odd: Sequence[BadPicture], sizes: npt.NDArray[np.int32]) -> Iterator[str]:
    if odd:
        of = int(sizes.any(1).sum())
        yield f"pictures of another size: {len(odd):,} of {of:,}, such as {odd[0].where}: {odd[0].error}"


def _pictures(n: int) -> str:
    return f"{n:,} picture{'' if n == 1 else 's'}"


def _is(n: int) -> str:
    return "is" if n == 1 else "are"
