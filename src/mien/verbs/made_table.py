"""What verbs that make one table out of others have in common: what stands in its metadata, and how it is counted."""

import json
from dataclasses import replace
from typing import Any

import numpy as np

from mien.core.errors import DataError
from mien.datasets import LabelColumn, Table
from mien.datasets.explore import moments

Counts = dict[str, int]


def described(table: Table, **about: Any) -> Table:
    """The table with what its metadata say of its images, and with words of one's own: texts, or values for JSON.

    Raises:
        DataError: it has no images.
    """
    if not len(table):
        raise DataError("expected images for the table, got none: all were left out")
    shape, pixels = table.images.shape, moments(table)
    told = {name: value if isinstance(value, str) else json.dumps(value) for name, value in about.items()}
    meta = {
        **{name: value for name, value in table.meta.items() if name != "failed"},
        "size": f"{shape[2]}x{shape[1]}",
        "colour": "gray" if len(shape) == 3 else "rgb",
        "mean": json.dumps(pixels.mean.tolist()),
        "std": json.dumps(pixels.std.tolist()),
    }
    return replace(table, meta=meta | told)


def count_splits(table: Table) -> Counts:
    """Split -> images."""
    return {split: int(np.count_nonzero(table.split == split)) for split in table.splits}


def count_labels(table: Table, column: LabelColumn) -> dict[str, Counts]:
    """Label -> split -> images that have it; those without a label stand under ""."""
    counts = {}
    for k, label in [*enumerate(column.label_set), (-1, "")]:
        mask = column.ids == k
        if label or mask.any():
            counts[label] = {split: int(np.count_nonzero(mask & (table.split == split))) for split in table.splits}
    return counts
