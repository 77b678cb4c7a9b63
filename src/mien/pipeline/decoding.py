"""Pictures of strangers, decoded in processes that can be lost.

A file that brings a decoder down, hangs it, or makes it take the machine's memory costs one error; who asked lives.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator

from mien.core.errors import InputError, TimeLimitError
from mien.core.images import decode
from mien.core.types import Image
from mien.pipeline.processes import Died, Workers

LIMIT_S = 15.0  # for one picture; the largest that is taken needs 2 s
_MOST_BYTES = 4 << 30  # of a process's address space

Encoded = tuple[bytes, str]  # a picture, and what messages call it
Start = Callable[[], Callable[[Encoded], Image]]


class Decoders:
    """Processes that decode pictures. Safe to call from several threads; started at the first picture, or by `warm`.

    Args:
        count: how many pictures are decoded at a time.
        limit_s: the longest time that one may take.
        start: what runs in each process, see `mien.pipeline.processes`.
    """

    def __init__(self, count: int, *, limit_s: float = LIMIT_S, start: Start | None = None) -> None:
        self._count, self._limit_s, self._start = count, limit_s, start or start_decoding
        self._workers: Workers[Encoded, Image] | None = None
        self._lock = threading.Lock()

    def decode(self, data: bytes, *, name: str) -> Image:
        """As `mien.core.images.decode`.

        Raises:
            InputError: no picture that can be read, or one that its decoder did not survive or finish in time.
            WorkerError: no process can be started.
        """
        future = self.warm().submit((data, name))
        try:
            return future.result()
        except (TimeLimitError, Died) as error:
            raise not_survived(error, name, limit_s=self._limit_s) from error

    def warm(self) -> Workers[Encoded, Image]:
        """Start the processes, if they are not."""
        with self._lock:
            if self._workers is None:
                self._workers = Workers(self._start, self._count, limit_s=self._limit_s, name=lambda item: item[1])
            return self._workers

    def close(self) -> None:
        """End the processes."""
        with self._lock:
            if self._workers is not None:
                self._workers.close()
                self._workers = None


def not_survived(error: TimeLimitError | Died, name: str, *, limit_s: float) -> InputError:
    """What to say of a picture that a process did not survive, or not finish in time."""
    if isinstance(error, TimeLimitError):
        return InputError(
            f"expected a picture in {name} that is decoded in {limit_s:g} s, got one that takes longer: make it "
            "smaller, or convert it"
        )
    return InputError(
        f"expected a picture in {name} that can be decoded, got one that brought its decoder down: convert it"
    )


def start_decoding() -> Callable[[Encoded], Image]:
    """In the other process."""
    bound_memory()
    return _decode


def bound_memory() -> None:
    """Bound what this process may take, for a header may claim any size."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # a system without it
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))


@contextlib.contextmanager
def in_bounds(name: str) -> Iterator[None]:
    """Have a block that takes more memory than that raise an InputError; `name` stands in it for the picture."""
    try:
        yield
    except MemoryError:
        raise InputError(
            f"expected a picture in {name} that fits into memory, got a larger one: make it smaller"
        ) from None


def _decode(item: Encoded) -> Image:
    data, name = item
    with in_bounds(name):
        return decode(data, name=name)
