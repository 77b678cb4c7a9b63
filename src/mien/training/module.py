"""The training step, the averaged weights, and what is measured each epoch."""

from typing import Any

import torch
from lightning import pytorch as lightning
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy

from mien.core.errors import TrainingError
from mien.training.config import TrainConfig
from mien.training.data import Batch, Faces, TrainingBatches, ValidationBatches
from mien.training.losses import smooth, soft_cross_entropy


class ExpressionModule(lightning.LightningModule):
    """Trains a `MultiHead` net on resident faces.

    The averaged weights (`average`) are part of the state, so that a checkpoint holds both.
    """

    def __init__(self, net: nn.Module, config: TrainConfig, train: Faces, valid: Faces) -> None:
        super().__init__()
        self.config = config
        self.faces = {"train": train, "valid": valid}
        self.net: nn.Module = net.to(memory_format=torch.channels_last)
        decay = config.ema
        self.average = AveragedModel(self.net, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
        metrics: dict[str, nn.Module] = {"train_loss": MeanMetric(), "valid_loss": MeanMetric()}
        for head, labels in train.label_sets.items():
            for split in ("train", "valid"):
                metrics[f"{split}_accuracy_{head}"] = MulticlassAccuracy(
                    len(labels), average="micro", ignore_index=-1, validate_args=False
                )
        self.metrics = nn.ModuleDict(metrics)

    # Lightning asks for the loaders anew each epoch (reload_dataloaders_every_n_epochs), so each knows its epoch.
    def train_dataloader(self) -> TrainingBatches:
        """The epoch's augmented batches."""
        return TrainingBatches(self.faces["train"], self.config, self.current_epoch)

    def val_dataloader(self) -> ValidationBatches:
        """The validation faces as they are."""
        return ValidationBatches(self.faces["valid"], self.config)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Batches are made on the device already."""
        return batch

    def on_train_epoch_start(self) -> None:
        """Dropout draws depend on the epoch alone, so that a resumed run equals an unbroken one."""
        torch.manual_seed(self.config.seed * 100_003 + self.current_epoch)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Sum of the heads' losses."""
        logits, _ = self.net(batch.images)
        loss = self._loss(logits, batch, smoothing=self.config.label_smoothing)
        if not torch.isfinite(loss):
            raise TrainingError(
                f"expected a finite loss, got {loss.item()} at step {self.global_step} of epoch {self.current_epoch}: "
                "lower learning_rate; the last epoch's checkpoint is kept"
            )
        self._measure("train", logits, batch, loss)
        return loss

    def on_train_batch_end(self, *_: Any) -> None:
        """Move the averaged weights; early on they follow faster than the decay says."""
        decay = min(self.config.ema, (1 + self.global_step) / (10 + self.global_step))
        self.average.multi_avg_fn = get_ema_multi_avg_fn(decay)
        self.average.update_parameters(self.net)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Measure the averaged weights."""
        logits, _ = self.average(batch.images)
        self._measure("valid", logits, batch, self._loss(logits, batch, smoothing=0.0))

    def _loss(self, logits: dict[str, Tensor], batch: Batch, *, smoothing: float) -> Tensor:
        losses = [
            soft_cross_entropy(logits[head], smooth(each.soft, smoothing), each.weights)
            for head, each in batch.targets.items()
        ]
        return torch.stack(losses).sum()

    def _measure(self, split: str, logits: dict[str, Tensor], batch: Batch, loss: Tensor) -> None:
        self.metrics[f"{split}_loss"].update(loss.detach(), len(batch.images))  # type: ignore[operator]
        for head, each in batch.targets.items():
            self.metrics[f"{split}_accuracy_{head}"].update(logits[head].detach(), each.ids)  # type: ignore[operator]

    def collect_metrics(self) -> dict[str, float]:
        """What was measured since the last call, by name; starts anew."""
        collected = {}
        for name, metric in self.metrics.items():
            collected[name] = float(metric.compute())  # type: ignore[operator]
            metric.reset()  # type: ignore[operator]
        return collected

    def configure_optimizers(self) -> Any:
        """SGD with Nesterov momentum; warm-up, then a half cosine, a step at a time."""
        config = self.config
        decayed = [each for each in self.net.parameters() if each.ndim > 1]
        free = [each for each in self.net.parameters() if each.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": free, "weight_decay": 0.0}]
        optimizer = torch.optim.SGD(
            groups, config.learning_rate, momentum=config.momentum, nesterov=config.momentum > 0
        )
        # OneCycleLR divides by the length of each of its two phases: neither may be nothing.
        steps = max(3, config.epochs * max(1, len(self.faces["train"]) // config.batch))
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            config.learning_rate,
            total_steps=steps,
            pct_start=max(config.warmup, 2 / steps),
            cycle_momentum=False,
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
