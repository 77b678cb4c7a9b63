"""One recogniser, eight threads, thousands of pictures: every answer is the one that a single thread gets."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from fuzzing.cases import peak_mb

from mien import Recognizer
from mien.core.errors import InputError
from mien.core.images import read_image
from mien.core.types import Predictions

THREADS = 8
COUNT = int(os.environ.get("MIEN_SOAK_PREDICTIONS", "4000"))

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]


def same(found: Predictions, expected: Predictions) -> bool:
    return (
        np.array_equal(found.boxes, expected.boxes)
        and np.array_equal(found.probabilities, expected.probabilities)
        and found.top == expected.top
    )


@pytest.mark.parametrize(("detector", "count"), [("mtcnn", COUNT), ("haar", COUNT // 4)])
def test_threads_get_what_one_gets(detector: str, count: int, data_dir: Path) -> None:
    paths = sorted((data_dir / "wild" / "images").iterdir())[::16]
    recognizer = Recognizer(detector=detector, threads=1)
    expected = [recognizer.predict(path) for path in paths]
    assert sum(map(len, expected)) > len(paths) // 2
    at_once, most, lock = 0, 0, threading.Lock()

    def ask(number: int) -> bool:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        try:
            path, answer = paths[number % len(paths)], expected[number % len(paths)]
            if number % 4 == 0:
                return same(recognizer.predict(path), answer)
            if number % 4 == 1:
                return same(recognizer.predict(path.read_bytes()), answer)
            if number % 4 == 2:
                return same(recognizer.predict(read_image(path)), answer)
            with pytest.raises(InputError):  # a bad picture must not harm the others' answers
                recognizer.predict(path.read_bytes()[:500])
            return True
        finally:
            with lock:
                at_once -= 1

    with ThreadPoolExecutor(THREADS) as pool:
        right = sum(pool.map(ask, range(count)))
    print(f"{detector}: peak {peak_mb():.0f} MB, {right:,} of {count:,} as alone, {most} at once")
    assert right == count
    assert most == THREADS
