"""What a training minimises: a loss for each face of a head, and how faces, classes and heads are weighed."""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from mien.core.registry import Registry

CLASS_WEIGHTS = ("none", "balanced", "effective")

# (B, K) logits and (B, K) distributions -> (B,): the loss of each face.
Loss = Callable[[Tensor, Tensor], Tensor]

LOSSES: Registry[Tensor] = Registry("loss")


def choose_loss(name: str, *, focal_gamma: float) -> Loss:
    """The loss of that name in `LOSSES`; gamma is of the focal loss."""
    return partial(focal, gamma=focal_gamma) if name == "focal" else LOSSES[name]


def smooth(targets: Tensor, amount: float) -> Tensor:
    """Label smoothing (Szegedy et al. 2016): moves `amount` of each row of (B, K) to all classes evenly."""
    return targets * (1 - amount) + amount / targets.shape[1]


@LOSSES.register("cross-entropy")
def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """-sum_k t_k log p_k of each face: logits (B, K), distributions (B, K) -> (B,)."""
    return -(targets * torch.log_softmax(logits.float(), 1)).sum(1)


@LOSSES.register("kl")
def kl_divergence(logits: Tensor, targets: Tensor) -> Tensor:
    """sum_k t_k log(t_k / p_k) of each face: logits (B, K), distributions (B, K) -> (B,).

    Cross entropy less the targets' own entropy: the same gradient, but 0 where a distribution is met.
    """
    entropy: Tensor = -torch.xlogy(targets, targets).sum(1)
    return cross_entropy(logits, targets) - entropy


@LOSSES.register("focal")
def focal(logits: Tensor, targets: Tensor, *, gamma: float = 2.0) -> Tensor:
    """-sum_k t_k (1 - p_k)^gamma log p_k of each face: logits (B, K), distributions (B, K) -> (B,).

    Faces that are sure already count less (Lin et al. 2017, doi:10.1109/ICCV.2017.324); for a distribution each class
    is taken at its share. gamma 0 is cross entropy.
    """
    logs = torch.log_softmax(logits.float(), 1)
    # 1 - p is 0 in float32 for a sure face, where the gradient of a power below 1 is infinite.
    easy = (1 - logs.exp()).clamp_min(1e-7) ** gamma
    return -(targets * easy * logs).sum(1)


def weighted_mean(losses: Tensor, weights: Tensor) -> Tensor:
    """Losses (B,) summed with their weights (B,), divided by B.

    A head that is labelled for half the faces counts half as much; 0 for a batch without any label.
    """
    return (losses * weights).sum() / len(weights)


def class_weights(kind: str, counts: Tensor, *, beta: float) -> Tensor:
    """What a face of each class weighs in the loss.

    Args:
        kind: none (1 each); balanced (inversely to the count n); effective (inversely to the effective number
            (1 - beta^n) / (1 - beta) of Cui et al. 2019, doi:10.1109/CVPR.2019.00949).
        counts: (K,) faces of each class, shares of votes included.
        beta: of the effective number.

    Returns:
        (K,), such that the faces weigh 1 on average, whatever the kind; 1 for a class without a face.
    """
    if kind == "none" or not counts.sum():
        return torch.ones_like(counts)
    exact = counts.double()
    # 1 - beta^n in a form that stays exact for a beta near 1.
    numbers = exact if kind == "balanced" else -torch.expm1(exact * math.log(beta))
    there = counts > 0
    weights = torch.where(there, 1 / numbers.where(there, torch.ones_like(numbers)), torch.zeros_like(numbers))
    weights = weights * exact.sum() / (weights * exact).sum()
    return torch.where(there, weights, torch.ones_like(weights)).to(counts.dtype)


def concordance(predicted: Tensor, values: Tensor, weights: Tensor) -> Tensor:
    """Concordance correlation coefficient (Lin 1989, doi:10.2307/2532051) of each column.

    CCC = 2 cov(x, y) / (var x + var y + (mean x - mean y)^2): 1 where both are equal, 0 where they have nothing in
    common, -1 at worst.

    Args:
        predicted: (B, M).
        values: (B, M), what they should be.
        weights: (B,), 0 for a face without values.

    Returns:
        (M,); 0 where both sides are constant.
    """
    share = (weights / weights.sum().clamp_min(1e-12))[:, None]  # (B, 1)
    x, y = predicted.float(), values.float()
    mean_x, mean_y = (share * x).sum(0), (share * y).sum(0)
    spread_x, spread_y = x - mean_x, y - mean_y
    covariance = (share * spread_x * spread_y).sum(0)
    total = (share * (spread_x**2 + spread_y**2)).sum(0) + (mean_x - mean_y) ** 2
    return 2 * covariance / total.clamp_min(1e-8)


def concordance_loss(predicted: Tensor, values: Tensor, weights: Tensor) -> Tensor:
    """1 - CCC, the mean over the columns, times the share of faces that have values; see `concordance`.

    0 for a batch with fewer than two such faces, of which no concordance is known.
    """
    known = weights.sum() if int((weights > 0).sum()) > 1 else weights.sum() * 0
    return (1 - concordance(predicted, values, weights).mean()) * known / len(weights)
