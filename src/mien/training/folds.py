"""Several trainings that answer one question: folds that take turns as the test split, and seeds."""

import csv
import io
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mien.core.errors import DataError, UsageError
from mien.datasets.subsets import carve_valid, fold, leave_out
from mien.datasets.table import Table
from mien.training.config import TrainConfig

LEAVE_ONE_OUT = "loso"
COLUMN = "fold"
SUBJECT = "subject"


@dataclass(frozen=True)
class Deal:
    """How a table is dealt to folds.

    Attributes:
        folds: how many; None: one for each group, which is left out in turn.
        group: column whose values stay together; "" where there is none.
        source: label source whose classes are spread evenly; None: there is none.
        seed: of the deal, and of the choice of each fold's validation faces.
        valid_share: of the faces that a fold trains on, how many select its epoch.
    """

    folds: int | None
    group: str
    source: str | None
    seed: int = 0
    valid_share: float = 0.1


def read_folds(folds: int | str) -> int | None:
    """What `--folds` means: a number of 2 or more, or None for ``loso``."""
    if folds == LEAVE_ONE_OUT:
        return None
    if not str(folds).isdecimal() or int(folds) < 2:
        raise UsageError(f"expected --folds of 2 or more, or loso, got {folds!r}")
    return int(folds)


def group_of(table: Table, group: str | None) -> str:
    """The column to group by: the one asked for, else the subjects where they are known, else none."""
    return group if group is not None else SUBJECT if SUBJECT in table.extra else ""


def deal(table: Table, how: Deal) -> Table:
    """The table with a column `fold`: its own, or one made of its `train` and `valid` rows.

    A column of its own decides: rows below 0 sit out, all others take part whatever their split. Without one, a `test`
    split stays out, for it is not to be looked at while models are chosen.

    Raises:
        DataError: the column has other folds than asked for, or tears a group apart; or no folds can be made.
    """
    if COLUMN in table.extra:
        dealt = table.select(table.extra[COLUMN] >= 0)
        _check(dealt, how)
        return dealt
    table = table.select(table.split != "test")
    if how.folds is None:
        if not how.group:
            raise DataError("expected a column 'subject' to leave one out, got none: name another with --group")
        return leave_out(table, how.group)
    return fold(table, how.source, how.folds, seed=how.seed, group=how.group or None)


def _check(table: Table, how: Deal) -> None:
    numbers = table.extra[COLUMN]
    found = len(np.unique(numbers))
    groups = table.extra.get(how.group) if how.group else None
    wanted = how.folds if how.folds is not None else 0 if groups is None else len(np.unique(groups))
    if found != wanted or found < 2:
        asked = f"{wanted} folds" if how.folds is not None else f"a fold for each {how.group or SUBJECT} ({wanted})"
        raise DataError(f"expected {asked} in the table's column {COLUMN!r}, got {found}: give --folds {found}")
    if groups is None:
        return
    pairs = {pair for pair in zip(groups.tolist(), numbers.tolist(), strict=True) if pair[0] != ""}
    torn = len(pairs) - len({group for group, _ in pairs})
    if torn:
        raise DataError(f"expected each {how.group} in one fold, got {torn} in several: deal the folds by {how.group}")


def fold_numbers(dealt: Table) -> list[int]:
    """The folds of a dealt table, in order."""
    return [int(each) for each in np.unique(dealt.extra[COLUMN])]


def of_fold(dealt: Table, number: int, how: Deal) -> Table:
    """The table as one fold sees it: the fold is `test`; `valid` is carved out of the rest, which is `train`.

    So no epoch is ever selected on the faces that are reported.

    Raises:
        DataError: no validation faces can be taken out, because all others are of one group.
    """
    parted = replace(dealt, split=np.where(dealt.extra[COLUMN] == number, "test", "train"))
    table = with_valid(parted, how)
    if table is None:
        raise DataError(
            f"expected validation faces of another {how.group or 'kind'} among those that fold {number} trains on, got "
            "none: take more folds"
        )
    return table


def with_valid(table: Table, how: Deal) -> Table | None:
    """The table with a share of `train` as `valid`; None where all of train are of one group.

    Where a subject is more than the share asked for, the share grows, up to a half, until one is taken.
    """
    share = how.valid_share
    while share < 1:
        carved = carve_valid(table, how.source, share, seed=how.seed, group=how.group or None)
        if {"train", "valid"} <= set(carved.splits):
            return carved
        share = 1 if share >= 0.5 else min(0.5, 1.5 * share)
    return None


def of_seed(config: TrainConfig, number: int) -> TrainConfig:
    """The settings of the n-th of several seeds, which follow that of the settings."""
    return replace(config, seed=config.seed + number)


@dataclass(frozen=True)
class Spread:
    """A figure over several runs.

    Attributes:
        mean, std, min, max: over the runs where it is defined; std is that of a sample (n - 1), NaN for one run.
        n: how many those are.
        runs: name -> its figure, NaN where it is not defined.
    """

    mean: float
    std: float
    min: float
    max: float
    n: int
    runs: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Plain values; None where something is not defined."""
        numbers = {name: _plain(getattr(self, name)) for name in ("mean", "std", "min", "max")}
        return {**numbers, "n": self.n, "runs": {name: _plain(value) for name, value in self.runs.items()}}


def spread(runs: Mapping[str, float]) -> Spread:
    """Mean, deviation and range of one figure.

    >>> found = spread({"seed-0": 0.70, "seed-1": 0.72, "seed-2": 0.71})
    >>> round(found.mean, 4), round(found.std, 4), found.min, found.max
    (0.71, 0.01, 0.7, 0.72)
    """
    values = [each for each in runs.values() if math.isfinite(each)]
    if not values:
        return Spread(math.nan, math.nan, math.nan, math.nan, 0, runs)
    std = statistics.stdev(values) if len(values) > 1 else math.nan
    return Spread(statistics.fmean(values), std, min(values), max(values), len(values), runs)


def spreads(figures: Mapping[str, Mapping[str, float]]) -> dict[str, Spread]:
    """Of each metric; run -> metric -> value goes in."""
    names = dict.fromkeys(metric for each in figures.values() for metric in each)
    return {metric: spread({run: each.get(metric, math.nan) for run, each in figures.items()}) for metric in names}


def summary_csv(heads: Mapping[str, Mapping[str, Spread]]) -> str:
    """A row a head and run, then rows `mean`, `std`, `min`, `max`; a column a metric; empty where not defined.

    Heads need not have the same metrics: only some labels come with votes.
    """
    metrics = list(dict.fromkeys(metric for each in heads.values() for metric in each))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["head", "run", *metrics])
    for head, by_metric in heads.items():
        for run in next(iter(by_metric.values())).runs:
            runs = {metric: each.runs[run] for metric, each in by_metric.items()}
            writer.writerow([head, run, *(_cell(runs.get(each, math.nan)) for each in metrics)])
        for name in ("mean", "std", "min", "max"):
            values = {metric: getattr(each, name) for metric, each in by_metric.items()}
            writer.writerow([head, name, *(_cell(values.get(each, math.nan)) for each in metrics)])
    return text.getvalue()


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _cell(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""


def names(kind: str, numbers: Sequence[int]) -> list[str]:
    """Folder names of the runs: ``fold-0``, ``seed-1``."""
    return [f"{kind}-{number}" for number in numbers]
