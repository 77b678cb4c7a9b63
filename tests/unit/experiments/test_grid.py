"""A grid tries each training once, and says how many it would be."""

import pytest

from mien.core.errors import UsageError
from mien.experiments.grid import Points, check_count, count
from mien.experiments.space import parse_space
from mien.training.config import TrainConfig

from .conftest import SPACE

MILLION = parse_space(
    {key: {"type": "float", "low": 0.0, "high": 0.9, "points": 100} for key in ("dropout", "warmup", "label_smoothing")}
)


def test_each_point_is_another_training():
    found = list(Points(SPACE, TrainConfig(), seed=0))
    # momentum counts with sgd only: 3 rates x 4 batches x 2 widths x (2 for sgd + 1 for adam)
    assert count(SPACE) == 96 and len(found) == 72
    assert len({tuple(each.items()) for each in found}) == 72
    assert {each["momentum"] for each in found if each["optimizer"] == "adam"} == {0.1}
    assert all(tuple(each) == SPACE.keys for each in found)


def test_the_order_is_one_of_chance_that_the_seed_decides():
    one, other = (list(Points(SPACE, TrainConfig(), seed=seed)) for seed in (0, 1))
    again = Points(SPACE, TrainConfig(), seed=0)
    assert [again[k] for k in (71, 0, 5)] == [one[k] for k in (71, 0, 5)] and list(again) == one != other
    assert len({each["optimizer"] for each in one[:10]}) == 2


def test_a_grid_that_nobody_can_have_meant():
    with pytest.raises(UsageError) as caught:
        check_count(MILLION, trials=None, confirmed=False)
    said = "expected a grid of at most 1,000 points, got 1,000,000 (dropout 100 x warmup 100 x label_smoothing 100): "
    assert str(caught.value).startswith(said) and "--yes" in str(caught.value) and "--trials N" in str(caught.value)
    check_count(MILLION, trials=None, confirmed=True)
    check_count(MILLION, trials=50, confirmed=False)
    check_count(SPACE, trials=None, confirmed=False)


@pytest.mark.parametrize(
    ("dropout", "n"),
    [
        ({"type": "float", "low": 0.0, "high": 0.5, "points": 1_000_000_000}, "1,000,000,000"),
        ({"type": "float", "low": 0.0, "high": 0.5, "step": 1e-12}, "500,000,000,001"),
        ({"type": "int", "low": 1, "high": 10**12, "log": True, "points": 1_000_000_000}, "1,000,000,000"),
    ],
)
def test_a_grid_that_no_memory_holds_is_counted_all_the_same(dropout, n):
    space = parse_space({"dropout": dropout})
    with pytest.raises(UsageError, match=f"at most 10,000,000 points, got {n} \\(dropout {n}\\)"):
        check_count(space, trials=50, confirmed=True)
    values = Points(space, TrainConfig(), seed=0)
    assert len({values[k]["dropout"] for k in range(50)}) == 50


def test_a_range_without_points():
    space = parse_space({"dropout": {"type": "float", "low": 0.0, "high": 0.5}})
    with pytest.raises(UsageError, match="expected points or step of dropout for a grid, got a range of any value"):
        count(space)
