"""What a training minimises."""

import torch
from torch import Tensor


def smooth(targets: Tensor, amount: float) -> Tensor:
    """Label smoothing (Szegedy et al. 2016): moves `amount` of each row of (B, K) to all classes evenly."""
    return targets * (1 - amount) + amount / targets.shape[1]


def soft_cross_entropy(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Cross entropy against distributions, over a batch in which some faces may have none.

    Args:
        logits: (B, K).
        targets: (B, K), rows sum to 1; equals the KL divergence up to the targets' own entropy.
        weights: (B,), 0 for a face without a label from this source.

    Returns:
        Sum over the faces with their weights, divided by B: a head labelled for half the faces
        counts half as much. 0 for a batch without any.
    """
    losses = -(targets * torch.log_softmax(logits.float(), 1)).sum(1)
    return (losses * weights).sum() / len(weights)
