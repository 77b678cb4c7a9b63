"""The interval of a difference of two shares on the same images."""

import math
from collections.abc import Callable

from mien.core.optional import require
from mien.evaluation.metrics import Estimate

_Z = 1.959963984540054  # the normal distribution's 97.5 % quantile


def paired_difference(only_first: int, only_second: int, n: int) -> Estimate:
    """The difference of two accuracies on the same images, with Tango's score interval.

    The interval holds the differences that a score test with constrained maximum likelihood does not reject: Tango
    1998, https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<891::AID-SIM780>3.0.CO;2-B. It stays within -1..1 and
    has a width where the models never differ, too.

    Args:
        only_first: images on which the first model alone is right.
        only_second: the same of the second.
        n: images in all.

    Returns:
        (only_first - only_second) / n; NaN for n = 0. Needs the extra `data`.

    >>> difference = paired_difference(1, 7, 21)
    >>> f"{difference.value:.3f} ({difference.low:.3f} to {difference.high:.3f})"
    '-0.286 (-0.517 to -0.026)'
    """
    if n == 0:
        return Estimate(math.nan)
    value = (only_first - only_second) / n
    square = _Z**2

    def excess(delta: float) -> float:
        """The squared score less what is allowed: below 0 inside the interval."""
        b = (2 * n - only_first + only_second) * delta - only_first - only_second
        c = -only_second * delta * (1 - delta)
        q = (math.sqrt(max(0.0, b * b - 8 * n * c)) - b) / (4 * n)
        variance = n * max(0.0, 2 * q + delta * (1 - delta))
        return (only_first - only_second - n * delta) ** 2 - square * variance

    if only_first + only_second == 0:  # the root at 0 is none of the ends
        return Estimate(0.0, -square / (n + square), square / (n + square))
    if abs(value) == 1:
        inner = (n - square) / (n + square)
        return Estimate(value, inner, 1.0) if value > 0 else Estimate(value, -1.0, -inner)
    return Estimate(value, _root(excess, -1.0, value), _root(excess, value, 1.0))


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a function of different signs at the ends is 0; the end itself where it is."""
    root: float = require("scipy.optimize", extra="data").brentq(function, low, high, xtol=1e-14)
    return root
