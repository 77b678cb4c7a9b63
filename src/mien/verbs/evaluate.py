"""`mien evaluate`: models and labelled faces in, figures with their intervals out."""

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mien.core.errors import DataError, UsageError
from mien.core.files import file_name
from mien.core.optional import require
from mien.datasets import Table
from mien.datasets.lists import apply_lists, as_paths
from mien.datasets.table import SPLITS, expect_splits
from mien.evaluation import Evaluation, PredictionTable, average, judge
from mien.evaluation.errors import ErrorAnalysis
from mien.evaluation.robustness import Robustness
from mien.pipeline.picture_workers import open_data
from mien.runtime.classifier import Classifier
from mien.runtime.session import check_options
from mien.verbs.evaluate_files import check_out, write_all_errors, write_evaluations
from mien.verbs.evaluate_models import (
    FLIP,
    LabelledFaces,
    Predicted,
    Steps,
    predict_faces,
    robustness_of,
    seen_by,
)
from mien.verbs.evaluate_stored import is_predictions, read_stored, stored_predictions
from mien.verbs.robustness import cell_count
from mien.zoo.store import find_card, load_classifier

Spec = str | os.PathLike[str]


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """What decides an evaluation.

    Attributes:
        data: a prepared table (its path, or one in memory), or ``"ferplus=DIR"``; prediction tables need none, they
            bring their labels along. Of a run folder without data, the predictions that it holds are judged.
        split: train, valid or test.
        head: of the models; it is judged by the label source of the same name or, where the data have no such
            source, by the labels that both know. None: the default head, or another whose source the data have.
        drop: csv lists with a column `id` of faces to leave out; one or several.
        relabel: csv lists with the columns `id` and `suggestion` of faces to judge by another label.
        tta: evaluate the mean over each face and its mirror image too, as a row of its own.
        robustness: measure each model on changed faces, too: see `mien.core.corruptions`.
        errors: write where each model is wrong, too, as tables and galleries: see `mien.verbs.errors.write_errors`.
        device, threads, variant: as in `load_classifier`.
        seed: of the bootstrap and the folds.
        out: a folder for the results. overwrite: replace those of an earlier evaluation.
    """

    data: Spec | Table | None = None
    split: str = "valid"
    head: str | None = None
    drop: Spec | Sequence[Spec] | None = None
    relabel: Spec | Sequence[Spec] | None = None
    tta: bool = False
    robustness: bool = False
    errors: bool = False
    device: str = "auto"
    threads: int | None = None
    variant: str | None = None
    seed: int = 0
    out: Spec | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        expect_splits([self.split], there=SPLITS)
        check_options(threads=self.threads, device=self.device)


@dataclass(frozen=True)
class EvaluateResult:
    """All evaluations, in the order of the models, and the files written; robustness and errors by name, if wanted."""

    evaluations: tuple[Evaluation, ...]
    files: tuple[Path, ...] = ()
    robustness: Mapping[str, Robustness] = field(default_factory=dict)
    errors: Mapping[str, ErrorAnalysis] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        robustness = {name: each.to_dict() for name, each in self.robustness.items()}
        errors = {name: each.to_dict() for name, each in self.errors.items()}
        return {
            "evaluations": [each.to_dict() for each in self.evaluations],
            "files": [str(each) for each in self.files],
            **({"robustness": robustness} if robustness else {}),
            **({"errors": errors} if errors else {}),
        }


def evaluate(
    models: Spec | Sequence[Spec],
    config: EvaluateConfig | None = None,
    *,
    tell: Callable[[int, int], None] = lambda done, total: None,
    **changes: Any,
) -> EvaluateResult:
    """Measure models on labelled faces; of several models each, and the mean of their probabilities.

    With `out`, a folder then holds predictions-<split>.parquet, metrics-<split>.json, confusion-<split>.csv and the
    same as shares in confusion-rates-<split>.csv, classes-<split>.csv, curves-<split>.json, groups-<split>.csv where
    groups of people are known, and robustness-<split>.json if that was measured; of several evaluations each file
    carries the model's name too.

    Args:
        models: names out of `mien models list`, ONNX files, run folders, or prediction tables (.parquet, .csv).
        config: the settings; the defaults if None.
        tell: called with the number of faces done and their total.
        **changes: fields of `EvaluateConfig` by name.

    Raises:
        UsageError, DataError, ModelError: a name, the data, or a model is not as it should be; no face has a label.
        OutputError: results are there already, or cannot be written.

    Example:
        >>> mien.evaluate("mien-s", data="ferplus=data/").evaluations[0].metrics["accuracy"]  # doctest: +SKIP
        Estimate(value=0.87..., low=0.86..., high=0.88..., n=None)
    """
    config = replace(config or EvaluateConfig(), **changes)
    specs = [models] if isinstance(models, str | os.PathLike) else list(models)
    if not specs:
        raise UsageError("expected a model, run folder or prediction table, got none")
    given = specs
    if config.data is None and not config.tta and not config.robustness:
        specs = [stored_predictions(spec, split=config.split, head=config.head) for spec in specs]
    networks = [spec for spec in specs if not is_predictions(spec)]
    _expect_enough(networks, config)
    if config.out is not None:
        check_out(Path(config.out), config.split, overwrite=config.overwrite)
    # Models before data: a name that is not known is said at once, not after the data were read.
    stored = [_read(spec, config) if is_predictions(spec) else None for spec in specs]
    names = _names(given, stored, tta=config.tta)
    classifiers = [None if is_predictions(spec) else _load(spec, config) for spec in specs]
    faces = _open(config) if networks or config.errors else None
    seen = [None if each is None or faces is None else seen_by(each, faces) for each in classifiers]
    step = Steps(tell, sum(_passes(each.table, config) for each in seen if each is not None))
    tables: dict[str, Robustness] = {}
    rows: list[Predicted] = []
    plain: list[PredictionTable] = []
    for row, name, classifier, data in zip(stored, names, classifiers, seen, strict=True):
        if row is not None:
            table = replace(row.predictions, meta={**row.predictions.meta, "model": name})
            made = [replace(row, predictions=table)]
        else:
            assert classifier is not None and data is not None
            made = predict_faces(classifier, name, data, config.head, step, tta=config.tta)
            if config.robustness:
                tables[name] = robustness_of(classifier, data.table, config.head, step)
        rows += made
        plain.append(made[0].predictions)
    if len(plain) > 1:
        shared = tuple(line for line in rows[0].notes if all(line in row.notes for row in rows))
        rows.append(Predicted(average(plain), shared))
    for row in rows:
        _expect_labels(row.predictions, config)
    evaluations = tuple(judge(row.predictions, notes=row.notes, seed=config.seed) for row in rows)
    if config.out is None:
        return EvaluateResult(evaluations, (), tables)
    out = Path(config.out)
    files = write_evaluations(evaluations, out, config.split, tables)
    if not config.errors or faces is None:
        return EvaluateResult(evaluations, files, tables)
    shown = next((each.table for each in seen if each is not None), faces.table)  # of clips: a row a clip
    wrong = write_all_errors(evaluations, shown, out, config.split, tell=tell)
    files += tuple(path for each in wrong.values() for path in each.files)
    return EvaluateResult(evaluations, files, tables, {name: each.analysis for name, each in wrong.items()})


def _expect_enough(networks: Sequence[Spec], config: EvaluateConfig) -> None:
    """Raise UsageError where what is asked for needs more than was given."""
    if config.errors:
        if config.data is None or config.out is None:
            raise UsageError(
                "expected --data with the faces and --out for the tables to look at errors, got one or neither"
            )
        require("matplotlib", extra="report")
    if networks and config.data is None:
        find_card(networks[0])  # a name that is not known is said first
        raise UsageError(f"expected --data TABLE or NAME=ROOT to evaluate {networks[0]} on, got none")
    if (config.robustness or config.tta) and not networks:
        what = "measure its robustness" if config.robustness else "see the mirror images of --tta"
        raise UsageError(f"expected a model to {what}, got prediction tables only")


def _passes(table: Table, config: EvaluateConfig) -> int:
    """How many faces go through one model in all."""
    return len(table) * (1 + config.tta + (cell_count(table.images) if config.robustness else 0))


def _open(config: EvaluateConfig) -> LabelledFaces:
    whole = config.data if isinstance(config.data, Table) else open_data(str(config.data))
    in_split = whole.of_split(config.split)
    drop, relabel = as_paths(config.drop), as_paths(config.relabel)
    applied = apply_lists(whole, drop=drop, relabel=relabel, split=config.split)
    table = applied.table.of_split(config.split)
    in_train = None
    if config.split != "train" and "train" in whole.splits:
        seen = set(whole.of_split("train").pixel_keys())
        in_train = np.array([key in seen for key in table.pixel_keys()], np.bool_)
    return LabelledFaces(table, whole.digest(), in_train, len(in_split) - len(table), applied)


def _load(spec: Spec, config: EvaluateConfig) -> Classifier:
    return load_classifier(spec, threads=config.threads, device=config.device, variant=config.variant)


def _read(spec: Spec, config: EvaluateConfig) -> Predicted:
    drop, relabel = as_paths(config.drop), as_paths(config.relabel)
    return read_stored(spec, split=config.split, head=config.head, drop=drop, relabel=relabel)


def _expect_labels(table: PredictionTable, config: EvaluateConfig) -> None:
    if not (table.label_ids >= 0).any():
        source = table.meta.get("label_source", "")
        raise DataError(
            f"expected faces with a label{f' of {source}' if source else ''} in the split {config.split!r}, got none "
            f"of {len(table):,}: choose other data, another split or another head"
        )


def _names(specs: Sequence[Spec], stored: Sequence[Predicted | None], *, tta: bool) -> list[str]:
    """What to call the models: distinct, since files are called after them, so that a second "run" is "run-2"."""
    ends = ("", FLIP) if tta else ("",)
    taken = {"ensemble"} if len(specs) > 1 else set()
    names = []
    for spec, row in zip(specs, stored, strict=True):
        path = Path(spec)
        name = path.stem if path.suffix in (".onnx", ".parquet", ".csv") else path.name
        if name == "model":  # of a run folder: its own name says more
            name = path.resolve().parent.name
        elif name in ("", ".."):
            name = path.resolve().name
        if row is not None and not path.is_dir():
            name = row.predictions.meta.get("model", name)
        for free in itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2))):
            files = {file_name(free + end).casefold() for end in ends}
            if files.isdisjoint(taken):
                break
        names.append(free)
        taken |= files
    return names
