"""Predictions that were made earlier: of a run folder, or a prediction table."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mien.core.errors import DataError, UsageError
from mien.datasets.lists import ListPath, digests, ids_to_drop, in_words, new_labels
from mien.datasets.table import expect_splits
from mien.evaluation import PredictionTable, read_predictions
from mien.verbs.evaluate_models import Predicted
from mien.zoo.store import RUN_CARD, load_card

Spec = str | os.PathLike[str]


def is_predictions(spec: Spec) -> bool:
    """Whether it is called as a prediction table is."""
    return Path(spec).suffix in (".parquet", ".csv")


def stored_predictions(spec: Spec, *, split: str, head: str | None) -> Spec:
    """The predictions that a run folder holds of the split and head; other specs as they are."""
    folder, file = Path(spec), f"predictions-{split}.parquet"
    if not folder.is_dir():
        return spec
    by_head = {path.parent.name: path for path in sorted(folder.glob(f"*/{file}"))}
    if head in by_head:
        return by_head[str(head)]
    if (folder / file).exists():
        return folder / file
    if head is None and by_head:
        default = load_card(folder).default_head if (folder / RUN_CARD).exists() else ""
        if default in by_head or len(by_head) == 1:
            return by_head.get(default) or next(iter(by_head.values()))
        raise UsageError(f"expected --head out of {', '.join(by_head)} for the predictions in {spec}, got none")
    others = sorted({path.name for path in (*folder.glob("predictions-*"), *folder.glob("*/predictions-*"))} - {file})
    there = f" ({', '.join(others)[:200]} is there)" if others else ""
    wanted = f"{file} of head {head}" if by_head else file
    raise UsageError(f"expected --data TABLE or NAME=ROOT, or {wanted} in the run {spec}, got neither{there}")


def read_stored(
    spec: Spec, *, split: str, head: str | None, drop: Sequence[ListPath], relabel: Sequence[ListPath]
) -> Predicted:
    """A prediction table's rows of the split, labelled anew and without those to drop."""
    table = read_predictions(spec)
    if head not in (None, table.meta.get("head", head)):
        raise DataError(f"expected predictions of head {head!r} in {spec}, got those of {table.meta['head']!r}")
    there = sorted(set(table.split.tolist()) - {""})
    if there:  # a csv made elsewhere may say nothing of splits
        expect_splits([split], there=there, where=spec)
        table = table.select(table.split == split)
    whole, notes = len(table), []
    for path in relabel:
        table, count = _relabel(table, path)
        notes.append(f"{count:,} images of {split} labelled anew by {path}")
    for path in drop:
        kept = table.select(~np.isin(table.ids, list(ids_to_drop(path))))
        notes.append(f"{len(table) - len(kept):,} images of {split} left out by {path}")
        table = kept
    meta = {**table.meta, "split": split}
    if len(table) < whole:
        meta["dropped"] = str(int(meta.get("dropped", "0")) + whole - len(table))
    if drop or relabel:
        earlier = [meta["lists"]] if "lists" in meta else []
        meta["lists"] = "; ".join([*earlier, in_words(digests(drop=drop, relabel=relabel))])
    return Predicted(replace(table, meta=meta), tuple(notes))


def _relabel(table: PredictionTable, path: Spec) -> tuple[PredictionTable, int]:
    """Predictions judged by the labels that a list gives for the source that they are judged by, and how many."""
    source, rows = table.meta.get("label_source", ""), {name: row for row, name in enumerate(table.ids.tolist())}
    label_ids = table.label_ids.copy()
    changed = set()
    for each in new_labels(path):
        if each.id not in rows or (source and each.source and each.source != source):
            continue
        try:
            label_ids[rows[each.id]] = table.label_set.index(each.label)
        except UsageError as error:
            raise DataError(f"{error} ({each.where})") from None
        changed.add(each.id)
    return replace(table, label_ids=label_ids), len(changed)
