"""Who looks at the pictures of a data set: threads of this process, unless somebody else is named.

Pictures may come from strangers, and what decodes them is native code. Who meets many of them names processes that can
be lost: `mien.pipeline.picture_workers`.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from mien.core.errors import InputError, MienError
from mien.core.processors import available_processors

Item = TypeVar("Item")
Result = TypeVar("Result")

AT_ONCE = 64  # pictures that are handed to somebody together
FEW = 16  # fewer are looked at here, before another process had started

_MOST_THREADS = 8


class Each(Protocol):
    """Looks at pictures, several at a time."""

    def __call__(
        self,
        look: Callable[[Item], Result],
        pictures: Sequence[Item],
        rows: range,
        *,
        at_once: int = AT_ONCE,
        few: int = FEW,
    ) -> Iterator[Result | MienError]:
        """What `look` makes of each, in order, or why it makes nothing of it.

        Args:
            look: may be asked in another process, so it stands in a module. An InputError that it raises is a result.
            pictures: of a data set; each says as `where` what messages call it.
            rows: of those to look at.
            at_once: results of how many are held together.
            few: pictures, fewer than which are not worth another process.
        """
        ...


def each_here(
    look: Callable[[Item], Result],
    pictures: Sequence[Item],
    rows: range,
    *,
    at_once: int = AT_ONCE,
    few: int = FEW,
) -> Iterator[Result | MienError]:
    """See `Each`: threads of this process."""
    work = functools.partial(attempt, look)
    with ThreadPoolExecutor(min(_MOST_THREADS, available_processors()), thread_name_prefix="mien-look") as pool:
        for start in range(0, len(rows), at_once):
            yield from pool.map(work, [pictures[row] for row in rows[start : start + at_once]])


def attempt(look: Callable[[Item], Result], picture: Item) -> Result | InputError:
    """What `look` makes of a picture, or the InputError that it raises."""
    try:
        return look(picture)
    except InputError as error:
        return error
