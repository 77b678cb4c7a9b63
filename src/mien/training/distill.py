"""Learning from the answers of other models: their mean probabilities stand beside the labels (Hinton et al. 2015).

Hinton, Vinyals, Dean 2015, "Distilling the Knowledge in a Neural Network", arXiv:1503.02531. The target of a face is

    (1 - w) label + w mean over teachers of softmax(logits / (T_cal T)),

so cross entropy with it is the paper's weighted sum of two, with the student at temperature 1. `T_cal` is the teacher's
own calibration, `w` and `T` are `distill_weight` and `distill_temperature`. A teacher answers once for a face, as the
mean over the face and its mirror image, so distillation costs one pass over the training faces and nothing a step; and
since targets are distributions, mixup and CutMix mix them as they mix labels.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from mien.core.arrays import read_npz
from mien.core.errors import DataError, MienError, TrainingError
from mien.core.files import make_folder, replacing
from mien.core.labels import LabelSet
from mien.core.types import Floats
from mien.datasets.table import Table
from mien.runtime.classifier import Classifier
from mien.runtime.temperature import apply_temperature
from mien.training.config import TrainConfig
from mien.training.data import Faces
from mien.training.teaching import share_of
from mien.zoo.store import load_classifier

ANSWERS = "distill.npz"  # in the run folder
_FACES_AT_ONCE = 512


@dataclass(frozen=True, eq=False)
class Teacher:
    """A model to learn from.

    Attributes:
        classifier: the model. heads: those whose labels hold all of the student's.
        digest: of its weights and all that its card decides; equal digests give equal answers.
    """

    classifier: Classifier
    heads: tuple[str, ...]
    digest: str


def taught(config: TrainConfig, on: str) -> bool:
    """Whether teachers answer for `faces`, or for `batches`."""
    return bool(config.teachers) and config.distill_weight > 0 and config.distill_on == on


def read_teachers(config: TrainConfig, label_sets: Mapping[str, LabelSet]) -> tuple[Teacher, ...]:
    """The teachers that the settings name; none where their answers weigh nothing.

    Args:
        config: its `teachers` are run folders, ONNX files, cards, or names of shipped models.
        label_sets: of the student's heads.

    Raises:
        TrainingError: a teacher is not there, damaged, or has no head of the student's; or the student sees clips.
    """
    if not taught(config, "faces"):
        return ()
    if config.input.frames:
        raise TrainingError("expected single pictures to learn from teachers, got clips: leave teachers out")
    threads = config.threads or None
    return tuple(_read_teacher(each, label_sets, threads=threads, device=config.device) for each in config.teachers)


def _read_teacher(path: str, label_sets: Mapping[str, LabelSet], *, threads: int | None, device: str) -> Teacher:
    try:
        classifier = load_classifier(path, threads=threads, device=device)
    except MienError as error:
        raise TrainingError(f"expected a model or a finished run as teacher, got {path!r}: {error}") from error
    card = classifier.card
    heads = tuple(name for name in label_sets if _columns(classifier, name, label_sets[name]) is not None)
    if not heads:
        ours, theirs = ", ".join(label_sets), ", ".join(card.heads)
        raise TrainingError(f"expected a teacher with a head out of {ours} and its labels, got {path!r} with {theirs}")
    named = [each.sha256 for each in card.files.values() if each.file == Path(path).name]
    weights = named[0] if named else card.files[card.default_file].sha256
    decided = (weights, card.input, sorted(card.heads.items()))
    return Teacher(classifier, heads, hashlib.sha256(repr(decided).encode()).hexdigest())


def _columns(classifier: Classifier, head: str, labels: LabelSet) -> np.ndarray | None:
    """Where the student's labels stand in a teacher's head; None if it has no such head or lacks one of them."""
    if head not in classifier.card.heads:
        return None
    columns = labels.columns_in(classifier.label_set(head))
    return columns if columns.min() >= 0 else None


def distilled(
    faces: Faces,
    table: Table,
    teachers: Sequence[Teacher],
    config: TrainConfig,
    *,
    out: Path,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Faces:
    """Training faces whose targets hold the mean of the teachers' answers.

    A head that no teacher has keeps its labels. A face without a label from a head gets the teachers' answer, with the
    weight that it has beside a label.

    Args:
        faces: the training faces.
        table: the same, row by row, as they were read.
        teachers: see `read_teachers`; none: the faces as they are.
        config: `distill_weight` and `distill_temperature` count here.
        out: the run folder, which keeps the answers, so that a broken run does not ask again.
        tell: called with the number of faces asked about and their total, over all teachers.
    """
    if not teachers:
        return faces
    answers = _all_answers(table, teachers, faces.label_sets, out=out, tell=tell)
    targets = dict(faces.targets)
    for head in faces.label_sets:
        given = [answers[key] for each in teachers if (key := _key(each, head)) in answers]
        if given:
            soft = np.mean([apply_temperature(each, config.distill_temperature) for each in given], axis=0)
            answers_here = torch.from_numpy(soft).to(targets[head].soft)
            targets[head] = share_of(targets[head], answers_here, config.distill_weight)
    return replace(faces, targets=targets)


def _all_answers(
    table: Table,
    teachers: Sequence[Teacher],
    label_sets: Mapping[str, LabelSet],
    *,
    out: Path,
    tell: Callable[[int, int], None],
) -> dict[str, Floats]:
    """(N, K) of each teacher and head by `_key`; those kept in the run folder are not computed again."""
    path, total = out / ANSWERS, len(teachers) * len(table)
    kept = _read(path, table)
    for number, teacher in enumerate(teachers):
        if any(_key(teacher, head) not in kept for head in teacher.heads):
            begun = number * len(table)
            kept |= _ask(teacher, table, label_sets, lambda done, begun=begun: tell(begun + done, total))  # type: ignore[misc]
            _write(path, table, kept)
    return kept


def _ask(
    teacher: Teacher, table: Table, label_sets: Mapping[str, LabelSet], tell: Callable[[int], None]
) -> dict[str, Floats]:
    """One teacher's answers: the mean over each face and its mirror image, in the order of the student's labels."""
    classifier = teacher.classifier
    parts: dict[str, list[Floats]] = {head: [] for head in teacher.heads}
    for start in range(0, len(table), _FACES_AT_ONCE):
        crops = np.asarray(table.images[start : start + _FACES_AT_ONCE])
        mirrored = np.ascontiguousarray(crops[:, :, ::-1])
        seen, seen_mirrored = (classifier.predict_heads(each, heads=teacher.heads) for each in (crops, mirrored))
        for head in teacher.heads:
            asked = (seen[head] + seen_mirrored[head])[:, _columns(classifier, head, label_sets[head])]
            parts[head].append(asked / asked.sum(1, keepdims=True).clip(1e-12))
        tell(start + len(crops))
    return {_key(teacher, head): np.concatenate(each) for head, each in parts.items()}


def _key(teacher: Teacher, head: str) -> str:
    return f"{head}.{teacher.digest}"


def _read(path: Path, table: Table) -> dict[str, Floats]:
    """The answers kept for these very faces; none if there is no such file or it is of others."""
    if not path.exists():
        return {}
    try:
        kept = read_npz(path)
    except DataError as error:
        raise TrainingError(f"expected the teachers' answers in {path}, got {error}: delete the file") from error
    same = str(kept.pop("data", "")) == table.digest() and np.array_equal(kept.pop("ids", np.empty(0)), table.ids)
    return kept if same else {}


def _write(path: Path, table: Table, answers: Mapping[str, Floats]) -> None:
    make_folder(path.parent)
    with replacing(path) as partial, partial.open("wb") as file:
        np.savez(file, **{"ids": table.ids, "data": np.array(table.digest()), **answers})  # type: ignore[arg-type]
