"""A comparison in words, to the letter."""

import math

import numpy as np
import pytest

from mien.core.labels import LabelSet
from mien.evaluation import Estimate
from mien.evaluation.compared import Judged
from mien.evaluation.paired import Paired
from mien.evaluation.sentences import sentence_of
from mien.evaluation.statistics import Finding


def said(value, low, high, p, *, holm=None, same=False, n=3589, repeats=1, subjects=None):
    paired = Paired(
        ("A", "B"), np.arange(n).astype(str), np.zeros(n, int), LabelSet("ab", ("a", "b")),
        np.zeros((2, repeats, n), int), (), 1, subjects, {},
    )  # fmt: skip
    judged = Judged("accuracy", "images", Finding("mcnemar", 1, p, n), p if holm is None else holm)
    return sentence_of(paired, ("A", "B"), Estimate(value, low, high), judged, same=same)


ON = "on the same 3,589 images"


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ((0.018, 0.006, 0.03, 0.004), f"A is 1.8 points better than B {ON}, 95 % interval 0.6 to 3.0, p = 0.004."),
        ((-0.018, -0.03, -0.006, 1e-9), f"B is 1.8 points better than A {ON}, 95 % interval 0.6 to 3.0, p < 0.001."),
        (
            (0.002, -0.009, 0.013, 0.74),
            f"A and B are not shown to differ {ON}: A is 0.2 points ahead, 95 % interval -0.9 to 1.3, p = 0.74.",
        ),
        (
            (-0.0002, -0.009, 0.0003, 0.051),
            f"B and A are not shown to differ {ON}: B is 0.02 points ahead, 95 % interval -0.03 to 0.9, p = 0.051.",
        ),
        (
            (0.0, -0.01, 0.01, 1.0),
            f"A and B are not shown to differ {ON}: both are right equally often, 95 % interval -1.0 to 1.0, p = 1.00.",
        ),
        ((0.01, 0.0, 0.02, 0.04996), f"A is 1.0 points better than B {ON}, 95 % interval 0.0 to 2.0, p < 0.05."),
        (
            (0.01, math.nan, math.nan, math.nan),
            f"A and B are not shown to differ {ON}: A is 1.0 points ahead, p not defined.",
        ),
    ],
)
def test_a_difference_and_none(figures, words):
    assert said(*figures) == words


def test_it_is_the_corrected_p_that_decides():
    assert said(0.01, 0.001, 0.02, 0.03, holm=0.09).endswith("p = 0.090 after Holm.")
    assert "not shown to differ" in said(0.01, 0.001, 0.02, 0.03, holm=0.09)


def test_what_the_images_are():
    people = np.repeat(["s1", "s2"], 5)
    words = said(0.1, 0.0, 0.2, 0.5, n=10, repeats=3, subjects=people)
    assert "on the same 10 images of 2 subjects (mean of 3 seeds)" in words
    assert "not shown to differ on the same image: " in said(0.1, 0.0, 0.2, 0.5, n=1)


def test_models_that_are_right_on_the_same_images():
    assert said(0, 0, 0, 1, same=True) == f"A and B are right {ON}: nothing tells their accuracies apart."
