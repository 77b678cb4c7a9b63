"""Losses against torch's own."""

import torch
from torch.nn import functional

from mien.training.losses import smooth, soft_cross_entropy


def test_smoothing_and_cross_entropy_equal_torchs():
    logits, ids = torch.randn(16, 7), torch.randint(0, 7, (16,))
    ours = soft_cross_entropy(logits, smooth(functional.one_hot(ids, 7).float(), 0.1), torch.ones(16))
    torch.testing.assert_close(ours, functional.cross_entropy(logits, ids, label_smoothing=0.1))


def test_soft_targets_equal_torchs():
    logits, targets = torch.randn(16, 8), torch.rand(16, 8).softmax(1)
    torch.testing.assert_close(
        soft_cross_entropy(logits, targets, torch.ones(16)), functional.cross_entropy(logits, targets)
    )


def test_faces_without_a_target_do_not_count():
    logits, targets = torch.randn(4, 8), torch.rand(4, 8).softmax(1)
    weights = torch.tensor([1.0, 0.0, 1.0, 0.0])
    known = soft_cross_entropy(logits[::2], targets[::2], torch.ones(2))
    torch.testing.assert_close(soft_cross_entropy(logits, targets, weights), known / 2)
    assert soft_cross_entropy(logits, targets, torch.zeros(4)) == 0
