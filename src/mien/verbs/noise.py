"""`mien data noise`: how far labels can be trusted, and which are probably wrong."""

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError, UsageError
from mien.core.files import expect_free, make_folder, replacing
from mien.core.images import write_image
from mien.core.labels import LabelSet
from mien.core.montage import montage
from mien.datasets import Table
from mien.datasets.lists import RELABEL, Entry, write_list
from mien.datasets.noise import (
    Agreement,
    Floats,
    Suspects,
    common_labels,
    compare,
    distributions_in,
    entropy_bits,
    find_suspects,
    ids_in,
    vote_share,
    votes_of,
)
from mien.evaluation import read_predictions
from mien.evaluation.metrics import wilson
from mien.pipeline.picture_workers import open_data

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_SHOWN = 100  # suspects in the gallery
_FILES = ("suspects.csv", "confusion.csv", "entropy.csv", "gallery.png")


@dataclass(frozen=True, eq=False)
class NoiseResult:
    """What was found, and the files written.

    Attributes:
        source: the labels that are doubted. against: the other label source, None where there is none.
        agreement: of the two on all images; by_split: on those of each split; None and empty without `against`.
        vote_share: (n,) share of raters who chose the image's label. entropy: (n,) bits of their votes. Both NaN
            where nobody voted.
        labels: classes of the suspects. suspects: labels that are probably wrong. judged_by: by what, in words.
        left_out: labelled images that were not judged.
    """

    table: Table
    source: str
    against: str | None
    agreement: Agreement | None
    by_split: dict[str, Agreement]
    vote_share: Floats
    entropy: Floats
    labels: LabelSet
    suspects: Suspects
    judged_by: str
    left_out: int
    notes: tuple[str, ...] = ()
    files: tuple[Path, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        suspects, splits = self.suspects, self.table.split
        return {
            "data": self.table.meta.get("name", "table"),
            "rows": len(self.table),
            "source": self.source,
            "against": self.against,
            "agreement": None if self.agreement is None else _figures(self.agreement),
            "by_split": {split: _figures(each) for split, each in self.by_split.items()},
            "vote_share": _mean(self.vote_share),
            "entropy": _distribution(self.entropy),
            "entropy_by_label": {
                label: _mean(self.entropy[ids_in(self.labels, self.table.source(self.source)) == k])
                for k, label in enumerate(self.labels)
            },
            "suspects": {
                "judged_by": self.judged_by,
                "n": suspects.n,
                "left_out": self.left_out,
                "count": len(suspects.rows),
                "by_split": {each: int((splits[suspects.rows] == each).sum()) for each in self.table.splits},
                "noise": suspects.noise,
                "thresholds": dict(zip(self.labels, suspects.thresholds.tolist(), strict=True)),
                "joint": suspects.joint.tolist(),
                "labels": list(self.labels),
            },
            "notes": list(self.notes),
            "files": [str(each) for each in self.files],
        }


def noise(
    data: str | os.PathLike[str] | Table,
    *,
    source: str | None = None,
    against: str | None = None,
    predictions: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
) -> NoiseResult:
    """Compare two label sources of the same images, measure how undecided raters are, and list suspect labels.

    Args:
        data: a prepared table (its path, or one in memory) or ``"NAME=ROOT"`` of face crops.
        source: the label source that is doubted; fer2013, or the first that the data have.
        against: another label source; ferplus, or any other that the data have. Its votes judge the labels.
        predictions: a prediction table of `mien evaluate` that judges the labels instead. The model must not have
            learnt from these very labels: it would repeat them.
        out: a folder for suspects.csv (which `--relabel` takes), confusion.csv, entropy.csv and gallery.png.
        overwrite: replace those files if they are there.

    Raises:
        UsageError, DataError: the data, a source or the predictions are not as they should be.
        OutputError: the files cannot be written.

    Example:
        >>> mien.noise("ferplus.parquet").agreement.kappa  # doctest: +SKIP
        0.6...
    """
    if out is not None:
        for name in _FILES:
            expect_free(Path(out, name), overwrite=overwrite)
    table = data if isinstance(data, Table) else open_data(data)
    source, against = _choose(table, source, against)
    column = table.source(source)
    agreement, by_split = None, dict[str, Agreement]()
    share, entropy = np.full(len(table), np.nan), np.full(len(table), np.nan)
    if against is not None:
        other = table.source(against)
        agreement = compare(column, other)
        for split in table.splits:
            here = table.split == split
            by_split[split] = compare(column.select(here), other.select(here))
        votes = votes_of(table, against)
        if votes is not None:
            share, entropy = vote_share(table, source, against), entropy_bits(votes)
    labels, probabilities, judged_by, notes = _judge(table, source, against, predictions)
    ids = ids_in(labels, column)
    suspects = find_suspects(ids, probabilities)
    left_out = int((column.ids >= 0).sum()) - suspects.n
    files = () if out is None else tuple(Path(out, name) for name in _FILES if name != "confusion.csv" or agreement)
    result = NoiseResult(
        table,
        source,
        against,
        agreement,
        by_split,
        share,
        entropy,
        labels,
        suspects,
        judged_by,
        left_out,
        notes,
        files,
    )
    if out is not None:
        _write(result, Path(out))
    return result


def _choose(table: Table, source: str | None, against: str | None) -> tuple[str, str | None]:
    """The two label sources to compare; the second None where there is only one."""
    if not table.sources:
        raise DataError("expected labels in the data, got none: choose another data set")
    for name in (source, against):
        if name is not None:
            table.source(name)  # an unknown one raises
    if source is None:
        source = next((each for each in ("fer2013", *table.sources) if each in table.sources and each != against), None)
    if source is None or source == against:
        raise UsageError(f"expected two label sources to compare, got {against} twice")
    if against is None:
        against = next((each for each in ("ferplus", *table.sources) if each in table.sources and each != source), None)
    return source, against


def _judge(
    table: Table, source: str, against: str | None, predictions: str | os.PathLike[str] | None
) -> tuple[LabelSet, Floats, str, tuple[str, ...]]:
    """Classes, probabilities of each image, what they come from, and what to know of them."""
    own = table.source(source).label_set
    if predictions is not None:
        return _predicted(table, own, predictions)
    votes = None if against is None else votes_of(table, against)
    if against is None or votes is None:
        raise DataError(
            f"expected votes to judge the labels of {source} by, got none: give --against a source with votes, or "
            "--predictions of a model that did not learn from these labels"
        )
    asked = table.source(against).label_set
    labels = common_labels(own, asked)
    return labels, distributions_in(labels, votes, asked), f"the votes of {against}", ()


def _predicted(
    table: Table, own: LabelSet, path: str | os.PathLike[str]
) -> tuple[LabelSet, Floats, str, tuple[str, ...]]:
    said = read_predictions(path)
    labels = common_labels(own, said.label_set)
    rows = {name: row for row, name in enumerate(said.ids.tolist())}
    found = np.array([rows.get(name, -1) for name in table.ids.tolist()])
    if (found < 0).all():
        raise DataError(f"expected predictions on this data in {path}, got none of its ids, such as {table.ids[0]}")
    probabilities = distributions_in(labels, said.probabilities.astype(np.float64), said.label_set)[found]
    probabilities[found < 0] = 0
    notes: tuple[str, ...] = ()
    if (said.split == "train").any():
        notes = (
            "these predictions are of train: if the model learnt from these labels it repeats them, and wrong ones are "
            "not found; take predictions of folds instead",
        )
    return labels, probabilities, f"the predictions of {said.meta.get('model', Path(path).stem)}", notes


def _figures(agreement: Agreement) -> dict[str, Any]:
    return {
        "n": agreement.n,
        "agreement": wilson(agreement.agree, agreement.n).to_dict(),
        "kappa": agreement.kappa,
        "by_label": agreement.by_label(),
        "labels": list(agreement.labels),
        "confusion": agreement.confusion.tolist(),
    }


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _distribution(bits: Floats) -> dict[str, Any]:
    """Mean, quantiles, and the share of images whose raters do not all agree."""
    known = bits[~np.isnan(bits)]
    if not len(known):
        return {"n": 0}
    quantiles = {f"q{round(100 * q):02d}": float(np.quantile(known, q)) for q in QUANTILES}
    return {"n": len(known), "mean": float(known.mean()), **quantiles, "disagree": float((known > 0).mean())}


def _write(result: NoiseResult, out: Path) -> None:
    make_folder(out)
    write_list(_entries(result), out / "suspects.csv")
    if result.agreement is not None:
        rows = zip(result.agreement.labels, result.agreement.confusion.tolist(), strict=True)
        header = [f"{result.source} \\ {result.against}", *result.agreement.labels]
        _write_csv(out / "confusion.csv", header, ([label, *counts] for label, counts in rows))
    names = {name: column.names() for name, column in result.table.sources.items()}
    columns = [result.table.ids.tolist(), result.table.split.tolist(), *names.values()]
    columns += [[_short(value) for value in values.tolist()] for values in (result.vote_share, result.entropy)]
    header = ["id", "split", *(f"label_{name}" for name in names), "vote_share", "entropy_bits"]
    _write_csv(out / "entropy.csv", header, zip(*columns, strict=True))
    write_image(out / "gallery.png", _gallery(result))


def _entries(result: NoiseResult) -> Iterator[Entry]:
    suspects, table, given = result.suspects, result.table, result.table.source(result.source)
    for row, suggested, own, likely in zip(
        suspects.rows.tolist(), suspects.suggested.tolist(), suspects.given, suspects.likely, strict=True
    ):
        yield Entry(
            id=str(table.ids[row]),
            split=str(table.split[row]),
            problem="suspect_label",
            action=RELABEL,
            source=result.source,
            label=given.name_of(row) or "",
            suggestion=result.labels.labels[suggested],
            detail=f"{result.judged_by} give its label {own:.2f}, the other {likely:.2f}",
        )


def _gallery(result: NoiseResult) -> npt.NDArray[np.uint8]:
    """The most doubtful images: the label given, then the one suggested."""
    shown = list(_entries(result))[:_SHOWN]
    images = [result.table.images[row] for row in result.suspects.rows[:_SHOWN].tolist()]
    captions = [f"{each.label}\n> {each.suggestion}" for each in shown]
    return montage(images, captions, columns=10)


def _write_csv(path: Path, header: Sequence[str], rows: Any) -> None:
    with replacing(path) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _short(value: float) -> str:
    return "" if value != value else f"{value:.4f}"
