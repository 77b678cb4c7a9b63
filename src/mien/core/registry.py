"""Names for things that one may add: detectors, readers, nets, metrics."""

import difflib
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from mien.core.errors import UsageError

T = TypeVar("T")


class Registry(Generic[T]):
    """Maps a name to a factory.

    >>> shapes: Registry[float] = Registry("shape")
    >>> @shapes.register("square")
    ... def square(side: float = 1.0) -> float:
    ...     return side * side
    >>> shapes.create("square", side=3.0)
    9.0
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._factories: dict[str, Callable[..., T]] = {}

    def register(self, name: str) -> Callable[[Callable[..., T]], Callable[..., T]]:
        """Decorator that enters a factory under `name`; a name taken already raises ValueError."""

        def enter(factory: Callable[..., T]) -> Callable[..., T]:
            if name in self._factories:
                raise ValueError(f"expected a new {self.kind} name, got {name!r} a second time")
            self._factories[name] = factory
            return factory

        return enter

    def create(self, name: str, **options: object) -> T:
        """Call the factory entered under `name` with `options`; an unknown name raises UsageError."""
        return self[name](**options)

    def __getitem__(self, name: str) -> Callable[..., T]:
        if name not in self._factories:
            raise UsageError(unknown(self.kind, name, self))
        return self._factories[name]

    def __contains__(self, name: object) -> bool:
        return name in self._factories

    def __iter__(self) -> Iterator[str]:
        return iter(self._factories)


def unknown(kind: str, name: str, known: "Registry[T] | list[str] | tuple[str, ...]") -> str:
    """The sentence for a name that is not known: lists the known ones and guesses the one meant."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    article = "an" if kind[0] in "aeiou" else "a"
    return f"expected {article} {kind} out of {', '.join(names)}, got {name!r}{hint}"
