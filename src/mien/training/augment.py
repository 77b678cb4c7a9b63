"""Random changes of training faces, drawn for each face of a batch, on the batch's device."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from mien.core.errors import UsageError
from mien.training.degrade import blur_matrix, jpeg, luma, resample, resolution_matrix

BORDERS = {"black": "zeros", "edge": "border", "reflection": "reflection"}  # as `grid_sample` calls them

_VIEWING_DISTANCE = 4.0  # of the camera that sees a turned face, in halves of the picture's side
_GAMMA = 2.2  # grey value ~ light ** (1 / 2.2)


@dataclass(frozen=True)
class Augmentation:
    """How far training faces are changed; 0 switches a change off.

    Attributes:
        flip: probability of a mirror image.
        rotation: largest angle, degrees.
        zoom: largest factor of size either way, as a share (0.2: from 1/1.2 to 1.2).
        shift: largest move, as a share of the face's side.
        border: what comes in from outside the picture: black, the edge continued, or a reflection.
        yaw: largest turn to the left or right, degrees, as if the face were a flat picture.
        brightness: largest addition to grey values in 0..1.
        contrast: largest factor of contrast either way, as a share.
        exposure: largest change of the light, in stops (1: from half to twice as much).
        gamma: largest exponent of grey values either way, as a share (0.5: from 1/1.5 to 1.5).
        gray: probability that a colour picture loses its colour.
        erase: probability that a rectangle is painted over with one random grey value.
        degrade: probability of each of the next four, drawn for each on its own.
        downscale: largest loss of resolution, as a share of the side (0.6: 48 pixels shrink to 19 or more, and back).
        blur: largest standard deviation of a Gaussian blur, as a share of the side.
        noise: largest standard deviation of Gaussian noise, of grey values in 0..1.
        jpeg: largest loss of JPEG quality (80: quality 20 to 100).
        mixup: alpha of the Beta distribution with which pairs are mixed (Zhang et al. 2018, arXiv:1710.09412).
        cutmix: alpha for the area of a rectangle that another face fills (Yun et al. 2019, arXiv:1905.04899); with
            both, each face draws one of them.
        mix: probability that a face is mixed at all.
    """

    flip: float = 0.5
    rotation: float = 16.0
    zoom: float = 0.22
    shift: float = 0.08
    border: str = "black"
    yaw: float = 0.0
    brightness: float = 0.15
    contrast: float = 0.5
    exposure: float = 0.0
    gamma: float = 0.0
    gray: float = 0.0
    erase: float = 0.3
    degrade: float = 0.5
    downscale: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    jpeg: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    mix: float = 1.0

    def __post_init__(self) -> None:
        if self.border not in BORDERS:
            raise UsageError(f"expected augment.border out of {', '.join(BORDERS)}, got {self.border!r}")
        for name, value in vars(self).items():
            if name != "border" and not (math.isfinite(value) and value >= 0):
                raise UsageError(f"expected augment.{name} of 0 or more, got {value}")
        for name in ("flip", "gray", "erase", "degrade", "mix"):
            if getattr(self, name) > 1:
                raise UsageError(f"expected a probability as augment.{name}, got {getattr(self, name)}")
        for name, most in (("yaw", 75), ("downscale", 0.95), ("blur", 0.5), ("noise", 1), ("jpeg", 99)):
            if getattr(self, name) > most:
                raise UsageError(f"expected augment.{name} of {most} or less, got {getattr(self, name)}")


@dataclass(frozen=True)
class Draws:
    """Chance for each face of a batch; of several processes each looks at what is drawn for its own faces.

    Attributes:
        generator: on the CPU whatever the device, so that runs agree between devices (but for the grain of noise).
        batch: faces of the whole batch, for all of which is drawn.
        device: where what is drawn is needed.
        rows: (B,) which of the batch are looked at; None: all.
    """

    generator: torch.Generator
    batch: int
    device: torch.device
    rows: Tensor | None = None

    def rand(self, *before: int, after: tuple[int, ...] = ()) -> Tensor:
        """(*before, B, *after) uniform in 0..1, on the CPU."""
        drawn = torch.rand(*before, self.batch, *after, generator=self.generator)
        return drawn if self.rows is None else drawn.index_select(len(before), self.rows)

    def uniform(self, limit: float) -> Tensor:
        """(B,) uniform in -limit..limit. What is drawn travels to a GPU without waiting for its work."""
        return self.moved((self.rand() * 2 - 1) * limit)

    def chance(self, probability: float) -> Tensor:
        """(B,) true with the given probability."""
        return self.moved(self.rand() < probability)

    def moved(self, drawn: Tensor) -> Tensor:
        """What was drawn, on the device."""
        return drawn.to(self.device, non_blocking=True)


def augment(
    images: Tensor,
    config: Augmentation,
    *,
    size: int,
    generator: torch.Generator,
    batch: int = 0,
    rows: Tensor | None = None,
) -> Tensor:
    """Draw a changed version of each face, in the order in which a picture comes about: pose, light, camera, file.

    Args:
        images: (B, C, H, W) uint8.
        config: how far to go.
        size: side of the result in pixels.
        generator: source of chance, see `Draws`. Changes whose default is 0 draw nothing where they are 0.
        batch: how many faces the whole batch has, where `images` are some of it alone; what is drawn for a face
            depends on its place in the batch.
        rows: (B,) which of it they are.

    Returns:
        (B, C, size, size) float32 in 0..1.
    """
    draws = Draws(generator, len(images) if rows is None else batch, images.device, rows)
    x = _move(images.float() / 255, config, size, draws)
    x = _light(x, config, draws)
    x = _degrade(x, config, draws)
    return _erase(x, config, draws)


def _move(x: Tensor, config: Augmentation, size: int, draws: Draws) -> Tensor:
    """Turn, flip, rotate, zoom and shift in one bilinear resampling."""
    angle = torch.deg2rad(draws.uniform(config.rotation))
    zoom = torch.exp(draws.uniform(math.log1p(config.zoom)))
    mirror = torch.where(draws.chance(config.flip), -1.0, 1.0)
    dx, dy = (draws.uniform(2 * config.shift) for _ in range(2))  # the grid spans -1..1
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    rows = (torch.stack([cos * mirror, -sin, dx], 1), torch.stack([sin * mirror, cos, dy], 1))
    grid = functional.affine_grid(torch.stack(rows, 1), [len(x), x.shape[1], size, size], align_corners=False)
    if config.yaw > 0:
        grid = _turned(grid, torch.deg2rad(draws.uniform(config.yaw)))
    return functional.grid_sample(x, grid, padding_mode=BORDERS[config.border], align_corners=False)


def _turned(grid: Tensor, angle: Tensor) -> Tensor:
    """Where the points of a picture turned about its vertical axis come from.

    A point (x, y) of the flat picture turned by a is seen from the distance d at u = d x cos a / (d + x sin a),
    v = d y / (d + x sin a); this is solved for x and y.

    Args:
        grid: (B, H, W, 2) places (u, v) in -1..1.
        angle: (B,) radians; the right half of the picture moves away where it is positive.
    """
    u, v = grid.unbind(-1)
    cos, sin = (each.view(-1, 1, 1) for each in (torch.cos(angle), torch.sin(angle)))
    # Far out, a line of sight misses the turned picture; what it would meet is outside, and so is the value taken.
    x = _VIEWING_DISTANCE * u / (_VIEWING_DISTANCE * cos - u * sin).clamp_min(1e-3)
    return torch.stack([x, v * (1 + x * sin / _VIEWING_DISTANCE)], -1)


def _light(x: Tensor, config: Augmentation, draws: Draws) -> Tensor:
    """Change contrast about mid-grey, then brightness; then colour, exposure and gamma."""
    contrast = torch.exp(draws.uniform(math.log1p(config.contrast))).view(-1, 1, 1, 1)
    brightness = draws.uniform(config.brightness).view(-1, 1, 1, 1)
    x = ((x - 0.5) * contrast + 0.5 + brightness).clamp(0, 1)
    if config.gray > 0 and x.shape[1] == 3:
        x = torch.where(draws.chance(config.gray).view(-1, 1, 1, 1), luma(x), x)
    if config.exposure > 0:
        stops = draws.uniform(config.exposure).view(-1, 1, 1, 1)
        x = (x * 2 ** (stops / _GAMMA)).clamp(0, 1)
    if config.gamma > 0:
        x = x ** torch.exp(draws.uniform(math.log1p(config.gamma))).view(-1, 1, 1, 1)
    return x


def _degrade(x: Tensor, config: Augmentation, draws: Draws) -> Tensor:
    """Lose resolution and sharpness, gain noise, pass through JPEG: each for its share of the faces."""
    size = x.shape[-1]

    def amounts(most: float) -> Tensor:
        """(B,) uniform in 0..most with the probability `degrade`, else 0."""
        drawn = draws.rand(2)
        return draws.moved(torch.where(drawn[1] < config.degrade, most * drawn[0], 0.0))

    if config.downscale > 0:
        x = resample(x, resolution_matrix(size * (1 - amounts(config.downscale)), size))
    if config.blur > 0:
        x = resample(x, blur_matrix(size * amounts(config.blur), size))
    if config.noise > 0:
        deviation = amounts(config.noise).view(-1, 1, 1, 1)
        x = (x + deviation * _grain(x, draws)).clamp(0, 1)
    if config.jpeg > 0:
        loss = amounts(config.jpeg)
        x = torch.where((loss > 0).view(-1, 1, 1, 1), jpeg(x, 100 - loss), x)
    return x


def _grain(x: Tensor, draws: Draws) -> Tensor:
    """Normal numbers of the shape of x; as many as pixels are drawn where the pixels are."""
    seed = int(torch.randint(2**62, (), generator=draws.generator))
    generator = torch.Generator(x.device).manual_seed(seed)
    drawn = torch.randn(draws.batch, *x.shape[1:], generator=generator, device=x.device)
    return drawn if draws.rows is None else drawn[draws.moved(draws.rows)]


def _erase(x: Tensor, config: Augmentation, draws: Draws) -> Tensor:
    """Paint a rectangle of 16 to 44 % of the side (Zhong et al. 2020, doi:10.1609/aaai.v34i07.7000)."""
    size = x.shape[-1]
    hit = draws.chance(config.erase)
    centre, half = draws.rand(2, after=(1,)), 0.08 + 0.14 * draws.rand(2, after=(1,))
    gray = draws.moved(draws.rand(after=(1, 1, 1)))
    position = (torch.arange(size) + 0.5) / size
    rows, columns = draws.moved((position - centre).abs() < half)  # (B, S) each
    inside = (rows[:, :, None] & columns[:, None, :] & hit[:, None, None]).unsqueeze(1)
    return torch.where(inside, gray, x)
