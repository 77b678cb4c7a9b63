"""Mixtures of two faces and of what they should be called: mixup and CutMix."""

import torch
from torch import Tensor

from mien.training.augment import Augmentation


def mixing(config: Augmentation) -> bool:
    """Whether any face is mixed with another."""
    return (config.mixup > 0 or config.cutmix > 0) and config.mix > 0


def mix_weights(
    batch: int, config: Augmentation, *, size: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw how each face of a batch is mixed with another one.

    Args:
        batch: B.
        config: `mixup`, `cutmix` and `mix` count here.
        size: S, of the faces.
        generator: source of chance, on the CPU.

    Returns:
        The weight of each face's own pixels (B, 1, S, S) or (B, 1, 1, 1), its own share (B,) of the targets, and the
        index (B,) of its partner.
    """
    partner = torch.randperm(batch, generator=generator)
    share = beta(batch, config.mixup or config.cutmix, generator)
    cuts = torch.full((batch,), config.mixup == 0)
    if config.mixup > 0 and config.cutmix > 0:
        cuts = torch.rand(batch, generator=generator) < 0.5
        share = torch.where(cuts, beta(batch, config.cutmix, generator), share)
    if config.mix < 1:
        share = torch.where(torch.rand(batch, generator=generator) < config.mix, share, 1.0)
    weights = share.view(-1, 1, 1, 1)
    if config.cutmix > 0:
        own = _outside_rectangle(share, size, generator)
        weights = torch.where(cuts.view(-1, 1, 1, 1), own, weights)
        share = torch.where(cuts, own.mean((1, 2, 3)), share)
    return weights, share, partner


def beta(batch: int, alpha: float, generator: torch.Generator) -> Tensor:
    """(B,) draws of Beta(alpha, alpha): a ratio of two Gamma(alpha) draws, a form that takes a generator."""
    gammas = torch._standard_gamma(torch.full((2, batch), alpha), generator=generator)
    return gammas[0] / gammas.sum(0).clamp_min(1e-12)


def _outside_rectangle(share: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """(B, 1, S, S): 0 in a rectangle of the picture's shape and 1 - share of its area, cut off at the edge, 1 outside.

    The centre is uniform in the picture (Yun et al. 2019, section 3.1).
    """
    side = size * (1 - share).sqrt()
    centre = size * torch.rand(2, len(share), generator=generator)
    # Whole pixels: those whose middle lies inside.
    middle = torch.arange(size) + 0.5
    rows, columns = ((middle - centre[..., None]).abs() < side[:, None] / 2).unbind(0)  # (B, S) each
    return 1.0 - (rows[:, :, None] & columns[:, None, :]).float().unsqueeze(1)
