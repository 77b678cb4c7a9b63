"""The numbers behind an exploration, as plain values for JSON and as rows for csv files."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.datasets.explore import Agreement, Exploration, Votes

_QUANTILES = (0, 5, 25, 50, 75, 95, 100)


@dataclass(frozen=True)
class Rows:
    """What a csv file will hold."""

    header: Sequence[str]
    rows: Iterable[Sequence[Any]]


def to_numbers(e: Exploration) -> dict[str, Any]:
    """Everything that a page shows, but for pictures and what stands in the csv files."""
    height, width = e.table.images.shape[1:3]
    measures = e.measures.columns()
    return {
        "name": e.name,
        "form": e.table.meta.get("form", ""),
        "digest": e.table.digest(),
        "images": len(e.table),
        "splits": dict(zip(e.table.splits, e.counts.sum(1).tolist(), strict=True)),
        "size": [width, height],
        "channels": len(e.moments.mean),
        "mean": e.moments.mean.tolist(),
        "std": e.moments.std.tolist(),
        "mean_and_std_of": e.moments.split,
        "label_source": e.classes.source or None,
        "label_rule": e.classes.rule,
        "classes": {split: _class_counts(e, row) for split, row in zip(e.table.splits, e.counts, strict=True)},
        "unlabelled": dict(zip(e.table.splits, e.counts[:, -1].tolist(), strict=True)),
        "measures": {name: _quantiles(values) for name, values in measures.items()},
        "measures_by_class": {
            label: {name: _quantiles(values[rows]) for name, values in measures.items()}
            for label, rows in e.classes.rows()
        },
        "groups": {
            group.name: {"values": len(group.values), "images": int(group.counts.sum()), "unknown": group.unknown}
            for group in e.groups
        },
        "duplicates": {
            "groups": len(e.duplicates.groups),
            "images": e.duplicates.images,
            "groups_across_splits": int(e.duplicates.crossing.sum()),
            "groups_with_different_labels": {name: int(v.sum()) for name, v in e.duplicates.conflicts.items()},
        },
        "votes": _votes(e, e.votes),
        "agreement": _agreement(e.agreement),
    }


def _class_counts(e: Exploration, counts: npt.NDArray[np.int64]) -> dict[str, int]:
    named = zip(e.classes.labels, counts[:-1].tolist(), strict=True)
    return {**dict(named), **dict.fromkeys(e.classes.absent, 0)}


def _quantiles(values: npt.NDArray[Any]) -> dict[str, float] | None:
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    return {f"p{q}": float(v) for q, v in zip(_QUANTILES, np.percentile(known, _QUANTILES), strict=True)}


def _votes(e: Exploration, votes: Votes | None) -> dict[str, Any] | None:
    if votes is None:
        return None
    means = {label: float(known.mean()) for label, known in e.classes.known(votes.entropy).items()}
    return {"source": votes.source, "mean_entropy_bits": means}


def _agreement(found: Agreement | None) -> dict[str, Any] | None:
    if found is None:
        return None
    both = int(found.counts.sum())
    return {
        "rows": found.rows,
        "columns": found.columns,
        "images": both,
        "same": found.share if found.share == found.share else None,
    }


def to_tables(e: Exploration) -> Mapping[str, Rows]:
    """File name -> rows: all counts, and what was measured of every image."""
    labels = (*e.classes.labels, "")
    images = {
        "id": e.table.ids.tolist(),
        "split": e.table.split.tolist(),
        "label": [labels[k] for k in e.classes.of.tolist()],
        **{name: _digits(values) for name, values in e.measures.columns().items()},
    }
    if e.votes is not None:
        images["entropy"] = _digits(e.votes.entropy)
    tables = {
        "classes.csv": Rows(("split", "label", "images"), _class_rows(e)),
        "images.csv": Rows(tuple(images), zip(*images.values(), strict=True)),
        "intensities.csv": Rows(("split_or_class", "name", *map(str, range(256))), _level_rows(e)),
    }
    if e.groups:
        rows = ((g.name, value, n) for g in e.groups for value, n in zip(g.values, g.counts.tolist(), strict=True))
        tables["groups.csv"] = Rows(("column", "value", "images"), rows)
    if e.duplicates.groups:
        tables["duplicates.csv"] = Rows(("group", "id", "split", *e.table.sources), _duplicate_rows(e))
    if e.agreement is not None:
        header = (f"{e.agreement.rows} \\ {e.agreement.columns}", *e.agreement.column_labels)
        counts = zip(e.agreement.row_labels, e.agreement.counts.tolist(), strict=True)
        tables["agreement.csv"] = Rows(header, ((label, *row) for label, row in counts))
    return tables


def _class_rows(e: Exploration) -> Iterable[Sequence[Any]]:
    for split, counts in zip(e.table.splits, e.counts, strict=True):
        yield from ((split, label, n) for label, n in _class_counts(e, counts).items())
        if counts[-1]:
            yield split, "", int(counts[-1])


def _level_rows(e: Exploration) -> Iterable[Sequence[Any]]:
    for kind, names, levels in (
        ("split", e.table.splits, e.split_levels),
        ("class", e.classes.labels, e.class_levels),
    ):
        yield from ((kind, name, *row) for name, row in zip(names, levels.tolist(), strict=True))


def _duplicate_rows(e: Exploration) -> Iterable[Sequence[Any]]:
    for k, rows in enumerate(e.duplicates.groups):
        for row in rows.tolist():
            names = (column.name_of(row) or "" for column in e.table.sources.values())
            yield k, str(e.table.ids[row]), str(e.table.split[row]), *names


def _digits(values: npt.NDArray[Any]) -> list[str]:
    """As text of a few digits; "" where a number is not known."""
    return [f"{value:.5g}" if value == value else "" for value in values.tolist()]
