"""A training on a few generated faces: it learns, logs, stops at epochs, resumes exactly, and names what is wrong."""

import dataclasses
import errno
import json
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from mien.core.epochs import read_epochs
from mien.core.errors import DataError, OutputError, TrainingError, UsageError
from mien.core.labels import LABEL_SETS
from mien.datasets.table import LabelColumn, Table
from mien.training.callbacks import WholeCheckpoints
from mien.training.config import TrainConfig, load_config
from mien.training.data import TrainingBatches, choose_heads, faces_of, normalise
from mien.training.fit import LAST, fit, load_run, uses_bf16

SMALL = [
    *("epochs=3", "batch=16", "net_options.widths=[8,16]", "net_options.blocks=[1,1]", "ema=0.9"),
    *("threads=1", "device='cpu'"),
]


def small(*changes: str) -> TrainConfig:
    return load_config(changes=[*SMALL, "augment.rotation=0", "augment.shift=0", *changes])


def faces(n: int = 96, *, seed: int = 0, valid: int = 32) -> Table:
    """Two kinds of faces, bright above or bright below, called anger and happiness; every fourth has votes only."""
    chance = np.random.default_rng(seed)
    kinds = np.arange(n) % 2
    images = chance.integers(0, 90, (n, 48, 48), dtype=np.uint8)
    for image, kind in zip(images, kinds, strict=True):
        image[24 * kind : 24 * kind + 24] += 120
    plain, votes = LABEL_SETS["fer2013"], LABEL_SETS["ferplus"]
    soft = np.full((n, len(votes)), np.nan, np.float32)
    soft[::4] = 0
    soft[np.arange(0, n, 4), [votes.index(("anger", "happiness")[kind]) for kind in kinds[::4]]] = 1
    ids = np.array([plain.index(("anger", "happiness")[kind]) for kind in kinds])
    majority = np.where(np.isfinite(soft).all(1), np.nan_to_num(soft).argmax(1), -1)
    split = np.where(np.arange(n) < n - valid, "train", "valid")
    sources = {"fer2013": LabelColumn(plain, ids), "ferplus": LabelColumn(votes, majority, soft)}
    return Table(np.array([f"face-{i}" for i in range(n)]), images, split, sources)


def last_weights(run):
    return load_run(run, which=LAST)[1].state_dict()


def test_it_learns_both_heads_and_logs_every_epoch(tmp_path):
    told = []
    run = fit(small("epochs=16", "augment.erase=0"), faces(), out=tmp_path / "run", tell=told.append)
    assert run.finished
    rows = read_epochs(run.folder / "metrics.csv")
    assert [int(row["epoch"]) for row in rows] == list(range(16))
    assert len(told) == 16
    assert float(rows[-1]["train_accuracy_fer2013"]) > 0.95
    assert float(rows[-1]["valid_accuracy_fer2013"]) > 0.95
    assert float(rows[-1]["train_loss"]) < float(rows[0]["train_loss"])
    assert {each.name for each in (run.folder / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}


def test_a_resumed_run_equals_an_unbroken_one(tmp_path):
    table, config = faces(), small("augment.mixup=0.2", "dropout=0.3")
    fit(config, table, out=tmp_path / "whole")
    broken = fit(config, table, out=tmp_path / "broken", max_minutes=1e-6)
    assert (broken.epochs, broken.finished) == (1, False)
    for expected in (2, 3):
        broken = fit(config, table, out=tmp_path / "broken", max_minutes=1e-6, resume=True)
        assert broken.epochs == expected
    assert broken.finished
    whole, parts = last_weights(tmp_path / "whole"), last_weights(tmp_path / "broken")
    assert max((whole[key].double() - parts[key].double()).abs().max() for key in whole) < 1e-6
    first, second = (read_epochs(tmp_path / name / "metrics.csv") for name in ("whole", "broken"))
    for key in ("train_loss", "valid_loss", "selection", "learning_rate"):
        assert [float(row[key]) for row in first] == pytest.approx([float(row[key]) for row in second], abs=1e-6)


def test_training_sees_what_inference_sees():
    from mien.runtime.preprocess import to_tensor

    table, config = faces(8, valid=2), small()
    images = faces_of(table, config, ["fer2013"]).images
    torch.testing.assert_close(
        normalise(images.float() / 255, config).contiguous(),
        torch.from_numpy(to_tensor(table.images, config.input)),
        atol=1e-6,
        rtol=0,
    )


def test_batches_depend_on_seed_and_epoch_alone():
    def first(seed: int, epoch: int) -> torch.Tensor:
        config = small(f"seed={seed}")
        return next(iter(TrainingBatches(faces_of(faces(), config, ["fer2013"]), config, epoch))).inputs[0]

    assert torch.equal(first(0, 1), first(0, 1))
    assert not torch.equal(first(0, 1), first(0, 2))
    assert not torch.equal(first(0, 1), first(1, 1))


def test_votes_are_learnt_where_they_are_and_labels_elsewhere():
    targets = faces_of(faces(16, valid=2), small(), ["ferplus", "fer2013"]).targets
    assert targets["ferplus"].weights.tolist() == [1.0, 0, 0, 0] * 4
    assert targets["fer2013"].weights.tolist() == [1.0] * 16
    assert torch.equal(targets["fer2013"].soft.argmax(1), targets["fer2013"].ids)


def test_ctrl_c_stops_a_training_as_it_stops_anything(tmp_path):
    def stop(row):
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit(small("epochs=2"), faces(), out=tmp_path / "run", tell=stop)
    assert signal.getsignal(signal.SIGINT) is before


def test_there_must_be_a_run_to_resume(tmp_path):
    with pytest.raises(TrainingError, match="expected a run to resume in .*, got none"):
        fit(small("epochs=1"), faces(), out=tmp_path / "run", resume=True)
    assert not (tmp_path / "run").exists()


def test_a_run_is_not_overwritten_nor_resumed_with_other_settings_or_data(tmp_path):
    table = faces()
    fit(small("epochs=1"), table, out=tmp_path / "run")
    with pytest.raises(OutputError, match="--resume or another --out"):
        fit(small("epochs=1"), table, out=tmp_path / "run")
    with pytest.raises(TrainingError, match="others: epochs, learning_rate"):
        fit(small("epochs=2", "learning_rate=0.01"), table, out=tmp_path / "run", resume=True)
    with pytest.raises(TrainingError, match="expected the data that the run"):
        fit(small("epochs=1"), faces(seed=1), out=tmp_path / "run", resume=True)


def test_a_loss_that_is_not_finite_stops_the_training(tmp_path):
    said = r"expected a finite loss, got .* at step \d+ of epoch 0: train anew with a lower .*; no epoch was finished"
    with pytest.raises(TrainingError, match=said):
        fit(small("learning_rate=1e12", "warmup=0.01"), faces(), out=tmp_path / "run")


def test_what_is_missing_is_named_and_leaves_no_folder(tmp_path):
    with pytest.raises(DataError, match="valid"):
        fit(small(), faces(valid=0), out=tmp_path / "run")
    with pytest.raises(DataError, match="expected labels of rafdb"):
        choose_heads(faces(), ["rafdb"])
    with pytest.raises(UsageError, match="resnet"):
        fit(dataclasses.replace(small(), net="resnot"), faces(), out=tmp_path / "run")
    with pytest.raises(UsageError, match="options that the net 'resnet' takes"):
        fit(small("net_options.width=3"), faces(), out=tmp_path / "run2")
    assert not list(tmp_path.iterdir())
    with pytest.raises(TrainingError, match="train first"):
        load_run(tmp_path)


def test_sigterm_stops_as_ctrl_c_does_and_the_run_goes_on(tmp_path):
    table, config = faces(), small()

    def stop(row):
        if row["epoch"] == 1:
            signal.raise_signal(signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        fit(config, table, out=tmp_path / "run", tell=stop)
    assert signal.getsignal(signal.SIGTERM) is before
    run = fit(config, table, out=tmp_path / "run", resume=True)
    assert run.finished and run.epochs == 3
    fit(config, table, out=tmp_path / "whole")
    broken, whole = last_weights(tmp_path / "run"), last_weights(tmp_path / "whole")
    assert max((whole[key].double() - broken[key].double()).abs().max() for key in whole) < 1e-6


def test_notes_are_told_before_the_first_epoch(tmp_path):
    told = []
    run = fit(
        small("epochs=1", "batch=100", "net_options.widths=[8]", "net_options.blocks=[1]"),
        faces(),
        out=tmp_path / "run",
        tell=lambda row: told.append("an epoch"),
        note=told.append,
    )
    assert [*run.notes, "an epoch"] == told
    assert any("a batch of 100 is larger than the 64 training faces" in line for line in run.notes)


def test_a_head_without_a_label_in_valid_is_refused_before_anything_is_trained(tmp_path):
    table = faces()
    ids = np.where(table.split == "valid", -1, table.sources["fer2013"].ids)
    bare = dataclasses.replace(table, sources={"fer2013": LabelColumn(LABEL_SETS["fer2013"], ids)})
    with pytest.raises(DataError, match="expected labels of fer2013 in the split 'valid', got none"):
        fit(small(), bare, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_full_disk_leaves_the_last_checkpoint_whole(tmp_path):
    resource = pytest.importorskip("resource")
    table, config, out = faces(), small(), tmp_path / "run"
    limits, size = resource.getrlimit(resource.RLIMIT_FSIZE), []

    def fill(row):
        if row["epoch"] == 1:  # the log is written, the checkpoints are not yet
            size.append((out / LAST).read_bytes())
            resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))

    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with pytest.raises(
            OutputError, match=r"expected to write .*\.ckpt, got: .*before is whole: make room"
        ) as error:
            fit(config, table, out=out, tell=fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert "\n" not in str(error.value)
    assert (out / LAST).read_bytes() == size[0]
    assert sorted(each.name for each in (out / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]
    assert fit(config, table, out=out, resume=True).epochs == 3


def test_of_a_disk_that_is_full_from_the_beginning_no_earlier_checkpoint_is_promised(tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match=r"expected to write .*, got: No space left on device: make room, then --res"):
        WholeCheckpoints().save_checkpoint({}, tmp_path / "best.ckpt")


def test_a_finished_run_is_not_trained_again(tmp_path):
    table, config, out = faces(), small("epochs=1"), tmp_path / "run"
    first = fit(config, table, out=out)
    assert first.diagnosis == ("too few epochs to judge the curves: 1, expected 5 or more",)
    written = (out / LAST).stat().st_mtime_ns
    told = []
    again = fit(config, table, out=out, resume=True, tell=told.append)
    assert (again.epochs, again.finished, again.diagnosis) == (1, True, first.diagnosis)
    assert not told and (out / LAST).stat().st_mtime_ns == written
    versions = json.loads((out / "versions.json").read_text("utf-8"))
    assert (versions["threads"], versions["processes"], versions["seed"], versions["device"]) == (1, 1, 0, "cpu")
    assert versions["precision"] in ("bf16", "float32")


def test_a_checkpoint_that_does_not_fit_is_told_in_one_line(tmp_path):
    table, config, out = faces(), small("epochs=2"), tmp_path / "run"
    fit(config, table, out=out, max_minutes=1e-6)
    saved = torch.load(out / LAST, weights_only=True)
    name = next(key for key, each in saved["state_dict"].items() if each.ndim == 4)
    saved["state_dict"][name] = saved["state_dict"][name][:1]
    torch.save(saved, out / LAST)
    with pytest.raises(
        TrainingError, match=r"expected the weights of this net in .*, got those of another: 1 differ"
    ) as e:
        fit(config, table, out=out, resume=True)
    assert "\n" not in str(e.value) and name in str(e.value)
    for damaged in ((out / LAST).read_bytes()[:5000], b"", b"no checkpoint at all"):
        (out / LAST).write_bytes(damaged)
        with pytest.raises(TrainingError, match=r"expected a checkpoint at .*, got a damaged file") as e:
            fit(config, table, out=out, resume=True)
        assert "\n" not in str(e.value)
        with pytest.raises(TrainingError, match="got a damaged file"):
            load_run(out, which=LAST)


def test_a_run_of_another_version_is_told_in_one_line(tmp_path):
    table, config, out = faces(), small("epochs=2"), tmp_path / "run"
    fit(config, table, out=out, max_minutes=1e-6)
    path = out / "versions.json"
    said = json.loads(path.read_text("utf-8"))
    newer = said | {"config": "future = 1\n" + said["config"], "packages": {"mien": "9.0"}}
    path.write_text(json.dumps(newer), "utf-8")
    with pytest.raises(TrainingError, match=r"got those of mien 9\.0: expected a training setting out of") as error:
        fit(config, table, out=out, resume=True)
    assert "\n" not in str(error.value)
    for damaged in ("{", "[]", "{}"):
        path.write_text(damaged, "utf-8")
        with pytest.raises(TrainingError, match=r"expected versions\.json of a run in .*, got a damaged one"):
            fit(config, table, out=out, resume=True)


@pytest.mark.parametrize(
    ("amx", "avx512", "depthwise", "expected"),
    [(True, True, True, True), (False, True, True, False), (False, True, False, True), (False, False, False, False)],
)
def test_nets_that_see_one_channel_at_a_time_train_in_float32_without_amx(
    monkeypatch, amx, avx512, depthwise, expected
):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 8, 3), torch.nn.Conv2d(8, 8, 3, groups=8 if depthwise else 1))
    assert uses_bf16(TrainConfig(), "cpu", net) is expected
    assert uses_bf16(TrainConfig(precision="bf16"), "cpu", net)
    assert not uses_bf16(TrainConfig(precision="float32"), "cpu", net)
