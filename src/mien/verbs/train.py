"""`mien train`: data and settings in, a run folder with a measured, calibrated, exported model out."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mien.core.errors import UsageError
from mien.core.optional import require
from mien.datasets import open_data
from mien.datasets.table import Table

# The int8 file is the default unless it costs this much of any head's accuracy on the validation split.
LARGEST_LOSS = 0.005


@dataclass(frozen=True)
class TrainResult:
    """What a training left.

    Attributes:
        run: its folder. epochs: trained so far. finished: whether it went through.
        figures: of the exported model on the `valid` split, a row a head, variant and metric; empty while unfinished.
    """

    run: Path
    epochs: int
    finished: bool
    figures: tuple[dict[str, Any], ...] = ()


def train(
    data: str | Sequence[str],
    *,
    out: str | Path,
    net: str | None = None,
    preset: str | None = None,
    config: str | Path | None = None,
    changes: Sequence[str] = (),
    drop: str | Path | None = None,
    device: str = "auto",
    resume: bool = False,
    max_minutes: float | None = None,
    tell: Callable[[dict[str, Any]], None] = lambda row: None,
) -> TrainResult:
    """Train a model, select its best epoch on the `valid` split, export it and measure the exported files there.

    Args:
        data: a prepared table, or ``"ferplus=DIR"``; several are joined.
        out: the run folder.
        net: name of an architecture; preset: name of a recipe; config: a TOML file; changes: ``"key=value"``.
            Later ones win over earlier ones.
        drop: csv with a column `id` of images to leave out.
        device: auto, cpu or cuda.
        resume: go on with the run in `out` after its last finished epoch.
        max_minutes: stop at an epoch boundary before this time.
        tell: called with a dict of figures after each epoch.

    Raises:
        UsageError, DataError, OutputError, TrainingError: see the messages.
        MissingExtraError: the extra `train` is not installed.

    Example:
        >>> mien.train("ferplus=data/", preset="mien-s", out="runs/mien-s")  # doctest: +SKIP
    """
    require("lightning", extra="train")
    from mien.training.config import load_config
    from mien.training.fit import fit

    specs = [data] if isinstance(data, str) else list(data)
    if not specs:
        raise UsageError("expected --data TABLE or NAME=ROOT, got none")
    named = [f"net='{net}'"] if net else []
    if device != "auto":
        named.append(f"device='{device}'")
    settings = load_config(preset=preset, file=Path(config) if config else None, changes=[*named, *changes])
    table = Table.concatenate([open_data(spec) for spec in specs])
    if drop is not None:
        table = table.drop(Path(drop))
    run = fit(settings, table, out=Path(out), resume=resume, max_minutes=max_minutes, tell=tell)
    if not run.finished:
        return TrainResult(run.folder, run.epochs, False)
    command = shlex.join(["mien", "train", *(["--preset", preset] if preset else []), *_set_options(net, changes)])
    return TrainResult(run.folder, run.epochs, True, finish(run.folder, table, command=f"{command} --data DATA --out RUN"))
