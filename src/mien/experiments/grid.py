"""Every combination of a space's values, once, in an order of chance."""

import itertools
import math
import random
from collections.abc import Iterator, Sequence

from mien.core.errors import UsageError
from mien.experiments.settings import idle
from mien.experiments.space import Parameter, Scalar, Space
from mien.training.config import ONLY_WITH, TrainConfig

MANY = 1_000  # points that nobody asks for by accident
MOST = 10_000_000  # points that nobody can try

Point = dict[str, Scalar]

_DECIDING = {choice for choice, _ in ONLY_WITH.values()}  # which settings count beside them


def count(space: Space) -> int:
    """How many combinations there are, those that come to the same training counted apart."""
    return _product(space.parameters)


def _product(parameters: Sequence[Parameter]) -> int:
    return math.prod(each.grid_size() for each in parameters)


def check_count(space: Space, *, trials: int | None, confirmed: bool) -> None:
    """Refuse a grid that nobody can have meant.

    Args:
        space: what it is of.
        trials: how many of its points will be tried; None: all.
        confirmed: the user knows how many they are.

    Raises:
        UsageError: more than a thousand points and not confirmed, or more than anybody can try.
    """
    n = count(space)
    product = " x ".join(f"{each.key} {each.grid_size():,}" for each in space)
    if n > MOST:
        raise UsageError(
            f"expected a grid of at most {MOST:,} points, got {n:,} ({product}): take fewer values, or --sampler random"
        )
    if n > MANY and not confirmed and (trials is None or trials > MANY):
        raise UsageError(
            f"expected a grid of at most {MANY:,} points, got {n:,} ({product}): take fewer values, or give --trials N "
            "for some of them, --sampler random, or --yes to try them all"
        )


class Points:
    """The points of a grid in the order in which they are tried, each made when it is asked for.

    Where a setting counts for nothing beside the others of a point, only the first of its values is taken: the others
    would be the same training again.
    """

    def __init__(self, space: Space, base: TrainConfig, *, seed: int) -> None:
        self._first = {each.key: each.grid_value(0) for each in space}
        self._parts = list(_parts(space, base))
        self._order = _shuffled(len(self), seed)
        self._drawn: list[int] = []

    def __len__(self) -> int:
        return sum(_product(free) for _, free in self._parts)

    def __getitem__(self, number: int) -> Point:
        self._drawn.extend(itertools.islice(self._order, max(0, number + 1 - len(self._drawn))))
        part, place = 0, self._drawn[number]
        while place >= _product(self._parts[part][1]):
            place -= _product(self._parts[part][1])
            part += 1
        chosen, free = self._parts[part]
        point = self._first | chosen
        for each in free:
            place, k = divmod(place, each.grid_size())
            point[each.key] = each.grid_value(k)
        return point


def _parts(space: Space, base: TrainConfig) -> Iterator[tuple[Point, list[Parameter]]]:
    """Each choice of what decides which settings count, and the other settings that do."""
    deciding = [each for each in space if each.key in _DECIDING]
    values = [[each.grid_value(k) for k in range(each.grid_size())] for each in deciding]
    for combination in itertools.product(*values):
        chosen = {each.key: value for each, value in zip(deciding, combination, strict=True)}
        left_out = idle(base, dict.fromkeys(space.keys) | chosen) | set(chosen)
        yield chosen, [each for each in space if each.key not in left_out]


def _shuffled(n: int, seed: int) -> Iterator[int]:
    """0 to n - 1 in an order of chance, one at a time (Fisher and Yates): of many, few are ever held."""
    chance = random.Random(seed)
    moved: dict[int, int] = {}
    for last in range(n - 1, -1, -1):
        place = chance.randint(0, last)
        yield moved.get(place, place)
        moved[place] = moved.pop(last, last)
