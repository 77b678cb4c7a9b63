from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from decoders import DEADLY, ENDLESS, fragile

from mien.core.errors import InputError, WorkerError
from mien.core.images import read_image
from mien.pipeline.decoding import Decoders


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    made = Decoders(1, limit_s=2, start=fragile)
    yield made
    made.close()


@pytest.fixture
def photograph(samples: Path) -> bytes:
    return (samples / "astronaut.jpg").read_bytes()


def test_decodes_as_this_process_does(decoders: Decoders, photograph: bytes) -> None:
    assert np.array_equal(decoders.decode(photograph, name="a.jpg"), read_image(photograph))


def test_what_cannot_be_read_is_said_as_here(decoders: Decoders, photograph: bytes) -> None:
    with pytest.raises(InputError, match=r"expected a whole JPEG in a\.jpg, got one that is cut off"):
        decoders.decode(photograph[:5000], name="a.jpg")


def test_a_death_is_an_error_of_that_picture(decoders: Decoders, photograph: bytes) -> None:
    with pytest.raises(InputError, match=r"expected a picture in bad\.jpg .* brought its decoder down: convert it"):
        decoders.decode(photograph + DEADLY, name="bad.jpg")
    assert decoders.decode(photograph, name="a.jpg").shape == (512, 512, 3)


def test_a_hang_is_an_error_of_that_picture(decoders: Decoders, photograph: bytes) -> None:
    with pytest.raises(InputError, match=r"in slow\.jpg that is decoded in 2 s, got one that takes longer: make it"):
        decoders.decode(photograph + ENDLESS, name="slow.jpg")
    assert decoders.decode(photograph, name="a.jpg").shape == (512, 512, 3)


def test_a_process_that_does_not_start_is_no_fault_of_the_picture(
    photograph: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Decoders(1, start=fragile)
    made.warm()
    with pytest.raises(InputError):
        made.decode(photograph + DEADLY, name="bad.jpg")
    monkeypatch.setattr(made.warm()._launcher, "launch", failing)
    with pytest.raises(WorkerError, match="expected to start a worker process"):
        made.decode(photograph, name="a.jpg")
    made.close()


def failing() -> None:
    raise WorkerError("expected to start a worker process, got: no memory: take fewer workers")


def test_closed_twice() -> None:
    made = Decoders(1)
    made.close()
    made.close()
