"""Training faces, in memory or read while a net trains, in batches that are drawn anew each epoch."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mien.core.errors import DataError
from mien.core.labels import LabelSet
from mien.datasets.clips import clips_of
from mien.datasets.explore import moments_of
from mien.datasets.stored import StoredImages, stored
from mien.datasets.table import LabelColumn, Table
from mien.runtime.card import AFFECT, VALENCE_AROUSAL
from mien.runtime.preprocess import fit_crops
from mien.training.augment import Augmentation, augment
from mien.training.clips import ClipRows, change_alike
from mien.training.config import FER2013_INPUT, TrainConfig, size_in_epoch
from mien.training.mixing import mix_weights, mixing
from mien.training.sampling import draw_order, in_groups
from mien.training.streamed import as_tensor, read_ahead

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and deviation of red, green and blue
_CPU = torch.device("cpu")
_ENLARGED = 1.5  # times its side that a face may grow, or shrink, without a note
_VALIDATED = 512  # faces of FER2013's size at a time, and as many pixels of others


@dataclass(frozen=True, eq=False)
class Targets:
    """What one head learns.

    Attributes:
        ids: (N,) int64 class ids, -1 where there is none.
        soft: (N, K) float32 distributions, zeros where there is none; values of a head that learns no classes.
        weights: (N,) float32, 1 where there is a target, else 0.
    """

    ids: Tensor
    soft: Tensor
    weights: Tensor

    def __getitem__(self, index: Tensor) -> "Targets":
        return Targets(self.ids[index], self.soft[index], self.weights[index])

    def to(self, device: torch.device) -> "Targets":
        """The same on a device."""
        return Targets(*(each.to(device, non_blocking=True) for each in (self.ids, self.soft, self.weights)))

    @property
    def device(self) -> torch.device:
        """Where they are."""
        return self.ids.device


@dataclass(frozen=True, eq=False)
class Faces:
    """Faces (M, C, S, S) uint8 in memory, or as they are in their files, and the targets of each head.

    A target stands for a face or, where there are `clips`, for a clip of several.
    """

    images: Tensor | StoredImages
    targets: Mapping[str, Targets]
    label_sets: Mapping[str, LabelSet]
    clips: ClipRows | None = None

    def __len__(self) -> int:
        return len(self.images if self.clips is None else self.clips)

    def to(self, device: torch.device) -> "Faces":
        """Targets, and faces that are in memory, on a device."""
        images = self.images if isinstance(self.images, StoredImages) else self.images.to(device)
        return replace(self, images=images, targets={head: each.to(device) for head, each in self.targets.items()})

    def pictures(self, plan: Sequence[Tensor], config: TrainConfig) -> Iterator[Tensor]:
        """Batches of faces or clips (B,) -> (B, P, C, S, S) uint8 each, the pictures of each."""
        images, clips = self.images, self.clips
        if isinstance(images, StoredImages):
            return read_ahead(images, plan, config.input)
        rows = (index.unsqueeze(1) if clips is None else clips.rows(index) for index in plan)
        return (images[each.to(images.device, non_blocking=True)] for each in rows)

    def targets_of(self, index: Tensor, device: torch.device) -> dict[str, Targets]:
        """Of some faces (B,), on a device."""
        return {head: each[index.to(each.device, non_blocking=True)].to(device) for head, each in self.targets.items()}

    def inputs(self, pictures: Tensor, config: TrainConfig) -> tuple[Tensor, ...]:
        """(B, P * C, S, S) in 0..1 -> what the net takes of them, normalised."""
        if self.clips is None:
            return (normalise(pictures, config),)
        single = normalise(pictures.unflatten(1, (-1, config.input.channels)).flatten(0, 1), config)
        return self.clips.split(single.unflatten(0, (len(pictures), -1)))


@dataclass(frozen=True, eq=False)
class Batch:
    """What the net takes in one step, float32, normalised, and its targets.

    Pictures are (B, C, S, S), clips (B, T, C, S, S).
    """

    inputs: tuple[Tensor, ...]
    targets: Mapping[str, Targets]

    def __len__(self) -> int:
        return len(self.inputs[0])


def resident_on(faces: Faces, device: torch.device) -> Faces:
    """The faces on a GPU, where they take no more than a quarter of its free memory; else as they are."""
    images = faces.images
    if isinstance(images, StoredImages) or images.nbytes > torch.cuda.mem_get_info(device)[0] // 4:
        return faces
    return faces.to(device)


def resolve_input(config: TrainConfig, table: Table) -> TrainConfig:
    """The settings with the mean and deviation of the input that `normalise` asks for.

    Raises:
        DataError: the deviation of the training faces is asked for, and they are all of one grey value.
    """
    if not config.normalise:
        return config
    channels = config.input.channels
    if config.normalise == "dataset":
        mean, std = _moments(table, config)
    elif config.normalise == "imagenet":
        mean, std = _IMAGENET if channels == 3 else ((_luma(each),) for each in _IMAGENET)
    else:
        mean, std = {"unit": ((0.0,), (1.0,)), "symmetric": ((0.5,), (0.5,))}[config.normalise]
        mean, std = mean * channels, std * channels
    return replace(config, input=replace(config.input, mean=mean, std=std))


def _moments(table: Table, config: TrainConfig) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel of the training faces as the net sees them, to 6 digits."""
    train = table.of_split("train")
    in_files = stored(train.images)
    blocks = [train.images] if in_files is None else in_files.blocks()
    found = moments_of((fit_crops(block, config.input) for block in blocks), channels=config.input.channels)
    if found.std.min() < 1e-3:
        raise DataError(
            "expected training faces of more than one grey value for normalise 'dataset', got one: use 'symmetric'"
        )
    return tuple(found.mean.round(6).tolist()), tuple(found.std.round(6).tolist())


def _luma(rgb: tuple[float, ...]) -> float:
    """The grey value of a colour, as `to_gray` weighs it."""
    return round(0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2], 6)


def size_notes(table: Table, config: TrainConfig) -> tuple[str, ...]:
    """What to say of faces that are far smaller or larger than what the net sees; nothing where they are not."""
    height, width = table.images.shape[1:3]
    if config.input.size > _ENLARGED * min(height, width):
        return (
            f"faces of {width}x{height} pixels are enlarged to the {config.input.size} that the net sees, which adds "
            "no detail: prepare them larger, or set input.size lower",
        )
    if min(height, width) > _ENLARGED * config.input.size:
        return (
            f"faces of {width}x{height} pixels are shrunk to the {config.input.size} that the net sees: set input.size "
            "higher for it to see more detail",
        )
    return ()


def faces_of(table: Table, config: TrainConfig, heads: Sequence[str]) -> Faces:
    """Bring a table's faces to the model's size and colour, its labels to tensors, and its rows to clips if need be."""
    in_files = stored(table.images)
    images = as_tensor(table.images, config.input) if in_files is None else in_files
    clips = None
    if config.input.frames:
        found = clips_of(table, config.input.frames)
        table, clips = found.table, ClipRows.of(found)
    targets = {head: _targets(table.sources[head], soft=config.soft) for head in heads}
    if config.regress:
        targets[VALENCE_AROUSAL] = _affect(table)
    return Faces(images, targets, {head: table.sources[head].label_set for head in heads}, clips)


def choose_heads(table: Table, wanted: Sequence[str]) -> tuple[str, ...]:
    """The label sources to learn: those wanted, or all that the table has.

    Raises:
        DataError: a source that is wanted is not there.
    """
    missing = [head for head in wanted if head not in table.sources]
    if missing:
        raise DataError(f"expected labels of {', '.join(missing)} in the data, got {', '.join(table.sources)}")
    return tuple(wanted or table.sources)


def expect_labels(faces: Faces, split: str, *, besides: Collection[str] = ()) -> None:
    """Check that there is something to learn, or to select an epoch by, for each head.

    Args:
        faces: of one split.
        split: its name.
        besides: heads that need no labels, because teachers answer for them.

    Raises:
        DataError: a head has no label in the split.
    """
    for head in faces.label_sets:
        found = faces.targets[head]
        # What an epoch is selected by and the model is measured by are labels; votes alone can be learnt.
        labelled = found.ids >= 0 if split == "valid" else found.weights > 0
        if head not in besides and not labelled.any():
            raise DataError(
                f"expected labels of {head} in the split {split!r}, got none: take data that have some, or name the "
                "heads to learn with --set heads=[...]"
            )


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


def _affect(table: Table) -> Targets:
    """Valence and arousal as the targets of a head of two outputs: values in place of distributions, and no class.

    Raises:
        DataError: the table lacks one of them, knows none, or has values beyond -1..1.
    """
    missing = [name for name in AFFECT if name not in table.extra]
    if missing:
        raise DataError(f"expected the columns {' and '.join(AFFECT)} in the data to regress, got no {missing[0]}")
    values = torch.from_numpy(np.stack([table.extra[name] for name in AFFECT], 1).astype(np.float32))  # (N, 2)
    known = torch.isfinite(values).all(1)
    if not known.any():
        raise DataError(f"expected values of {' and '.join(AFFECT)} in the data to regress, got none")
    largest = values[known].abs().max().item()
    if largest > 1:
        raise DataError(f"expected {' and '.join(AFFECT)} in -1..1, NaN where unknown, got {largest:g}")
    return Targets(torch.full((len(values),), -1), values.nan_to_num(0) * known[:, None], known.float())


def normalise(images: Tensor, config: TrainConfig) -> Tensor:
    """(B, C, S, S) in 0..1 -> what `runtime.preprocess.to_tensor` makes of the same values, channels last."""
    mean, std = (
        torch.tensor(each).to(images.device, non_blocking=True).view(1, -1, 1, 1)  # without waiting for a GPU
        for each in (config.input.mean, config.input.std)
    )
    return ((images - mean) / std).contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True, eq=False)
class TrainingBatches:
    """One epoch of augmented batches; the last, incomplete one is left out.

    Faces travel to the device as they are stored, a batch at a time, and are changed there.
    Order and augmentation depend on seed and epoch alone, so that a resumed run draws what an unbroken one draws.
    Of `world` processes each draws for the whole batch, and takes every `world`-th face of it: together they see what
    one process would. Where faces are mixed each has to read and change the whole batch: partners are anywhere in it.
    """

    faces: Faces
    config: TrainConfig
    epoch: int
    device: torch.device = _CPU
    rank: int = 0
    world: int = 1

    def __len__(self) -> int:
        return max(1, len(self.faces) // self.config.batch)

    def __iter__(self) -> Iterator[Batch]:
        config, faces = self.config, self.faces
        generator = torch.Generator().manual_seed(config.seed * 100_003 + self.epoch)
        size = size_in_epoch(config, self.epoch)
        labels = next(iter(faces.targets.values())).ids
        order = draw_order(labels, sampling=config.sampling, generator=generator)
        if isinstance(faces.images, StoredImages):
            order = in_groups(order, torch.from_numpy(faces.images.groups), generator=generator)
        batches = [order[step * config.batch : (step + 1) * config.batch] for step in range(len(self))]
        batches = [each[: len(each) // self.world * self.world] for each in batches]  # equal shares, if of less, too
        shares = [torch.arange(self.rank, len(each), self.world) for each in batches]
        whole = self.world == 1 or mixing(config.augment)
        plan = batches if whole else [index[mine] for index, mine in zip(batches, shares, strict=True)]
        for index, mine, pictures in zip(batches, shares, faces.pictures(plan, config), strict=True):
            pictures = pictures.to(self.device, non_blocking=True)
            images = self._changed(pictures, size, generator, len(index), None if whole else mine)
            targets = faces.targets_of(index, self.device)
            if mixing(config.augment):
                images, targets = _mix(images, targets, config.augment, generator)
            if self.world > 1:
                here = mine.to(self.device)
                images = images[here] if whole else images
                targets = {head: each[here] for head, each in targets.items()}
            yield Batch(faces.inputs(images, config), targets)

    def _changed(
        self, pictures: Tensor, size: int, generator: torch.Generator, batch: int, rows: Tensor | None
    ) -> Tensor:
        """(B, P, C, H, W) uint8 -> (B, P * C, S, S) in 0..1; `rows` says which of a batch they are, None: all."""

        def change(images: Tensor, chance: torch.Generator) -> Tensor:
            return augment(images, self.config.augment, size=size, generator=chance, batch=batch, rows=rows)

        if self.faces.clips is None:
            return change(pictures[:, 0], generator)
        return change_alike(pictures, change, generator)


def _mix(
    images: Tensor, targets: Mapping[str, Targets], config: Augmentation, generator: torch.Generator
) -> tuple[Tensor, dict[str, Targets]]:
    """Mix each face and its targets with a partner's; a head without a target on either side sits out."""
    drawn = mix_weights(len(images), config, size=images.shape[-1], generator=generator)
    pixels, own, partner = (each.to(images.device, non_blocking=True) for each in drawn)
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
    """All faces in order, as they are; of `world` processes each takes every `world`-th of a batch."""

    faces: Faces
    config: TrainConfig
    device: torch.device = _CPU
    rank: int = 0
    world: int = 1

    def __len__(self) -> int:
        return -(-len(self.faces) // self.at_once)

    @property
    def at_once(self) -> int:
        """How many faces or clips a batch has, so that it takes no more memory than a step of training does."""
        pixels = self.config.input.size**2 * max(1, self.config.input.frames)
        fitting = min(_VALIDATED * FER2013_INPUT.size**2 // pixels, _VALIDATED, 4 * self.config.batch)
        # Equal parts of twice as many faces as there are processes leave none without one.
        return max(fitting, 1 if self.world == 1 else 2 * self.world)

    def __iter__(self) -> Iterator[Batch]:
        every = torch.arange(len(self.faces))
        # Several processes need batches alike, so that none is left without a face in the last one.
        batches = every.split(self.at_once) if self.world == 1 else every.tensor_split(len(self))
        plan = [whole[self.rank :: self.world] for whole in batches]
        for index, pictures in zip(plan, self.faces.pictures(plan, self.config), strict=True):
            inputs = self.faces.inputs(pictures.to(self.device).flatten(1, 2).float() / 255, self.config)
            yield Batch(inputs, self.faces.targets_of(index, self.device))
