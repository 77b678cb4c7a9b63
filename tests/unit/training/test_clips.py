"""Clips in a training: batches of both inputs, one change for all frames, exact resumption, and wrong settings."""

import dataclasses

import numpy as np
import pytest
import torch

from mien.core.epochs import read_epochs
from mien.core.errors import DataError, UsageError
from mien.core.labels import LabelSet
from mien.datasets import LabelColumn, Table
from mien.training.augment import augment
from mien.training.clips import change_alike, fit_to_net
from mien.training.config import TrainConfig, load_config
from mien.training.data import TrainingBatches, ValidationBatches, faces_of
from mien.training.fit import LAST, fit, load_run

SMALL = "{widths=[8],blocks=[1]}"
SETTINGS = ["input.size=16", "start_size=16", "epochs=2", "batch=8", "threads=1", "precision=float32", "ema=0.9"]
GRU = ["net='cnn-gru'", "input.frames=3", "net_options.hidden=6", f"net_options.options={SMALL}"]
FUSION = [
    "net='fusion'",
    "input.frames=3",
    f"net_options.branches={{peak={{net='resnet',options={SMALL}}},"
    f"motion={{net='cnn-lstm',input='clip',options={{hidden=6,options={SMALL}}}}}}}",
]


def settings(*changes: str) -> TrainConfig:
    return load_config(changes=[*SETTINGS, *changes])


def made(n: int = 24, *, valid: int = 8, colour: bool = False) -> Table:
    """Clips of 2 to 5 pictures of noise, and a brighter peak beside each."""
    chance = np.random.default_rng(0)
    numbers = [(clip, frame) for clip in range(n) for frame in range(2 + clip % 4)] + [(clip, 9) for clip in range(n)]
    rows = [(f"clip-{clip:02}", frame, clip % 2, clip < n - valid) for clip, frame in numbers]
    clip_ids, frames, labels, train = (np.array(each) for each in zip(*rows, strict=True))
    key = frames == 9
    images = chance.integers(0, 200, (len(rows), 16, 16) + ((3,) if colour else ()), np.uint8)
    images[key] += 50
    column = LabelColumn(LabelSet("made", ("a", "b")), labels)
    extra = {"clip_id": clip_ids, "frame": frames, "key": key}
    ids = np.array([f"row-{row}" for row in range(len(rows))])
    return Table(ids, images, np.where(train, "train", "valid"), {"made": column}, extra)


def seen(config: TrainConfig, inputs: tuple[str, ...], table: Table):
    faces = faces_of(table, config, ["made"])
    return dataclasses.replace(faces, clips=fit_to_net(faces.clips, inputs))


@pytest.mark.parametrize("colour", [False, True])
def test_what_is_measured_is_what_the_table_holds(colour):
    table = made(colour=colour).of_split("valid")
    config = settings(*FUSION, *(["input.color=rgb", "input.mean=[0,0,0]", "input.std=[1,1,1]"] if colour else []))
    faces = seen(config, ("image", "clip"), table)
    (batch,) = ValidationBatches(faces, config)
    image, clip = (each.numpy() * np.reshape(config.input.std, (-1, 1, 1)) for each in batch.inputs)
    image, clip = ((each + np.reshape(config.input.mean, (-1, 1, 1))) * 255 for each in (image, clip))
    assert clip.shape == (8, 3, 3 if colour else 1, 16, 16)
    assert len(batch) == 8
    for number in range(8):
        rows = np.flatnonzero(table.extra["clip_id"] == f"clip-{16 + number}")  # frames stand in order, the peak last
        frames = rows[:-1]
        wanted = {2: [0, 1, 1], 3: [0, 1, 2], 4: [0, 2, 3], 5: [0, 2, 4]}[len(frames)]

        def pixels(row):
            return np.atleast_3d(table.images[row].astype(float)).transpose(2, 0, 1)

        np.testing.assert_allclose(image[number], pixels(rows[-1]), atol=1e-3)
        np.testing.assert_allclose(clip[number], [pixels(frames[each]) for each in wanted], atol=1e-3)
    assert batch.targets["made"].ids.tolist() == [0, 1] * 4


def test_a_net_of_clips_alone_is_given_no_peak():
    config = settings(*GRU)
    batch = next(iter(TrainingBatches(seen(config, ("clip",), made()), config, 0)))
    assert [tuple(each.shape) for each in batch.inputs] == [(8, 3, 1, 16, 16)]
    config = settings(*FUSION)
    batch = next(iter(TrainingBatches(seen(config, ("image", "clip"), made()), config, 0)))
    assert [tuple(each.shape) for each in batch.inputs] == [(8, 1, 16, 16), (8, 3, 1, 16, 16)]


@pytest.mark.parametrize("colour", [False, True])
def test_all_frames_of_a_clip_are_changed_alike(colour):
    channels = 3 if colour else 1
    config = dataclasses.replace(load_config().augment, erase=1.0, rotation=20.0)
    still = torch.randint(0, 256, (6, 1, channels, 16, 16), dtype=torch.uint8).expand(-1, 4, -1, -1, -1)

    def change(images, generator):
        return augment(images, config, size=16, generator=generator)

    found = change_alike(still, change, torch.Generator().manual_seed(0)).unflatten(1, (4, channels))
    for frame in range(1, 4):
        assert torch.equal(found[:, 0], found[:, frame])
    assert len({each.numpy().tobytes() for each in found[:, 0]}) == 6
    again = change_alike(still, change, torch.Generator().manual_seed(1)).unflatten(1, (4, channels))
    assert not torch.equal(found, again)


def test_mixed_clips_are_mixed_with_one_partner_and_share():
    config = settings(*GRU, *(f"augment.{each}=0" for each in ("flip", "rotation", "zoom", "shift", "erase")))
    config = dataclasses.replace(
        config, augment=dataclasses.replace(config.augment, brightness=0, contrast=0, mixup=1.0)
    )
    table = made()
    levels = np.full_like(table.images, 0)
    for row, name in enumerate(table.extra["clip_id"].tolist()):
        levels[row] = 10 * int(name[-2:])  # a clip is of one grey value
    faces = seen(config, ("clip",), dataclasses.replace(table, images=levels))
    (clip,) = next(iter(TrainingBatches(faces, config, 0))).inputs
    grey = (clip * config.input.std[0] + config.input.mean[0]) * 255
    assert torch.allclose(grey.flatten(1).amax(1), grey.flatten(1).amin(1), atol=1e-3)
    assert ((grey.flatten(1)[:, 0] / 10).frac() > 0.01).any()  # values between those of the clips


@pytest.mark.parametrize("net", [GRU, FUSION])
def test_a_resumed_run_equals_an_unbroken_one(net, tmp_path):
    config, table = settings(*net), made()
    fit(config, table, out=tmp_path / "whole")
    assert fit(config, table, out=tmp_path / "broken", max_minutes=1e-6).epochs == 1
    assert fit(config, table, out=tmp_path / "broken", resume=True).finished
    whole, parts = (load_run(tmp_path / name, which=LAST)[1].state_dict() for name in ("whole", "broken"))
    assert max((whole[key].double() - parts[key].double()).abs().max() for key in whole) < 1e-6
    logs = [read_epochs(tmp_path / name / "metrics.csv") for name in ("whole", "broken")]
    losses, again = ([float(row["train_loss"]) for row in log] for log in logs)
    assert losses == pytest.approx(again, abs=1e-6)


def test_settings_and_data_that_do_not_fit_are_named_and_leave_no_folder(tmp_path):
    table = made()
    no_clips = dataclasses.replace(table, extra={})
    crossing = dataclasses.replace(table, split=np.where(np.arange(len(table)) % 2, "train", "valid"))
    for config, data, error, said in (
        (settings(*GRU, "input.frames=0"), table, UsageError, "expected input.frames of 1 or more .*input.frames=8"),
        (settings("input.frames=3"), table, UsageError, "expected a net that takes clips for input.frames=3"),
        (settings(*GRU), no_clips, DataError, "expected the columns clip_id and frame"),
        (settings(*GRU), crossing, DataError, "expected one split a clip, got train and valid in the clip clip-00"),
    ):
        with pytest.raises(error, match=said):
            fit(config, data, out=tmp_path / "run")
    assert not list(tmp_path.iterdir())
