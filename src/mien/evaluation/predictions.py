"""The prediction table: what a model said about labelled faces, from which every figure can be computed again."""

import csv
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError
from mien.core.files import replacing
from mien.core.labels import LABEL_SETS, LabelSet
from mien.core.optional import require

Strings = npt.NDArray[np.str_]

_ABOUT = b"mien"


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
        meta: words about the whole: model, head, data, rule, label_file, and so on.
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

    def __post_init__(self) -> None:
        n, k = len(self.ids), len(self.label_set)
        shapes = {"split": (n,), "label_ids": (n,), "probabilities": (n, k), "soft": (n, k)}
        shapes |= {"subject": (n,), "group": (n,), "in_train": (n,)}
        for name, shape in shapes.items():
            values = getattr(self, name)
            if values is not None and np.shape(values) != shape:
                raise DataError(f"expected {name} of shape {shape} in the predictions, got {np.shape(values)}")
        if n and not (self.label_ids.min() >= -1 and self.label_ids.max() < k):
            raise DataError(f"expected class ids in -1..{k - 1} in the predictions, got others")
        p = self.probabilities
        if n and not (np.isfinite(p).all() and p.min() >= 0 and np.abs(p.sum(1) - 1).max() < 1e-3):
            raise DataError("expected probabilities of 0 or more whose rows sum to 1 in the predictions, got others")

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, which: Any) -> Self:
        """A subset of the rows by mask, slice or index array."""

        def cut(values: Any) -> Any:
            return None if values is None else values[which]

        return type(self)(
            self.ids[which],
            self.split[which],
            self.label_ids[which],
            self.probabilities[which],
            self.label_set,
            cut(self.soft),
            cut(self.subject),
            cut(self.group),
            cut(self.in_train),
            self.meta,
        )

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
        if self.in_train is not None:
            columns["in_train"] = self.in_train
        columns["label"] = [names[k] for k in self.label_ids.tolist()]
        columns |= {f"p_{label}": self.probabilities[:, k] for k, label in enumerate(self.label_set)}
        if self.soft is not None:
            columns |= {f"soft_{label}": self.soft[:, k] for k, label in enumerate(self.label_set)}
        return columns


def average(tables: Sequence[PredictionTable]) -> PredictionTable:
    """The mean of several models' probabilities: an ensemble.

    Raises:
        DataError: they speak of different faces or labels.
    """
    first = tables[0]
    for other in tables[1:]:
        if other.label_set.labels != first.label_set.labels or not np.array_equal(other.ids, first.ids):
            raise DataError("expected the same labels on the same faces from all models for their mean, got others")
    mean = np.stack([each.probabilities for each in tables]).mean(0, dtype=np.float64)
    members = ", ".join(each.meta.get("model", "?") for each in tables)
    meta = {key: value for key, value in first.meta.items() if key not in ("model_version", "variant")}
    meta |= {"model": "ensemble", "members": members}
    return replace(first, probabilities=mean.astype(np.float32), meta=meta)


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
    about = {name: column(name) for name in ("subject", "group", "in_train")}
    return PredictionTable(ids=ids, label_set=tables[0].label_set, meta={**shared, **meta}, **columns, **about)


def in_common(
    probabilities: npt.NDArray[np.float32], labels: LabelSet, ids: npt.NDArray[np.int16], other: LabelSet
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int16], LabelSet]:
    """Bring a model's probabilities and another label set's class ids to the labels that both know.

    Args:
        probabilities: (n, K) in the order of `labels`.
        labels: what the model tells apart.
        ids: (n,) class ids in `other`, -1 for none.
        other: the labels of the data.

    Returns:
        Probabilities of the common labels, each row scaled to sum 1 again (uniform where nothing is left); class ids
        in those, -1 where the label is not common; the common labels in the model's order.

    Raises:
        DataError: fewer than two labels are common.
    """
    common = tuple(each for each in labels if each in other.labels)
    if len(common) < 2:
        raise DataError(f"expected labels that the model knows ({', '.join(labels)}), got {', '.join(other)}")
    part = probabilities[:, [labels.labels.index(each) for each in common]]
    total = part.sum(1, keepdims=True)
    scaled = np.where(total > 0, part / np.where(total > 0, total, 1), np.float32(1 / len(common)))
    label_set = LabelSet(labels.name if len(common) == len(labels) else f"{labels.name}, common", common)
    mapped = np.array([*other.columns_in(label_set), -1], np.int16)  # id -1 is the last
    return scaled.astype(np.float32), mapped[ids], label_set


def read_predictions(path: str | os.PathLike[str]) -> PredictionTable:
    """Read a prediction table: Parquet as `PredictionTable.write` writes it, or a csv with the same columns.

    The columns id, label and p_<label> for two labels or more have to be there, the others need not.

    Raises:
        DataError: no such file, or it is no prediction table.
    """
    path = Path(path)
    try:
        columns, about = _read_csv(path) if path.suffix == ".csv" else _read_parquet(path)
    except FileNotFoundError:
        raise DataError(f"expected a prediction table at {path}, got no such file: check the path") from None
    except OSError as error:
        raise DataError(f"expected a readable prediction table at {path}, got: {error.strerror or error}") from error
    labels = tuple(name.removeprefix("p_") for name in columns if name.startswith("p_"))
    if len(labels) < 2 or "id" not in columns or "label" not in columns:
        found = ", ".join(columns)[:200]
        raise DataError(f"expected the columns id, label and p_<label>... in {path}, got {found or 'none'}")
    numbers: dict[str | None, int] = {None: -1, "": -1, **{label: k for k, label in enumerate(labels)}}
    strange = sorted(map(repr, set(columns["label"]) - set(numbers)))
    if strange:
        raise DataError(f"expected labels out of {', '.join(labels)} in {path}, got {', '.join(strange)[:200]}")
    try:
        return PredictionTable(
            ids=np.array(columns["id"], np.str_),
            split=np.array(columns.get("split", [""] * len(columns["id"])), np.str_),
            label_ids=np.array([numbers[each] for each in columns["label"]], np.int16),
            probabilities=_matrix(columns, "p_", labels),
            label_set=LabelSet(about.get("label_set", _name_of(labels)), labels),
            soft=_matrix(columns, "soft_", labels) if f"soft_{labels[0]}" in columns else None,
            subject=_optional(columns, "subject", np.str_),
            group=_optional(columns, "group", np.str_),
            in_train=_optional(columns, "in_train", np.bool_),
            meta=about.get("meta", {}),
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
        raise DataError(f"expected Parquet at {path}, got: {str(error).splitlines()[0]}") from error
    return frame.to_pydict(), json.loads((frame.schema.metadata or {}).get(_ABOUT, "{}"))


def _read_csv(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file)
            header = next(rows, [])
            columns = dict(zip(header, map(list, zip(*rows, strict=True)), strict=True)) if header else {}
    except (ValueError, csv.Error) as error:
        raise DataError(f"expected a csv with rows of one length in {path}, got: {error}") from error
    if "in_train" in columns:
        columns["in_train"] = [each.lower() in ("true", "1") for each in columns["in_train"]]
    return columns, {}


def _matrix(columns: Mapping[str, Any], prefix: str, labels: Sequence[str]) -> npt.NDArray[np.float32]:
    return np.stack([np.asarray(columns[prefix + label], np.float32) for label in labels], axis=1)


def _optional(columns: Mapping[str, Any], name: str, kind: Any) -> Any:
    return np.array(columns[name], kind) if name in columns else None


def _name_of(labels: tuple[str, ...]) -> str:
    """Name of the known label set with these labels in this order, else "custom"."""
    return next((each.name for each in LABEL_SETS.values() if each.labels == labels), "custom")
