"""`mien evaluate`: models and labelled faces in, figures with their intervals out."""

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mien import __version__
from mien.core.errors import DataError, UsageError
from mien.core.files import file_name
from mien.core.optional import require
from mien.datasets import Table, open_data
from mien.datasets.clips import Clips, clips_of
from mien.datasets.lists import Applied, apply_lists, as_paths, digests, ids_to_drop, in_words, new_labels
from mien.datasets.table import SPLITS, expect_splits
from mien.evaluation import Evaluation, PredictionTable, average, in_common, judge, read_predictions
from mien.evaluation.errors import ErrorAnalysis
from mien.evaluation.robustness import Robustness
from mien.runtime.card import AFFECT
from mien.runtime.classifier import Classifier
from mien.runtime.session import check_options
from mien.verbs.evaluate_files import check_out, write_all_errors, write_evaluations
from mien.verbs.robustness import cell_count, measure_robustness
from mien.zoo.store import RUN_CARD, find_card, load_card, load_classifier

_FACES_AT_ONCE = 512
_FLIP = "+flip"  # how the name of a mean with mirror images ends

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


@dataclass(frozen=True, eq=False)
class _Faces:
    """The labelled faces, opened once for all models; for a model that sees clips, a row a clip."""

    table: Table
    digest: str
    in_train: npt.NDArray[np.bool_] | None
    dropped: int
    applied: Applied
    clips: Clips | None = None


@dataclass(frozen=True, eq=False)
class _Row:
    """One line of the result to be: predictions, and what to say beside."""

    predictions: PredictionTable
    notes: tuple[str, ...] = ()


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
        specs = [_stored(spec, config) for spec in specs]
    networks = [spec for spec in specs if not _is_predictions(spec)]
    _expect_enough(networks, config)
    if config.out is not None:
        check_out(Path(config.out), config.split, overwrite=config.overwrite)
    # Models before data: a name that is not known is said at once, not after the data were read.
    stored = [_read(spec, config) if _is_predictions(spec) else None for spec in specs]
    names = _names(given, stored, tta=config.tta)
    classifiers = [None if _is_predictions(spec) else _load(spec, config) for spec in specs]
    faces = _open(config) if networks or config.errors else None
    seen = [None if each is None or faces is None else _seen_by(each, faces) for each in classifiers]
    step = _Steps(tell, sum(_passes(each.table, config) for each in seen if each is not None))
    tables: dict[str, Robustness] = {}
    rows: list[_Row] = []
    plain: list[PredictionTable] = []
    for row, name, classifier, data in zip(stored, names, classifiers, seen, strict=True):
        if row is not None:
            table = replace(row.predictions, meta={**row.predictions.meta, "model": name})
            made = [replace(row, predictions=table)]
        else:
            assert classifier is not None and data is not None
            made = _predict(classifier, name, data, config, step)
            if config.robustness:
                tables[name] = _robustness(classifier, data.table, config.head, step)
        rows += made
        plain.append(made[0].predictions)
    if len(plain) > 1:
        shared = tuple(line for line in rows[0].notes if all(line in row.notes for row in rows))
        rows.append(_Row(average(plain), shared))
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


class _Steps:
    """Adds up the faces done over all models and tells the sum."""

    def __init__(self, tell: Callable[[int, int], None], total: int) -> None:
        self._tell, self._total, self._done = tell, total, 0

    def __call__(self, faces: int) -> None:
        self._done += faces
        self._tell(self._done, self._total)


def _passes(table: Table, config: EvaluateConfig) -> int:
    """How many faces go through one model in all."""
    return len(table) * (1 + config.tta + (cell_count(table.images) if config.robustness else 0))


def _open(config: EvaluateConfig) -> _Faces:
    whole = config.data if isinstance(config.data, Table) else open_data(str(config.data))
    in_split = whole.of_split(config.split)
    drop, relabel = as_paths(config.drop), as_paths(config.relabel)
    applied = apply_lists(whole, drop=drop, relabel=relabel, split=config.split)
    table = applied.table.of_split(config.split)
    in_train = None
    if config.split != "train" and "train" in whole.splits:
        seen = set(whole.of_split("train").pixel_keys())
        in_train = np.array([key in seen for key in table.pixel_keys()], np.bool_)
    return _Faces(table, whole.digest(), in_train, len(in_split) - len(table), applied)


def _load(spec: Spec, config: EvaluateConfig) -> Classifier:
    return load_classifier(spec, threads=config.threads, device=config.device, variant=config.variant)


def _seen_by(classifier: Classifier, faces: _Faces) -> _Faces:
    """The faces as they are, or put together to the clips that the model sees."""
    if not classifier.takes_clips:
        return faces
    clips = clips_of(faces.table, classifier.card.input.frames)
    in_train = None if faces.in_train is None else np.asarray(faces.in_train[clips.frames].all(1), np.bool_)
    return replace(faces, table=clips.table, in_train=in_train, clips=clips)


def _predict(classifier: Classifier, name: str, faces: _Faces, config: EvaluateConfig, step: _Steps) -> list[_Row]:
    """The predictions of one model, and with `tta` those of the mean with mirror images beside."""
    head, source = _head_and_source(classifier, faces.table, config.head)
    probabilities = _probabilities(classifier, faces, head, step)
    affect = _affect(classifier, faces)
    rows = [_join(classifier, faces, head, source, probabilities, affect, name)]
    if config.tta:
        mean = (probabilities + _probabilities(classifier, faces, head, step, mirrored=True)) / np.float32(2)
        mirrored = _affect(classifier, faces, mirrored=True)
        if affect is not None and mirrored is not None:
            affect = (affect + mirrored) / np.float32(2)
        rows.append(_join(classifier, faces, head, source, mean, affect, f"{name}{_FLIP}", passes=2))
    return rows


def _robustness(classifier: Classifier, table: Table, head: str | None, step: _Steps) -> Robustness:
    """Measured on the faces whose label the head knows, over all of its labels."""
    if classifier.takes_clips:
        raise UsageError(
            f"expected a model of single faces to measure robustness, got {classifier.card.name} for clips"
        )
    head, source = _head_and_source(classifier, table, head)
    column = table.source(source)
    known = np.append(column.label_set.columns_in(classifier.label_set(head)), -1)  # id -1 is the last
    measured = measure_robustness(classifier, table.images, known[column.ids], head=head, tell=step)
    step((len(table) - measured.n) * cell_count(table.images))
    return measured


def _head_and_source(classifier: Classifier, table: Table, head: str | None) -> tuple[str, str]:
    """Which head to ask, and which label source to judge it by."""
    sources = table.sources
    if not sources:
        raise DataError("expected labels in the data, got none: choose another data set")
    if head is None:
        default = classifier.card.default_head
        with_source = [each for each in classifier.card.heads if each in sources]
        head = default if default in sources or not with_source else with_source[0]
    labels = classifier.label_set(head)  # an unknown head raises here
    if head in sources:
        return head, head
    return head, max(sources, key=lambda each: int((labels.columns_in(sources[each].label_set) >= 0).sum()))


def _probabilities(
    classifier: Classifier, faces: _Faces, head: str, step: _Steps, *, mirrored: bool = False
) -> npt.NDArray[np.float32]:
    parts = [np.empty((0, len(classifier.label_set(head))), np.float32)]
    columns = slice(None, None, -1 if mirrored else 1)
    at_once = max(1, _FACES_AT_ONCE // max(1, classifier.card.input.frames))
    for start in range(0, len(faces.table), at_once):
        some = slice(start, start + at_once)
        crops = np.ascontiguousarray(faces.table.images[some, :, columns])
        if faces.clips is None:
            parts.append(classifier.predict(crops, head=head))
        else:
            clips = faces.clips.pictures[faces.clips.frames[some]][:, :, :, columns]
            parts.append(classifier.predict_clips(clips, peaks=crops, head=head))
        step(len(crops))
    return np.concatenate(parts)


def _affect(classifier: Classifier, faces: _Faces, *, mirrored: bool = False) -> npt.NDArray[np.float32] | None:
    """(n, 2) valence and arousal, in a pass of their own; None where the model or the data say nothing of them."""
    if faces.clips is not None or not classifier.tells_affect or not set(AFFECT) <= set(faces.table.extra):
        return None
    columns = slice(None, None, -1 if mirrored else 1)
    parts = [np.empty((0, len(AFFECT)), np.float32)]
    for start in range(0, len(faces.table), _FACES_AT_ONCE):
        crops = faces.table.images[start : start + _FACES_AT_ONCE, :, columns]
        parts.append(classifier.affect(np.ascontiguousarray(crops)))
    return np.concatenate(parts)


def _join(
    classifier: Classifier,
    faces: _Faces,
    head: str,
    source: str,
    probabilities: npt.NDArray[np.float32],
    affect: npt.NDArray[np.float32] | None,
    name: str,
    *,
    passes: int = 1,
) -> _Row:
    """Predictions and labels side by side, in the model's labels or in those it has in common with the data."""
    table, column, labels = faces.table, faces.table.source(source), classifier.label_set(head)
    ids, soft = column.ids, column.soft
    about = _about(faces, source, name, head, version=classifier.card.version)
    if passes > 1:
        about["passes"] = str(passes)
    if labels.labels != column.label_set.labels or head != source:
        every = dict.fromkeys((*labels, *column.label_set))
        probabilities, ids, soft, labels = in_common(probabilities, labels, column.ids, column.label_set, soft)
        missing = [each for each in every if each not in labels.labels]
        if missing or head != source:
            about["mapping"] = f"head {head} judged by the labels of {source}, {len(labels)} in common"
        if missing:
            lost = int(np.count_nonzero((column.ids >= 0) & (ids < 0)))
            about["mapping"] += f", probabilities renormalised; without {', '.join(missing)}: {lost:,} faces left out"
    predictions = PredictionTable(
        ids=table.ids,
        split=table.split,
        label_ids=ids,
        probabilities=probabilities,
        label_set=labels,
        soft=soft,
        subject=table.extra.get("subject"),
        group=table.extra.get("group"),
        in_train=faces.in_train,
        meta=about,
        groups=_groups(table),
        affect=_known_affect(table),
        predicted_affect=affect,
    )
    return _Row(predictions, faces.applied.notes)


def _groups(table: Table) -> dict[str, npt.NDArray[np.str_]]:
    """The table's columns ``group_<name>``, by that name."""
    columns = {name.removeprefix("group_"): each for name, each in table.extra.items() if name.startswith("group_")}
    return {name: np.asarray(each, np.str_) for name, each in columns.items() if each.ndim == 1}


def _known_affect(table: Table) -> npt.NDArray[np.float32] | None:
    """(n, 2) valence and arousal of the data."""
    if not set(AFFECT) <= set(table.extra):
        return None
    return np.stack([table.extra[name] for name in AFFECT], axis=1).astype(np.float32)


def _about(faces: _Faces, source: str, name: str, head: str, *, version: str) -> dict[str, str]:
    """What a prediction table says of itself, so that a figure from it can be traced."""
    table, column = faces.table, faces.table.source(source)
    about = {
        "model": name,
        "model_version": version,
        "head": head,
        "data": table.meta.get("name", "table"),
        "data_sha256": faces.digest,
        "split": table.split[0] if len(table) else "",
        "label_source": source,
        "label_file": column.file,
        "rule": column.rule,
        "mien": __version__,
    }
    if faces.dropped:
        about["dropped"] = str(faces.dropped)
    if faces.applied.lists:
        about["lists"] = in_words(faces.applied.lists)
    return {key: str(value) for key, value in about.items()}


def _is_predictions(spec: Spec) -> bool:
    return Path(spec).suffix in (".parquet", ".csv")


def _stored(spec: Spec, config: EvaluateConfig) -> Spec:
    """The predictions that a run folder holds of the split and head; other specs as they are."""
    folder, file = Path(spec), f"predictions-{config.split}.parquet"
    if not folder.is_dir():
        return spec
    by_head = {path.parent.name: path for path in sorted(folder.glob(f"*/{file}"))}
    if config.head in by_head:
        return by_head[str(config.head)]
    if (folder / file).exists():
        return folder / file
    if config.head is None and by_head:
        default = load_card(folder).default_head if (folder / RUN_CARD).exists() else ""
        if default in by_head or len(by_head) == 1:
            return by_head.get(default) or next(iter(by_head.values()))
        raise UsageError(f"expected --head out of {', '.join(by_head)} for the predictions in {spec}, got none")
    others = sorted({path.name for path in (*folder.glob("predictions-*"), *folder.glob("*/predictions-*"))} - {file})
    there = f" ({', '.join(others)[:200]} is there)" if others else ""
    wanted = f"{file} of head {config.head}" if by_head else file
    raise UsageError(f"expected --data TABLE or NAME=ROOT, or {wanted} in the run {spec}, got neither{there}")


def _expect_labels(table: PredictionTable, config: EvaluateConfig) -> None:
    if not (table.label_ids >= 0).any():
        source = table.meta.get("label_source", "")
        raise DataError(
            f"expected faces with a label{f' of {source}' if source else ''} in the split {config.split!r}, got none "
            f"of {len(table):,}: choose other data, another split or another head"
        )


def _read(spec: Spec, config: EvaluateConfig) -> _Row:
    """A prediction table's rows of the split, labelled anew and without those to drop."""
    table = read_predictions(spec)
    if config.head not in (None, table.meta.get("head", config.head)):
        raise DataError(f"expected predictions of head {config.head!r} in {spec}, got those of {table.meta['head']!r}")
    there = sorted(set(table.split.tolist()) - {""})
    if there:  # a csv made elsewhere may say nothing of splits
        expect_splits([config.split], there=there, where=spec)
        table = table.select(table.split == config.split)
    whole, notes = len(table), []
    drop, relabel = as_paths(config.drop), as_paths(config.relabel)
    for path in relabel:
        table, count = _relabel(table, path)
        notes.append(f"{count:,} images of {config.split} labelled anew by {path}")
    for path in drop:
        kept = table.select(~np.isin(table.ids, list(ids_to_drop(path))))
        notes.append(f"{len(table) - len(kept):,} images of {config.split} left out by {path}")
        table = kept
    meta = {**table.meta, "split": config.split}
    if len(table) < whole:
        meta["dropped"] = str(int(meta.get("dropped", "0")) + whole - len(table))
    if drop or relabel:
        earlier = [meta["lists"]] if "lists" in meta else []
        meta["lists"] = "; ".join([*earlier, in_words(digests(drop=drop, relabel=relabel))])
    return _Row(replace(table, meta=meta), tuple(notes))


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


def _names(specs: Sequence[Spec], stored: Sequence[_Row | None], *, tta: bool) -> list[str]:
    """What to call the models: distinct, since files are called after them, so that a second "run" is "run-2"."""
    ends = ("", _FLIP) if tta else ("",)
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
