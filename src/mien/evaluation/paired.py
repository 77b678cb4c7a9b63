"""Predictions of several models brought side by side, image by image; what cannot be compared is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError, UsageError
from mien.core.labels import LabelSet
from mien.evaluation.metrics import f1_by_class
from mien.evaluation.outcomes import confusion_matrix
from mien.evaluation.predictions import PredictionTable

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Strings = npt.NDArray[np.str_]

_MUST_AGREE = {"rule": "a rule", "label_source": "labels", "label_file": "a label file"}
_NAMED = 3  # ids in a message


@dataclass(frozen=True, eq=False)
class Paired:
    """What m models said of the same n images, R times each.

    Attributes:
        names: of the models.
        ids: (n,) of the images.
        labels: (n,) class ids.
        label_set: names of the K classes.
        predicted: (m, R, n) the most probable classes; R is 1 but for seeds.
        runs: (repeat, rows) of each fold or seed, the same ones of each model; empty where there is one table a name,
            or where the models' folds are not the same.
        folds: how many parts the images are in.
        subjects: (n,) who is seen, or None.
        shared: what all tables say of themselves: data, split, rule and so on.
        notes: what a reader has to know.
    """

    names: tuple[str, ...]
    ids: Strings
    labels: Ints
    label_set: LabelSet
    predicted: Ints
    runs: tuple[tuple[int, npt.NDArray[np.intp]], ...]
    folds: int
    subjects: Strings | None
    shared: Mapping[str, str]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def repeats(self) -> int:
        """How often each image was predicted by each model: seeds."""
        return int(self.predicted.shape[1])

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """(m, R, n) where the most probable class is the label."""
        return np.asarray(self.predicted == self.labels, np.bool_)

    def run_scores(self) -> dict[str, Floats]:
        """``accuracy`` and ``macro_f1`` of each run and model: (runs, m)."""
        k = len(self.label_set)
        accuracy, f1 = np.empty((2, len(self.runs), len(self.names)))
        for j, (repeat, rows) in enumerate(self.runs):
            for m in range(len(self.names)):
                confusion = confusion_matrix(self.labels[rows], self.predicted[m, repeat, rows], k)
                accuracy[j, m] = np.trace(confusion) / len(rows)
                f1[j, m] = np.nanmean(f1_by_class(confusion))
        return {"accuracy": accuracy, "macro_f1": f1}


@dataclass(frozen=True, eq=False)
class _Part:
    """One set of images, and the tables of one model that speak of it, a seed each."""

    ids: frozenset[str]
    tables: list[PredictionTable]


def pair(models: Mapping[str, Sequence[PredictionTable]]) -> Paired:
    """Bring the tables of models side by side.

    Several tables of one model are its seeds where they hold the same images, its folds where they have none in
    common. Rows without a label count for nothing. The classes may stand in another order.

    Args:
        models: name -> its tables; the i-th seed of one is compared with the i-th of another.

    Raises:
        UsageError: a model without a table.
        DataError: a table is empty, has no labels or an image twice; or the models' classes, images, labels, splits or
            rules differ, which the message names.
    """
    parts = {name: _parts(name, tables) for name, tables in models.items()}
    first, *others = parts
    _same_labels({name: each[0].tables[0].label_set for name, each in parts.items()})
    ids = np.concatenate([each.tables[0].ids for each in parts[first]])
    for name in others:
        _same_images(first, set(ids.tolist()), name, set().union(*(part.ids for part in parts[name])))
    repeats = {name: len(each[0].tables) for name, each in parts.items()}
    if len(set(repeats.values())) > 1:
        found = ", ".join(f"{count} of {name}" for name, count in repeats.items())
        raise DataError(f"expected as many tables on the same images of each name, got {found}")
    same_folds = all({part.ids for part in parts[name]} == {part.ids for part in parts[first]} for name in others)
    several = sum(len(part.tables) for part in parts[first]) > 1
    label_set = parts[first][0].tables[0].label_set
    whole = {
        name: [_joined(each, repeat, ids, label_set) for repeat in range(repeats[name])] for name, each in parts.items()
    }
    reference = whole[first][0]
    _same_words(models)
    for name, tables in whole.items():
        for table in tables:
            _same_truth(first, reference, name, table)
    notes = []
    if len({each for each in map(_digests, models.values()) if each}) > 1:
        notes.append("the models saw these images prepared in different ways (data_sha256 differs)")
    if any(len(each) > 1 for each in parts.values()) and not same_folds:
        notes.append("the folds are not the same ones for each name: compared image by image only, not fold by fold")
    return Paired(
        names=tuple(models),
        ids=ids,
        labels=reference.label_ids.astype(np.int64),
        label_set=label_set,
        predicted=np.stack([[each.probabilities.argmax(1) for each in tables] for tables in whole.values()]),
        runs=_runs(parts[first], ids) if several and same_folds else (),
        folds=len(parts[first]),
        subjects=_subjects([table for tables in whole.values() for table in tables]),
        shared=_shared([table for tables in models.values() for table in tables]),
        notes=tuple(notes),
    )


def _parts(name: str, tables: Sequence[PredictionTable]) -> list[_Part]:
    """The tables of one model by the images that they hold."""
    if not tables:
        raise UsageError(f"expected a prediction table of {name}, got none")
    parts: list[_Part] = []
    for number, whole in enumerate(tables, start=1):
        called = name if len(tables) == 1 else f"{name} (table {number})"
        table = _checked(called, whole)
        ids = frozenset(table.ids.tolist())
        same = next((part for part in parts if part.ids == ids), None)
        if same is not None:
            same.tables.append(table)
            continue
        for part in parts:
            if common := part.ids & ids:
                raise DataError(
                    f"expected tables of {name} on the same images (seeds) or on none in common (folds), got "
                    f"{len(common):,} images in common ({_some(common)}) of {len(part.ids):,} and {len(ids):,}"
                )
        parts.append(_Part(ids, [table]))
    if len({len(part.tables) for part in parts}) > 1:
        found = ", ".join(str(len(part.tables)) for part in parts)
        raise DataError(f"expected as many tables of {name} for each fold, got {found}")
    _same_labels({f"{name} (table {k})": each.label_set for k, each in enumerate(tables, start=1)})
    return parts


def _checked(name: str, table: PredictionTable) -> PredictionTable:
    if not len(table):
        raise DataError(f"expected predictions of {name}, got an empty table")
    labelled = table.labelled()
    if not len(labelled):
        raise DataError(f"expected labelled predictions of {name}, got no label in {len(table):,} rows")
    ids, counts = np.unique(labelled.ids, return_counts=True)
    if counts.max() > 1:
        twice = ids[counts > 1].tolist()
        raise DataError(f"expected each image once in {name}, got {len(twice):,} ids several times ({_some(twice)})")
    return labelled


def _same_labels(label_sets: Mapping[str, LabelSet]) -> None:
    first, *others = label_sets
    for name in others:
        one, other = set(label_sets[first]), set(label_sets[name])
        if one != other:
            lacks = "; ".join(
                f"{', '.join(sorted(more))} only in {which}"
                for which, more in ((first, one - other), (name, other - one))
                if more
            )
            raise DataError(f"expected the same classes in all predictions, got {lacks}: evaluate one head of both")


def _same_images(first: str, one: set[str], name: str, other: set[str]) -> None:
    if one == other:
        return
    lacks = " and ".join(
        f"{len(more):,} only in {which} ({_some(more)})"
        for which, more in ((first, one - other), (name, other - one))
        if more
    )
    raise DataError(
        f"expected predictions of the same labelled images, got {lacks}, {len(one & other):,} in both: evaluate them "
        "on the same data, split and lists"
    )


def _same_words(models: Mapping[str, Sequence[PredictionTable]]) -> None:
    """Raise DataError where two tables say of themselves that they were made by different rules."""
    for key, what in _MUST_AGREE.items():
        said = {name: {each.meta[key] for each in tables if each.meta.get(key)} for name, tables in models.items()}
        values = {value: name for name, found in said.items() for value in sorted(found)}
        if len(values) > 1:
            found = ", ".join(f"{value!r} of {name}" for value, name in values.items())
            raise DataError(f"expected predictions judged by {what} in common, got {found}: evaluate them alike")


def _same_truth(first: str, one: PredictionTable, name: str, other: PredictionTable) -> None:
    """Raise DataError where two tables label an image in two ways, or put it into two splits."""
    off = np.flatnonzero(one.label_ids != other.label_ids)
    if len(off):
        labels = one.label_set.labels
        cases = ", ".join(
            f"{one.ids[i]}: {labels[one.label_ids[i]]} and {labels[other.label_ids[i]]}" for i in off[:_NAMED].tolist()
        )
        raise DataError(
            f"expected one label of each image, got {len(off):,} images that {first} and {name} label otherwise "
            f"({cases}): evaluate them by the same labels and lists"
        )
    off = np.flatnonzero((one.split != other.split) & (one.split != "") & (other.split != ""))
    if len(off):
        i = int(off[0])
        raise DataError(
            f"expected one split of each image, got {len(off):,} images in others ({one.ids[i]}: {one.split[i]} in "
            f"{first}, {other.split[i]} in {name})"
        )


def _joined(parts: Sequence[_Part], repeat: int, ids: Strings, label_set: LabelSet) -> PredictionTable:
    """One seed of one model as one table: rows in the order of `ids`, columns in that of `label_set`."""
    tables = [part.tables[repeat] for part in parts]
    rows = {name: row for row, name in enumerate(np.concatenate([each.ids for each in tables]).tolist())}
    order = np.array([rows[name] for name in ids.tolist()], np.intp)
    columns = [label_set.columns_in(each.label_set) for each in tables]
    numbers = [each.label_set.columns_in(label_set) for each in tables]
    subjects = [each.subject for each in tables if each.subject is not None]
    return PredictionTable(
        ids=ids,
        split=np.concatenate([each.split for each in tables])[order],
        label_ids=np.concatenate([n[each.label_ids] for n, each in zip(numbers, tables, strict=True)])[order].astype(
            np.int16
        ),
        probabilities=np.concatenate([each.probabilities[:, c] for c, each in zip(columns, tables, strict=True)])[
            order
        ],
        label_set=label_set,
        subject=np.concatenate(subjects)[order] if len(subjects) == len(tables) else None,
    )


def _runs(parts: Sequence[_Part], ids: Strings) -> tuple[tuple[int, npt.NDArray[np.intp]], ...]:
    rows = [np.flatnonzero(np.isin(ids, list(part.ids))) for part in parts]
    return tuple((repeat, each) for repeat in range(len(parts[0].tables)) for each in rows)


def _subjects(tables: Sequence[PredictionTable]) -> Strings | None:
    """Who is seen, where a table says so and somebody is seen twice; unknown ones are somebody each."""
    known = next((each for each in tables if each.subject is not None), None)
    if known is None or known.subject is None:
        return None
    nobody = np.isin(known.subject, ["", "nan", "-1"])
    alone = np.char.add("image ", known.ids)
    subjects: Strings = np.where(nobody, alone, known.subject)
    return subjects if len(np.unique(subjects)) < len(subjects) else None


def _digests(tables: Sequence[PredictionTable]) -> frozenset[str]:
    """Of the data of one model's tables; each fold has one of its own."""
    return frozenset(each.meta["data_sha256"] for each in tables if "data_sha256" in each.meta)


def _shared(tables: Sequence[PredictionTable]) -> dict[str, str]:
    first, *others = (each.meta for each in tables)
    return {key: value for key, value in first.items() if all(each.get(key) == value for each in others)}


def _some(ids: "set[str] | frozenset[str] | list[str]") -> str:
    """The first ids, for a message."""
    return ", ".join(sorted(ids)[:_NAMED]) + (", ..." if len(ids) > _NAMED else "")
