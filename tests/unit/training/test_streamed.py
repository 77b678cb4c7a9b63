"""Faces that are read while a net trains: where they are, and that they are those that would be in memory."""

from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("pyarrow")

from mien.core.errors import DataError, UsageError
from mien.core.labels import LABEL_SETS
from mien.datasets import LabelColumn, Table, read_table, write_table
from mien.datasets.stored import StoredImages
from mien.training import streamed
from mien.training.config import TrainConfig, load_config
from mien.training.data import TrainingBatches, ValidationBatches, faces_of, resolve_input
from mien.training.streamed import notes_on_place, placed

HEADS = ["fer2013"]
PLAIN = [f"augment.{name}=0" for name in ("flip", "rotation", "zoom", "shift", "brightness", "contrast", "erase")]
N = 1400


def config(*changes: str) -> TrainConfig:
    return load_config(changes=["batch=32", "input.size=8", "start_size=8", *changes])


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Faces of one grey value or another; the class is the row modulo 7."""
    path = tmp_path_factory.mktemp("streamed") / "faces.parquet"
    images = np.random.default_rng(0).integers(0, 256, (N, 8, 8), np.uint8)
    split = np.where(np.arange(N) % 7 == 6, "valid", "train")
    sources = {"fer2013": LabelColumn(LABEL_SETS["fer2013"], (np.arange(N) % 7).astype(np.int16))}
    write_table(Table(np.array([f"face-{k}" for k in range(N)]), images, split, sources), path)
    return path


def drawn(
    path: Path, settings: TrainConfig, *, rank: int = 0, world: int = 1
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    faces = faces_of(read_table(path, resident=False).of_split("train"), settings, HEADS)
    assert isinstance(faces.images, StoredImages)
    batches = TrainingBatches(faces, settings, 1, rank=rank, world=world)
    return [(each.inputs[0], each.targets["fer2013"].ids) for each in batches]


def test_the_table_is_in_memory_where_it_is_small(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = read_table(path, resident=False)
    kept = placed(stored, config())
    assert isinstance(kept.images, np.ndarray)
    assert notes_on_place(kept) == ()
    assert placed(stored, config("resident=false")) is stored
    assert isinstance(placed(stored, config("resident=false")).images, StoredImages)
    monkeypatch.setattr(streamed, "RESIDENT_GB", 80_000 / 1e9)  # of 89,600 bytes
    assert placed(stored, config()) is stored
    assert notes_on_place(stored)[0].endswith("read while the net trains; resident=true keeps them in memory")
    assert isinstance(placed(stored, config("resident=true")).images, np.ndarray)
    clips = config("input.frames=2")
    assert isinstance(placed(stored, clips).images, np.ndarray)
    with pytest.raises(UsageError, match="expected single pictures for resident=false, got clips"):
        placed(stored, config("input.frames=2", "resident=false"))
    with pytest.raises(UsageError, match="expected .parquet tables alone for resident=false, got faces that are in"):
        placed(kept, config("resident=false"))


def test_resident_is_true_false_or_auto() -> None:
    assert config("resident=true").resident is True
    with pytest.raises(UsageError, match="expected a resident out of True, False, auto, got 'maybe'"):
        config("resident='maybe'")
    with pytest.raises(UsageError, match="expected bool or str as resident, got 1"):
        config("resident=1")


def test_an_epoch_has_each_face_once_and_with_its_own_label(path: Path) -> None:
    settings = config(*PLAIN)
    table = read_table(path).of_split("train")
    expected = {image.tobytes(): label for image, label in zip(table.images, table.sources["fer2013"].ids, strict=True)}
    seen = []
    for images, labels in drawn(path, settings):
        pixels = ((images * 0.25 + 0.5) * 255).round().byte().squeeze(1).numpy()
        seen += [each.tobytes() for each in pixels]
        assert [expected[each.tobytes()] for each in pixels] == labels.tolist()
    assert len(seen) == len(set(seen)) == len(table) // 32 * 32


@pytest.mark.parametrize("mixed", [[], ["augment.mixup=0.4"]])
def test_two_processes_see_what_one_sees(path: Path, mixed: list[str]) -> None:
    settings = config("augment.noise=0.1", *mixed)
    alone, first, second = (drawn(path, settings, rank=rank, world=w) for rank, w in ((0, 1), (0, 2), (1, 2)))
    assert len(alone) == len(first) == len(second)
    for whole, even, odd in zip(alone, first, second, strict=True):
        for of, (a, b) in enumerate(zip(even, odd, strict=True)):
            torch.testing.assert_close(torch.stack([a, b], 1).flatten(0, 1), whole[of], atol=1e-5, rtol=0)


def test_validation_is_as_in_memory(path: Path) -> None:
    settings = config()
    both = [
        [
            torch.cat([each.inputs[0] for each in ValidationBatches(faces_of(table, settings, HEADS), settings, **how)])
            for table in (read_table(path, splits=["valid"], resident=resident) for resident in (True, False))
        ]
        for how in ({}, {"rank": 1, "world": 2})
    ]
    for resident, read in both:
        assert torch.equal(resident, read)
    assert len(both[1][1]) == N // 7 // 2


def test_moments_are_as_in_memory(path: Path) -> None:
    settings = config("normalise='dataset'")
    resident, stored = (resolve_input(settings, read_table(path, resident=each)) for each in (True, False))
    assert resident == stored


def test_a_file_that_goes_away_is_said(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "faces.parquet"
    copy.write_bytes(path.read_bytes())
    faces = faces_of(read_table(copy, resident=False).of_split("train"), config(), HEADS)
    copy.unlink()
    with pytest.raises(DataError, match=r"expected a readable table at .*faces.parquet, got"):
        next(iter(TrainingBatches(faces, config(), 0)))


def test_the_reader_of_an_epoch_may_stop(path: Path) -> None:
    batches = iter(TrainingBatches(faces_of(read_table(path, resident=False), config(), HEADS), config(), 0))
    next(batches)
    batches.close()  # type: ignore[attr-defined]
