"""What a poor camera and a small file do to a picture: fewer pixels, blur, JPEG; by an amount of each face's own.

Blur and a change of resolution work on rows and columns one after the other, so each is one small matrix a face,
R X R^T: a batch of them is two products of matrices, as fast on a CPU as on a GPU.
"""

import torch
from torch import Tensor
from torch.nn import functional

# Quantisation of luminance and chrominance at quality 50 (ITU-T T.81, annex K, tables K.1 and K.2).
_LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61), (12, 12, 14, 19, 26, 58, 60, 55), (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62), (18, 22, 37, 56, 68, 109, 103, 77), (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101), (72, 92, 95, 98, 112, 100, 103, 99),
)  # fmt: skip
_CHROMINANCE = (
    (17, 18, 24, 47, 99, 99, 99, 99), (18, 21, 26, 66, 99, 99, 99, 99), (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99), *((99,) * 8,) * 4,
)  # fmt: skip

_LUMA = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601), as in JPEG


def luma(x: Tensor) -> Tensor:
    """(B, 3, H, W) RGB -> (B, 1, H, W), the grey picture."""
    return _LUMA[0] * x[:, :1] + _LUMA[1] * x[:, 1:2] + _LUMA[2] * x[:, 2:]


def resample(x: Tensor, matrix: Tensor) -> Tensor:
    """R X R^T of each channel.

    Args:
        x: (B, C, S, S).
        matrix: (B, T, S), a row a pixel of the result; (B, C, T, T) comes out.
    """
    matrix = matrix.unsqueeze(1)
    return matrix @ x @ matrix.transpose(-1, -2)


def blur_matrix(sigma: Tensor, size: int) -> Tensor:
    """(B, S, S) Gaussian weights of standard deviation `sigma` (B,) in pixels; those in the picture sum to 1."""
    position = torch.arange(size, dtype=torch.float32, device=sigma.device)
    distance = (position[:, None] - position[None, :]) / sigma.clamp_min(1e-3).view(-1, 1, 1)
    weights = torch.exp(-0.5 * distance.square())
    return weights / weights.sum(2, keepdim=True)


def resolution_matrix(side: Tensor, size: int) -> Tensor:
    """(B, S, S): average down to a smaller side, and bilinear back up, as `runtime.preprocess.resize` does both.

    Args:
        side: (B,) of the small picture in pixels; rounded to whole ones in 1..S.
        size: S.
    """
    side = side.round().clamp(1, size).view(-1, 1, 1)
    pixel = torch.arange(size, dtype=torch.float32, device=side.device)
    step = size / side  # pixels of the picture to a side of a pixel of the small one
    # Down: the share of small pixel i (a row) that lies on pixel j. Rows from `side` on stand for nothing.
    low, high = pixel[:, None] * step, (pixel[:, None] + 1) * step
    down = (torch.minimum(high, pixel + 1) - torch.maximum(low, pixel)).clamp_min(0) / step  # (B, S, S)
    # Up: the two small pixels about the centre of each pixel, the outermost one beyond it.
    centre = torch.minimum(((pixel[:, None] + 0.5) / step - 0.5).clamp_min(0), side - 1)
    up = (1 - (centre - pixel).abs()).clamp_min(0)
    return up @ down


def jpeg(x: Tensor, quality: Tensor) -> Tensor:
    """What is left of each picture after JPEG: its cosine transform in blocks of 8 x 8, rounded (ITU-T T.81).

    Colour keeps half its resolution, as in the common 4:2:0. Tables are scaled as the Independent JPEG Group's library
    does.

    Args:
        x: (B, C, S, S) in 0..1, grey or RGB.
        quality: (B,) in 1..100, on the pictures' device.
    """
    x = (x * 255).round()
    if x.shape[1] == 1:
        return _quantised(x, _table(_LUMINANCE, quality)).round().clamp(0, 255) / 255
    size, light = x.shape[-1], luma(x)
    red, blue = (x[:, :1] - light) / 1.402, (x[:, 2:] - light) / 1.772  # JFIF's Cr and Cb, about 0
    coarse = functional.avg_pool2d(torch.cat([red, blue], 1), 2, ceil_mode=True) + 128
    coarse = _quantised(coarse, _table(_CHROMINANCE, quality)) - 128
    red, blue = functional.interpolate(coarse, size=size, mode="bilinear", align_corners=False).split(1, 1)
    light = _quantised(light, _table(_LUMINANCE, quality))
    r, b = light + 1.402 * red, light + 1.772 * blue
    g = (light - _LUMA[0] * r - _LUMA[2] * b) / _LUMA[1]
    return torch.cat([r, g, b], 1).round().clamp(0, 255) / 255


def _table(base: tuple[tuple[int, ...], ...], quality: Tensor) -> Tensor:
    """(B, 8, 8) steps of quantisation at a quality (B,)."""
    quality = quality.round().clamp(1, 100).view(-1, 1, 1)
    scale = torch.where(quality < 50, (5000 / quality).floor(), 200 - 2 * quality)
    steps = torch.tensor(base, dtype=torch.float32).to(quality.device, non_blocking=True)
    return ((steps * scale + 50) / 100).floor().clamp(1, 255)


def _quantised(x: Tensor, table: Tensor) -> Tensor:
    """(B, C, H, W) grey values in 0..255 after their cosine transform was rounded to steps (B, 8, 8)."""
    height, width = x.shape[-2:]
    padded = functional.pad(x - 128, (0, -width % 8, 0, -height % 8), mode="replicate")
    n, channels, rows, columns = padded.shape
    blocks = padded.view(n, channels, rows // 8, 8, columns // 8, 8).transpose(3, 4)  # (B, C, h, w, 8, 8)
    cosines = _cosines(x.device)
    steps = table.view(n, 1, 1, 1, 8, 8)
    coefficients = (cosines @ blocks @ cosines.T / steps).round() * steps
    restored = (cosines.T @ coefficients @ cosines).transpose(3, 4).reshape(n, channels, rows, columns)
    return restored[..., :height, :width] + 128


def _cosines(device: torch.device) -> Tensor:
    """(8, 8) orthonormal cosine transform of type II: row k holds c_k cos(pi (2 j + 1) k / 16)."""
    k, j = torch.meshgrid(torch.arange(8.0, device=device), torch.arange(8.0, device=device), indexing="ij")
    rows = torch.cos(torch.pi * (2 * j + 1) * k / 16) / 2
    rows[0] /= 2**0.5
    return rows
