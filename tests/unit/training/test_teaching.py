"""Teachers beside each step: they answer for the very faces that the student sees."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from mien.core.epochs import read_epochs
from mien.core.errors import TrainingError, UsageError
from mien.core.labels import LABEL_SETS, LabelSet
from mien.datasets.table import LabelColumn, Table
from mien.nets import build_trunk
from mien.nets.heads import MultiHead
from mien.runtime.card import InputSpec
from mien.training.config import TrainConfig, load_config
from mien.training.data import Targets
from mien.training.fit import BEST, LAST, fit, load_run
from mien.training.teaching import Teaching, TeachingNet

SEEN = InputSpec(size=16, color="gray", mean=(0.5,), std=(0.25,))
WANTED = {"fer2013": LABEL_SETS["fer2013"], "ferplus": LABEL_SETS["ferplus"]}
TINY = [
    *("epochs=4", "batch=16", "input.size=8", "start_size=8", "threads=1", "precision='float32'", "learning_rate=0.1"),
    *("net_options.widths=[8]", "net_options.blocks=[1]", "ema=0.8", "label_smoothing=0", "dropout=0"),
    "device='cpu'",
]


def net(seed: int, **heads: int) -> MultiHead:
    torch.manual_seed(seed)
    return MultiHead(build_trunk("resnet", in_channels=1, size=16, options={"widths": [4], "blocks": [1]}), heads)


def teaching_net(of: MultiHead, labels: dict[str, LabelSet], seen: InputSpec = SEEN) -> TeachingNet:
    return TeachingNet.of(of, seen, labels, student=replace(SEEN, size=8), wanted=WANTED)


def targets(n: int, classes: int) -> Targets:
    ids = torch.arange(n) % classes
    weights = (torch.arange(n) % 3 > 0).float()
    return Targets(ids, functional.one_hot(ids, classes).float() * weights[:, None], weights)


def test_targets_are_the_labels_and_the_mean_of_what_the_nets_say_of_these_faces():
    turned = LabelSet("fer2013", tuple(WANTED["fer2013"])[::-1])
    both, one = net(0, fer2013=7, ferplus=8), net(1, fer2013=7)
    teaching = Teaching(
        [teaching_net(both, WANTED), teaching_net(one, {"fer2013": turned})], weight=0.6, temperature=2.0
    )
    images, before = torch.randn(6, 1, 8, 8), {"fer2013": targets(6, 7), "ferplus": targets(6, 8)}
    after = teaching.taught(images, before)
    with torch.no_grad():
        large = functional.interpolate(images, size=16, mode="bilinear", align_corners=False)
        first, second = (
            {head: (each / 2).softmax(1) for head, each in one_of(large)[0].items()} for one_of in (both, one)
        )
    wanted = {"fer2013": (first["fer2013"] + second["fer2013"].flip(1)) / 2, "ferplus": first["ferplus"]}
    for head, said in wanted.items():
        known = before[head].weights > 0
        torch.testing.assert_close(after[head].soft[known], 0.4 * before[head].soft[known] + 0.6 * said[known])
        torch.testing.assert_close(after[head].soft[~known], said[~known])
        assert torch.equal(after[head].weights, torch.where(known, 1.0, 0.6))
        assert torch.equal(after[head].ids, before[head].ids)
    assert not any(each.requires_grad for each in both.parameters())


@pytest.mark.parametrize(
    ("seen", "labels", "said"),
    [
        (replace(SEEN, mean=(0.4,)), WANTED, "expected teachers that see what the student sees"),
        (
            SEEN,
            {"fer2013": LabelSet("fer2013", ("anger", "joy"))},
            "expected a teacher with a head out of fer2013, ferplus",
        ),
    ],
)
def test_teachers_that_cannot_answer_for_the_students_faces_are_told_apart(seen, labels, said):
    with pytest.raises(TrainingError, match=said):
        teaching_net(net(0, fer2013=7), labels, seen)


def faces(*, wrong: bool) -> Table:
    """Faces bright above or all over, called anger and happiness, or, wrongly, all fear."""
    chance, kinds = np.random.default_rng(0), np.arange(96) % 2
    images = chance.integers(0, 90, (96, 8, 8), dtype=np.uint8)
    for image, kind in zip(images, kinds, strict=True):
        image[: 4 + 4 * kind] += 120
    split = np.where(np.arange(96) < 64, "train", "valid")
    labels = LABEL_SETS["fer2013"]
    ids = np.array([labels.index(("anger", "happiness")[kind]) for kind in kinds])
    ids = np.where(wrong & (split == "train"), labels.index("fear"), ids)
    names = np.array([f"face-{i}" for i in range(96)])
    return Table(names, images, split, {"fer2013": LabelColumn(labels, ids)})


def settings(*changes: str) -> TrainConfig:
    plain = [f"augment.{name}=0" for name in ("rotation", "zoom", "shift", "brightness", "contrast", "erase")]
    return load_config(changes=[*TINY, *plain, *changes])


def test_a_student_learns_what_the_teachers_say_and_goes_on_where_it_stopped(tmp_path):
    fit(settings("epochs=12"), faces(wrong=False), out=tmp_path / "teacher")
    taught = settings(
        f"teachers=['{(tmp_path / 'teacher').as_posix()}']",
        "distill_on='batches'",
        "distill_weight=1.0",
        "augment.mixup=0.4",
        "epochs=12",
    )
    once = fit(taught, faces(wrong=True), out=tmp_path / "once")
    student, teacher = (load_run(tmp_path / name)[1] for name in ("once", "teacher"))
    pictures = torch.from_numpy(faces(wrong=False).images[:, None].astype(np.float32) / 255 - 0.5) / 0.25
    with torch.no_grad():
        said, wanted = (each(pictures)[0]["fer2013"].argmax(1) for each in (student, teacher))
    assert (said == wanted).float().mean() > 0.9  # and not fear, as it was told
    fit(taught, faces(wrong=True), out=tmp_path / "twice", max_minutes=0)
    fit(taught, faces(wrong=True), out=tmp_path / "twice", resume=True)
    first, second = (torch.load(tmp_path / name / LAST, weights_only=True)["state_dict"] for name in ("once", "twice"))
    assert (
        first.keys() == second.keys() == torch.load(tmp_path / "teacher" / BEST, weights_only=True)["state_dict"].keys()
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert once.finished


def test_what_teachers_answer_for_is_one_of_two(tmp_path):
    with pytest.raises(UsageError, match="distill_on"):
        settings("distill_on='photographs'")
    with pytest.raises(TrainingError, match="expected a run with"):
        fit(
            settings(f"teachers=['{tmp_path.as_posix()}']", "distill_on='batches'"),
            faces(wrong=False),
            out=tmp_path / "run",
        )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_on_a_gpu_teachers_answer_there(tmp_path):
    fit(settings("epochs=12"), faces(wrong=False), out=tmp_path / "teacher")
    taught = settings(
        f"teachers=['{(tmp_path / 'teacher').as_posix()}']",
        *("distill_on='batches'", "distill_weight=1.0", "epochs=12", "device='cuda'", "precision='bf16'"),
    )
    fit(taught, faces(wrong=True), out=tmp_path / "student")
    best = max(float(row["valid_accuracy_fer2013"]) for row in read_epochs(tmp_path / "student" / "metrics.csv"))
    assert best > 0.9  # and not fear, as it was told
