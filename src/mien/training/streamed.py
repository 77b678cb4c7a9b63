"""Faces that are read from their table while a net trains: which they are, and how they come in time."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from mien.core.errors import UsageError
from mien.datasets.parquet import load
from mien.datasets.stored import Pixels, StoredImages, stored
from mien.datasets.table import Table
from mien.runtime.card import InputSpec
from mien.runtime.preprocess import fit_crops
from mien.training.config import TrainConfig

# Tables with more pixels in train and valid stay in their files. The same on every machine, so that a run that is
# resumed on another one, or shared by several, draws its faces in one order.
RESIDENT_GB = 4

_AHEAD = 3  # batches that are read before they are needed


def placed(table: Table, config: TrainConfig) -> Table:
    """The table with its pictures where `config.resident` says: in memory, or in their files.

    Raises:
        UsageError: they are to stay in files, and are not in any; or make up clips.
    """
    in_files = stored(table.images) is not None
    if config.resident is False:
        if not in_files:
            raise UsageError(
                "expected .parquet tables alone for resident=false, got faces that are in memory already: write them "
                "with `mien data merge` or `mien data prepare` first"
            )
        if config.input.frames:
            raise UsageError("expected single pictures for resident=false, got clips: leave resident at auto")
    if not in_files or config.resident is False:
        return table
    fits = gigabytes(table) <= RESIDENT_GB or config.input.frames > 0
    return load(table) if config.resident is True or fits else table


def gigabytes(table: Table) -> float:
    """How much memory the faces that a training sees take, in GB of pixels."""
    seen = np.count_nonzero(np.isin(table.split, ("train", "valid")))
    return float(seen * np.prod(table.images.shape[1:], dtype=np.int64) / 1e9)


def notes_on_place(table: Table) -> tuple[str, ...]:
    """What to say of faces that are not in memory."""
    if stored(table.images) is None:
        return ()
    return (
        f"{gigabytes(table):.1f} GB of faces stay in their files and are read while the net trains; resident=true "
        "keeps them in memory",
    )


def as_tensor(images: Pixels, spec: InputSpec) -> Tensor:
    """(N, H, W) grey or (N, H, W, 3) RGB -> (N, C, S, S) uint8 of the net's size and colour, a copy."""
    images = fit_crops(images, spec)
    if images.ndim == 3:
        images = images[:, :, :, None]
    return torch.from_numpy(np.array(images.transpose(0, 3, 1, 2)))


def read_ahead(images: StoredImages, plan: Sequence[Tensor], spec: InputSpec) -> Iterator[Tensor]:
    """Batch after batch, (B, 1, C, S, S) uint8, made by a thread of its own while the net works on those before.

    Args:
        images: where they are.
        plan: (B,) indices of each batch.
        spec: size and colour of the result.

    Raises:
        DataError: a file is gone, or damaged.
    """
    batches = images.batches([each.numpy() for each in plan])

    def following() -> Tensor | None:
        batch = next(batches, None)
        return None if batch is None else as_tensor(batch, spec).unsqueeze(1)

    with ThreadPoolExecutor(1, thread_name_prefix="mien-read") as pool:
        waiting = deque(pool.submit(following) for _ in range(_AHEAD))
        try:
            while (batch := waiting.popleft().result()) is not None:
                waiting.append(pool.submit(following))
                yield batch
        finally:  # the reader of an epoch may stop in the middle
            pool.shutdown(cancel_futures=True)
