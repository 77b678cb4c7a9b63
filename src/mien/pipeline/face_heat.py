"""Where a recogniser sees the emotion of each face: maps, and where they lie in the picture."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mien.core.types import Faces, Floats, Image
from mien.explanation.explainer import ModelExplainer, explain_faces
from mien.pipeline.heat import lay_over
from mien.pipeline.recognizer import Recognizer
from mien.runtime.preprocess import crop_square
from mien.zoo.store import weights_of


@dataclass(frozen=True, eq=False)
class FaceHeat:
    """The map of one face.

    Attributes:
        values: (S, S) float32 in 0..1, over a square of the picture.
        x, y, side: the square's centre and side in pixels. angle: by which it is turned, clockwise, in radians.
    """

    values: Floats
    x: float
    y: float
    side: float
    angle: float


class FaceExplainer:
    """Heat maps for the faces that a recogniser finds, for the most probable emotion of each. Thread-safe.

    Args:
        recognizer: the detector and the classifier.
        model: whose weights say how the classifier's map of features leads to its answer.
        variant: which of the model's weight files; the card's default if None.
    """

    def __init__(self, recognizer: Recognizer, model: str | os.PathLike[str], *, variant: str | None = None) -> None:
        self._recognizer = recognizer
        self._explainer = ModelExplainer(recognizer.classifier, weights_of(model, variant=variant))
        self._method = self._explainer.quickest(recognizer.head)

    @property
    def quick(self) -> bool:
        """Whether a face takes milliseconds; by occlusion, which any model allows, it takes about a second."""
        return self._method != "occlusion"

    def heat(self, image: Image, faces: Faces) -> Sequence[FaceHeat]:
        """The map of each face of a picture, and its place there."""
        if not self._recognizer.cuts:
            height, width = image.shape[:2]
            squares = [(width / 2, height / 2, float(max(width, height)), 0.0)] * len(faces)
        else:
            crop = self._recognizer.classifier.card.crop
            squares = [crop_square(*each, crop) for each in zip(faces.boxes, faces.landmarks, strict=True)]
        return [FaceHeat(each, *square) for each, square in zip(self._maps(image, faces), squares, strict=True)]

    def lay_over(self, image: Image, faces: Faces) -> Image:
        """A copy of a picture with the map of each face where the model saw it."""
        crop = self._recognizer.classifier.card.crop
        return lay_over(image, faces, self._maps(image, faces), crop, cuts=self._recognizer.cuts)

    def _maps(self, image: Image, faces: Faces) -> Floats:
        """(n, S, S) in 0..1, over the faces as they are cut out."""
        if not len(faces):
            return np.zeros((0, 1, 1), np.float32)
        crops = self._recognizer.crops(image, faces)
        return explain_faces(self._explainer, crops, method=self._method, head=self._recognizer.head).maps
