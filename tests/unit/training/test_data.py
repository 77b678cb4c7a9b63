"""Training data: what the net sees of them, and how batches are drawn and mixed."""

import dataclasses

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as vision

from mien.core.errors import DataError, UsageError
from mien.core.labels import LABEL_SETS
from mien.datasets.table import LabelColumn, Table
from mien.runtime.preprocess import to_tensor
from mien.training.config import TrainConfig, as_settings, build, load_config
from mien.training.data import (
    TrainingBatches,
    ValidationBatches,
    expect_labels,
    faces_of,
    resident_on,
    resolve_input,
    size_notes,
)

RGB = ["input.color='rgb'", "input.mean=[0.1,0.2,0.3]", "input.std=[1,1,1]"]


def config(*changes: str) -> TrainConfig:
    return load_config(changes=["batch=8", *changes])


def table(n: int = 40, *, size: int = 48, channels: int = 1, dark_valid: bool = False) -> Table:
    """Faces of noise with labels of FER2013, every fourth with votes of FER+ too; the last quarter validates."""
    chance = np.random.default_rng(0)
    images = chance.integers(0, 256, (n, size, size) + ((3,) if channels == 3 else ()), np.uint8)
    split = np.where(np.arange(n) < n * 3 // 4, "train", "valid")
    if dark_valid:
        images[split == "valid"] = 0
    votes = np.full((n, 8), np.nan, np.float32)
    votes[::4] = np.eye(8)[np.arange(0, n, 4) % 8]
    sources = {
        "fer2013": LabelColumn(LABEL_SETS["fer2013"], (np.arange(n) % 7).astype(np.int16)),
        "ferplus": LabelColumn(
            LABEL_SETS["ferplus"], np.where(np.isfinite(votes[:, 0]), 0, -1).astype(np.int16), votes
        ),
    }
    return Table(np.array([f"face-{i}" for i in range(n)]), images, split, sources)


@pytest.mark.parametrize(
    ("how", "low", "high"),
    [("unit", 0.0, 1.0), ("symmetric", -1.0, 1.0), ("", -2.0, 2.0)],  # mien's own: 0.5 and 0.25
)
def test_the_range_of_what_the_net_sees(how, low, high):
    spec = resolve_input(config(f"normalise='{how}'"), table()).input
    seen = to_tensor(np.array([[[0]], [[255]]], np.uint8), spec)
    assert seen.ravel().tolist() == pytest.approx([low, high], abs=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_normalised_by_the_training_faces_they_have_mean_0_and_deviation_1(channels):
    given = table(channels=channels, size=64, dark_valid=True)
    settings = resolve_input(config("normalise='dataset'", "start_size=48", *(RGB if channels == 3 else [])), given)
    assert len(settings.input.mean) == channels
    seen = np.concatenate(
        [
            each.inputs[0]
            for each in ValidationBatches(faces_of(given.of_split("train"), settings, ["fer2013"]), settings)
        ]
    )
    assert seen.mean((0, 2, 3)).tolist() == pytest.approx([0] * channels, abs=1e-4)
    assert seen.std((0, 2, 3)).tolist() == pytest.approx([1] * channels, abs=1e-4)


def test_imagenets_mean_is_torchvisions_and_in_grey_its_luma():
    from torchvision.transforms._presets import ImageClassification

    expected = ImageClassification(crop_size=48)
    colour = resolve_input(config("normalise='imagenet'", *RGB), table()).input
    assert (colour.mean, colour.std) == (tuple(expected.mean), tuple(expected.std))
    gray = resolve_input(config("normalise='imagenet'"), table()).input
    luma = vision.rgb_to_grayscale(torch.tensor(expected.mean).view(3, 1, 1)).item()
    assert gray.mean[0] == pytest.approx(luma, abs=2e-4)


def test_what_was_resolved_is_in_the_settings_and_stays_when_resolved_again():
    given = table()
    once = resolve_input(config("normalise='dataset'"), given)
    again = resolve_input(build(TrainConfig, as_settings(once)), given)
    assert again == once
    assert resolve_input(config(), given) == config()


def test_what_cannot_be_normalised_is_named():
    with pytest.raises(UsageError, match="normalise out of .*unit, symmetric, dataset, imagenet"):
        config("normalise='zscore'")
    flat = dataclasses.replace(table(), images=np.full((40, 48, 48), 7, np.uint8))
    with pytest.raises(DataError, match="expected training faces of more than one grey value"):
        resolve_input(config("normalise='dataset'"), flat)


def test_faces_that_grow_or_shrink_much_get_a_note_and_others_none():
    for side in (48, 72, 32):
        assert size_notes(table(size=side), config()) == ()
    (note,) = size_notes(table(size=24), config())
    assert "faces of 24x24 pixels are enlarged to the 48" in note
    (note,) = size_notes(table(size=100), config())
    assert "faces of 100x100 pixels are shrunk to the 48 that the net sees: set input.size higher" in note


@pytest.mark.parametrize(
    ("changes", "world", "expected"),
    [
        (["batch=128"], 1, 512),
        (["batch=128", "input.size=224"], 1, 23),  # as many pixels
        (["batch=8"], 1, 32),  # a step with more would not fit either
        (["batch=128", "input.size=24", "start_size=24"], 1, 512),
        (["batch=128", "input.size=4096"], 1, 1),
        (["batch=128", "input.size=4096"], 2, 4),  # a face for each process in any part
    ],
)
def test_validation_takes_no_more_memory_than_training(changes, world, expected):
    settings, faces = config(*changes), faces_of(table(4), config(), ["fer2013"])
    assert ValidationBatches(faces, settings, world=world).at_once == expected


def test_each_head_needs_labels_in_train_and_valid():
    given = table()
    faces = faces_of(given, config(), ["fer2013", "ferplus"])
    expect_labels(faces, "train")
    expect_labels(faces, "valid")
    none = dataclasses.replace(given.sources["ferplus"], ids=np.full(len(given), -1, np.int16))
    for column, split, refused in (
        (none, "train", False),  # votes can be learnt
        (none, "valid", True),
        (dataclasses.replace(none, soft=None), "train", True),
    ):
        bare = faces_of(dataclasses.replace(given, sources={"ferplus": column}), config(), ["ferplus"])
        expect_labels(bare, split, besides=["ferplus"])
        if not refused:
            expect_labels(bare, split)
            continue
        with pytest.raises(DataError, match=f"expected labels of ferplus in the split '{split}', got none"):
            expect_labels(bare, split)


def test_colour_becomes_grey_and_grey_colour_as_the_net_wants():
    colour = table(4, channels=3)
    gray = faces_of(colour, config(), ["fer2013"]).images
    expected = vision.rgb_to_grayscale(torch.from_numpy(colour.images.copy()).permute(0, 3, 1, 2))
    assert (gray.int() - expected.int()).abs().max() <= 1
    both = faces_of(table(4), config(*RGB), ["fer2013"]).images
    assert both.shape == (4, 3, 48, 48)
    assert torch.equal(both[:, 0], both[:, 2])


MIXED = ["augment.mixup=0.4", "augment.cutmix=1.0", "augment.mix=0.7"]


def batches(*changes: str) -> list:
    settings = config(*changes)
    return list(TrainingBatches(faces_of(table(96), settings, ["fer2013", "ferplus"]), settings, 0))


@pytest.mark.parametrize("changes", [MIXED[:1], MIXED[1:2], MIXED])
def test_mixed_targets_stay_distributions_and_faces_alone_keep_their_label(changes):
    alone = lone_heads = 0
    for batch in batches(*changes):
        fer2013, ferplus = batch.targets["fer2013"], batch.targets["ferplus"]
        torch.testing.assert_close(fer2013.soft.sum(1), torch.ones(8))
        assert (fer2013.weights == 1).all()
        unmixed = fer2013.soft.amax(1) == 1  # or mixed with its like
        alone += int(unmixed.sum())
        lone_heads += int((unmixed & (ferplus.weights == 1)).sum())
        counted = ferplus.weights > 0
        torch.testing.assert_close(ferplus.soft[counted].sum(1), torch.ones(int(counted.sum())))
    assert alone > 0
    if len(changes) == 3:  # of the three in ten that are not mixed, each fourth has votes
        assert lone_heads > 0


def test_pixels_are_mixed_as_targets_are():
    """Faces that are white for anger and black for all else: the mean of a mixture is anger's share."""
    plain = ["flip", "rotation", "zoom", "shift", "brightness", "contrast", "erase"]
    settings = config("normalise='unit'", *(f"augment.{name}=0.0" for name in plain), *MIXED)
    settings = resolve_input(settings, table())
    given = table(96)
    angry = given.sources["fer2013"].ids == 0
    given = dataclasses.replace(
        given, images=np.where(angry[:, None, None], 255, 0).astype(np.uint8).repeat(48, 1).repeat(48, 2)
    )
    for batch in TrainingBatches(faces_of(given, settings, ["fer2013"]), settings, 0):
        torch.testing.assert_close(
            batch.inputs[0].mean((1, 2, 3)), batch.targets["fer2013"].soft[:, 0], atol=1e-5, rtol=0
        )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_batches_are_made_on_the_device_and_equal_those_of_the_cpu():
    settings = config("augment.blur=0.03", "augment.jpeg=50.0", *MIXED)
    faces, cuda = faces_of(table(32), settings, ["fer2013"]), torch.device("cuda")
    resident = resident_on(faces, cuda)
    assert resident.images.is_cuda
    for here, there, other in zip(
        *(
            TrainingBatches(each, settings, 0, where)
            for each, where in ((faces, torch.device("cpu")), (faces, cuda), (resident, cuda))
        ),
        strict=True,
    ):
        assert torch.equal(there.inputs[0], other.inputs[0])
        assert torch.equal(there.targets["fer2013"].soft, other.targets["fer2013"].soft)
        assert there.inputs[0].is_cuda
        assert (here.inputs[0] - there.inputs[0].cpu()).abs().mean() < 1e-2
        assert torch.equal(here.targets["fer2013"].ids, there.targets["fer2013"].ids.cpu())
