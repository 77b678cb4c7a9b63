"""What can be measured of each image by itself: brightness, contrast, noise and sharpness.

All are in grey levels of 0..255; a colour image is measured by its luma.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from mien.core.images import to_gray

Images = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float32]

_BLOCK_PIXELS = 1 << 21  # of one block of images: its intermediate arrays stay small

# High-pass filter of Daubechies' wavelet with two vanishing moments ("db2"): blind to what is flat or rises evenly.
_DB2 = np.array([-0.12940952, -0.22414387, 0.83651630, -0.48296291], np.float32)
# The median of |x| of a normal distribution of standard deviation 1.
_NORMAL_MEDIAN = 0.6744898


@dataclass(frozen=True, eq=False)
class Measures:
    """Four numbers an image, each (n,) float32.

    Attributes:
        brightness: mean grey level. contrast: standard deviation of the grey levels.
        noise: estimated standard deviation of the noise; NaN below 8 pixels a side.
        sharpness: variance of the Laplacian, in squared grey levels; NaN below 3 pixels a side. It depends on the
            size of the images.
    """

    brightness: Values
    contrast: Values
    noise: Values
    sharpness: Values

    def columns(self) -> dict[str, Values]:
        """The numbers by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def measure(images: Images) -> Measures:
    """Measure (n, H, W) grey or (n, H, W, 3) RGB images."""
    parts: list[tuple[Values, ...]] = [(np.empty(0, np.float32),) * 4]
    for grays in blocks(images):
        x = grays.astype(np.float32)
        parts.append((x.mean((1, 2)), x.std((1, 2)), noise_sigma(x), laplacian_variance(x)))
    return Measures(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def blocks(images: Images) -> Iterator[Images]:
    """The images as grey ones, in blocks (m, H, W) that take little memory; none where there is no image."""
    step = max(1, _BLOCK_PIXELS // max(1, images.shape[1] * images.shape[2]))
    for start in range(0, len(images), step):
        yield grays(images[start : start + step])


def grays(images: Images) -> Images:
    """Grey images (n, H, W): luma where they are in colour."""
    if images.ndim == 3:
        return images
    return np.stack([to_gray(image) for image in images]) if len(images) else np.empty(images.shape[:3], np.uint8)


def noise_sigma(x: Values) -> Values:
    """Standard deviation of the noise in each image.

    The median absolute value of the finest diagonal wavelet coefficients, over 0.6745: edges of the picture are few
    among them, noise is in all (Donoho & Johnstone 1994, https://doi.org/10.1093/biomet/81.3.425).

    Args:
        x: (n, H, W) grey levels.

    Returns:
        (n,) in grey levels; NaN below 8 pixels a side.
    """
    if min(x.shape[1:]) < 8:
        return np.full(len(x), np.nan, np.float32)
    diagonal = _every_second(_every_second(x).swapaxes(1, 2))
    sigma = np.median(np.abs(diagonal).reshape(len(x), -1), axis=1) / _NORMAL_MEDIAN
    return sigma.astype(np.float32)


def _every_second(x: Values) -> Values:
    """The high-pass filter along the last axis, at every second place."""
    places = (x.shape[-1] - len(_DB2)) // 2 + 1
    out = np.zeros((*x.shape[:-1], places), np.float32)
    for k, weight in enumerate(_DB2):
        out += weight * x[..., k : k + 2 * places - 1 : 2]
    return out


def laplacian_variance(x: Values) -> Values:
    """Variance of the Laplacian (four neighbours) within each image: small where nothing is sharp.

    Pertuz et al. 2013, https://doi.org/10.1016/j.patcog.2012.11.011.

    Args:
        x: (n, H, W) grey levels.

    Returns:
        (n,) in squared grey levels; NaN below 3 pixels a side.
    """
    if min(x.shape[1:]) < 3:
        return np.full(len(x), np.nan, np.float32)
    inner = x[:, 1:-1, 1:-1]
    laplacian = x[:, :-2, 1:-1] + x[:, 2:, 1:-1] + x[:, 1:-1, :-2] + x[:, 1:-1, 2:] - 4 * inner
    variance: Values = laplacian.var((1, 2))
    return variance
