"""The prediction table: what a model said about labelled faces, from which every figure can be computed again."""

import csv
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mien.core.arrays import texts
from mien.core.errors import MALFORMED, DataError, first_line, one_line
from mien.core.files import replacing
from mien.core.labels import LABEL_SETS, LabelSet
from mien.core.optional import require

Strings = npt.NDArray[np.str_]

_ABOUT = b"mien"
_WHOLE = ("passes", "dropped")  # what of the meta is read as whole numbers
_GROUP = "group_"  # what the columns of `groups` begin with in a file
_AFFECT = ("valence", "arousal")
_PREDICTED = ("predicted_valence", "predicted_arousal")
# The arrays of a table that always are, or may be, there: one value or row a face.
_COLUMNS = (
    "ids",
    "split",
    "label_ids",
    "probabilities",
    "soft",
    "subject",
    "group",
    "in_train",
    "affect",
    "predicted_affect",
)


@dataclass(frozen=True, eq=False)
class PredictionTable:
    """Predictions of one model head on n faces, with their labels beside.

    Attributes:
        ids: (n,) str, the faces' ids in the data.
        split: (n,) str, the split each face belongs to.
        label_ids: (n,) int16 class ids in `label_set`, -1 where the face has no label: such rows count for nothing.
        probabilities: (n, K) float32, rows sum to 1.
        label_set: names of the K columns.
        soft: (n, K) float32 label distributions, NaN rows where there is none; or None.
        subject, group: (n,) str, who is seen and to which group they belong; or None.
        in_train: (n,) bool, true where the same pixels stand in the train split too; None where not known.
        meta: words about the whole: model, head, data, rule, label_file, and so on; ``passes`` where a face went
            through a network more than once, ``mapping`` where it is judged by the labels of another source.
        groups: name -> (n,) str, further groups of people, such as gender, age and race; "" where not known.
        affect: (n, 2) float32 valence and arousal that people saw, -1..1, NaN where not known; or None.
        predicted_affect: (n, 2) float32 the same from the model; or None.
    """

    ids: Strings
    split: Strings
    label_ids: npt.NDArray[np.int16]
    probabilities: npt.NDArray[np.float32]
    label_set: LabelSet
    soft: npt.NDArray[np.float32] | None = None
    subject: Strings | None = None
    group: Strings | None = None
    in_train: npt.NDArray[np.bool_] | None = None
    meta: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, Strings] = field(default_factory=dict)
    affect: npt.NDArray[np.float32] | None = None
    predicted_affect: npt.NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        n, k = len(self.ids), len(self.label_set)
        shapes: dict[str, tuple[int, ...]] = {"split": (n,), "label_ids": (n,), "probabilities": (n, k), "soft": (n, k)}
        shapes |= {"subject": (n,), "group": (n,), "in_train": (n,), "affect": (n, 2), "predicted_affect": (n, 2)}
        columns: dict[str, Any] = {name: getattr(self, name) for name in shapes}
        columns |= {f"{_GROUP}{name}": values for name, values in self.groups.items()}
        for name, values in columns.items():
            shape = shapes.get(name, (n,))
            if values is not None and np.shape(values) != shape:
                raise DataError(f"expected {name} of shape {shape} in the predictions, got {np.shape(values)}")
        if n and not (self.label_ids.min() >= -1 and self.label_ids.max() < k):
            raise DataError(f"expected class ids in -1..{k - 1} in the predictions, got others")
        p = self.probabilities
        wrong = np.flatnonzero(~((p >= 0).all(1) & (np.abs(p.sum(1) - 1) < 1e-3)))  # NaN is wrong, too
        if len(wrong):
            row = ", ".join(f"{each:.3g}" for each in p[wrong[0]])
            raise DataError(
                f"expected probabilities of 0 or more whose rows sum to 1 in the predictions, got {row} for "
                f"{str(self.ids[wrong[0]])!r} ({len(wrong):,} of {n:,} rows): write what comes after the softmax"
            )

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, which: Any) -> Self:
        """A subset of the rows by mask, slice or index array."""
        cut = {name: getattr(self, name) for name in _COLUMNS}
        cut = {name: None if values is None else values[which] for name, values in cut.items()}
        return replace(self, **cut, groups={name: values[which] for name, values in self.groups.items()})

    @property
    def group_columns(self) -> dict[str, Strings]:
        """All that divides people into groups: subject, group, and what `groups` holds; only what is known."""
        columns = {"subject": self.subject, "group": self.group, **self.groups}
        return {name: values for name, values in columns.items() if values is not None}

    @property
    def passes(self) -> int:
        """How often a face went through a network."""
        return int(self.meta.get("passes", "1"))

    def labelled(self) -> Self:
        """The rows that have a label."""
        return self.select(self.label_ids >= 0)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write Parquet with the columns id, split, label, p_<label>... and what else is known; needs the extra `data`.

        Raises:
            OutputError: the file cannot be written.
        """
        pyarrow = require("pyarrow", extra="data")
        parquet = require("pyarrow.parquet", extra="data")
        about = {"label_set": self.label_set.name, "meta": dict(self.meta)}
        frame = pyarrow.table(self.to_columns()).replace_schema_metadata({_ABOUT: json.dumps(about)})
        with replacing(path) as partial:
            parquet.write_table(frame, partial, compression="zstd")

    def to_columns(self) -> dict[str, Any]:
        """Column name -> n values; labels by name, None where there is none."""
        names = (*self.label_set.labels, None)
        columns: dict[str, Any] = {"id": self.ids.tolist(), "split": self.split.tolist()}
        for name in ("subject", "group"):
            if getattr(self, name) is not None:
                columns[name] = getattr(self, name).tolist()
        columns |= {f"{_GROUP}{name}": values.tolist() for name, values in self.groups.items()}
        if self.in_train is not None:
            columns["in_train"] = self.in_train
        columns["label"] = [names[k] for k in self.label_ids.tolist()]
        columns |= {f"p_{label}": self.probabilities[:, k] for k, label in enumerate(self.label_set)}
        if self.soft is not None:
            columns |= {f"soft_{label}": self.soft[:, k] for k, label in enumerate(self.label_set)}
        for names, values in ((_AFFECT, self.affect), (_PREDICTED, self.predicted_affect)):
            if values is not None:
                columns |= {name: values[:, k] for k, name in enumerate(names)}
        return columns


def average(tables: Sequence[PredictionTable]) -> PredictionTable:
    """The mean of several models' probabilities: an ensemble.

    Raises:
        DataError: they speak of different faces or labels.
    """
    first = tables[0]
    for other in tables[1:]:
        wanted = "expected the same labels on the same faces from all models for their mean"
        if other.label_set.labels != first.label_set.labels:
            found = f"{', '.join(first.label_set)} and {', '.join(other.label_set)}"
            raise DataError(f"{wanted}, got the labels {found}: choose a head that all have")
        if not np.array_equal(other.ids, first.ids):
            found = f"{len(first):,} and {len(other):,} faces, {len(np.intersect1d(first.ids, other.ids)):,} in common"
            raise DataError(f"{wanted}, got {found}, not all in one order: evaluate them on the same data")
    mean = np.stack([each.probabilities for each in tables]).mean(0, dtype=np.float64)
    members = ", ".join(each.meta.get("model", "?") for each in tables)
    of_one = [key for key in ("mapping", "lists") if len({each.meta.get(key) for each in tables}) > 1]
    meta = {k: v for k, v in first.meta.items() if k not in ("model_version", "variant", *of_one)}
    meta |= {"model": "ensemble", "members": members, "passes": str(sum(each.passes for each in tables))}
    affects = [each.predicted_affect for each in tables if each.predicted_affect is not None]
    affect = np.stack(affects).mean(0) if len(affects) == len(tables) else None
    return replace(first, probabilities=mean.astype(np.float32), meta=meta, predicted_affect=affect)


def pooled(tables: Sequence[PredictionTable], **meta: str) -> PredictionTable:
    """The predictions of different faces, each by the model that did not learn from it, as one table.

    Args:
        tables: of the folds.
        **meta: words about the whole, which win over those that all tables share.

    Raises:
        DataError: their labels differ, or a face stands in two of them.
    """
    if len({each.label_set.labels for each in tables}) != 1:
        raise DataError("expected predictions of the same labels from all folds, got others")
    ids = np.concatenate([each.ids for each in tables])
    if len(np.unique(ids)) < len(ids):
        raise DataError("expected each face in one fold, got some in several")

    def column(name: str) -> Any:
        parts = [getattr(each, name) for each in tables]
        return None if any(part is None for part in parts) else np.concatenate(parts)

    first, *others = (each.meta for each in tables)
    shared = {key: value for key, value in first.items() if all(each.get(key) == value for each in others)}
    columns = {name: column(name) for name in ("split", "label_ids", "probabilities", "soft")}
    about = {name: column(name) for name in ("subject", "group", "in_train", "affect", "predicted_affect")}
    names = [name for name in tables[0].groups if all(name in each.groups for each in tables)]
    groups = {name: np.concatenate([each.groups[name] for each in tables]) for name in names}
    about |= {"groups": groups, "meta": {**shared, **meta}}
    return PredictionTable(ids=ids, label_set=tables[0].label_set, **columns, **about)


def in_common(
    probabilities: npt.NDArray[np.float32],
    labels: LabelSet,
    ids: npt.NDArray[np.int16],
    other: LabelSet,
    soft: npt.NDArray[np.float32] | None = None,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int16], npt.NDArray[np.float32] | None, LabelSet]:
    """Bring a model's probabilities and another label set's class ids to the labels that both know.

    Args:
        probabilities: (n, K) in the order of `labels`.
        labels: what the model tells apart.
        ids: (n,) class ids in `other`, -1 for none.
        other: the labels of the data.
        soft: (n, K') label distributions in the order of `other`, or None.

    Returns:
        Probabilities of the common labels, each row scaled to sum 1 again (uniform where nothing is left); class ids
        in those, -1 where the label is not common; label distributions, scaled likewise (NaN where nothing is left);
        the common labels in the model's order.

    Raises:
        DataError: fewer than two labels are common.
    """
    common = tuple(each for each in labels if each in other.labels)
    if len(common) < 2:
        raise DataError(
            f"expected two labels or more that the model knows ({', '.join(labels)}), got {', '.join(other)}"
        )
    label_set = LabelSet(labels.name if len(common) == len(labels) else f"{labels.name}, common", common)
    scaled = _scaled(probabilities[:, label_set.columns_in(labels)], nothing=1 / len(common))
    shares = None if soft is None else _scaled(soft[:, label_set.columns_in(other)], nothing=math.nan)
    mapped = np.array([*other.columns_in(label_set), -1], np.int16)  # id -1 is the last
    return scaled, mapped[ids], shares, label_set


def _scaled(part: npt.NDArray[np.float32], *, nothing: float) -> npt.NDArray[np.float32]:
    """Rows scaled to sum 1, or filled with `nothing` where there is nothing to scale."""
    total = part.sum(1, keepdims=True)
    there = total > 0
    return np.where(there, part / np.where(there, total, 1), np.float32(nothing)).astype(np.float32)


def read_predictions(path: str | os.PathLike[str]) -> PredictionTable:
    """Read a prediction table: Parquet as `PredictionTable.write` writes it, or a csv with the same columns.

    The columns id, label and p_<label> for two labels or more have to be there, the others need not: split, subject,
    group, group_<name>, in_train, soft_<label>, valence, arousal, predicted_valence, predicted_arousal.

    Raises:
        DataError: no such file, or it is no prediction table, or an id stands in it twice.
    """
    path = Path(path)
    if path.is_dir():
        try:
            there = [str(each.relative_to(path)) for each in sorted(path.glob("**/predictions-*.parquet"))]
        except RecursionError:  # a thousand folders in each other
            there = []
        found = f"a folder that holds {', '.join(there)[:200]}: name one" if there else "a folder: name a file"
        raise DataError(f"expected a prediction table at {path}, got {found}")
    try:
        columns, about = _read_csv(path) if path.suffix == ".csv" else _read_parquet(path)
    except FileNotFoundError:
        raise DataError(f"expected a prediction table at {path}, got no such file: check the path") from None
    except OSError as error:
        got = error.strerror or one_line(error)
        raise DataError(f"expected a readable prediction table at {path}, got: {got}") from error
    except MALFORMED as error:
        raise DataError(f"expected a prediction table at {path}, got: {one_line(error)}") from error
    labels = tuple(name.removeprefix("p_") for name in columns if name.startswith("p_"))
    if len(labels) < 2 or "id" not in columns or "label" not in columns:
        found = ", ".join(columns)[:200]
        raise DataError(f"expected the columns id, label and p_<label>... in {path}, got {found or 'none'}")
    ids = texts(columns["id"], f"the column id of {path}")
    each_id, counts = np.unique(ids, return_counts=True)
    if counts.max(initial=1) > 1:
        raise DataError(
            f"expected each id once in {path}, got {(counts > 1).sum():,} more than once, such as "
            f"{str(each_id[counts.argmax()])!r}: leave one row a face"
        )
    numbers: dict[str | None, int] = {None: -1, "": -1, **{label: k for k, label in enumerate(labels)}}
    strange = sorted(
        {repr(each) for each in columns["label"] if not isinstance(each, str | None) or each not in numbers}
    )
    if strange:
        raise DataError(f"expected labels out of {', '.join(labels)} in {path}, got {', '.join(strange)[:200]}")
    try:
        return PredictionTable(
            ids=ids,
            split=texts(columns.get("split", [""] * len(columns["id"])), "the column split"),
            label_ids=np.array([numbers[each] for each in columns["label"]], np.int16),
            probabilities=_matrix(columns, "p_", labels),
            label_set=LabelSet(about.get("label_set", _name_of(labels)), labels),
            soft=_matrix(columns, "soft_", labels) if f"soft_{labels[0]}" in columns else None,
            subject=_words(columns, "subject"),
            group=_words(columns, "group"),
            in_train=np.array(columns["in_train"], np.bool_) if "in_train" in columns else None,
            meta=about.get("meta", {}),
            groups={name.removeprefix(_GROUP): _words(columns, name) for name in columns if name.startswith(_GROUP)},
            affect=_matrix(columns, "", _AFFECT) if set(_AFFECT) <= set(columns) else None,
            predicted_affect=_matrix(columns, "", _PREDICTED) if set(_PREDICTED) <= set(columns) else None,
        )
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f"expected numbers in the columns p_<label> of {path}, got: {error}") from error
    except DataError as error:
        raise DataError(f"{error} ({path})") from error


def _read_parquet(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    pyarrow = require("pyarrow", extra="data")
    parquet = require("pyarrow.parquet", extra="data")
    try:
        with parquet.ParquetFile(path) as file:  # read_table would take a folder named "a=b" for a column
            frame = file.read()
    except pyarrow.ArrowInvalid as error:
        raise DataError(f"expected Parquet at {path}, got: {first_line(error)}") from error
    return frame.to_pydict(), _expect_words(json.loads((frame.schema.metadata or {}).get(_ABOUT, "{}")))


def _expect_words(about: Any) -> dict[str, Any]:
    """What stands beside the columns; one of `MALFORMED` where it is not as `PredictionTable.write` writes it."""
    meta = dict(about.get("meta", {}))
    words = [about.get("label_set", ""), *meta.values()]
    strange = next((each for each in words if not isinstance(each, str)), None)
    if strange is not None:
        raise ValueError(f"{str(strange)[:40]} for a text beside its columns")
    for name in _WHOLE:
        int(meta.get(name, "0"))
    return {**about, "meta": meta}


def _read_csv(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            header, *rows = [row for row in csv.reader(file) if row] or [[]]
    except (ValueError, csv.Error) as error:
        raise DataError(f"expected a csv in UTF-8 at {path}, got: {error}") from error
    uneven = next((number for number, row in enumerate(rows, start=2) if len(row) != len(header)), None)
    if uneven is not None:
        found = f"{len(rows[uneven - 2])} in row {uneven}"
        raise DataError(f"expected {len(header)} cells in each row of {path}, as in its header, got {found}")
    columns: dict[str, Any] = {name: [row[k] for row in rows] for k, name in enumerate(header)}
    if "in_train" in columns:
        columns["in_train"] = [each.lower() in ("true", "1") for each in columns["in_train"]]
    return columns, {}


def _matrix(columns: Mapping[str, Any], prefix: str, labels: Sequence[str]) -> npt.NDArray[np.float32]:
    """Numbers side by side; an empty cell of a csv is NaN."""
    columns_of = [columns[prefix + label] for label in labels]
    return np.stack(
        [np.asarray([np.nan if each == "" else each for each in column], np.float32) for column in columns_of], axis=1
    )


def _words(columns: Mapping[str, Any], name: str) -> Any:
    """A column of words, "" where there is none; None if it is not there."""
    return texts((each or "" for each in columns[name]), f"the column {name}") if name in columns else None


def _name_of(labels: tuple[str, ...]) -> str:
    """Name of the known label set with these labels in this order, else "custom"."""
    return next((each.name for each in LABEL_SETS.values() if each.labels == labels), "custom")
