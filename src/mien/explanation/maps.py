"""From what a method computes to a heat map in 0..1 over the face."""

import cv2
import numpy as np

from mien.core.types import Floats


def to_unit(raw: Floats) -> Floats:
    """Maps in 0..1: what is negative becomes 0, the highest value of each map 1; a map without any stays 0.

    Args:
        raw: (n, ...) of any range; the maps of one clip, (T, H, W), share their scale.
    """
    maps: Floats = np.maximum(np.nan_to_num(raw, nan=0.0, posinf=0.0, neginf=0.0), 0).astype(np.float32)
    peaks = maps.max(tuple(range(1, maps.ndim)), keepdims=True, initial=0)
    # A map of denormal numbers has no scale that float32 could hold.
    unit: Floats = np.divide(maps, peaks, out=np.zeros_like(maps), where=peaks > np.finfo(np.float32).tiny)
    return unit


def enlarge(maps: Floats, height: int, width: int) -> Floats:
    """(n, h, w) -> (n, height, width), bilinear, each place of the small map at the middle of its own area."""
    if maps.shape[1:] == (height, width):
        return maps
    grown = np.empty((len(maps), height, width), np.float32)
    for out, each in zip(grown, maps, strict=True):
        out[:] = cv2.resize(np.ascontiguousarray(each, np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return grown


def peak_of(heat: Floats) -> dict[str, float]:
    """Where a map (H, W) is highest, as ``peak_x`` and ``peak_y``: shares of its width and height."""
    y, x = np.unravel_index(int(heat.argmax()), heat.shape)
    return {
        "peak_x": round((float(x) + 0.5) / heat.shape[1], 4),
        "peak_y": round((float(y) + 0.5) / heat.shape[0], 4),
    }
