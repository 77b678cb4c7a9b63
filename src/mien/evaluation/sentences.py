"""What follows from a comparison of two models, in a sentence."""

import math

import numpy as np

from mien.evaluation.compared import Judged
from mien.evaluation.metrics import Estimate
from mien.evaluation.paired import Paired
from mien.evaluation.statistics import ALPHA


def sentence_of(paired: Paired, names: tuple[str, str], difference: Estimate, decided: Judged, *, same: bool) -> str:
    """Which of two models is better, by how much, on what, and how sure that is.

    Args:
        paired: the models.
        names: of the two.
        difference: in accuracy, the first less the second, with its interval.
        decided: the test that decides, at 5 % after Holm's correction.
        same: both are right on exactly the same images.
    """
    first, second = names
    where = f"on the same {len(paired):,} images" if len(paired) > 1 else "on the same image"
    if paired.subjects is not None:
        where += f" of {len(np.unique(paired.subjects)):,} subjects"
    if paired.repeats > 1:
        where += f" (mean of {paired.repeats} seeds)"
    if same:
        return f"{first} and {second} are right {where}: nothing tells their accuracies apart."
    if difference.value < 0:
        first, second = second, first
        difference = Estimate(-difference.value, -difference.high, -difference.low)
    within = (
        "" if math.isnan(difference.low) else f", 95 % interval {_points(difference.low)} to {_points(difference.high)}"
    )
    corrected = " after Holm" if decided.p_holm > decided.finding.p else ""  # neither, where they are NaN
    p = f"p {_p(decided.p_holm)}{corrected}"
    if decided.p_holm < ALPHA and difference.value:
        return f"{first} is {_points(difference.value)} points better than {second} {where}{within}, {p}."
    ahead = (
        f"{first} is {_points(difference.value)} points ahead" if difference.value else "both are right equally often"
    )
    return f"{first} and {second} are not shown to differ {where}: {ahead}{within}, {p}."


def _points(share: float) -> str:
    """A share in points of a hundred, with as many digits as keep it from looking like 0."""
    points = 100 * share
    text = f"{points:.1f}" if not 0 < abs(points) < 0.05 else f"{points:.2g}"
    return text if float(text) else text.removeprefix("-")


def _p(value: float) -> str:
    if math.isnan(value):
        return "not defined"
    if value < 0.001:
        return "< 0.001"
    if 0.0495 <= value < ALPHA:  # must not read 0.050
        return "< 0.05"
    return f"= {value:.3f}" if value < 0.1 else f"= {value:.2f}"
