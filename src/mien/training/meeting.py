"""Several processes on one or more machines wait for each other, and say why one of them leaves.

Gradients and metrics travel by Lightning and torch.distributed. What else the processes have to agree on is little, and
some of it takes long in one of them (the export of a run): it goes through torchrun's own store, where each process
gives a sign of life every few seconds. So a wait ends with a reason, whether another process failed, was killed, or its
machine does not answer any more.
"""

import contextlib
import io
import itertools
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed
from torch.distributed import PrefixStore, Store, rendezvous  # type: ignore[attr-defined]

from mien.core.errors import MienError, TrainingError
from mien.training.processes import Processes, interruptible

_LOOK_S = 0.1  # between two looks into the store
_PART = 4 << 20  # bytes; the store takes no value of more than 8 MiB
_SIGNS = 5  # of life in the time after which one counts as lost
_COUNTER = itertools.count()  # of the meetings of a process: each has keys of its own

# How torch's backends put it when another process is gone; they have no exception of their own for that.
_CONNECTION_WORDS = ("gloo", "nccl", "connection", "socket", "timed out", "peer", "store")

T = TypeVar("T")


class _LostError(TrainingError):
    """Another process is gone, so this one cannot go on."""


class Meeting:
    """The processes of a training; one that is alone has nobody to wait for.

    Attributes:
        processes: which one this is. timeout_s: without a sign of life of a process it counts as lost.
    """

    def __init__(self, processes: Processes, store: Store | None = None, *, timeout_s: float = 600.0) -> None:
        self.processes, self.timeout_s, self._store = processes, timeout_s, store
        self._number = itertools.count()
        self._opened = False

    def open_group(self, backend: str, device: torch.device) -> None:
        """Open torch's way from process to process, for gradients; it closes with the meeting.

        By a store of this meeting: torchrun's own keeps the addresses of processes that it has started anew.
        """
        if self._store is not None and not torch.distributed.is_initialized():
            torch.distributed.init_process_group(
                backend,
                store=PrefixStore("group", self._store.clone()),
                rank=self.processes.rank,
                world_size=self.processes.world,
                timeout=timedelta(seconds=self.timeout_s),
                device_id=None if device.type == "cpu" else device,
            )
            self._opened = True

    def close_group(self) -> None:
        """Close what was opened."""
        if self._opened:
            torch.distributed.destroy_process_group()
            self._opened = False

    def gather(self, said: Any) -> list[Any]:
        """What each process says here, plain values, by rank: all call it, and wait for all.

        Raises:
            TrainingError: another process has failed, or does not answer.
        """
        if self._store is None:
            return [said]
        number = next(self._number)
        self._store.set(f"{number}/{self.processes.rank}", json.dumps(said))
        return [json.loads(self._wait(rank, f"{number}/{rank}")) for rank in range(self.processes.world)]

    def of_first(self, make: Callable[[], T]) -> T:
        """What the first process makes, plain values; the others wait for it, however long it works."""
        made = make() if self.processes.first else None
        first: T = self.gather(made)[0]
        return first

    def hand_out(self, given: Any) -> Any:
        """Tensors and plain values in dicts and lists from the first process to all, however long it makes them."""
        if self._store is None:
            return given
        data = io.BytesIO()
        if self.processes.first:
            torch.save(given, data)
        parts = [data.getvalue()[start : start + _PART] for start in range(0, data.tell(), _PART)]
        place = f"given/{next(self._number)}"
        for number, part in enumerate(parts):
            self._store.set(f"{place}/{number}", part)  # type: ignore[arg-type]
        count = self.of_first(lambda: len(parts))
        whole = b"".join(self._store.get(f"{place}/{number}") for number in range(count))
        self.gather(None)  # all have it
        for number in range(len(parts)):
            self._store.delete_key(f"{place}/{number}")
        return torch.load(io.BytesIO(whole), weights_only=True)

    def agree(self, mine: Mapping[str, Any]) -> None:
        """Check that all processes have the same.

        Raises:
            TrainingError: one has others than the first.
        """
        said = self.gather([socket.gethostname(), {key: json.dumps(mine[key], default=str) for key in sorted(mine)}])
        host, first = said[0]
        for rank, (there, other) in enumerate(said):
            differ = [key for key in first | other if first.get(key) != other.get(key)]
            if differ:
                raise _LostError(
                    f"expected the same in all processes, got another {', '.join(differ)} in process {rank} on {there} "
                    f"than in process 0 on {host}: start all with one command, one version of mien, and copies of the "
                    "same data"
                )

    def _wait(self, rank: int, key: str) -> str:
        assert self._store is not None
        sign, since = b"", time.monotonic()
        while not self._store.check([key]):
            self._expect_nobody_left()
            alive = f"alive/{rank}"
            found = self._store.get(alive) if self._store.check([alive]) else b""
            if found != sign:
                sign, since = found, time.monotonic()
            elif time.monotonic() - since > self.timeout_s:
                raise _LostError(
                    f"expected all {self.processes.world} processes to answer, got no sign of process {rank} for "
                    f"{self.timeout_s:g} s: see whether its machine runs and can be reached, then start all of them "
                    "again with --resume (timeout_s says how long to wait)"
                )
            time.sleep(_LOOK_S)
        return str(self._store.get(key).decode())

    def _expect_nobody_left(self) -> None:
        assert self._store is not None
        for rank in range(self.processes.world):
            if rank != self.processes.rank and self._store.check([f"left/{rank}"]):
                host, reason = json.loads(self._store.get(f"left/{rank}"))
                raise _LostError(
                    f"expected all {self.processes.world} processes to go on, got from process {rank} on {host}: "
                    f"{reason}"
                )

    def leave(self, reason: str) -> None:
        """Tell the others why this one goes."""
        if self._store is not None:
            with contextlib.suppress(RuntimeError):
                self._store.set(f"left/{self.processes.rank}", json.dumps([socket.gethostname(), reason]))

    def lost(self, error: BaseException) -> TrainingError:
        """The error that says who is gone, where this one noticed by a broken connection or was told to stop."""
        until = time.monotonic() + 2 * _LOOK_S  # who left may just be saying why
        while time.monotonic() < until:
            try:
                self._expect_nobody_left()
                time.sleep(_LOOK_S)
            except _LostError as known:
                return known
            except (RuntimeError, KeyboardInterrupt):
                break
        return _LostError(
            f"expected all {self.processes.world} processes to go on, got one that was ended, or did not answer within "
            f"{self.timeout_s:g} s ({_short(' '.join(str(error).split()))}): see what it said where it ran, then start "
            "all of them again with --resume"
        )


@contextlib.contextmanager
def met(processes: Processes, *, timeout_s: float) -> Iterator[Meeting]:
    """A meeting of all processes; one that leaves it with an error tells the others why.

    Args:
        processes: that torchrun has started.
        timeout_s: how long to wait for one without a sign of life.

    Raises:
        TrainingError: the first process cannot be reached, or another one is gone.
    """
    if processes.world == 1:
        yield Meeting(processes)
        return
    meeting = Meeting(processes, _connect(processes, timeout_s), timeout_s=timeout_s)
    with interruptible(), _alive(meeting):  # torchrun ends all where one has failed
        try:
            yield meeting
            meeting.close_group()
        except _LostError:
            raise
        except MienError as error:
            meeting.leave(" ".join(str(error).split()))
            raise
        except KeyboardInterrupt:
            with contextlib.suppress(RuntimeError):  # the store may be gone, too
                meeting._expect_nobody_left()
            raise
        except RuntimeError as error:
            if not is_lost_connection(error):
                meeting.leave(f"{type(error).__name__}: {_short(' '.join(str(error).split()))}")
                raise
            raise meeting.lost(error) from error


def is_lost_connection(error: RuntimeError) -> bool:
    """Whether torch complains of another process or the way to it."""
    text = str(error).lower()
    distributed = isinstance(error, torch.distributed.DistError)
    return distributed or any(word in text for word in _CONNECTION_WORDS)


def _connect(processes: Processes, timeout_s: float) -> Store:
    """Torchrun's store, with a place of its own for this meeting."""
    limit = timedelta(seconds=timeout_s)
    try:
        store, _, _ = next(rendezvous("env://", timeout=limit))
    except (RuntimeError, ValueError) as error:
        where = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
        raise TrainingError(
            f"expected to reach the first process at {where} within {timeout_s:g} s, got: "
            f"{_short(' '.join(str(error).split()))}; see that its machine runs and lets this port in"
        ) from error
    store.set_timeout(limit)
    start = f"{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}/{next(_COUNTER)}"
    return PrefixStore(f"mien/{start}", store)


@contextlib.contextmanager
def _alive(meeting: Meeting) -> Iterator[None]:
    """A sign of life every few seconds, by a connection of its own: waiting occupies the other one."""
    assert meeting._store is not None
    store, over = meeting._store.clone(), threading.Event()

    def give_signs() -> None:
        for number in itertools.count():
            try:
                store.set(f"alive/{meeting.processes.rank}", str(number))
            except RuntimeError:  # whoever waits finds out why
                return
            if over.wait(min(5.0, meeting.timeout_s / _SIGNS)):
                return

    thread = threading.Thread(target=give_signs, name="mien-alive", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()


def _short(text: str, most: int = 160) -> str:
    return text if len(text) <= most else f"{text[:most]}..."
