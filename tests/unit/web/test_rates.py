"""A bucket for each client."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.web.rates import Rates


def test_clients_do_not_wait_for_each_other():
    rates = Rates(1)
    assert [rates.take("a", 0.0) for _ in range(4)] == [0, 0, 0, 1]
    assert rates.take("b", 0.0) == 0
    assert rates.take("a", 0.5) == 1
    assert rates.take("a", 1.0) == 0


def test_no_rate_is_no_limit():
    assert not any(Rates(0).take("a") for _ in range(1000))


@given(st.floats(0.5, 50), st.lists(st.floats(0, 0.2), min_size=1, max_size=200))
def test_no_more_pass_than_the_burst_and_what_fills_up(per_s, pauses):
    rates, now, passed = Rates(per_s), 0.0, 0
    for pause in pauses:
        now += pause
        passed += not rates.take("a", now)
    assert passed <= max(1, 3 * per_s) + now * per_s + 1e-6


@pytest.mark.parametrize("per_s", [0.2, 3])
def test_who_waits_as_told_may_ask(per_s):
    rates, now = Rates(per_s), 100.0
    for _ in range(30):
        wait = rates.take("a", now)
        if wait:
            now += wait
            assert rates.take("a", now) == 0


def test_clients_are_forgotten():
    rates = Rates(1)
    for number in range(10_500):
        rates.take(str(number), 0.0)
    assert len(rates._buckets) == 10_000
