"""The engine: order, a bounded look ahead, errors as values, and an end that waits for nothing."""

import itertools
import threading
import time

import pytest

from mien.core.errors import InputError
from mien.pipeline.batch import attempt, ordered


def slow_first(item: int) -> int:
    time.sleep(0.002 * (item % 5 == 0))
    return item * item


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("ahead", [1, 3, 50])
def test_results_come_in_order(workers: int, ahead: int) -> None:
    done = list(ordered(slow_first, range(40), workers=workers, ahead=ahead))
    assert done == [(item, item * item) for item in range(40)]
    assert list(ordered(slow_first, [], workers=workers, ahead=ahead)) == []


def test_errors_of_mien_are_values_and_others_are_raised() -> None:
    def work(item: int) -> int:
        if item == 1:
            raise InputError("one")
        if item == 3:
            raise ZeroDivisionError
        return item

    results = ordered(work, range(5), workers=2)
    assert next(results) == (0, 0)
    item, error = next(results)
    assert item == 1 and isinstance(error, InputError) and str(error) == "one"
    assert next(results) == (2, 2)
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert isinstance(attempt(work, 1), InputError) and attempt(work, 2) == 2


@pytest.mark.parametrize(("workers", "ahead"), [(1, 1), (2, 5)])
def test_endless_items_are_taken_as_results_are_asked_for(workers: int, ahead: int) -> None:
    taken = []
    items = (taken.append(k) or k for k in itertools.count())
    results = ordered(abs, items, workers=workers, ahead=ahead)
    assert [next(results)[0] for _ in range(10)] == list(range(10))
    assert len(taken) == 10 + ahead
    results.close()


def test_work_is_shared_by_the_threads() -> None:
    both = threading.Barrier(2, timeout=10)  # passed only by two at once
    names = {
        name for _, name in ordered(lambda _: (both.wait(), threading.current_thread().name)[1], [0, 1], workers=2)
    }
    assert len(names) == 2


def test_who_stops_early_does_not_wait_for_what_was_not_begun() -> None:
    begun = []

    def work(item: int) -> int:
        begun.append(item)
        time.sleep(0.01)
        return item

    results = ordered(work, range(1000), workers=1, ahead=500)
    next(results)
    results.close()
    at_the_end = len(begun)
    time.sleep(0.05)
    assert len(begun) == at_the_end < 100


def test_an_error_of_the_caller_ends_the_threads() -> None:
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        for item, _ in ordered(abs, range(100), workers=3, ahead=9):
            if item == 5:
                raise KeyboardInterrupt
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before
