"""The training step, the averaged weights, and what is measured each epoch."""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from lightning import pytorch as lightning
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from mien.core.errors import DataError, TrainingError, UsageError
from mien.nets.heads import inputs_of
from mien.runtime.card import VALENCE_AROUSAL
from mien.training.clips import fit_to_net
from mien.training.config import TrainConfig
from mien.training.data import Batch, Faces, Targets, TrainingBatches, ValidationBatches, resident_on
from mien.training.losses import choose_loss, class_weights, concordance_loss, smooth, weighted_mean
from mien.training.measures import Measures, selection
from mien.training.optimizers import (
    SharpnessAware,
    make_optimizer,
    norms_unmoved,
    set_learning_rate,
    total_norm,
)
from mien.training.processes import started
from mien.training.schedules import Progress, learning_rate, stale_epochs
from mien.training.teaching import Teaching
from mien.training.transfer import freeze, parameter_groups

_UNCHECKED = 32  # steps from check to check on a GPU
_RANKS_APART = 7_919_000_003  # seeds of different processes never meet


class ExpressionModule(lightning.LightningModule):
    """Trains a `MultiHead` net.

    The averaged weights (`average`) are part of the state, so that a checkpoint holds both.

    Attributes:
        history: the selection figure of each epoch so far; larger is better.
        teaching: what answers for each batch beside the labels, if anything does.
    """

    def __init__(
        self,
        net: nn.Module,
        config: TrainConfig,
        train: Faces,
        valid: Faces,
        teaching: Teaching | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        seen = inputs_of(net)
        self.faces = {
            split: replace(each, clips=fit_to_net(each.clips, seen))
            for split, each in (("train", train), ("valid", valid))
        }
        self.history: list[float] = []
        self.teaching = teaching
        self.net: nn.Module = net.to(memory_format=torch.channels_last)
        self.average = AveragedModel(self.net, use_buffers=True)
        self.average.requires_grad_(False)  # several processes would wait for gradients of theirs
        if config.compile:
            self.net.compile()
        self.metrics = Measures(train.label_sets, affect=VALENCE_AROUSAL in train.targets)
        self._face_loss = choose_loss(config.loss, focal_gamma=config.focal_gamma)
        self._sharpness = SharpnessAware(self.net, config.sam)
        _expect_heads(config, train)
        for head in train.label_sets:
            counts = train.targets[head].soft.sum(0)
            weights = class_weights(config.class_weights, counts, beta=config.effective_beta)
            self.register_buffer(f"_class_weights_{head}", weights, persistent=False)

    # Lightning asks for the loaders anew each epoch (reload_dataloaders_every_n_epochs), so each knows its epoch.
    def train_dataloader(self) -> TrainingBatches:
        """The epoch's augmented batches."""
        share = started()
        return TrainingBatches(
            self.faces["train"], self.config, self.current_epoch, self.device, share.rank, share.world
        )

    def val_dataloader(self) -> ValidationBatches:
        """The validation faces as they are."""
        share = started()
        return ValidationBatches(self.faces["valid"], self.config, self.device, rank=share.rank, world=share.world)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Batches are made on the device already."""
        return batch

    def configure_optimizers(self) -> Optimizer:
        """The optimiser; its rate is set before each step."""
        return make_optimizer(parameter_groups(self.net, self.config), self.config)

    def on_fit_start(self) -> None:
        """Faces that fit go to the GPU once, and not a batch at a time; teachers go where the student is."""
        if self.device.type == "cuda":
            self.faces = {split: resident_on(each, self.device) for split, each in self.faces.items()}
        if self.teaching:
            self.teaching.to(self.device)

    def on_train_start(self) -> None:
        """A run that had ended early does not go on."""
        self._stop_early()

    def on_train_epoch_start(self) -> None:
        """Dropout draws, and what is kept as it is, depend on the epoch alone, as in an unbroken run."""
        torch.manual_seed(self.config.seed * 100_003 + self.current_epoch + _RANKS_APART * self.global_rank)
        freeze(self.net, self.config, self.current_epoch)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Set the learning rate of this step."""
        steps = self.config.epochs * -(-int(self.trainer.num_training_batches) // self.config.accumulate)
        at = Progress(self.global_step, steps, self.current_epoch, self.history)
        set_learning_rate(self.trainer.optimizers[0], learning_rate(self.config, at))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss; of a sharpness-aware step, that at the worst place nearby."""
        if self.teaching:
            batch = replace(batch, targets=self.teaching.taught(batch.inputs[0], batch.targets))
        if not self.config.sam:
            return self._measured_loss(batch)
        with torch.random.fork_rng([] if self.device.type == "cpu" else [self.device]):  # the same dropout both times
            loss = self._measured_loss(batch)
        self._sharpness.climb(loss)
        with norms_unmoved(self.net):
            return self._finite(self._loss(self.net(*batch.inputs)[0], batch, smoothing=self.config.label_smoothing))

    def _measured_loss(self, batch: Batch) -> Tensor:
        logits, _ = self.net(*batch.inputs)
        loss = self._finite(self._loss(logits, batch, smoothing=self.config.label_smoothing))
        self.metrics.count("train", logits, batch, loss)
        return loss

    def on_after_backward(self) -> None:
        """Come back from the worst place nearby."""
        self._sharpness.come_back()

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Check the gradient, and shorten it if it is longer than it may be."""
        gradients = [each.grad for each in self.net.parameters() if each.grad is not None]
        length = self._finite(total_norm(gradients), "gradient")
        if self.config.clip:
            torch._foreach_mul_(gradients, (self.config.clip / (length + 1e-6)).clamp_max(1.0))

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Make the step, then move the averaged weights; early on they follow faster than the decay says."""
        super().optimizer_step(*args, **kwargs)
        done = self.global_step + 1  # Lightning counts the step after this
        follow(self.average, self.net, decay=min(self.config.ema, (1 + done) / (10 + done)) if done > 1 else 0.0)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Measure the averaged weights."""
        logits, _ = self.average(*batch.inputs)
        self.metrics.count("valid", logits, batch, self._loss(logits, batch, smoothing=0.0))

    def _finite(self, value: Tensor, what: str = "loss") -> Tensor:
        """The value, checked; on a GPU, which has to be waited for, in some steps: weights stay what they became."""
        if value.is_cuda and self.global_step % _UNCHECKED:
            return value
        if not torch.isfinite(value):
            kept = "the checkpoints of the epochs before are kept" if self.history else "no epoch was finished before"
            raise TrainingError(
                f"expected a finite {what}, got {value.item()} at step {self.global_step} of epoch "
                f"{self.current_epoch}: train anew with a lower learning_rate; {kept}"
            )
        return value

    def _loss(self, logits: Mapping[str, Tensor], batch: Batch, *, smoothing: float) -> Tensor:
        """Sum of the heads' losses with their weights, ()."""
        losses = [
            self._head_loss(head, logits[head], each, smoothing) * self.config.head_weights.get(head, 1.0)
            for head, each in batch.targets.items()
        ]
        return torch.stack(losses).sum()

    def _head_loss(self, head: str, logits: Tensor, targets: Targets, smoothing: float) -> Tensor:
        if head == VALENCE_AROUSAL:
            return concordance_loss(logits.tanh(), targets.soft, targets.weights)
        weights = targets.weights
        if self.config.class_weights != "none":
            weights = weights * (targets.soft @ getattr(self, f"_class_weights_{head}"))
        return weighted_mean(self._face_loss(logits, smooth(targets.soft, smoothing)), weights)

    def end_epoch(self) -> dict[str, float]:
        """What was measured in the epoch, by name, with its `selection` figure, which joins the history.

        Raises:
            TrainingError: the validation loss is not finite: the weights are not, though the last gradient was.
        """
        measured = self.metrics.collect()
        self._finite(torch.tensor(measured["valid_loss"]), "validation loss")
        measured["selection"] = selection(measured, self.config.select)
        self.history.append(measured["selection"])
        self._stop_early()
        return measured

    def _stop_early(self) -> None:
        if ended_early(self.history, self.config):
            self.trainer.should_stop = True

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """The history decides later rates and the end."""
        checkpoint["history"] = list(self.history)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on where the checkpoint was written; one of an earlier version has no history, and is asked for none."""
        self.history = list(checkpoint.get("history", [math.nan] * (checkpoint["epoch"] + 1)))


@torch.no_grad()
def follow(average: AveragedModel, net: nn.Module, *, decay: float) -> None:
    """Move averaged weights and buffers to (1 - decay) of a net's; integers are taken as they are.

    `AveragedModel.update_parameters` does as much, and waits for the GPU twice a step.
    """
    pairs = list(zip(_values(average.module), _values(net), strict=True))
    real = [pair for pair in pairs if pair[0].is_floating_point()]
    torch._foreach_lerp_([ours for ours, _ in real], [theirs for _, theirs in real], 1 - decay)
    for ours, theirs in pairs:
        if not ours.is_floating_point():
            ours.copy_(theirs)
    average.n_averaged += 1


def _values(net: nn.Module) -> Iterator[Tensor]:
    return itertools.chain(net.parameters(), net.buffers())


def ended_early(history: list[float], config: TrainConfig) -> bool:
    """Whether `patience` epochs have brought no better figure."""
    return 0 < config.patience <= stale_epochs(history)


def _expect_heads(config: TrainConfig, train: Faces) -> None:
    if not train.label_sets:
        raise DataError("expected labels to learn in the data, got none")
    strange = sorted(set(config.head_weights) - set(train.targets))
    if strange:
        raise UsageError(
            f"expected head_weights of heads that are learnt, {', '.join(train.targets)}, got {', '.join(strange)}"
        )
