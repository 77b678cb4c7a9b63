"""A small space, and a study of cheap trials."""

import math
from pathlib import Path

import pytest

pytest.importorskip("optuna")

from mien.experiments.space import parse_space

SPACE = parse_space(
    {
        "learning_rate": {"type": "float", "low": 1e-4, "high": 1.0, "log": True, "points": 3},
        "batch": {"type": "int", "low": 16, "high": 64, "step": 16},
        "optimizer": {"type": "categorical", "choices": ["sgd", "adam"]},
        "momentum": {"type": "float", "low": 0.1, "high": 0.9, "points": 2},
        "net_options": {"widths": {"type": "categorical", "choices": [[8, 8], [16, 16]]}},
    }
)


def figure_of(settings):
    """Largest at a learning rate of 0.01, a batch of 32 and sgd."""
    rate, batch = abs(math.log10(settings["learning_rate"]) + 2), abs(settings["batch"] - 32) / 64
    return 1 - 0.2 * rate - batch - 0.1 * (settings["optimizer"] == "adam")


def objective(attempt):
    """Three epochs, in which the figure comes nearer to what it will be."""
    figure = figure_of(attempt.settings)
    for epoch in (1, 2, 3):
        attempt.report(epoch, figure - 0.1 * (3 - epoch))
    return figure


def grid_of(parameter):
    """All values that a grid takes of a setting."""
    return tuple(parameter.grid_value(k) for k in range(parameter.grid_size()))


@pytest.fixture
def place(tmp_path):
    """A folder for databases, in memory where there is such a thing: each trial writes a dozen times to disk."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        yield tmp_path
        return
    import tempfile

    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture
def url(place):
    return f"sqlite:///{place / 'study.db'}"
