"""Confident learning against cleanlab, whose authors described it."""

import numpy as np
import pytest

from mien.datasets.noise import find_suspects

cleanlab = pytest.importorskip("cleanlab.filter")


@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_suspects_in_the_same_order(seed):
    rng = np.random.default_rng(seed)
    n, k = 800, 7
    truth = rng.integers(0, k, n)
    labels = np.where(rng.random(n) < 0.2, rng.integers(0, k, n), truth)
    logits = rng.normal(0, 1, (n, k))
    logits[np.arange(n), truth] += 2.5
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = cleanlab.find_label_issues(
        labels,
        probabilities,
        filter_by="confident_learning",
        return_indices_ranked_by="normalized_margin",
        n_jobs=1,
    )
    assert len(expected) > 50
    assert find_suspects(labels, probabilities).rows.tolist() == expected.tolist()
