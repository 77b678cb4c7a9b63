"""Tables whose pages have everything, or next to nothing."""

import numpy as np
import pytest
from layouts.faces import face

from mien.core.labels import LABEL_SETS
from mien.datasets.explore import explore_table
from mien.datasets.table import LabelColumn, Table

NASTY = '<script>alert("x")</script> & $\\frac{1}$'


@pytest.fixture(scope="session")
def rich_table():
    """Colour, two label sources, votes, subjects, attributes, boxes, valence and arousal, copies; odd names."""
    random = np.random.default_rng(0)
    n, labels = 60, LABEL_SETS["affectnet"]
    ids = np.arange(n) % 8 - 1  # every eighth without a label; no contempt
    images = np.stack([face(labels.labels[max(k, 0)], seed=i, size=24, color=True) for i, k in enumerate(ids)])
    images[9] = images[8]
    images[16] = images[11]
    soft = random.dirichlet(np.ones(8), n).astype(np.float32)
    other = np.where(random.random(n) < 0.7, ids, 0)
    extra = {
        "subject": np.array([f"S{k % 20:03d}" for k in range(n)]),
        "group_gender": np.array(["female", "male", "", NASTY])[np.arange(n) % 4],
        "valence": random.uniform(-1, 1, n).astype(np.float32),
        "arousal": random.uniform(-1, 1, n).astype(np.float32),
        "box": np.column_stack([np.zeros((n, 2)), random.uniform(10, 90, (n, 2))]).astype(np.float32),
    }
    sources = {
        "affectnet": LabelColumn(labels, ids.astype(np.int16), soft, rule=NASTY),
        "second": LabelColumn(labels, other.astype(np.int16)),
    }
    split = np.array(["train", "valid", "test"])[np.arange(n) % 3]
    return Table(np.array([f"r-{k}" for k in range(n)]), images, split, sources, extra, {"name": NASTY})


@pytest.fixture(scope="session")
def rich(rich_table):
    return explore_table(rich_table)


@pytest.fixture(scope="session")
def bare():
    """Two tiny grey images and nothing else."""
    images = np.arange(50, dtype=np.uint8).reshape(2, 5, 5)
    return explore_table(Table(np.array(["a", "b"]), images, np.array(["valid", "valid"])))
