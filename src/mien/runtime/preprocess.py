"""From a photograph and its faces to what a net sees. Training, evaluation and inference all come through here."""

import math

import cv2
import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError
from mien.core.images import to_gray
from mien.core.types import Faces, Image
from mien.runtime.card import CropGeometry, InputSpec

Crops = npt.NDArray[np.uint8]  # grey (n, H, W) or RGB (n, H, W, 3)
ClipCrops = npt.NDArray[np.uint8]  # grey (n, T, H, W) or RGB (n, T, H, W, 3)

_MOST_TIMES = 8  # samples across a pixel of the result


def crop_faces(image: Image, faces: Faces, input: InputSpec, crop: CropGeometry) -> Crops:
    """Cut each face out as the card says.

    Args:
        image: RGB uint8 (H, W, 3).
        faces: n faces with boxes in MTCNN's convention; they may reach past the edge, which is then continued.
        input: size and colour of the result.
        crop: the geometry.

    Returns:
        (n, size, size) uint8 if `input` is grey, (n, size, size, 3) RGB if it is colour.

    Raises:
        DataError: a box is not finite.
    """
    if not np.isfinite(faces.boxes).all():
        raise DataError("expected boxes of finite numbers, got NaN or infinity among them")
    shape = (len(faces), input.size, input.size) + ((3,) if input.color == "rgb" else ())
    crops = np.empty(shape, np.uint8)
    for out, box, points in zip(crops, faces.boxes, faces.landmarks, strict=True):
        out[:] = _cut(image, crop_square(box, points, crop), input)
    return crops


def fit_crops(crops: Crops, input: InputSpec) -> Crops:
    """Bring faces that are cut out already to the size and colour that a net takes.

    Args:
        crops: (n, H, W) grey or (n, H, W, 3) RGB uint8.
        input: what the net takes. Faces that fit come back unchanged.

    Raises:
        DataError: another shape or type.
    """
    crops = np.asarray(crops)
    colour = crops.ndim == 4 and crops.shape[3] == 3
    if crops.dtype != np.uint8 or not (colour or crops.ndim == 3) or 0 in crops.shape[1:]:
        raise DataError(
            f"expected faces of shape (n, H, W) or (n, H, W, 3) of uint8, got {crops.shape} of {crops.dtype}"
        )
    size = (input.size, input.size)
    if crops.shape[1:3] == size and colour == (input.color == "rgb"):
        return crops
    fitted = np.empty((len(crops), *size, *((3,) if input.color == "rgb" else ())), np.uint8)
    for out, face in zip(fitted, crops, strict=True):
        out[:] = _coloured(resize(face, size), input)
    return fitted


def choose_frames(length: int, frames: int) -> npt.NDArray[np.intp]:
    """Which frames of a clip a net sees: evenly spaced up to the last; all of a short clip, its last one repeated.

    >>> choose_frames(9, 3).tolist(), choose_frames(2, 4).tolist()
    ([0, 4, 8], [0, 1, 1, 1])

    Args:
        length: how many there are, 1 or more.
        frames: how many to take.
    """
    if length <= frames:
        return np.minimum(np.arange(frames), length - 1)
    return np.linspace(length - 1, 0, frames).round().astype(np.intp)[::-1]  # of one frame, the last


def to_tensor(crops: Crops, input: InputSpec) -> npt.NDArray[np.float32]:
    """(n, size, size[, 3]) uint8 -> (n, C, size, size) float32, (x / 255 - mean) / std."""
    mean, std = (np.asarray(each, np.float32) for each in (input.mean, input.std))
    values = crops[:, :, :, None] if crops.ndim == 3 else crops
    scaled = values.astype(np.float32)
    scaled *= 1 / (255 * std)
    scaled -= mean / std
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))


def fit_clips(clips: ClipCrops, input: InputSpec) -> ClipCrops:
    """Bring clips to the frames, size and colour that a net takes: (n, frames, size, size[, 3]) uint8.

    Raises:
        DataError: another shape or type.
    """
    clips = np.asarray(clips)
    if clips.dtype != np.uint8 or clips.ndim not in (4, 5) or not clips.shape[1]:
        raise DataError(
            f"expected clips of shape (n, T, H, W) or (n, T, H, W, 3) of uint8, got {clips.shape} of {clips.dtype}"
        )
    chosen = clips[:, choose_frames(clips.shape[1], input.frames)]
    fitted = fit_crops(chosen.reshape(-1, *clips.shape[2:]), input)
    return fitted.reshape(len(clips), input.frames, *fitted.shape[1:])


def clips_to_tensor(clips: ClipCrops, input: InputSpec) -> npt.NDArray[np.float32]:
    """What a net of clips takes: (n, frames, C, size, size) float32, from clips of any length, size and colour.

    Raises:
        DataError: another shape or type.
    """
    fitted = fit_clips(clips, input)
    tensor = to_tensor(fitted.reshape(-1, *fitted.shape[2:]), input)
    return tensor.reshape(*fitted.shape[:2], *tensor.shape[1:])


def resize(image: Crops, size: tuple[int, int]) -> Crops:
    """Resize to (width, height): averaging where it shrinks, bilinear where it grows."""
    if image.shape[1::-1] == size:
        return image
    shrinks = image.shape[1] > size[0] or image.shape[0] > size[1]
    resized: Crops = cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)  # type: ignore[assignment]
    return resized


def _coloured(image: Crops, input: InputSpec) -> Crops:
    """Grey or RGB, whichever the net takes."""
    if input.color == "gray":
        return to_gray(image) if image.ndim == 3 else image
    return image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)


def crop_square(
    box: npt.NDArray[np.float32], points: npt.NDArray[np.float32], crop: CropGeometry
) -> tuple[float, float, float, float]:
    """The square that is cut out for a face.

    Args:
        box: (4,) x1 y1 x2 y2 in pixels.
        points: (5, 2) landmarks, NaN where not known.
        crop: the geometry.

    Returns:
        Centre x, centre y and side in pixels, and the angle in radians, clockwise in the picture.
    """
    x1, y1, x2, y2 = (float(each) for each in box)
    longer = max(x2 - x1, y2 - y1, 1.0)
    angle = 0.0
    if crop.align and np.isfinite(points[:2]).all():
        dx, dy = (points[1] - points[0]).tolist()  # from the right eye, which is on the left, to the left eye
        angle = float(np.arctan2(dy, dx))
    cos, sin = np.cos(angle), np.sin(angle)
    along, down = crop.shift_x * longer, crop.shift_y * longer
    centre = ((x1 + x2) / 2 + cos * along - sin * down, (y1 + y2) / 2 + sin * along + cos * down)
    return (float(centre[0]), float(centre[1]), longer * crop.scale, angle)


def _cut(image: Image, square: tuple[float, float, float, float], input: InputSpec) -> Crops:
    """Sample the square at a multiple of the wanted size, then average down: sharp, and free of aliases.

    A pixel (i, j) stands for the area i..i+1, j..j+1, so that its centre lies at + 0.5.
    """
    x, y, side, angle = square
    height, width = image.shape[:2]
    cos, sin = math.cos(angle), math.sin(angle)
    factor = max(1, int(side / (input.size * _MOST_TIMES)))
    reach = side * (abs(cos) + abs(sin)) / 2 + 2 * factor + 1  # half of what the square spans, and a rim
    # A square wholly outside sees the edge alone, however far away it lies.
    x, y = min(max(x, -reach), width + reach), min(max(y, -reach), height + reach)
    left, top = max(0, int(min(x - reach, width - 1))), max(0, int(min(y - reach, height - 1)))
    right, bottom = max(left + 1, int(x + reach) + 1), max(top + 1, int(y + reach) + 1)
    patch = _reduced(_coloured(image[top:bottom, left:right], input), factor)
    times = min(_MOST_TIMES, max(1, round(side / factor / input.size)))
    sampled = input.size * times
    step = side / sampled
    middle = (sampled - 1) / 2
    centre = np.array([x - left - (cos - sin) * step * middle, y - top - (sin + cos) * step * middle])
    matrix = np.column_stack([np.array([[cos, -sin], [sin, cos]]) * step, centre])
    matrix /= factor
    matrix[:, 2] -= 0.5
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped: Crops = cv2.warpAffine(patch, matrix, (sampled, sampled), flags=flags, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[assignment]
    return resize(warped, (input.size, input.size))


def _reduced(patch: Crops, factor: int) -> Crops:
    """A face far larger than what the net sees is reduced first, which bounds the work.

    The factor is whole, and what does not fill a block is left out (it lies in the rim): that is many times faster.
    A patch thinner than a block becomes one pixel thick, where scale no longer matters.
    """
    if factor == 1:
        return patch
    height, width = (min(each, max(each // factor, 1) * factor) for each in patch.shape[:2])
    size = (max(1, width // factor), max(1, height // factor))
    return resize(patch[:height, :width], size)
