"""Models on labelled faces: what `mien evaluate` asks of a classifier, as prediction tables."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mien import __version__
from mien.core.errors import DataError, UsageError
from mien.datasets import Table
from mien.datasets.clips import Clips, clips_of
from mien.datasets.lists import Applied, in_words
from mien.evaluation import PredictionTable, in_common
from mien.evaluation.robustness import Robustness
from mien.runtime.card import AFFECT
from mien.runtime.classifier import Classifier
from mien.verbs.robustness import cell_count, measure_robustness

FLIP = "+flip"  # how the name of a mean with mirror images ends
_FACES_AT_ONCE = 512


@dataclass(frozen=True, eq=False)
class LabelledFaces:
    """The labelled faces, opened once for all models; for a model that sees clips, a row a clip."""

    table: Table
    digest: str
    in_train: npt.NDArray[np.bool_] | None
    dropped: int
    applied: Applied
    clips: Clips | None = None


@dataclass(frozen=True, eq=False)
class Predicted:
    """One line of the result to be: predictions, and what to say beside."""

    predictions: PredictionTable
    notes: tuple[str, ...] = ()


class Steps:
    """Adds up the faces done over all models and tells the sum."""

    def __init__(self, tell: Callable[[int, int], None], total: int) -> None:
        self._tell, self._total, self._done = tell, total, 0

    def __call__(self, faces: int) -> None:
        """So many more are done."""
        self._done += faces
        self._tell(self._done, self._total)


def seen_by(classifier: Classifier, faces: LabelledFaces) -> LabelledFaces:
    """The faces as they are, or put together to the clips that the model sees."""
    if not classifier.takes_clips:
        return faces
    clips = clips_of(faces.table, classifier.card.input.frames)
    in_train = None if faces.in_train is None else np.asarray(faces.in_train[clips.frames].all(1), np.bool_)
    return replace(faces, table=clips.table, in_train=in_train, clips=clips)


def predict_faces(
    classifier: Classifier, name: str, faces: LabelledFaces, head: str | None, step: Steps, *, tta: bool
) -> list[Predicted]:
    """The predictions of one model, and with `tta` those of the mean with mirror images beside."""
    head, source = _head_and_source(classifier, faces.table, head)
    probabilities = _probabilities(classifier, faces, head, step)
    affect = _affect(classifier, faces)
    rows = [_join(classifier, faces, head, source, probabilities, affect, name)]
    if tta:
        mean = (probabilities + _probabilities(classifier, faces, head, step, mirrored=True)) / np.float32(2)
        mirrored = _affect(classifier, faces, mirrored=True)
        if affect is not None and mirrored is not None:
            affect = (affect + mirrored) / np.float32(2)
        rows.append(_join(classifier, faces, head, source, mean, affect, f"{name}{FLIP}", passes=2))
    return rows


def robustness_of(classifier: Classifier, table: Table, head: str | None, step: Steps) -> Robustness:
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
    classifier: Classifier, faces: LabelledFaces, head: str, step: Steps, *, mirrored: bool = False
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


def _affect(classifier: Classifier, faces: LabelledFaces, *, mirrored: bool = False) -> npt.NDArray[np.float32] | None:
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
    faces: LabelledFaces,
    head: str,
    source: str,
    probabilities: npt.NDArray[np.float32],
    affect: npt.NDArray[np.float32] | None,
    name: str,
    *,
    passes: int = 1,
) -> Predicted:
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
    return Predicted(predictions, faces.applied.notes)


def _groups(table: Table) -> dict[str, npt.NDArray[np.str_]]:
    """The table's columns ``group_<name>``, by that name."""
    columns = {name.removeprefix("group_"): each for name, each in table.extra.items() if name.startswith("group_")}
    return {name: np.asarray(each, np.str_) for name, each in columns.items() if each.ndim == 1}


def _known_affect(table: Table) -> npt.NDArray[np.float32] | None:
    """(n, 2) valence and arousal of the data."""
    if not set(AFFECT) <= set(table.extra):
        return None
    return np.stack([table.extra[name] for name in AFFECT], axis=1).astype(np.float32)


def _about(faces: LabelledFaces, source: str, name: str, head: str, *, version: str) -> dict[str, str]:
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
