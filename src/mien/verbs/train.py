"""`mien train`: data and settings in, a run folder with a measured, calibrated, exported model out."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mien.core.errors import UsageError
from mien.core.files import replacing
from mien.core.optional import require
from mien.datasets import open_data
from mien.datasets.lists import apply_lists, as_paths
from mien.datasets.table import Table
from mien.evaluation import Evaluation
from mien.evaluation.calibration import fit_temperature
from mien.runtime.card import Figure
from mien.verbs.evaluate import evaluate

# The int8 file is the default unless it costs this much of any head's accuracy on the validation split.
LARGEST_LOSS = 0.005

CARD_METRICS = ("accuracy", "macro_f1", "ece_cross_fitted")


@dataclass(frozen=True)
class TrainResult:
    """What a training left.

    Attributes:
        run: its folder. epochs: trained so far. finished: whether it went through.
        figures: of the exported model on the `valid` split, a row a head, variant and metric; empty while unfinished.
        notes: what lists left out or labelled anew.
    """

    run: Path
    epochs: int
    finished: bool
    figures: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()


def train(
    data: str | Sequence[str],
    *,
    out: str | Path,
    net: str | None = None,
    preset: str | None = None,
    config: str | Path | None = None,
    changes: Sequence[str] = (),
    drop: str | Path | Sequence[str | Path] | None = None,
    relabel: str | Path | Sequence[str | Path] | None = None,
    device: str = "auto",
    resume: bool = False,
    max_minutes: float | None = None,
    tell: Callable[[dict[str, Any]], None] = lambda row: None,
) -> TrainResult:
    """Train a model, select its best epoch on the `valid` split, export it and measure the exported files there.

    Args:
        data: a prepared table, or ``"ferplus=DIR"``; several are joined.
        out: the run folder.
        preset: name of a recipe, whose settings are the first layer.
        config: a TOML file of settings that win over the preset's.
        net: name of an architecture; wins over both.
        changes: single settings, ``"key=value"``, that win over all.
        drop: csv lists with a column `id` of images to leave out; one or several.
        relabel: csv lists with the columns `id`, `source` and `suggestion` of images to give another label.
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
    named += [f"device='{device}'"] if device != "auto" else []
    settings = load_config(preset=preset, file=Path(config) if config else None, changes=[*named, *changes])
    table = Table.concatenate([open_data(spec) for spec in specs])
    applied = apply_lists(table, drop=as_paths(drop), relabel=as_paths(relabel))
    table = applied.table
    run = fit(settings, table, out=Path(out), lists=applied.lists, resume=resume, max_minutes=max_minutes, tell=tell)
    if not run.finished:
        return TrainResult(run.folder, run.epochs, False, notes=applied.notes)
    parts = ["--data DATA", *([f"--preset {preset}"] if preset else []), *([f"--net {net}"] if net else [])]
    parts += [f"--set {change}" for change in changes]
    parts += applied.lists  # by option and name
    figures = finish(run.folder, table, command=" ".join(["mien train", *parts, "--out RUN"]))
    return TrainResult(run.folder, run.epochs, True, figures, applied.notes)


def finish(run: Path, table: Table, *, command: str) -> tuple[dict[str, Any], ...]:
    """Export a run, measure both weight files on the `valid` split, calibrate, and write all of it into the card.

    Returns:
        The figures of the card, plain values.
    """
    from mien.training.export import export_run

    card = export_run(run, table.of_split("train").images, run, stem="model")
    measured = {variant: {head: _measure(run, table, head, variant) for head in card.heads} for variant in card.files}
    default = _default_file(measured)
    heads = {
        name: replace(head, temperature=_temperature(measured[default][name])) for name, head in card.heads.items()
    }
    figures = tuple(
        _figure(evaluation, metric, head=head, file=variant)
        for variant, by_head in measured.items()
        for head, evaluation in by_head.items()
        for metric in CARD_METRICS
    )
    versions = json.loads((run / "versions.json").read_text("utf-8"))
    made = {"command": command, "data_sha256": versions["data"], "commit": versions["commit"] or ""}
    card = replace(card, heads=heads, default_file=default, figures=figures, train=made)
    with replacing(run / "model.toml") as partial:
        partial.write_text(card.dump(), "utf-8", newline="\n")
    for head in card.heads:  # once more, calibrated, to be kept
        evaluate(run, data=table, head=head, out=run / head, overwrite=True)
    return tuple(asdict(figure) for figure in figures)


def _default_file(measured: Mapping[str, Mapping[str, Evaluation]]) -> str:
    """The int8 file, which is faster, unless it costs a head too much accuracy."""
    losses = [
        full.metrics["accuracy"].value - measured["int8"][head].metrics["accuracy"].value
        for head, full in measured["float16"].items()
    ]
    return "int8" if max(losses) <= LARGEST_LOSS else "float16"


def _figure(evaluation: Evaluation, metric: str, *, head: str, file: str) -> Figure:
    found, about = evaluation.metrics[metric], evaluation.predictions.meta
    value, low, high = (round(each, 5) for each in (found.value, found.low, found.high))
    return Figure(about["data"], "valid", head, evaluation.n, metric, value, low, high, about["rule"], file)


def _measure(run: Path, table: Table, head: str, variant: str) -> Evaluation:
    return evaluate(run, data=table, head=head, variant=variant).evaluations[0]


def _temperature(evaluation: Evaluation) -> float:
    labelled = evaluation.predictions.labelled()
    return round(fit_temperature(labelled.probabilities, labelled.label_ids), 4)
