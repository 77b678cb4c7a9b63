"""Draws heat maps over faces, in the picture and beside it, with OpenCV alone."""

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from mien.core.montage import montage
from mien.core.types import Faces, Floats, Image
from mien.explanation.gallery import ClassGallery
from mien.runtime.card import CropGeometry
from mien.runtime.preprocess import ClipCrops, Crops, crop_square

_COLORS = cv2.COLORMAP_INFERNO  # from black over red to yellow: equal steps look equal, and in grey they rise
_OPACITY = 0.65  # where the map is 1; it falls with the heat, so that a face stays a face where there is none
_SIDE = 176  # pixels of a face beside the picture
_LONGEST = 1280  # pixels of the picture's longer side
_GAP = 12
_FRAMES = 8  # of a clip in a row


def colored(heat: Floats) -> Image:
    """A map (H, W) in 0..1 in colours: RGB uint8 (H, W, 3)."""
    levels = np.rint(np.clip(heat, 0, 1) * 255).astype(np.uint8)
    bgr: npt.NDArray[np.uint8] = cv2.applyColorMap(levels, _COLORS)  # type: ignore[assignment]
    return np.ascontiguousarray(bgr[:, :, ::-1])


def heated(image: npt.NDArray[np.uint8], heat: Floats) -> Image:
    """A picture, grey (H, W) or RGB, with a map (H, W) over all of it."""
    rgb = np.repeat(image[:, :, None], 3, 2) if image.ndim == 2 else image
    share = (_OPACITY * np.sqrt(np.clip(heat, 0, 1)))[:, :, None]
    mixed: Image = np.rint(rgb * (1 - share) + colored(heat) * share).astype(np.uint8)
    return mixed


def lay_over(image: Image, faces: Faces, maps: Floats, crop: CropGeometry, *, cuts: bool = True) -> Image:
    """A copy of a picture with the map of each face where the model saw it.

    Args:
        image: RGB uint8 (H, W, 3).
        faces: n faces.
        maps: (n, S, S) in 0..1, over the faces as they were cut out.
        crop: the geometry by which they were cut out.
        cuts: False where the picture itself is the face.
    """
    canvas = image.copy()
    height, width = image.shape[:2]
    for box, points, heat in zip(faces.boxes, faces.landmarks, maps, strict=True):
        if not cuts:
            grown = np.clip(cv2.resize(heat, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)
            canvas[:] = heated(canvas, np.asarray(grown, np.float32))
            continue
        x, y, side, angle = crop_square(box, points, crop)
        reach = side * (abs(math.cos(angle)) + abs(math.sin(angle))) / 2 + 1
        left, top = max(0, math.floor(x - reach)), max(0, math.floor(y - reach))
        right, bottom = min(width, math.ceil(x + reach)), min(height, math.ceil(y + reach))
        if left >= right or top >= bottom:  # a face wholly outside
            continue
        part = canvas[top:bottom, left:right]
        part[:] = heated(part, _warped(heat, (x - left, y - top, side, angle), (right - left, bottom - top)))
    return canvas


def explained(
    image: Image, faces: Faces, crops: Crops, maps: Floats, captions: Sequence[str], crop: CropGeometry, *, cuts: bool
) -> Image:
    """A picture with the heat maps in it, and beside it each face as the model saw it, bare and with its map.

    Args:
        image: RGB uint8 (H, W, 3).
        faces: n faces.
        crops: (n, S, S[, 3]) uint8, the faces as the model saw them.
        maps: (n, S, S) in 0..1.
        captions: a line or two under each face.
        crop: the geometry by which they were cut out.
        cuts: False where the picture itself is the face.
    """
    over = lay_over(image, faces, maps, crop, cuts=cuts)
    scale = min(1.0, _LONGEST / max(over.shape[:2]))
    factor = max(1, round(2 * _SIDE / max(over.shape[:2])))  # a face that is a picture is small
    size = (max(1, round(over.shape[1] * scale * factor)), max(1, round(over.shape[0] * scale * factor)))
    shown = np.asarray(cv2.resize(over, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC), np.uint8)
    pairs = [each for face, heat in zip(crops, maps, strict=True) for each in (face, heated_large(face, heat))]
    under = [each for caption in captions for each in (caption, "")]
    height = _SIDE + 50
    columns = 2 * max(1, math.ceil(len(maps) * height / max(shown.shape[0], height)))  # no longer than the picture
    faces_beside = montage(pairs, under, columns=columns, side=_SIDE)
    sheet = np.full(
        (max(shown.shape[0], faces_beside.shape[0]), shown.shape[1] + _GAP + faces_beside.shape[1], 3), 255, np.uint8
    )
    sheet[: shown.shape[0], : shown.shape[1]] = shown
    sheet[: faces_beside.shape[0], shown.shape[1] + _GAP :] = faces_beside
    return sheet


def clip_sheet(crops: ClipCrops, maps: Floats, captions: Sequence[tuple[str, str]], said: str) -> Image:
    """The face in each frame of a clip, bare, and under it with its map.

    Args:
        crops: (T, S, S[, 3]) uint8.
        maps: (T, S, S) in 0..1.
        captions: of each frame, bare and with its map.
        said: what the maps speak for, under the first of them.
    """
    strips = []
    for start in range(0, len(crops), _FRAMES):
        some = range(start, min(start + _FRAMES, len(crops)))
        bare = [heated_large(crops[k], np.zeros_like(maps[k])) for k in some]
        heat = [heated_large(crops[k], maps[k]) for k in some]
        under = [captions[k][0] for k in some] + [captions[k][1] + ("" if k else f"\n{said}") for k in some]
        strips.append(montage([*bare, *heat], under, columns=len(some), side=_SIDE))
    sheet = np.full((sum(each.shape[0] for each in strips), strips[0].shape[1], 3), 255, np.uint8)
    top = 0
    for each in strips:
        sheet[top : top + each.shape[0], : each.shape[1]] = each
        top += each.shape[0]
    return sheet


def gallery_sheet(gallery: ClassGallery, *, columns: int = 6) -> Image:
    """The faces of a class, each with its map, and what the model takes it for."""
    images = [heated_large(face, heat) for face, heat in zip(gallery.crops, gallery.shown.maps, strict=True)]
    found = zip(gallery.top, gallery.probabilities.tolist(), strict=True)
    captions = [f"{gallery.label} {share:.0%}" + ("" if top == gallery.label else f"\n{top}") for top, share in found]
    return montage(images, captions, columns=columns, side=_SIDE)


def mean_sheet(galleries: Sequence[ClassGallery]) -> Image:
    """The mean face of each class, and under it with the mean of its maps."""
    bare, heat = zip(*map(mean_faces, galleries), strict=True)
    captions = [f"{each.label}, n = {each.n}" for each in galleries]
    return montage([*bare, *heat], [*captions, *([""] * len(heat))], columns=len(bare), side=_SIDE)


def mean_faces(gallery: ClassGallery) -> tuple[Image, Image]:
    """The mean face of a class, bare and with its mean map.

    A mean face is pale, and a mean map has some heat everywhere: the face is stretched from black to white, and the
    map from its least to its most, so that both can be seen.
    """
    face = gallery.mean_face.astype(np.float32)
    low, high = np.percentile(face, (1, 99))
    face = np.clip((face - low) / max(high - low, 1) * 255, 0, 255)
    least, spread = float(gallery.mean_map.min()), float(np.ptp(gallery.mean_map))
    heat = (gallery.mean_map - least) / spread if spread else np.zeros_like(gallery.mean_map)
    clear = np.rint(face).astype(np.uint8)
    return heated_large(clear, np.zeros_like(heat)), heated_large(clear, heat)


def block_sheet(crop: npt.NDArray[np.uint8], blocks: Sequence[tuple[str, Floats]]) -> Image:
    """A face with the weights of each attention layer, stretched from the least to the most.

    Args:
        crop: (S, S) or (S, S, 3) uint8.
        blocks: name and weights (h, w) of each layer.
    """
    images, captions = [heated_large(crop, np.zeros(crop.shape[:2], np.float32))], ["the face"]
    for name, places in blocks:
        least, spread = float(places.min()), float(np.ptp(places))
        images.append(heated_large(crop, (places - least) / spread if spread else np.zeros_like(places)))
        captions.append(f"{name}\n{least:.3f} to {least + spread:.3f}")
    return montage(images, captions, columns=6, side=_SIDE)


def heated_large(face: npt.NDArray[np.uint8], heat: Floats, *, side: int = _SIDE) -> Image:
    """A small face with its map, enlarged: both smooth, which they are not if they are joined first."""
    large = np.asarray(cv2.resize(face, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)
    return heated(large, np.asarray(cv2.resize(heat, (side, side), interpolation=cv2.INTER_LINEAR), np.float32))


def _warped(heat: Floats, square: tuple[float, float, float, float], size: tuple[int, int]) -> Floats:
    """A map laid into a picture of (width, height), where its square lies; 0 outside."""
    x, y, side, angle = square
    pixels = heat.shape[0]
    step = side / pixels
    cos, sin = math.cos(angle) * step, math.sin(angle) * step
    middle = (pixels - 1) / 2
    # Pixel i of the map stands for i..i+1, so that its centre lies half a pixel further, here and there.
    matrix = np.array(
        [
            [cos, -sin, x - 0.5 - (cos - sin) * middle],
            [sin, cos, y - 0.5 - (sin + cos) * middle],
        ]
    )
    inside = cv2.warpAffine(np.asarray(heat, np.float32), matrix, size, flags=cv2.INTER_LINEAR)
    return np.clip(np.asarray(inside, np.float32), 0, 1)
