"""Several processes that train one model together: how many torchrun has started, and which of them this is."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from mien.core.errors import UsageError
from mien.training.config import TrainConfig


@dataclass(frozen=True)
class Processes:
    """The processes of a training, over all machines.

    Attributes:
        rank: number of this one, from 0. world: how many there are. local: how many of them on this machine.
    """

    rank: int = 0
    world: int = 1
    local: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the one that writes files and speaks."""
        return self.rank == 0


def started() -> Processes:
    """What torchrun says in the environment; a single process where it was not used."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1 or "RANK" not in os.environ:
        return Processes()
    return Processes(int(os.environ["RANK"]), world, int(os.environ.get("LOCAL_WORLD_SIZE", world)))


def restarted() -> bool:
    """Whether torchrun has started all processes anew (`--max-restarts`), because one of them was lost."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


def expect(config: TrainConfig, found: Processes) -> None:
    """Check that as many processes were found as the settings ask for, and that they can share a batch.

    Raises:
        UsageError: see the messages.
    """
    machines = found.world // found.local
    devices, nodes = config.devices or found.local, config.nodes or machines
    if (devices, nodes) != (found.local, machines):
        raise UsageError(
            f"expected {devices} processes on each of {nodes} machines, got {found.local} on each of {machines}: start "
            f"them with `torchrun --nnodes {nodes} --nproc-per-node {devices} -m mien.cli train ...`"
        )
    if config.batch % found.world:
        raise UsageError(
            f"expected a batch that {found.world} processes can share evenly, got {config.batch}: set batch to a "
            f"multiple of {found.world}"
        )


def expect_validation(found: Processes, *, valid: int) -> None:
    """Check that each process has one of the validation faces; UsageError otherwise."""
    if 0 < valid < found.world:
        raise UsageError(f"expected a validation face for each of {found.world} processes, got {valid}: start fewer")


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM, with which clusters end a job, acts as Ctrl-C does; Lightning ignores Ctrl-C once it came."""
    if threading.current_thread() is not threading.main_thread():  # handlers belong to that one
        yield
        return
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
