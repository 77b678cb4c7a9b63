"""Tasks handed out to actors on a Ray cluster: the only importer of Ray.

Ray Data keeps a pool of actors, each with its models loaded once, and hands each of them at most a few tasks ahead. A
task whose actor dies is done again, by the actor that takes its place or on another machine.
"""

import contextlib
import logging
import os
import pickle
import socket
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mien.core import errors
from mien.core.errors import MienError, UsageError, first_line
from mien.core.optional import require
from mien.core.processors import available_processors

ADDRESS = "RAY_ADDRESS"  # names a cluster to join; Ray's own convention
_OBJECT_STORE = 256 * 1024**2  # bytes, of a cluster of our own: hardly anything passes through it
_ON_A_GPU = 4  # actors: looking for faces keeps a processor busier than the network keeps a GPU
_BLOCKS = 10_000  # of tasks at most: each is an object, and is begun anew as a whole
_PATIENCE_S = 5.0

Task = Mapping[str, Any]  # of values that can be pickled
Work = Callable[[Task], Mapping[str, Any]]


@dataclass(frozen=True)
class Cluster:
    """A cluster that this process is connected to.

    Attributes:
        slots: how many actors find room at once. gpus: the share of a GPU that each has.
    """

    slots: int
    gpus: float

    def run(self, tasks: Sequence[Task], make: Callable[[], Work]) -> Iterator[dict[str, Any]]:
        """What each task comes to, in the order in which they are done.

        Args:
            tasks: what is handed out.
            make: makes what an actor works with, once; it is pickled.

        Raises:
            MienError: what a task raised, the others of which may not be done then; or the cluster broke off.
        """
        if not tasks:
            return
        ray = require("ray", extra="distributed")
        rows = [{"task": pickle.dumps(task)} for task in tasks]
        data = require("ray.data", extra="distributed")
        # All at once: Ray would add them one by one, and none where the first hangs over a task.
        pool = data.ActorPoolStrategy(size=min(self.slots, len(tasks)), max_tasks_in_flight_per_actor=2)
        share = {"num_gpus": self.gpus} if self.gpus else {}
        done = data.from_items(rows, override_num_blocks=min(len(rows), _BLOCKS)).map(
            _Actor, fn_constructor_args=(make,), compute=pool, num_cpus=1, **share
        )
        try:
            for row in done.iter_rows():
                yield _answer(pickle.loads(row["answer"]))
        except ray.exceptions.RayError as error:
            raise MienError(
                f"expected the cluster to work to the end, got: {first_line(error)}; what is done is kept: go on with "
                "--resume"
            ) from error


class _Actor:
    """Does tasks, one after the other. An error of mien is an answer: Ray would wrap it into pages."""

    def __init__(self, make: Callable[[], Work]) -> None:
        self._make, self._work = make, None

    def __call__(self, row: dict[str, bytes]) -> dict[str, bytes]:
        work: Any = self._work
        try:
            if work is None:
                work = self._work = self._make()  # type: ignore[assignment]
            answer = {"result": work(pickle.loads(row["task"]))}
        except MienError as error:
            answer = {"error": str(error), "kind": type(error).__name__}
        return {"answer": pickle.dumps(answer)}


def _answer(said: dict[str, Any]) -> dict[str, Any]:
    if "error" in said:
        kind = getattr(errors, said["kind"], MienError)
        raise kind(said["error"])
    return dict(said["result"])


@contextlib.contextmanager
def joined(*, device: str = "cpu") -> Iterator[Cluster]:
    """Join the cluster that ``RAY_ADDRESS`` names, or start one on this machine, for the time of the block.

    Args:
        device: with cuda, actors have a share of a GPU each.

    Raises:
        MissingExtraError: Ray is not installed.
        MienError: the cluster does not answer. UsageError: it has no GPU, and cuda is asked for.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # mien calls nobody
    ray = require("ray", extra="distributed")
    _quiet(ray)
    began_here = not ray.is_initialized()
    if began_here:
        _connect(ray)
    try:
        there = ray.cluster_resources()
        gpus = there.get("GPU", 0)
        if device == "cuda" and not gpus:
            raise UsageError("expected a GPU in the cluster for --device cuda, got none: give --device cpu")
        slots = int(there.get("CPU", 1))
        if device == "cuda":
            slots = min(slots, int(gpus * _ON_A_GPU))
        yield Cluster(max(slots, 1), 1 / _ON_A_GPU if device == "cuda" else 0)
    finally:
        if began_here:
            ray.shutdown()


def _connect(ray: Any) -> None:
    address = os.environ.get(ADDRESS, "")
    own = not address or address == "local"
    if not own:
        _expect_answer(address)
    size = {"num_cpus": available_processors(), "object_store_memory": _OBJECT_STORE} if own else {}
    options = {"include_dashboard": False, "configure_logging": False, "log_to_driver": False}
    try:
        ray.init(address="local" if own else address, **options, **size)
    except Exception as error:  # Ray raises it plain, where a node does not start, say
        where = "on this machine" if own else f"at {address} ({ADDRESS})"
        raise MienError(f"expected a Ray cluster {where}, got: {first_line(error)}") from error


def _expect_answer(address: str) -> None:
    """See whether somebody listens; Ray itself would try for a minute."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host or not port.isdecimal():  # such as "auto": Ray knows
        return
    try:
        socket.create_connection((host, int(port)), _PATIENCE_S).close()
    except (OSError, OverflowError) as error:
        raise MienError(
            f"expected a Ray cluster at {address} ({ADDRESS}), got no answer ({error}): start one with `ray start "
            f"--head`, or unset {ADDRESS} to use this machine alone"
        ) from error


def _quiet(ray: Any) -> None:
    """Progress and errors are told by mien; Ray's own go into its log files."""
    with warnings.catch_warnings(action="ignore"):  # of old names that it uses itself
        context = require("ray.data", extra="distributed").DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
