"""The training step, on tiny faces: every combination resumes exactly, stops early, and stops at what is not finite."""

import functools
import math
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mien.core.epochs import read_epochs
from mien.core.errors import DataError, TrainingError, UsageError
from mien.core.labels import LABEL_SETS
from mien.datasets.table import LabelColumn, Table
from mien.runtime.session import Session
from mien.training.config import TrainConfig, load_config
from mien.training.data import faces_of
from mien.training.export import write_onnx
from mien.training.fit import BEST, LAST, build_net, fit, load_run
from mien.training.measures import selection
from mien.training.module import ExpressionModule, follow

TINY = [
    *("epochs=3", "batch=8", "input.size=8", "start_size=8", "threads=1", "precision='float32'", "learning_rate=0.02"),
    *("net_options.widths=[4]", "net_options.blocks=[1]", "ema=0.9", "device='cpu'"),
]
PLAIN = [f"augment.{name}=0" for name in ("flip", "rotation", "zoom", "shift", "brightness", "contrast", "erase")]


def tiny(*changes: str) -> TrainConfig:
    return load_config(changes=[*TINY, *changes])


def faces(n: int = 36, *, valid: int = 12) -> Table:
    """Two kinds of faces, half bright or bright all over; valence says which, arousal is half of it; some lack both."""
    chance = np.random.default_rng(0)
    kinds = np.arange(n) % 2
    images = chance.integers(0, 90, (n, 8, 8), dtype=np.uint8)
    for image, kind in zip(images, kinds, strict=True):
        image[: 4 + 4 * kind] += 120
    labels = LABEL_SETS["fer2013"]
    ids = np.array([labels.index(("anger", "happiness")[kind]) for kind in kinds])
    valence = np.where(np.arange(n) % 5 == 0, np.nan, kinds - 0.5).astype(np.float32)
    split = np.where(np.arange(n) < n - valid, "train", "valid")
    names = np.array([f"face-{i}" for i in range(n)])
    return Table(
        names, images, split, {"fer2013": LabelColumn(labels, ids)}, {"valence": valence, "arousal": valence / 2}
    )


def module_of(config: TrainConfig, table: Table) -> ExpressionModule:
    train, valid = (faces_of(table.of_split(split), config, ["fer2013"]) for split in ("train", "valid"))
    torch.manual_seed(0)
    return ExpressionModule(build_net(config, train.label_sets), config, train, valid)


def state(run: Path, which: Path = LAST) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = torch.load(run / which, weights_only=True)["state_dict"]
    return found


COMBINATIONS = {
    "sgd, one-cycle, kl": ["loss='kl'", "class_weights='balanced'", "sampling='sqrt'"],
    "adam, cosine, sam": ["optimizer='adam'", "schedule='cosine'", "sam=0.05", "ema=0", "dropout=0.3"],
    "adamw, plateau, accumulated": [
        *("optimizer='adamw'", "schedule='plateau'", "plateau_patience=1", "accumulate=2", "clip=0.5", "select='loss'"),
    ],
    "rmsprop, step, focal": ["optimizer='rmsprop'", "schedule='step'", "decay_every=1", "loss='focal'", "sam=0.05"],
    "muon, cosine": ["optimizer='muon'", "schedule='cosine'", "warmup=0.1", "weight_decay=0.05"],
    "sgd, constant, early": [
        *("schedule='constant'", "patience=2", "epochs=12", "select='macro_f1'", "regress=['valence','arousal']"),
        *("sampling='balanced'", "class_weights='effective'", "learning_rate=0.3", "sam=0.1", "accumulate=2"),
    ],
}


@pytest.mark.parametrize("name", COMBINATIONS)
def test_a_resumed_run_equals_an_unbroken_one(name, tmp_path):
    table, config = faces(), tiny(*COMBINATIONS[name])
    whole = fit(config, table, out=tmp_path / "whole")
    run = fit(config, table, out=tmp_path / "parts", max_minutes=1e-6)
    assert (run.epochs, run.finished) == (1, False)
    while not run.finished:
        run = fit(config, table, out=tmp_path / "parts", max_minutes=1e-6, resume=True)
    assert run.epochs == whole.epochs
    assert (whole.epochs < config.epochs) == (name == "sgd, constant, early")
    assert whole.finished
    first, second = (state(tmp_path / each) for each in ("whole", "parts"))
    assert max((first[key].double() - second[key].double()).abs().max() for key in first) < 1e-6
    for one, other in zip(*(read_epochs(tmp_path / each / "metrics.csv") for each in ("whole", "parts")), strict=True):
        for key in set(one) - {"seconds"}:
            assert float(one[key]) == pytest.approx(float(other[key]), abs=1e-6, nan_ok=True)
    if config.accumulate == 2:  # 3 batches an epoch
        assert torch.load(tmp_path / "parts" / LAST, weights_only=True)["global_step"] == 2 * run.epochs


def test_training_ends_when_patience_does_and_stays_ended(tmp_path):
    config, table = tiny("patience=2", "epochs=30", "learning_rate=1e-9"), faces()
    run = fit(config, table, out=tmp_path / "run")
    figures = [float(row["selection"]) for row in read_epochs(run.folder / "metrics.csv")]
    best = figures.index(max(figures))
    assert run.finished
    assert run.epochs == len(figures) == best + 3 < 30
    before = state(run.folder)
    again = fit(config, table, out=tmp_path / "run", resume=True)
    assert (again.epochs, again.finished) == (run.epochs, True)
    assert all(torch.equal(each, before[key]) for key, each in state(run.folder).items())


def test_a_run_of_an_earlier_version_is_finished(tmp_path):
    fit(tiny(), faces(), out=tmp_path, max_minutes=1e-6)
    checkpoint = torch.load(tmp_path / LAST, weights_only=True)
    del checkpoint["history"]
    torch.save(checkpoint, tmp_path / LAST)
    run = fit(tiny(), faces(), out=tmp_path, resume=True)
    assert (run.epochs, run.finished) == (3, True)


def test_accumulated_batches_make_the_step_of_a_large_one(tmp_path):
    # Without batch norm and chance, whose draws depend on the batch.
    plain = [*PLAIN, "dropout=0", "epochs=2", "ema=0", "optimizer='adam'", "learning_rate=0.01"]

    class Flat(torch.nn.Module):
        inputs = ("image",)

        def __init__(self):
            super().__init__()
            self.trunk = torch.nn.Linear(64, 4)
            self.heads = torch.nn.ModuleDict({"fer2013": torch.nn.Linear(4, 7)})

        def forward(self, images):
            return {"fer2013": self.heads["fer2013"](self.trunk(images.flatten(1)).tanh())}, images

    def weights(*changes: str) -> torch.Tensor:
        config = tiny(*plain, *changes)
        train, valid = (faces_of(faces().of_split(each), config, ["fer2013"]) for each in ("train", "valid"))
        torch.manual_seed(0)
        module = ExpressionModule(Flat(), config, train, valid)
        optimizer = module.configure_optimizers()
        for step, batch in enumerate(module.train_dataloader()):
            (module.training_step(batch, step) / config.accumulate).backward()
            if (step + 1) % config.accumulate == 0:
                optimizer.step()
                optimizer.zero_grad()
        return module.net.trunk.weight.detach()

    torch.testing.assert_close(weights("batch=12"), weights("batch=4", "accumulate=3"))


def test_sharpness_aware_steps_in_lightning_are_those_of_the_optimiser_s_gradient_at_the_worst_place(tmp_path):
    config = tiny("sam=0.5", "dropout=0.4", "precision='bf16'")
    module = module_of(config, faces())
    before = {name: each.clone() for name, each in module.net.state_dict().items()}
    batch = next(iter(module.train_dataloader()))
    with torch.autocast("cpu", torch.bfloat16):
        loss = module.training_step(batch, 0)
    norms = {name: each.clone() for name, each in module.net.state_dict().items() if "running" in name}
    moved = torch.cat([(each - before[name]).flatten() for name, each in module.net.named_parameters()])
    assert moved.norm().item() == pytest.approx(0.5, rel=1e-3)
    loss.backward()
    module.on_after_backward()
    assert all(torch.equal(each, before[name]) for name, each in module.net.named_parameters())
    once = module_of(tiny("dropout=0.4", "precision='bf16'"), faces())
    with torch.autocast("cpu", torch.bfloat16):
        flat = once.training_step(batch, 0)
    assert all(torch.equal(each, once.net.state_dict()[name]) for name, each in norms.items())
    assert loss > flat
    assert module.metrics.collect()["train_loss"] == pytest.approx(once.metrics.collect()["train_loss"], rel=1e-2)


def test_a_clipped_gradient_has_the_length_asked_for():
    module = module_of(tiny("clip=0.01"), faces())
    module.training_step(next(iter(module.train_dataloader())), 0).backward()
    direction = module.net.heads["fer2013"].weight.grad.clone()
    module.on_before_optimizer_step(module.configure_optimizers())
    length = torch.cat([each.grad.flatten() for each in module.net.parameters()]).norm()
    assert length.item() == pytest.approx(0.01, rel=1e-3)
    clipped = module.net.heads["fer2013"].weight.grad
    torch.testing.assert_close(clipped / clipped.norm(), direction / direction.norm())


@pytest.mark.parametrize("decay", ["0", "0.9"])
def test_without_a_decay_the_average_is_the_weights_themselves(decay, tmp_path):
    fit(tiny("epochs=1", f"ema={decay}"), faces(), out=tmp_path)
    found = state(tmp_path)
    own = {key.removeprefix("net."): each for key, each in found.items() if key.startswith("net.")}
    average = {key.removeprefix("average.module."): each for key, each in found.items() if "average.module." in key}
    assert set(own) == set(average)
    assert all(torch.equal(each, average[key]) for key, each in own.items()) == (decay == "0")


def test_a_gradient_that_is_not_finite_stops_the_training_and_the_good_checkpoint_stays(tmp_path, monkeypatch):
    def poisoned(self, batch, batch_idx):
        loss = original(self, batch, batch_idx)
        return loss * torch.where(loss.detach() > 0, torch.inf, 1) if self.current_epoch == 2 else loss

    original = ExpressionModule.training_step
    monkeypatch.setattr(ExpressionModule, "training_step", poisoned)
    with pytest.raises(
        TrainingError, match=r"expected a finite gradient, got (inf|nan) at step 6 of epoch 2: .*epochs before are kept"
    ):
        fit(tiny(), faces(), out=tmp_path)
    assert [int(row["epoch"]) for row in read_epochs(tmp_path / "metrics.csv")] == [0, 1]
    assert all(torch.isfinite(each).all() for which in (BEST, LAST) for each in state(tmp_path, which).values())
    monkeypatch.undo()
    assert fit(tiny(), faces(), out=tmp_path, resume=True).finished


def test_weights_that_are_not_finite_are_no_checkpoint(tmp_path, monkeypatch):
    def broken(self, *args, **kwargs):
        original(self, *args, **kwargs)
        if self.current_epoch == 1:
            with torch.no_grad():
                self.net.heads["fer2013"].bias.fill_(torch.nan)

    original = ExpressionModule.on_train_batch_end
    monkeypatch.setattr(ExpressionModule, "on_train_batch_end", broken)
    with pytest.raises(TrainingError, match="expected a finite"):
        fit(tiny(), faces(), out=tmp_path)
    assert len(read_epochs(tmp_path / "metrics.csv")) == 1
    assert all(torch.isfinite(each).all() for each in state(tmp_path).values())


def test_one_batch_of_which_no_loss_is_known_is_not_left_out_of_the_mean():
    module = module_of(tiny(), faces())
    (batch,) = module.val_dataloader()
    logits = {"fer2013": torch.zeros(len(batch), 7)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what torchmetrics has to say would be a line of its own
        for losses, expected in (((1.0, 2.0), 1.5), ((1.0, math.nan, 1.0), math.nan)):
            for loss in losses:
                module.metrics.count("train", logits, batch, torch.tensor(loss))
                module.metrics.count("valid", logits, batch, torch.tensor(loss))
            assert module.metrics.collect()["valid_loss"] == pytest.approx(expected, nan_ok=True)


def test_what_is_counted_some_batches_at_a_time_is_counted_whole():
    module = module_of(tiny(), faces())
    (batch,) = module.val_dataloader()
    logits = {"fer2013": torch.nn.functional.one_hot(batch.targets["fer2013"].ids, 7).float()}
    logits["fer2013"][0] = logits["fer2013"][0].roll(1)  # one is wrong
    for loss in range(100):  # more than are counted together
        for split in ("train", "valid"):
            module.metrics.count(split, logits, batch, torch.tensor(float(loss)))
    found = module.metrics.collect()
    assert found["valid_loss"] == pytest.approx(49.5)
    assert found["train_accuracy_fer2013"] == pytest.approx(1 - 1 / len(batch))


def test_averaged_weights_follow_as_those_of_torch_do():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3), torch.nn.BatchNorm2d(3))
    ours = AveragedModel(net, use_buffers=True)
    theirs = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.8), use_buffers=True)
    for step in range(4):
        with torch.no_grad():
            for each in net.parameters():
                each.add_(torch.randn_like(each))
        net(torch.randn(2, 1, 5, 5))
        follow(ours, net, decay=0.8 if step else 0.0)
        theirs.update_parameters(net)
    assert int(ours.n_averaged) == 4
    for name, each in theirs.module.named_parameters():
        torch.testing.assert_close(ours.module.get_parameter(name), each)
    torch.testing.assert_close(ours.module[1].running_var, theirs.module[1].running_var)


needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")


@needs_cuda
@pytest.mark.parametrize("name", COMBINATIONS)
def test_on_a_gpu_every_combination_learns_and_goes_on(name, tmp_path):
    table, config = faces(), tiny(*COMBINATIONS[name], "device='cuda'", "precision='bf16'")
    fit(config, table, out=tmp_path / "run", max_minutes=0)
    run = fit(config, table, out=tmp_path / "run", resume=True)
    assert run.finished
    rows = read_epochs(run.folder / "metrics.csv")
    assert [int(row["epoch"]) for row in rows] == list(range(run.epochs))
    assert all(math.isfinite(float(row["train_loss"])) for row in rows)
    load_run(run.folder)


@needs_cuda
def test_on_a_gpu_faces_lie_there_and_are_what_they_are_on_the_cpu(tmp_path):
    changes = ("epochs=12", "learning_rate=0.1", "dropout=0", *PLAIN)
    for device in ("cpu", "cuda"):
        fit(tiny(*changes, f"device='{device}'"), faces(), out=tmp_path / device)
    here, there = (read_epochs(tmp_path / device / "metrics.csv") for device in ("cpu", "cuda"))
    assert float(there[0]["train_loss"]) == pytest.approx(float(here[0]["train_loss"]), rel=0.02)
    assert float(there[-1]["valid_accuracy_fer2013"]) > 0.9
    module = module_of(tiny("device='cuda'"), faces()).cuda()
    module.on_fit_start()
    assert module.faces["train"].images.is_cuda
    assert module.faces["train"].targets["fer2013"].soft.is_cuda


@needs_cuda
def test_on_a_gpu_a_loss_that_is_not_finite_ends_the_training(tmp_path):
    with pytest.raises(TrainingError, match="expected a finite"):
        fit(tiny("learning_rate=1e30", "device='cuda'"), faces(), out=tmp_path / "run")


def test_valence_and_arousal_are_learnt_measured_and_exported(tmp_path):
    config = tiny("epochs=12", "learning_rate=0.1", "regress=['valence','arousal']", *PLAIN)
    run = fit(config, faces(), out=tmp_path / "run")
    row = read_epochs(run.folder / "metrics.csv")[-1]
    assert float(row["valid_ccc_valence"]) > 0.8
    assert float(row["valid_ccc_arousal"]) > 0.8
    _, net = load_run(run.folder)
    write_onnx(net, tmp_path / "net.onnx", channels=1, size=8)
    images = torch.randn(3, 1, 8, 8)
    found = Session(tmp_path / "net.onnx", threads=1).run(None, image=images.numpy())
    assert list(found) == ["probabilities_fer2013", "valence_arousal", "features"]
    with torch.no_grad():
        wanted = net(images)[0]["valence_arousal"].tanh()
    np.testing.assert_allclose(found["valence_arousal"], wanted.numpy(), atol=1e-5)


def test_head_weights_weigh_the_heads():
    def loss(weight: str) -> torch.Tensor:
        config = tiny("regress=['valence','arousal']", f"head_weights.valence_arousal={weight}", "dropout=0")
        module = module_of(config, faces())
        return module.training_step(next(iter(module.train_dataloader())), 0).detach()

    none, one, two = map(loss, ("0", "1", "2"))
    assert one > none
    torch.testing.assert_close(two - one, one - none)


def test_what_cannot_be_learnt_is_named():
    with pytest.raises(UsageError, match="head_weights of heads that are learnt, fer2013, got ferplus"):
        module_of(tiny("head_weights.ferplus=2"), faces())
    bare = faces()
    with pytest.raises(DataError, match="expected the columns valence and arousal in the data to regress"):
        module_of(tiny("regress=['valence','arousal']"), Table(bare.ids, bare.images, bare.split, bare.sources))
    far = Table(bare.ids, bare.images, bare.split, bare.sources, dict.fromkeys(bare.extra, 3 * bare.extra["valence"]))
    with pytest.raises(DataError, match=r"in -1..1, NaN where unknown, got 1\.5"):
        module_of(tiny("regress=['valence','arousal']"), far)
    with pytest.raises(DataError, match="expected class ids of fer2013"):
        LabelColumn(LABEL_SETS["fer2013"], np.array([7]))


def test_the_best_epoch_is_that_of_the_figure_asked_for():
    measured = {
        **{"valid_accuracy_a": 0.5, "valid_accuracy_b": 0.7, "train_accuracy_a": 1.0},
        **{"valid_macro_f1_a": 0.2, "valid_macro_f1_b": 0.4, "valid_loss": 1.5},
    }
    assert selection(measured, "accuracy") == pytest.approx(0.6)
    assert selection(measured, "macro_f1") == pytest.approx(0.3)
    assert selection(measured, "loss") == -1.5


def test_a_compiled_net_trains_to_the_same_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))  # no C++ compiler needed
    for name in ("true", "false"):
        fit(tiny("epochs=1", f"compile={name}", "sam=0.05"), faces(), out=tmp_path / name)
    one, other = (state(tmp_path / name) for name in ("true", "false"))
    assert one.keys() == other.keys()
    assert max((one[key].double() - other[key].double()).abs().max() for key in one) < 1e-5
