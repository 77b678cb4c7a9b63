"""How good a picture of a face is: sharp or blurred, bright or dark, from the front or the side."""

import cv2
import numpy as np

from mien.core.images import to_gray
from mien.core.types import Faces, Floats, Image
from mien.faces.pose import yaw_degrees

SIDE = 96  # pixels of the longer side at which faces are compared, so that near and far ones are alike


def quality_of(image: Image, faces: Faces) -> dict[str, Floats]:
    """How well n faces are seen: (n,) float32 each of blur, brightness, and yaw in degrees; NaN where not known.

    Args:
        image: RGB uint8 (H, W, 3).
        faces: in it.
    """
    blur, brightness = blur_and_brightness(image, faces.boxes)
    return {"blur": blur, "brightness": brightness, "yaw": yaw_degrees(faces.landmarks)}


def blur_and_brightness(image: Image, boxes: Floats) -> tuple[Floats, Floats]:
    """What a grey copy of each face, 96 pixels high, says.

    Blur is the variance of its Laplacian (Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy",
    doi 10.1109/ICPR.2000.903548), a sum over four neighbours: high where it is sharp. Brightness is its mean.

    Args:
        image: RGB uint8 (H, W, 3).
        boxes: (n, 4) x1 y1 x2 y2 in pixels.

    Returns:
        Blur (n,) float32 in squared grey levels, and brightness (n,) float32 in grey levels, 0..255; NaN where a box
        lies outside of the picture.
    """
    found = np.full((len(boxes), 2), np.nan, np.float32)
    height, width = image.shape[:2]
    for out, box in zip(found, np.rint(np.nan_to_num(boxes)).astype(int).tolist(), strict=True):
        x1, y1, x2, y2 = max(box[0], 0), max(box[1], 0), min(box[2], width), min(box[3], height)
        if x1 < x2 and y1 < y2:
            out[:] = _measured(image[y1:y2, x1:x2])
    return found[:, 0], found[:, 1]


def _measured(face: Image) -> tuple[float, float]:
    height, width = face.shape[:2]
    factor = SIDE / max(height, width)
    size = (max(round(width * factor), 1), max(round(height * factor), 1))
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    gray = to_gray(cv2.resize(face, size, interpolation=way))  # type: ignore[arg-type]
    return float(cv2.Laplacian(gray, cv2.CV_32F).var()), float(gray.mean())
