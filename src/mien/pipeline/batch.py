"""Work on many things in threads: results in order, a bounded look ahead, errors as values.

What mien does to pictures happens in OpenCV and ONNX Runtime, which let other threads of Python run meanwhile.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from mien.core.errors import MienError

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered(
    work: Callable[[Item], Result], items: Iterable[Item], *, workers: int = 1, ahead: int = 1
) -> Iterator[tuple[Item, Result | MienError]]:
    """Each item with what `work` makes of it, in the order of the items, whichever is done first.

    The caller works on one result while threads make the next ones. Where it stops early, or an error of its own or
    Ctrl-C ends it, what has begun is finished and nothing more is begun.

    Args:
        work: called in one of the threads. A `MienError` that it raises is the item's result; others are raised here.
        items: taken from as results are asked for, so they may be endless.
        workers: threads.
        ahead: how many items may be begun, or done and not yet asked for, while the caller has one: bounds the memory.
    """
    with ThreadPoolExecutor(workers, thread_name_prefix="mien") as pool:
        try:
            yield from in_order(lambda item: pool.submit(work, item), items, ahead=ahead)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def in_order(
    submit: Callable[[Item], Future[Result]], items: Iterable[Item], *, ahead: int = 1
) -> Iterator[tuple[Item, Result | MienError]]:
    """As `ordered`, where `submit` has an item worked on."""
    waiting: deque[tuple[Item, Future[Result]]] = deque()

    def first() -> tuple[Item, Result | MienError]:
        item, future = waiting.popleft()
        return item, attempt(lambda _: future.result(), item)

    for item in items:
        waiting.append((item, submit(item)))
        if len(waiting) > ahead:
            yield first()
    while waiting:
        yield first()


def attempt(work: Callable[[Item], Result], item: Item) -> Result | MienError:
    """What `work` makes of the item, or the `MienError` that it raises."""
    try:
        return work(item)
    except MienError as error:
        return error
