"""Distillation: a student learns what its teachers say, from their mean, and asks them once."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mien.core.errors import TrainingError, UsageError
from mien.core.labels import LABEL_SETS
from mien.datasets.table import LabelColumn, Table
from mien.runtime.temperature import apply_temperature
from mien.training import distill
from mien.training.config import TrainConfig, load_config
from mien.training.data import Faces, choose_heads, faces_of
from mien.training.distill import ANSWERS, Teacher, distilled, read_teachers
from mien.training.fit import LAST, fit
from mien.zoo.store import load_classifier

HEADS = ("ferplus", "fer2013")


def table(n: int = 24, *, heads: tuple[str, ...] = HEADS) -> Table:
    """Faces bright in one quarter; every third has no label of the first head."""
    chance = np.random.default_rng(0)
    images = chance.integers(0, 256, (n, 48, 48), dtype=np.uint8)
    sources = {
        head: LabelColumn(LABEL_SETS[head], chance.integers(0, len(LABEL_SETS[head]), n).astype(np.int16))
        for head in heads
    }
    ids = np.where(np.arange(n) % 3 == 0, -1, sources[heads[0]].ids)
    sources[heads[0]] = LabelColumn(LABEL_SETS[heads[0]], ids)
    return Table(np.array([f"face-{i}" for i in range(n)]), images, np.array(["train"] * n), sources)


def settings(*teachers: Path, **changes: float) -> TrainConfig:
    return TrainConfig(teachers=tuple(map(str, teachers)), threads=1, **changes)  # type: ignore[arg-type]


def taught(config: TrainConfig, faces: Table, out: Path) -> tuple[Faces, Faces]:
    """The faces before and after."""
    before = faces_of(faces, config, choose_heads(faces, ()))
    return before, distilled(before, faces, read_teachers(config, before.label_sets), config, out=out)


def answer(model: Path, images: np.ndarray, head: str) -> np.ndarray:
    """What is wanted of one teacher, in other words: the mean of the card's probabilities over both views."""
    classifier = load_classifier(model)
    views = [classifier.predict(each, head=head) for each in (images, np.ascontiguousarray(images[:, :, ::-1]))]
    return np.mean(views, axis=0)


def test_targets_are_the_labels_and_the_teachers_mean(tiny_model: Path, samples: Path, tmp_path: Path) -> None:
    faces = table()
    config = settings(tiny_model, Path("mien-s"), distill_weight=0.6, distill_temperature=2.0)
    before, after = taught(config, faces, tmp_path / "run")
    for head in HEADS:
        both = [answer(each, faces.images, head) for each in (tiny_model, Path("mien-s"))]
        mean = np.mean([apply_temperature(each, 2.0) for each in both], axis=0)
        known = before.targets[head].weights.numpy() > 0
        got = after.targets[head]
        mixed = 0.4 * before.targets[head].soft.numpy() + 0.6 * mean
        np.testing.assert_allclose(got.soft.numpy()[known], mixed[known], atol=1e-5)
        np.testing.assert_allclose(got.soft.numpy()[~known], mean[~known], atol=1e-5)
        np.testing.assert_allclose(got.weights, np.where(known, 1, 0.6), atol=1e-6)
        np.testing.assert_allclose(got.soft.sum(1), 1, atol=1e-5)
        assert torch.equal(got.ids, before.targets[head].ids)  # accuracy is still measured by labels
    assert torch.equal(after.images, before.images)


def test_a_student_learns_its_teachers_answer_and_not_the_labels(tiny_model: Path, tmp_path: Path) -> None:
    faces = table(64)
    config = settings(tiny_model, distill_weight=1.0)
    _, after = taught(config, faces, tmp_path / "run")
    targets = after.targets["fer2013"].soft
    x = torch.nn.functional.avg_pool2d(after.images.float() / 255 - 0.5, 4).flatten(1)  # (N, 144)
    weights = torch.zeros(x.shape[1], 7)
    for _ in range(400):  # plain descent: the gradient of cross entropy is x^T (p - t)
        weights -= 0.1 * x.T @ ((x @ weights).softmax(1) - targets)
    learnt = (x @ weights).softmax(1)
    assert (learnt - targets).abs().max() < 0.05
    assert np.abs(learnt.numpy() - answer(tiny_model, faces.images, "fer2013")).max() < 0.05


def test_weight_0_and_no_teachers_change_nothing(tiny_model: Path, tmp_path: Path) -> None:
    for config in (settings(tiny_model, distill_weight=0.0), settings()):
        before, after = taught(config, table(), tmp_path / "run")
        assert after is before and not (tmp_path / "run").exists()


def test_a_head_that_no_teacher_has_keeps_its_labels(tiny_model: Path, tmp_path: Path) -> None:
    faces = table(heads=("rafdb", "fer2013"))
    before, after = taught(settings(tiny_model), faces, tmp_path / "run")
    assert after.targets["rafdb"] is before.targets["rafdb"]
    assert not torch.equal(after.targets["fer2013"].soft, before.targets["fer2013"].soft)


def test_answers_are_kept_and_asked_for_anew_where_something_changed(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Teacher] = []
    ask = distill._ask
    monkeypatch.setattr(distill, "_ask", lambda teacher, *rest: asked.append(teacher) or ask(teacher, *rest))
    faces, out = table(), tmp_path / "run"
    config = settings(tiny_model)
    _, first = taught(config, faces, out)
    _, second = taught(settings(tiny_model, distill_weight=0.7), faces, out)
    assert len(asked) == 1
    for head in HEADS:
        assert torch.equal(first.targets[head].soft, second.targets[head].soft)
    taught(settings(tiny_model, Path("mien-s")), faces, out)  # one more teacher: only it is asked
    assert len(asked) == 2 and asked[1].classifier.card.name == "mien-s"
    taught(config, faces.select(slice(1, None)), out)  # other faces
    assert len(asked) == 3
    (out / ANSWERS).write_bytes(b"no such archive")
    with pytest.raises(TrainingError, match=r"expected the teachers' answers in .*distill.npz, got .*: delete"):
        taught(config, faces, out)


def test_what_is_no_teacher_is_named_in_one_line(tiny_model: Path, tmp_path: Path) -> None:
    labels = {"fer2013": LABEL_SETS["fer2013"]}
    (tmp_path / "begun").mkdir()
    for wrong, said in (
        (tmp_path / "begun", "expected a model or a finished run as teacher, got '.*begun': expected model.toml"),
        (tmp_path / "none.onnx", "expected a model or a finished run as teacher, got '.*none.onnx'"),
        (Path("mien-q"), "expected a model or a finished run as teacher, got 'mien-q': expected a model out of"),
    ):
        with pytest.raises(TrainingError, match=said) as caught:
            read_teachers(settings(wrong), labels)
        assert "\n" not in str(caught.value)
    with pytest.raises(TrainingError, match="expected a teacher with a head out of rafdb and its labels, got '.*tiny"):
        read_teachers(settings(tiny_model), {"rafdb": LABEL_SETS["rafdb"]})
    with pytest.raises(UsageError, match="distill_weight in 0..1"):
        load_config(changes=["distill_weight=1.5"])
    with pytest.raises(UsageError, match="distill_temperature in 0.01..100"):
        load_config(changes=["distill_temperature=0"])


def test_a_run_learns_from_its_teachers_and_resumes_exactly(tiny_model: Path, tmp_path: Path) -> None:
    small = ["epochs=2", "batch=16", "net_options.widths=[8]", "net_options.blocks=[1]", "start_size=24", "threads=1"]
    faces = table(48)
    both = Table.concatenate([faces, replace(faces, ids=np.char.add(faces.ids, "v"), split=np.full(48, "valid"))])

    def run(name: str, weight: float, **options: Any) -> Path:
        changes = [*small, "augment.mixup=0.2", f"teachers=['{tiny_model}']", f"distill_weight={weight}"]
        done = fit(load_config(changes=changes), both, out=tmp_path / name, **options)
        return done.folder

    plain, whole = (torch.load(run(name, weight) / LAST) for name, weight in (("plain", 0.0), ("whole", 0.9)))
    run("broken", 0.9, max_minutes=1e-6)
    (tmp_path / "broken" / ANSWERS).unlink()  # lost answers are asked for again
    broken = torch.load(run("broken", 0.9, resume=True) / LAST)
    key = "net.heads.fer2013.weight"
    assert (whole["state_dict"][key] - broken["state_dict"][key]).abs().max() < 1e-6
    assert (whole["state_dict"][key] - plain["state_dict"][key]).abs().max() > 1e-3
    assert (tmp_path / "whole" / ANSWERS).exists() and not (tmp_path / "plain" / ANSWERS).exists()
    with pytest.raises(TrainingError, match="expected a model or a finished run as teacher"):
        fit(load_config(changes=[*small, "teachers=['nowhere.onnx']"]), both, out=tmp_path / "wrong")
    assert not (tmp_path / "wrong").exists()
