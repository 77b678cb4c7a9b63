"""Training faces, resident in memory, in batches that are drawn anew each epoch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mien.core.errors import DataError
from mien.core.labels import LabelSet
from mien.datasets.table import LabelColumn, Table
from mien.runtime.preprocess import fit_crops
from mien.training.augment import Augmentation, augment
from mien.training.config import TrainConfig, size_in_epoch
from mien.training.mixing import mix_weights, mixing


@dataclass(frozen=True, eq=False)
class Targets:
    """What one head learns.

    Attributes:
        ids: (N,) int64 class ids, -1 where there is none.
        soft: (N, K) float32 distributions, zeros where there is none.
        weights: (N,) float32, 1 where there is a target, else 0.
    """

    ids: Tensor
    soft: Tensor
    weights: Tensor

    def __getitem__(self, index: Tensor) -> "Targets":
        return Targets(self.ids[index], self.soft[index], self.weights[index])


@dataclass(frozen=True, eq=False)
class Faces:
    """Resident faces (N, C, S, S) uint8 and the targets of each head."""

    images: Tensor
    targets: Mapping[str, Targets]
    label_sets: Mapping[str, LabelSet]

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, eq=False)
class Batch:
    """One step's input (B, C, S, S) float32, normalised, and its targets."""

    images: Tensor
    targets: Mapping[str, Targets]


def resident(table: Table, config: TrainConfig, heads: Sequence[str]) -> Faces:
    """Bring a table's faces to the model's size and colour, and its labels to tensors."""
    images = fit_crops(table.images, config.input)
    if images.ndim == 3:
        images = images[:, :, :, None]
    tensor = torch.from_numpy(np.array(images.transpose(0, 3, 1, 2)))  # a copy: tables are read-only
    targets = {head: _targets(table.sources[head], soft=config.soft) for head in heads}
    return Faces(tensor, targets, {head: table.sources[head].label_set for head in heads})


def choose_heads(table: Table, wanted: Sequence[str]) -> tuple[str, ...]:
    """The label sources to learn: those wanted, or all that the table has.

    Raises:
        DataError: a source that is wanted is not there.
    """
    missing = [head for head in wanted if head not in table.sources]
    if missing:
        raise DataError(f"expected labels of {', '.join(missing)} in the data, got {', '.join(table.sources)}")
    return tuple(wanted or table.sources)


def _targets(column: LabelColumn, *, soft: bool) -> Targets:
    ids = torch.from_numpy(column.ids.astype(np.int64))
    known = (ids >= 0).float()
    distributions = functional.one_hot(ids.clamp_min(0), len(column.label_set)).float() * known[:, None]
    if soft and column.soft is not None:
        votes = torch.from_numpy(np.array(column.soft, np.float32))
        voted = torch.isfinite(votes).all(1)
        distributions = torch.where(voted[:, None], votes.nan_to_num(0), distributions)
        known = torch.maximum(known, voted.float())
    return Targets(ids, distributions, known)


def normalise(images: Tensor, config: TrainConfig) -> Tensor:
    """(B, C, S, S) in 0..1 -> what `runtime.preprocess.to_tensor` makes of the same values, channels last."""
    mean, std = (
        torch.tensor(each, device=images.device).view(1, -1, 1, 1) for each in (config.input.mean, config.input.std)
    )
    return ((images - mean) / std).contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True, eq=False)
class TrainingBatches:
    """One epoch of augmented batches; the last, incomplete one is left out.

    Order and augmentation depend on seed and epoch alone, so that a resumed run draws what an unbroken one draws.
    """

    faces: Faces
    config: TrainConfig
    epoch: int

    def __len__(self) -> int:
        return max(1, len(self.faces) // self.config.batch)

    def __iter__(self) -> Iterator[Batch]:
        config, faces = self.config, self.faces
        generator = torch.Generator().manual_seed(config.seed * 100_003 + self.epoch)
        size = size_in_epoch(config, self.epoch)
        order = torch.randperm(len(faces), generator=generator)
        for step in range(len(self)):
            index = order[step * config.batch : (step + 1) * config.batch].to(faces.images.device)
            images = augment(faces.images[index], config.augment, size=size, generator=generator)
            targets = {head: each[index] for head, each in faces.targets.items()}
            if mixing(config.augment):
                images, targets = _mix(images, targets, config.augment, generator)
            yield Batch(normalise(images, config), targets)


def _mix(
    images: Tensor, targets: Mapping[str, Targets], config: Augmentation, generator: torch.Generator
) -> tuple[Tensor, dict[str, Targets]]:
    """Mix each face and its targets with a partner's; a head without a target on either side sits out."""
    drawn = mix_weights(len(images), config, size=images.shape[-1], generator=generator)
    pixels, own, partner = (each.to(images.device) for each in drawn)
    share, alone = own.view(-1, 1), own == 1
    mixed = {
        head: Targets(
            each.ids,
            share * each.soft + (1 - share) * each.soft[partner],
            torch.where(alone, each.weights, each.weights * each.weights[partner]),
        )
        for head, each in targets.items()
    }
    return pixels * images + (1 - pixels) * images[partner], mixed


@dataclass(frozen=True, eq=False)
class ValidationBatches:
    """All faces in order, as they are."""

    faces: Faces
    config: TrainConfig
    batch: int = 512

    def __len__(self) -> int:
        return -(-len(self.faces) // self.batch)

    def __iter__(self) -> Iterator[Batch]:
        for index in torch.arange(len(self.faces), device=self.faces.images.device).split(self.batch):
            images = normalise(self.faces.images[index].float() / 255, self.config)
            yield Batch(images, {head: each[index] for head, each in self.faces.targets.items()})
