"""The bench of a training: it measures what it says it measures."""

import time

import pytest

from mien.core.errors import UsageError
from mien.training import speed
from mien.training.config import load_config
from mien.verbs.bench import bench

TINY = ["batch=8", "net_options.widths=[8]", "net_options.blocks=[1]", "threads=1", "input.size=24", "start_size=24"]


def test_a_slow_data_path_is_seen_in_full_steps_alone(monkeypatch):
    normalise = speed.TrainingBatches._changed

    def slow(*args):
        time.sleep(0.2)
        return normalise(*args)

    monkeypatch.setattr(speed.TrainingBatches, "_changed", slow)
    times = speed.measure_steps(load_config(changes=TINY), steps=3, warm_up=1)
    assert times.data > 0.2
    assert times.full > 0.2
    assert times.full - times.resident == pytest.approx(times.data, rel=0.5)
    assert (times.batch, times.steps, times.device, times.threads) == (8, 3, "cpu", 1)


def test_the_bench_of_a_training_says_net_batch_and_precision():
    result = bench("training", net="resnet", changes=[*TINY, "precision='float32'"], repeats=2)
    step, _, data, share, *_, rate = result.measurements
    assert step.what == "step of resnet"
    assert "batch 8, 24 pixels" in step.note
    assert "cpu, float32, 1 thread(s)" in step.note
    assert data.value > 0
    assert share.unit == "%"
    assert rate.value == pytest.approx(8 / step.value * 1000)


def test_settings_of_a_training_are_for_that_bench_alone():
    with pytest.raises(
        UsageError, match="expected settings of a training for `bench training` alone, got them for 'cold'"
    ):
        bench("cold", changes=["batch=8"])
