"""The numbers of robustness: shares of the clean accuracy, their mean, the lowest that counts."""

import numpy as np
import pytest

from mien.core.corruptions import CORRUPTIONS
from mien.core.errors import DataError
from mien.evaluation.robustness import accuracy_of, is_moderate, robustness


def made(**accuracies: float):
    cells = [("blur", 0.03, accuracies.get("moderate", 0.6)), ("blur", 0.05, accuracies.get("severe", 0.3))]
    return robustness("ferplus", 100, 0.8, [*cells, ("roll", 10, 0.8)])


def test_relative_mean_and_lowest():
    table = made()
    assert [each.relative for each in table.cells] == pytest.approx([0.75, 0.375, 1.0])
    assert table.mean == pytest.approx((0.75 + 0.375 + 1) / 3)
    assert (table.worst.corruption, table.worst.strength) == ("blur", 0.03)  # the severe one does not count
    assert [each["moderate"] for each in table.to_dict()["cells"]] == [True, False, True]


def test_the_goals():
    assert not made().reached  # the mean is too low
    assert made(moderate=0.8, severe=0.7).reached
    assert not made(moderate=0.59, severe=0.9).reached  # one moderate cell is too low
    assert not made(moderate=0.59, severe=0.9).worst.relative >= 0.75


def test_every_corruption_has_moderate_strengths():
    for name, each in CORRUPTIONS.items():
        cells = robustness("h", 1, 1.0, [(name, strength, 1.0) for strength in each.strengths]).cells
        assert sum(map(is_moderate, cells)) == len(each.moderate) > 0


def test_accuracy_counts_labelled_faces():
    probabilities = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    assert accuracy_of(probabilities, np.array([0, 1, 0, -1])) == pytest.approx(2 / 3)
    with pytest.raises(DataError, match="expected labelled faces"):
        accuracy_of(probabilities, np.full(4, -1))
    with pytest.raises(DataError, match="got an accuracy of 0"):
        robustness("h", 4, 0.0, [])
