"""What happens at the end of an epoch: a row in the log, a look at the clock, a checkpoint."""

import csv
import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from lightning import pytorch as lightning
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.callbacks import Callback

from mien.core.epochs import read_epochs
from mien.core.errors import OutputError
from mien.core.files import make_folder, replacing
from mien.training.config import size_in_epoch
from mien.training.module import ExpressionModule


class EpochLog(Callback):
    """Writes `metrics.csv`, a row an epoch, and hands each row to `tell`.

    A resumed run keeps the rows of the epochs before it. Of several processes the first one writes and tells.
    """

    def __init__(self, path: Path, tell: Callable[[dict[str, Any]], None]) -> None:
        self.path = path
        self.tell = tell
        self._started = 0.0

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start the epoch's clock, and measure from zero (the sanity check and a resume leave counts behind)."""
        self._started = time.perf_counter()
        cast(ExpressionModule, pl_module).metrics.reset()

    def on_validation_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the epoch's row, and log its selection figure for the checkpoints."""
        module = cast(ExpressionModule, pl_module)
        if trainer.sanity_checking:
            return
        measured = module.end_epoch()
        module.log("selection", measured["selection"])
        row = {
            "epoch": trainer.current_epoch,
            "size": size_in_epoch(module.config, trainer.current_epoch),
            "learning_rate": max(group["lr"] for group in trainer.optimizers[0].param_groups),
            **measured,
            "seconds": time.perf_counter() - self._started,
        }
        if trainer.is_global_zero:
            self._append(row)
            self.tell(row)

    def _append(self, row: dict[str, Any]) -> None:
        rows = [each for each in read_epochs(self.path) if int(each["epoch"]) < row["epoch"]] + [row]
        # A kill while writing leaves the old file whole.
        with replacing(self.path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(row), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


class StopAfter(Callback):
    """Ends the training at an epoch boundary when the next epoch would pass the limit."""

    def __init__(self, minutes: float) -> None:
        self.seconds = minutes * 60
        self._begun = time.monotonic()
        self._epoch_begun = self._begun

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start the epoch's clock."""
        self._epoch_begun = time.monotonic()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Stop if another epoch of this length does not fit."""
        now = time.monotonic()
        over = now - self._begun + (now - self._epoch_begun) > self.seconds
        # Processes whose clocks differ must stop at the same epoch.
        if trainer.strategy.reduce_boolean_decision(over, all=False):
            trainer.should_stop = True


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint complete or not at all: on a full disk, or after a kill, the one before is still whole.

    Of several processes the first one reads, too, and hands the others what it read: their machines need no run folder.
    """

    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """What was saved."""
        several = torch.distributed.is_available() and torch.distributed.is_initialized()
        first = not several or torch.distributed.get_rank() == 0
        found: list[Any] = [super().load_checkpoint(path, *args, **kwargs) if first else None]
        if several:
            torch.distributed.broadcast_object_list(found)
        loaded: dict[str, Any] = found[0]
        return loaded

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write beside the file, then rename."""
        data = io.BytesIO()  # torch writes a file by means that do not say that a disk is full
        torch.save(checkpoint, data)
        make_folder(Path(path).parent)
        try:
            with replacing(path) as partial:
                partial.write_bytes(data.getbuffer())
        except OutputError as error:
            reason = error.__cause__.strerror if isinstance(error.__cause__, OSError) else error
            kept = "; the checkpoint before is whole" if Path(path).exists() else ""
            raise OutputError(f"expected to write {path}, got: {reason}{kept}: make room, then --resume") from error
