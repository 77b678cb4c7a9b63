"""Every combination of a space's values, once, in an order of chance."""

import itertools
import math
import random
from collections.abc import Iterator

from mien.core.errors import UsageError
from mien.experiments.settings import idle
from mien.experiments.space import Scalar, Space
from mien.training.config import TrainConfig

MANY = 1_000  # points that nobody asks for by accident
MOST = 10_000_000

Point = dict[str, Scalar]


def count(space: Space) -> int:
    """How many combinations there are, those that come to the same training counted apart."""
    return math.prod(len(each.grid()) for each in space)


def check_count(space: Space, *, trials: int | None, confirmed: bool) -> None:
    """Refuse a grid that nobody can have meant.

    Args:
        space: what it is of.
        trials: how many of its points will be tried; None: all.
        confirmed: the user knows how many they are.

    Raises:
        UsageError: more than a thousand points and not confirmed, or more than a list of them can hold.
    """
    n = count(space)
    product = " x ".join(f"{each.key} {len(each.grid()):,}" for each in space)
    if n > MOST:
        raise UsageError(
            f"expected a grid of at most {MOST:,} points, got {n:,} ({product}): take fewer values, or --sampler random"
        )
    if n > MANY and not confirmed and (trials is None or trials > MANY):
        raise UsageError(
            f"expected a grid of at most {MANY:,} points, got {n:,} ({product}): take fewer values, or give --trials N "
            "for some of them, --sampler random, or --yes to try them all"
        )


def points(space: Space, base: TrainConfig, *, seed: int) -> list[Point]:
    """The points of a grid in the order in which they are tried.

    Where a setting counts for nothing beside the others of a point, only the first of its values is taken: the others
    would be the same training again.
    """
    found = list(_distinct(space, base))
    random.Random(seed).shuffle(found)
    return found


def _distinct(space: Space, base: TrainConfig) -> Iterator[Point]:
    values = [each.grid() for each in space]
    first = {each.key: taken[0] for each, taken in zip(space, values, strict=True)}
    for combination in itertools.product(*values):
        point = dict(zip(space.keys, combination, strict=True))
        if all(point[key] == first[key] for key in idle(base, point)):
            yield point
