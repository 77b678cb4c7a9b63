"""What happens to pictures of faces on their way to a model, in steps of strength: the measure of robustness.

Each corruption is a pure function of one picture, (H, W) grey or (H, W, 3) RGB uint8, its strength, and the face's
number, by which a direction alternates from face to face so that both sides are seen. What comes in from outside a
picture is the continuation of its edge, as where a face is cut out at the edge of a photograph.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]

_GAMMA = 2.2  # grey value ~ light ** (1 / 2.2)
_VIEWING_DISTANCE = 4.0  # of the camera that sees a turned face, in halves of the picture's side
_DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1))


@dataclass(frozen=True)
class Corruption:
    """One kind of change and how far it is taken.

    Attributes:
        apply: (picture, strength, number of the face) -> picture.
        unit: of the strengths, in words.
        moderate: strengths that everyday pictures show, mildest first. severe: those beyond.
    """

    apply: Callable[[Picture, float, int], Picture]
    unit: str
    moderate: tuple[float, ...]
    severe: tuple[float, ...]

    @property
    def strengths(self) -> tuple[float, ...]:
        """All of them, mildest first."""
        return self.moderate + self.severe


def grey(picture: Picture, strength: float, _: int) -> Picture:
    """Take a share of the colour away; 1 leaves a grey picture in three equal channels. Grey stays as it is."""
    if picture.ndim == 2:
        return picture
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[:, :, None].astype(np.float32)
    return _to_uint8(picture + np.float32(strength) * (luma - picture))


def colour_cast(picture: Picture, strength: float, number: int) -> Picture:
    """Light of another colour: red gains the share that blue loses, or the other way round; a grey picture becomes RGB.

    A strength of 0 is a grey picture in three equal channels.
    """
    share = strength if number % 2 else -strength
    rgb = np.repeat(picture[:, :, None], 3, axis=2) if picture.ndim == 2 else picture
    return _to_uint8(rgb * np.array([1 + share, 1, 1 - share], np.float32))


def resolution(picture: Picture, strength: float, _: int) -> Picture:
    """A face of so many pixels a side: averaged where it shrinks, bilinear where it grows."""
    side = round(strength)
    shrinks = side < picture.shape[0]
    return _picture(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR))


def blur(picture: Picture, strength: float, _: int) -> Picture:
    """Gaussian blur; the standard deviation is a share of the side."""
    sigma = strength * picture.shape[0]
    return _picture(cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE))


def jpeg(picture: Picture, strength: float, _: int) -> Picture:
    """Through a JPEG file of this quality, 1 to 100."""
    channels = picture if picture.ndim == 2 else picture[:, :, ::-1]  # OpenCV writes BGR
    _, data = cv2.imencode(".jpg", channels, [cv2.IMWRITE_JPEG_QUALITY, round(strength)])
    read = _picture(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE if picture.ndim == 2 else cv2.IMREAD_COLOR))
    return read if picture.ndim == 2 else np.ascontiguousarray(read[:, :, ::-1])


def exposure(picture: Picture, strength: float, _: int) -> Picture:
    """So many stops more light (fewer if negative); white clips: v <- v 2^(stops / 2.2)."""
    return _to_uint8(picture * np.float32(2 ** (strength / _GAMMA)))


def roll(picture: Picture, strength: float, number: int) -> Picture:
    """Rotation about the centre by so many degrees, to the left and to the right in turns."""
    side = picture.shape[0]
    middle = (side - 1) / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), strength if number % 2 else -strength, 1.0)
    return _picture(
        cv2.warpAffine(picture, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    )


def yaw(picture: Picture, strength: float, number: int) -> Picture:
    """A turn of the head by so many degrees, to the left and to the right in turns, as if the face were a flat picture.

    With x and y from -1 to 1, a point goes to u = d x cos a / (d + x sin a), v = d y / (d + x sin a): narrower, and
    one side nearer. A real head hides one cheek and shows more of the other, which a single picture cannot give: this
    is the milder part of a turn.
    """
    side, angle = picture.shape[0], math.radians(strength if number % 2 else -strength)
    turned = np.diag([_VIEWING_DISTANCE * math.cos(angle), _VIEWING_DISTANCE, _VIEWING_DISTANCE])
    turned[2, 0] = math.sin(angle)
    to_pixels = np.array([[side / 2, 0, (side - 1) / 2], [0, side / 2, (side - 1) / 2], [0, 0, 1]])
    matrix = to_pixels @ turned @ np.linalg.inv(to_pixels)
    return _picture(
        cv2.warpPerspective(picture, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    )


def shift(picture: Picture, strength: float, number: int) -> Picture:
    """A crop that lies off by a share of its side: right, left, down and up in turns."""
    side = picture.shape[0]
    right, down = (strength * side * each for each in _DIRECTIONS[number % 4])
    matrix = np.array([[1, 0, right], [0, 1, down]])
    return _picture(
        cv2.warpAffine(picture, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    )


CORRUPTIONS = {
    "grey": Corruption(grey, "share of the colour that is lost", (0.5, 1.0), ()),
    "colour cast": Corruption(colour_cast, "share by which red and blue change", (0.0, 0.15, 0.3), (0.45,)),
    "resolution": Corruption(resolution, "pixels a side", (400, 200, 96, 32, 24), (20,)),
    "blur": Corruption(blur, "standard deviation, share of the side", (0.01, 0.02, 0.03), (0.04, 0.05)),
    "jpeg": Corruption(jpeg, "quality", (70, 50, 30), (20, 10)),
    "overexposure": Corruption(exposure, "stops", (0.5, 1.0), (1.5, 2.0)),
    "underexposure": Corruption(exposure, "stops", (-1.0, -2.0), (-3.0, -4.0)),
    "roll": Corruption(roll, "degrees", (10, 20), (30,)),
    "yaw": Corruption(yaw, "degrees", (15, 30), (45,)),
    "shift": Corruption(shift, "share of the side", (0.05, 0.1), (0.15,)),
}


def _to_uint8(values: npt.NDArray[Any]) -> Picture:
    rounded: Picture = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return rounded


def _picture(array: object) -> Picture:
    """OpenCV's types say less than what comes out of uint8."""
    return array  # type: ignore[return-value]
