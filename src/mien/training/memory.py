"""A batch that does not fit into memory, and how large it may be."""

import contextlib
import gc
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch

from mien.core.errors import TrainingError
from mien.training.data import TrainingBatches
from mien.training.module import ExpressionModule

# torch's words where a CPU has no more memory: it has no exception of its own for that.
_CPU_WORDS = ("can't allocate memory", "not enough memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, of a GPU or of the machine."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _CPU_WORDS)


def largest_that_fits(batch: int, step: Callable[[int], None]) -> int:
    """The largest of half, a quarter, an eighth, ... of a batch with which `step` has memory enough; 0 if none has."""
    while batch := batch // 2:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        try:
            step(batch)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            traceback.clear_frames(error.__traceback__)
            continue
        return batch
    return 0


def one_step(module: ExpressionModule, device: torch.device, *, bf16: bool) -> Callable[[int], None]:
    """A function that makes a batch of so many faces at full size, and goes through the net and back."""

    def step(faces: int) -> None:
        module.to(device)  # Lightning takes it away when a training ends
        module.zero_grad(set_to_none=True)
        config = replace(module.config, batch=faces)
        batch = next(iter(TrainingBatches(module.faces["train"], config, config.epochs - 1, device)))
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            logits, _ = module.net(*batch.inputs)
        torch.stack([each.float().sum() for each in logits.values()]).sum().backward()
        module.zero_grad(set_to_none=True)

    return step


@contextlib.contextmanager
def naming_what_fits(batch: int, step: Callable[[int], None]) -> Iterator[None]:
    """Where memory runs out within, find out which batch would have fitted, and say so.

    Args:
        batch: how many faces a step takes.
        step: makes a step with as many faces as it is given.

    Raises:
        TrainingError: memory ran out.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        traceback.clear_frames(error.__traceback__)  # what the failed step held
        gc.collect()
        fits = largest_that_fits(batch, step)
        todo = f"set batch to {fits}" if fits else "not one face fits, set input.size lower or take a smaller net"
        raise TrainingError(f"expected a batch that fits into memory, got {batch}: {todo}") from None
