"""A batch that does not fit into memory: the message names one that does."""

import numpy as np
import pytest
import torch

from mien.core.errors import TrainingError
from mien.datasets.table import Table
from mien.training.config import load_config
from mien.training.fit import fit
from mien.training.memory import is_out_of_memory, largest_that_fits, naming_what_fits
from mien.training.speed import made_up_faces


def steps_up_to(limit: int, tried: list[int]):
    def step(batch: int) -> None:
        tried.append(batch)
        if batch > limit:
            raise torch.OutOfMemoryError("CUDA out of memory")

    return step


def test_memory_that_a_cpu_has_not_is_known_as_such():
    with pytest.raises((RuntimeError, MemoryError)) as caught:
        torch.empty(2**60)
    assert is_out_of_memory(caught.value)
    assert not is_out_of_memory(RuntimeError("shapes do not match"))


@pytest.mark.parametrize(
    ("limit", "fits", "tried"), [(70, 64, [64]), (20, 16, [64, 32, 16]), (0, 0, [64, 32, 16, 8, 4, 2, 1])]
)
def test_halves_are_tried_until_one_fits(limit, fits, tried):
    seen: list[int] = []
    assert largest_that_fits(128, steps_up_to(limit, seen)) == fits
    assert seen == tried


def test_other_errors_pass_through():
    with pytest.raises(RuntimeError, match="shapes"), naming_what_fits(8, steps_up_to(4, [])):
        raise RuntimeError("shapes do not match")
    with naming_what_fits(8, steps_up_to(4, [])):
        pass


def test_when_not_one_face_fits_the_net_is_too_large():
    message = "got 8: not one face fits, set input.size lower or take a smaller net"
    with pytest.raises(TrainingError, match=message), naming_what_fits(8, steps_up_to(0, [])):
        raise MemoryError


def test_a_training_names_the_batch_that_fits(tmp_path, monkeypatch):
    """A stem that allocates an impossible tensor for more than 10 faces, in the step and in the trials alike."""
    config = load_config(
        changes=["batch=32", "epochs=1", "net_options.widths=[8]", "net_options.blocks=[1]", "threads=1"]
    )
    made = made_up_faces(config, 64)
    table = Table(made.ids, made.images, np.where(np.arange(64) < 48, "train", "valid"), made.sources)
    convolve = torch.nn.Conv2d.forward

    def forward(layer: torch.nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
        if len(x) > 10 and layer.training:
            torch.empty(2**60)
        return convolve(layer, x)

    monkeypatch.setattr(torch.nn.Conv2d, "forward", forward)
    with pytest.raises(TrainingError, match="expected a batch that fits into memory, got 32: set batch to 8"):
        fit(config, table, out=tmp_path / "run")
