"""`mien join`: several finished runs as one model, whose answer is the mean of theirs."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mien.core.optional import require
from mien.datasets.table import Table
from mien.pipeline.picture_workers import open_data
from mien.verbs.finish import finish


@dataclass(frozen=True)
class JoinResult:
    """The run folder, and the figures of the exported model on the `valid` split: a row a head, variant and metric."""

    run: Path
    figures: tuple[dict[str, Any], ...]


def join(
    runs: Sequence[str | os.PathLike[str]],
    *,
    data: str | Table,
    out: str | os.PathLike[str],
    name: str = "joined",
    title: str = "",
) -> JoinResult:
    """Make one model of several finished runs, calibrate it and measure it on the `valid` split.

    The mean of their calibrated logits is its answer; see `mien.training.join`. The run folder is as one of
    `mien train`: `mien evaluate`, `export` and teachers take it.

    Args:
        runs: run folders of `mien train` whose inputs and labels are the same; two or more.
        data: a prepared table, or ``"ferplus=DIR"``: its `train` faces set the ranges of the int8 file, its `valid`
            faces the temperatures and figures.
        out: the run folder.
        name: what the model is called.
        title: of its card; that of the first run if empty.

    Raises:
        UsageError, TrainingError, OutputError: see `mien.training.join.join`. DataError: the data lack a split.
        MissingExtraError: the extra `train` is not installed.

    Example:
        >>> mien.join(["runs/a", "runs/b"], data="ferplus=data/", out="runs/both")  # doctest: +SKIP
    """
    require("lightning", extra="train")
    from mien.training.join import join as make

    folders = [Path(each) for each in runs]
    table = data if isinstance(data, Table) else open_data(data)
    for split in ("train", "valid"):
        table.of_split(split)  # before anything is written
    make(folders, table, out=Path(out), name=name, about={"title": title} if title else {})
    named = " ".join(each.name for each in folders)
    figures = finish(Path(out), table, command=f"mien join {named} --data DATA --name {name} --out RUN")
    return JoinResult(Path(out), figures)
