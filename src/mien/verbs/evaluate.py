"""`mien evaluate`: models and labelled faces in, figures with their intervals out."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mien import __version__
from mien.core.errors import DataError, OutputError, UsageError
from mien.core.files import file_name, make_folder, replacing
from mien.datasets import Table, open_data
from mien.datasets.clips import Clips, clips_of
from mien.datasets.lists import Applied, apply_lists, as_paths, ids_to_drop, new_labels
from mien.datasets.table import SPLITS, expect_splits
from mien.evaluation import Evaluation, PredictionTable, average, in_common, judge, read_predictions
from mien.evaluation.robustness import Robustness
from mien.runtime.card import AFFECT
from mien.runtime.classifier import Classifier
from mien.runtime.session import check_options
from mien.verbs.errors import write_errors
from mien.verbs.robustness import cell_count, measure_robustness
from mien.zoo.store import RUN_CARD, load_card, load_classifier

_FACES_AT_ONCE = 512

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
    """All evaluations, in the order of the models, the files written, and the robustness of each model if wanted."""

    evaluations: tuple[Evaluation, ...]
    files: tuple[Path, ...] = ()
    robustness: Mapping[str, Robustness] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        tables = {name: each.to_dict() for name, each in self.robustness.items()}
        return {
            "evaluations": [each.to_dict() for each in self.evaluations],
            "files": [str(each) for each in self.files],
            **({"robustness": tables} if tables else {}),
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
    """One line of the result to be: predictions, what to say beside, and their cost."""

    predictions: PredictionTable
    notes: tuple[str, ...] = ()
    passes: int = 1


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
    names = _names(specs)
    if config.errors and (config.data is None or config.out is None):
        raise UsageError(
            "expected --data with the faces and --out for the tables to look at errors, got one or neither"
        )
    if config.data is None and not config.tta and not config.robustness:
        specs = [_stored(spec, config) for spec in specs]
    networks = [spec for spec in specs if not _is_predictions(spec)]
    if networks and config.data is None:
        raise UsageError(f"expected --data TABLE or NAME=ROOT to evaluate {networks[0]} on, got none")
    if config.robustness and not networks:
        raise UsageError("expected a model to measure its robustness, got prediction tables only")
    if config.out is not None:
        _check_out(Path(config.out), config.split, overwrite=config.overwrite)
    # Models before data: a name that is not known is said at once, not after the data were read.
    classifiers = [None if _is_predictions(spec) else _load(spec, config) for spec in specs]
    faces = _open(config) if networks or config.errors else None
    seen = [None if each is None or faces is None else _seen_by(each, faces) for each in classifiers]
    step = _Steps(tell, sum(_passes(each.table, config) for each in seen if each is not None))
    tables: dict[str, Robustness] = {}
    rows: list[_Row] = []
    plain: list[PredictionTable] = []
    for spec, name, classifier, data in zip(specs, names, classifiers, seen, strict=True):
        if classifier is None or data is None:
            made = [_Row(_read(spec, name, config))]
        else:
            made = _predict(classifier, name, data, config, step)
            if config.robustness:
                tables[name] = _robustness(classifier, data.table, config.head, step)
        rows += made
        plain.append(made[0].predictions)
    if len(plain) > 1:
        shared = tuple(line for line in rows[0].notes if all(line in row.notes for row in rows))
        rows.append(_Row(average(plain), shared, passes=len(plain)))
    for row in rows:
        _expect_labels(row.predictions, config)
    evaluations = tuple(judge(row.predictions, notes=row.notes, passes=row.passes, seed=config.seed) for row in rows)
    files: tuple[Path, ...] = ()
    if config.out is not None:
        files = _write(evaluations, Path(config.out), config.split, tables)
        if config.errors and faces is not None:
            files += _write_errors(evaluations, faces.table, Path(config.out), config)
    return EvaluateResult(evaluations, files, tables)


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
        row = _join(classifier, faces, head, source, mean, affect, f"{name}+flip")
        rows.append(replace(row, passes=2))
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
) -> _Row:
    """Predictions and labels side by side, in the model's labels or in those it has in common with the data."""
    table, column, labels = faces.table, faces.table.source(source), classifier.label_set(head)
    ids, soft = column.ids, column.soft
    notes = faces.applied.notes
    if labels.labels != column.label_set.labels:
        every = dict.fromkeys((*labels, *column.label_set))
        probabilities, ids, labels = in_common(probabilities, labels, column.ids, column.label_set)
        soft = None
        missing = [each for each in every if each not in labels.labels]
        lost = int(np.count_nonzero((column.ids >= 0) & (ids < 0)))
        said = f"head {head} judged by the labels of {source}, {len(labels)} in common, probabilities renormalised"
        if missing:
            notes += (f"{said}; without {', '.join(missing)}: {lost} faces left out",)
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
        meta=_about(faces, source, name, head, version=classifier.card.version),
        groups=_groups(table),
        affect=_known_affect(table),
        predicted_affect=affect,
    )
    return _Row(predictions, notes)


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
        about["lists"] = "; ".join(f"{name} (sha256 {digest[:12]})" for name, digest in faces.applied.lists.items())
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


def _read(spec: Spec, name: str, config: EvaluateConfig) -> PredictionTable:
    """A prediction table's rows of the split, without those to drop."""
    table = read_predictions(spec)
    if config.head not in (None, table.meta.get("head", config.head)):
        raise DataError(f"expected predictions of head {config.head!r} in {spec}, got those of {table.meta['head']!r}")
    there = sorted(set(table.split.tolist()) - {""})
    if there:  # a csv made elsewhere may say nothing of splits
        expect_splits([config.split], there=there, where=spec)
        table = table.select(table.split == config.split)
    for path in as_paths(config.drop):
        table = table.select(~np.isin(table.ids, list(ids_to_drop(path))))
    for path in as_paths(config.relabel):
        table = _relabel(table, path)
    return replace(table, meta={**table.meta, "model": table.meta.get("model", name), "split": config.split})


def _relabel(table: PredictionTable, path: Spec) -> PredictionTable:
    """Predictions judged by the labels that a list gives for the source that they are judged by."""
    source, rows = table.meta.get("label_source", ""), {name: row for row, name in enumerate(table.ids.tolist())}
    label_ids = table.label_ids.copy()
    for each in new_labels(path):
        if each.id not in rows or (source and each.source and each.source != source):
            continue
        try:
            label_ids[rows[each.id]] = table.label_set.index(each.label)
        except UsageError as error:
            raise DataError(f"{error} ({each.where})") from None
    return replace(table, label_ids=label_ids)


def _names(specs: Sequence[Spec]) -> list[str]:
    """What to call the models: distinct, so that a second "run" is "run-2"."""
    seen: dict[str, int] = {}
    names = []
    for spec in specs:
        path = Path(spec)
        name = path.stem if path.suffix in (".onnx", ".parquet", ".csv") else path.name
        if name == "model":  # of a run folder: its own name says more
            name = path.resolve().parent.name
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return names


def _check_out(out: Path, split: str, *, overwrite: bool) -> None:
    if out.exists() and not out.is_dir():
        raise OutputError(f"expected a folder for the results, got the file {out}: choose another name")
    there = sorted(out.glob(f"metrics-{split}*.json"))
    if there and not overwrite:
        raise OutputError(
            f"expected no results for {split} in {out}, got {there[0].name}: choose another, or overwrite"
        )


def _write(
    evaluations: Sequence[Evaluation], out: Path, split: str, robustness: Mapping[str, Robustness]
) -> tuple[Path, ...]:
    make_folder(out)
    files: list[Path] = []
    for each in evaluations:
        stem = _stem(each, split, alone=len(evaluations) == 1)
        table = out / f"predictions-{stem}.parquet"
        each.predictions.write(table)
        texts = {
            out / f"metrics-{stem}.json": _json(each.to_dict()),
            out / f"confusion-{stem}.csv": each.confusion_csv(),
            out / f"confusion-rates-{stem}.csv": each.confusion_csv(rates=True),
            out / f"classes-{stem}.csv": each.classes_csv(),
            out / f"curves-{stem}.json": _json(each.curves.to_dict(), indent=None),
        }
        if each.groups:
            texts[out / f"groups-{stem}.csv"] = each.groups_csv()
        if each.name in robustness:
            texts[out / f"robustness-{stem}.json"] = _json(robustness[each.name].to_dict())
        for path, text in texts.items():
            with replacing(path) as partial:
                partial.write_text(text, "utf-8", newline="\n")
        files += [table, *texts]
    return tuple(files)


def _write_errors(
    evaluations: Sequence[Evaluation], table: Table, out: Path, config: EvaluateConfig
) -> tuple[Path, ...]:
    """A folder of tables and galleries for each evaluation."""
    files: tuple[Path, ...] = ()
    for each in evaluations:
        folder = out / f"errors-{_stem(each, config.split, alone=len(evaluations) == 1)}"
        files += write_errors(each.predictions, table, folder, overwrite=config.overwrite).files
    return files


def _stem(evaluation: Evaluation, split: str, *, alone: bool) -> str:
    """What the files of an evaluation are called after."""
    return split if alone else f"{split}-{file_name(evaluation.name)}"


def _json(values: Mapping[str, Any], *, indent: int | None = 2) -> str:
    return json.dumps(values, indent=indent, ensure_ascii=False, allow_nan=False) + "\n"
