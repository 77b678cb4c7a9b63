"""Who looks at the pictures of a data set: whoever asks, unless somebody else is named.

Pictures may come from strangers, and what decodes them is native code. Who meets many of them names processes that can
be lost: `mien.pipeline.picture_workers`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

from mien.core.errors import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")

AT_ONCE = 64  # pictures that are handed to somebody together
FEW, FEW_CLIPS = 16, 4  # fewer pictures or clips are looked at here, before another process had started


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
    ) -> Iterator[Result | InputError]:
        """What `look` makes of each, in order, or the error of it alone.

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
) -> Iterator[Result | InputError]:
    """See `Each`: one after the other, by whoever asks."""
    return (attempt(look, pictures[row]) for row in rows)


def attempt(look: Callable[[Item], Result], picture: Item) -> Result | InputError:
    """What `look` makes of a picture, or the InputError that it raises."""
    try:
        return look(picture)
    except InputError as error:
        return error
