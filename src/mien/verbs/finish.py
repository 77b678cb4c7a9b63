"""The end of a training: export the run, calibrate and measure what was exported, draw its curves."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from mien.core.epochs import read_epochs
from mien.core.errors import MissingExtraError
from mien.core.files import make_folder, replacing
from mien.core.optional import require
from mien.datasets.table import Table
from mien.evaluation import Evaluation
from mien.evaluation.calibration import fit_temperature
from mien.runtime.card import Figure
from mien.verbs.evaluate import evaluate

# The int8 file is the default unless it costs this much of any head's accuracy on the validation split.
LARGEST_LOSS = 0.005

CARD_METRICS = ("accuracy", "macro_f1", "ece_cross_fitted")


def finish(run: Path, table: Table, *, command: str) -> tuple[dict[str, Any], ...]:
    """Export a run, measure both weight files on the `valid` split, calibrate, and write all of it into the card.

    Returns:
        The figures of the card, plain values.
    """
    from mien.training.export import export_run

    card = export_run(run, table.of_split("train"), run, stem="model")
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
        if metric in evaluation.metrics  # of a few faces not all can be told
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


def draw(run: Path) -> str | None:
    """Draw the curves of a run into RUN/figures; returns a note where that cannot be."""
    try:
        require("matplotlib", extra="report")
    except MissingExtraError as error:
        return f"no curves drawn: {error}"
    from mien.reporting.curves import draw_curves

    drawing = draw_curves(read_epochs(run / "metrics.csv"))
    folder = run / "figures"
    make_folder(folder)
    with replacing(folder / "curves.png") as partial:
        partial.write_bytes(drawing.png)
    with replacing(folder / "curves.svg") as partial:
        partial.write_text(drawing.svg, "utf-8", newline="\n")
    return None
