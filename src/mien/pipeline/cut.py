"""From a picture to the face in it, as the row of a table holds it."""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mien.core.errors import InputError, MienError
from mien.core.files import printable
from mien.core.images import as_image, to_gray
from mien.core.types import Faces, Floats, Image
from mien.datasets import DataSet
from mien.datasets.parquet import encode_small
from mien.faces import DETECTORS
from mien.faces.boxes import overlaps
from mien.pipeline.recognizer import NO_DETECTOR
from mien.runtime.card import COLORS, CropGeometry, InputSpec
from mien.runtime.preprocess import crop_faces, fit_crops

Pixels = npt.NDArray[np.uint8]

_SAME_FACE = 0.1  # least overlap of a face found with the box that the data set gives


@dataclass(frozen=True, kw_only=True)
class Form:
    """How the faces of a table look, and how they are found.

    Attributes:
        size: of a side in pixels; None: face crops are taken as they are.
        color: gray or rgb.
        detector: mtcnn, haar or dlib for photographs; none where each picture is a face crop. min_face: in pixels.
        crop: how a face is cut out of a photograph; None where there are none.
    """

    size: int | None
    color: str
    detector: str = "mtcnn"
    min_face: int = 40
    crop: CropGeometry | None = None

    @property
    def finds(self) -> bool:
        """Whether faces have to be found."""
        return self.detector != NO_DETECTOR

    @property
    def input(self) -> InputSpec:
        """The same for `mien.runtime.preprocess`, which the size None does not concern."""
        channels = COLORS[self.color]
        return InputSpec(self.size or 1, self.color, (0.0,) * channels, (1.0,) * channels)


@dataclass(frozen=True, eq=False)
class Row:
    """What became of one picture.

    Attributes:
        image: the face as PNG; None where `error` says why there is none.
        box, score: of the face found in a photograph, else NaN.
        source: sha256 of the pixels read. sums: over the face's pixels, of each channel: values, then squares.
        shape: of the face.
    """

    image: bytes | None = None
    error: str | None = None
    box: tuple[float, ...] = (np.nan,) * 4
    score: float = np.nan
    source: bytes = b""
    sums: tuple[int, ...] = ()
    shape: tuple[int, ...] = ()


class FaceMaker:
    """Makes the faces of pictures. Safe to call from several threads; its networks run in the caller's thread."""

    def __init__(self, form: Form, *, device: str = "auto") -> None:
        self._form, self._input = form, form.input
        self._detector = DETECTORS.create(form.detector, threads=1, device=device) if form.finds else None

    def row(self, data: DataSet, row: int) -> Row:
        """What becomes of one picture."""
        picture, source = data.pictures[row], b""
        try:
            pixels = picture.read()
            source = _sha256(pixels)
            if data.faces:
                return _row(self._fitted(pixels, gray=data.gray), source)
            image = as_image(pixels)
            face = self._located(image, _own_box(data, row), picture.where)
            if face is None:
                return _row(fit_crops(image[None], self._input)[0], source)
            crop = self._form.crop or CropGeometry()
            return _row(crop_faces(image, face, self._input, crop)[0], source, face)
        except MienError as error:
            return Row(error=printable(str(error)), source=source)

    def _fitted(self, face: Pixels, *, gray: bool) -> Pixels:
        """A face crop in the size and colour of the table."""
        if gray and face.ndim == 3:
            face = to_gray(face)
        if self._form.size is not None:
            fitted: Pixels = fit_crops(face[None], self._input)[0]
            return fitted
        if self._form.color == "gray":
            return to_gray(face) if face.ndim == 3 else face
        return as_image(face)

    def _located(self, image: Image, own: Floats | None, where: str) -> Faces | None:
        """The face that lies where the data set says, else the largest; None: all of the picture."""
        if self._detector is None:
            return (
                None
                if own is None
                else Faces(own[None], np.ones(1, np.float32), np.full((1, 5, 2), np.nan, np.float32))
            )
        faces = self._detector.detect(image, min_face=self._form.min_face)
        if not len(faces):
            raise InputError(f"expected a face in {where}, got none of {self._form.min_face} pixels or more")
        if own is None:
            return faces[int(faces.areas.argmax())]
        shared = overlaps(own[None], faces.boxes)[0]
        if shared.max() < _SAME_FACE:
            at = ", ".join(f"{each:.0f}" for each in own)
            raise InputError(f"expected a face in {where} at its box {at}, got {len(faces)} elsewhere alone")
        return faces[int(shared.argmax())]


def _own_box(data: DataSet, row: int) -> Floats | None:
    """The box that the data set gives for a face, if it does."""
    box = np.asarray(data.extra["box"][row], np.float32) if "box" in data.extra else np.full(4, np.nan, np.float32)
    return box if np.isfinite(box).all() and (box[2:] > box[:2]).all() else None


def _row(face: Pixels, source: bytes, found: Faces | None = None) -> Row:
    values = face.reshape(face.shape[0] * face.shape[1], -1).astype(np.int64)
    sums = (*values.sum(0).tolist(), *(values * values).sum(0).tolist())
    image = encode_small(face)
    if found is None:
        return Row(image, source=source, sums=sums, shape=face.shape)
    return Row(image, None, tuple(found.boxes[0].tolist()), float(found.scores[0]), source, sums, face.shape)


def _sha256(pixels: Pixels) -> bytes:
    state = hashlib.sha256(str(pixels.shape).encode())
    state.update(np.ascontiguousarray(pixels).data)
    return state.digest()
