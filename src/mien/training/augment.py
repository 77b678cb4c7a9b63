"""Random changes of training faces, drawn for each face of a batch, on the batch's device."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from mien.core.errors import UsageError


@dataclass(frozen=True)
class Augmentation:
    """How far training faces are changed; 0 switches a change off.

    Attributes:
        flip: probability of a mirror image.
        rotation: largest angle, degrees.
        zoom: largest factor of size either way, as a share (0.2: from 1/1.2 to 1.2).
        shift: largest move, as a share of the face's side.
        brightness: largest addition to grey values in 0..1.
        contrast: largest factor of contrast either way, as a share.
        erase: probability that a rectangle is painted over with one random grey value.
        mixup: alpha of the Beta distribution with which pairs are mixed (Zhang et al. 2018, arXiv:1710.09412).
    """

    flip: float = 0.5
    rotation: float = 16.0
    zoom: float = 0.22
    shift: float = 0.08
    brightness: float = 0.15
    contrast: float = 0.5
    erase: float = 0.3
    mixup: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (math.isfinite(value) and value >= 0):
                raise UsageError(f"expected augment.{name} of 0 or more, got {value}")
        for name in ("flip", "erase"):
            if getattr(self, name) > 1:
                raise UsageError(f"expected a probability as augment.{name}, got {getattr(self, name)}")


def augment(images: Tensor, config: Augmentation, *, size: int, generator: torch.Generator) -> Tensor:
    """Draw a changed version of each face.

    Args:
        images: (B, C, H, W) uint8.
        config: how far to go.
        size: side of the result in pixels.
        generator: source of chance, on the CPU whatever the device, so that runs agree between devices.

    Returns:
        (B, C, size, size) float32 in 0..1.
    """
    x = _move(images.float() / 255, config, size, generator)
    x = _light(x, config, generator)
    return _erase(x, config, generator)


def mixup_pairs(batch: int, alpha: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Share of each face itself in its mixture (B,), and the index of its partner (B,)."""
    partner = torch.randperm(batch, generator=generator)
    if alpha == 0:
        return torch.ones(batch), partner
    # A Beta(a, a) draw is a ratio of two Gamma(a) draws; this form takes a generator.
    gammas = torch._standard_gamma(torch.full((2, batch), alpha), generator=generator)
    return gammas[0] / gammas.sum(0).clamp_min(1e-12), partner


def _uniform(batch: int, limit: float, generator: torch.Generator, device: torch.device) -> Tensor:
    """(B,) uniform in -limit..limit."""
    return ((torch.rand(batch, generator=generator) * 2 - 1) * limit).to(device)


def _chance(batch: int, probability: float, generator: torch.Generator, device: torch.device) -> Tensor:
    """(B,) true with the given probability."""
    return (torch.rand(batch, generator=generator) < probability).to(device)


def _move(x: Tensor, config: Augmentation, size: int, generator: torch.Generator) -> Tensor:
    """Flip, rotate, zoom and shift in one bilinear resampling; what comes in from outside is black."""
    n, device = len(x), x.device
    angle = torch.deg2rad(_uniform(n, config.rotation, generator, device))
    zoom = torch.exp(_uniform(n, math.log1p(config.zoom), generator, device))
    mirror = torch.where(_chance(n, config.flip, generator, device), -1.0, 1.0)
    dx, dy = (_uniform(n, 2 * config.shift, generator, device) for _ in range(2))  # the grid spans -1..1
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    rows = (torch.stack([cos * mirror, -sin, dx], 1), torch.stack([sin * mirror, cos, dy], 1))
    grid = functional.affine_grid(torch.stack(rows, 1), [n, x.shape[1], size, size], align_corners=False)
    return functional.grid_sample(x, grid, align_corners=False)


def _light(x: Tensor, config: Augmentation, generator: torch.Generator) -> Tensor:
    """Change contrast about mid-grey, then brightness."""
    contrast = torch.exp(_uniform(len(x), math.log1p(config.contrast), generator, x.device)).view(-1, 1, 1, 1)
    brightness = _uniform(len(x), config.brightness, generator, x.device).view(-1, 1, 1, 1)
    return ((x - 0.5) * contrast + 0.5 + brightness).clamp(0, 1)


def _erase(x: Tensor, config: Augmentation, generator: torch.Generator) -> Tensor:
    """Paint a rectangle of 16 to 44 % of the side (Zhong et al. 2020, doi:10.1609/aaai.v34i07.7000)."""
    n, size, device = len(x), x.shape[-1], x.device
    hit = _chance(n, config.erase, generator, device)
    centre, half = torch.rand(2, n, 1, generator=generator), 0.08 + 0.14 * torch.rand(2, n, 1, generator=generator)
    gray = torch.rand(n, 1, 1, 1, generator=generator).to(device)
    position = (torch.arange(size) + 0.5) / size
    rows, columns = ((position - centre).abs() < half).to(device)  # (B, S) each
    inside = (rows[:, :, None] & columns[:, None, :] & hit[:, None, None]).unsqueeze(1)
    return torch.where(inside, gray, x)
