"""How long a training step takes, and how much of it making the batch is."""

import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from lightning import pytorch as lightning
from lightning.pytorch.callbacks import Callback

from mien.core.labels import LABEL_SETS
from mien.datasets.table import LabelColumn, Table
from mien.training.config import TrainConfig
from mien.training.data import Batch, Faces, TrainingBatches, faces_of
from mien.training.fit import build_net, choose_device, quiet, uses_bf16
from mien.training.module import ExpressionModule

HEADS = ("ferplus", "fer2013")
_RESIDENT_BATCHES = 4  # faces in the made-up data set, in batches


@dataclass(frozen=True)
class StepTimes:
    """Medians over steps, in seconds.

    Attributes:
        full: a step with the making of its batch. resident: a step on a batch that is there already. data: making one.
        batch: faces a step. steps: measured of each kind. device, precision, threads: what computed.
    """

    full: float
    resident: float
    data: float
    batch: int
    steps: int
    device: str
    precision: str
    threads: int

    @property
    def overhead(self) -> float:
        """What the data path adds, as a share of a step on a resident batch."""
        return self.full / self.resident - 1


def measure_steps(config: TrainConfig, *, steps: int = 10, warm_up: int = 3) -> StepTimes:
    """Train on made-up faces at the net's full size: full steps and steps on a resident batch in turns.

    In turns, so that a busy moment of the machine meets both. Steps are Lightning's, with all that the settings ask
    for: loss, optimiser, averaged weights, metrics.
    """
    config = replace(config, epochs=1, start_size=config.input.size, accumulate=1, heads=())
    device = choose_device(config.device)
    if config.threads and device == "cpu":
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    faces = faces_of(made_up_faces(config, _RESIDENT_BATCHES * config.batch), config, HEADS)
    module = ExpressionModule(build_net(config, faces.label_sets), config, faces, faces)
    bf16 = uses_bf16(config, device, module.net)
    batches = _InTurns(module.faces["train"], config, torch.device(device), count=2 * (steps + warm_up))
    clock = _Clock()
    with quiet():
        lightning.Trainer(
            accelerator=device,
            devices=1,
            max_epochs=1,
            precision="bf16-mixed" if bf16 else "32-true",
            callbacks=[clock],
            limit_val_batches=0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        ).fit(module, train_dataloaders=batches)
    full, rest, made = clock.seconds[2 * warm_up :: 2], clock.seconds[2 * warm_up + 1 :: 2], batches.seconds[warm_up:]
    return StepTimes(
        full=statistics.median(full),
        resident=statistics.median(rest),
        data=statistics.median(made),
        batch=config.batch,
        steps=steps,
        device=torch.cuda.get_device_name() if device == "cuda" else "cpu",
        precision="bf16" if bf16 else "float32",
        threads=torch.get_num_threads(),
    )


def made_up_faces(config: TrainConfig, count: int) -> Table:
    """Noise in the size and colour of the input, with votes and labels as FER2013's: time does not depend on either."""
    chance = np.random.default_rng(0)
    size = config.input.size
    shape = (count, size, size) + ((3,) if config.input.channels == 3 else ())
    images = chance.integers(0, 256, shape, np.uint8)
    ids = {head: chance.integers(0, len(LABEL_SETS[head]), count, np.int16) for head in HEADS}
    votes = np.eye(len(LABEL_SETS["ferplus"]), dtype=np.float32)[ids["ferplus"]]
    sources: Mapping[str, LabelColumn] = {
        head: LabelColumn(LABEL_SETS[head], ids[head], votes if head == "ferplus" else None) for head in HEADS
    }
    return Table(np.array([f"made-up-{row}" for row in range(count)]), images, np.full(count, "train"), sources)


@dataclass(eq=False)
class _InTurns:
    """A new batch, a batch that was there before, a new batch, and so on; `seconds` that each new one took."""

    faces: Faces
    config: TrainConfig
    device: torch.device
    count: int
    seconds: list[float] = field(default_factory=list)

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Batch]:
        there = next(iter(TrainingBatches(self.faces, self.config, 0, self.device)))
        new = self._new()
        for _ in range(self.count // 2):
            began = _now(self.device)
            batch = next(new)
            self.seconds.append(_now(self.device) - began)
            yield batch
            yield there

    def _new(self) -> Iterator[Batch]:
        while True:
            yield from TrainingBatches(self.faces, self.config, 0, self.device)


class _Clock(Callback):
    """`seconds` from the end of a step to the end of the next."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._last = 0.0

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start the clock."""
        self._last = _now(pl_module.device)

    def on_train_batch_end(self, trainer: Any, pl_module: lightning.LightningModule, *_: Any) -> None:
        """Stop the clock and start it anew."""
        now = _now(pl_module.device)
        self.seconds.append(now - self._last)
        self._last = now


def _now(device: torch.device) -> float:
    """The time when the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
