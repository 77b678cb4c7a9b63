"""Learning rates against torch's schedules."""

import pytest
import torch

from mien.training.config import TrainConfig
from mien.training.schedules import SCHEDULES, Progress, learning_rate, plateaus, stale_epochs

PER_EPOCH = 10


def rates(config, steps, history=()):
    return [
        learning_rate(config, Progress(step, steps, step // PER_EPOCH, history[: step // PER_EPOCH]))
        for step in range(steps)
    ]


def torchs(make, steps, *, rate=0.3, every=1):
    """The rates that one of torch's schedules gives, stepped `every` so many steps."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], rate)
    schedule = make(optimizer)
    found = []
    for step in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if (step + 1) % every == 0:
            schedule.step()
    return found


@pytest.mark.parametrize(("steps", "warmup"), [(3, 0.0), (3, 0.9), (40, 0.2), (97, 0.35), (1000, 0.0)])
def test_one_cycle_equals_torchs_to_the_bit(steps, warmup):
    def make(optimizer):
        share = max(warmup, 2 / steps)
        return torch.optim.lr_scheduler.OneCycleLR(
            optimizer, 0.3, total_steps=steps, pct_start=share, cycle_momentum=False
        )

    assert rates(TrainConfig(learning_rate=0.3, warmup=warmup), steps) == torchs(make, steps)


def test_cosine_equals_torchs():
    config = TrainConfig(schedule="cosine", learning_rate=0.3, warmup=0.0)
    wanted = torchs(lambda each: torch.optim.lr_scheduler.CosineAnnealingLR(each, 50), 50)
    assert rates(config, 50) == pytest.approx(wanted, abs=1e-7)


def test_step_equals_torchs():
    config = TrainConfig(schedule="step", learning_rate=0.3, warmup=0.0, decay_every=2, decay_by=0.5)
    wanted = torchs(lambda each: torch.optim.lr_scheduler.StepLR(each, 2, 0.5), 70, every=PER_EPOCH)
    assert rates(config, 70) == pytest.approx(wanted)


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_plateau_equals_torchs(patience):
    history = [0.1, 0.3, 0.3, 0.2, 0.4, 0.3, 0.3, 0.3, 0.3, 0.5, 0.5, 0.5, 0.5]
    config = TrainConfig(schedule="plateau", learning_rate=0.3, warmup=0.0, decay_by=0.5, plateau_patience=patience)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 0.3)
    # Torch cuts when more than its patience has passed.
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode="max", factor=0.5, patience=patience - 1, threshold=0
    )
    for epoch, figure in enumerate(history):
        at = Progress(epoch * PER_EPOCH, 1000, epoch, history[:epoch])
        assert learning_rate(config, at) == pytest.approx(optimizer.param_groups[0]["lr"])
        schedule.step(figure)
    assert optimizer.param_groups[0]["lr"] < 0.3


@pytest.mark.parametrize("name", ["constant", "cosine", "step", "plateau"])
def test_the_rate_rises_evenly_at_first(name):
    found = rates(TrainConfig(schedule=name, learning_rate=0.3, warmup=0.1), 100)
    assert found[:10] == pytest.approx([0.03 * (i + 1) for i in range(10)])
    assert max(found) == pytest.approx(0.3)
    if name == "constant":
        assert set(found[10:]) == {0.3}


@pytest.mark.parametrize("name", sorted(SCHEDULES))
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_shortest_runs_have_rates(name, steps):
    assert all(0 <= rate <= 0.3 for rate in rates(TrainConfig(schedule=name, learning_rate=0.3), steps))


def test_stale_epochs_and_plateaus():
    assert stale_epochs([]) == 0
    assert [stale_epochs([0.2, 0.3, 0.3, 0.1][:n]) for n in range(1, 5)] == [0, 0, 1, 2]
    assert stale_epochs([0.5, float("nan")]) == 1
    assert plateaus([1.0] * 7, 3) == 2
