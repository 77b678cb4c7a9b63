"""Viola and Jones's cascade of Haar features, as OpenCV brings it: fast, frontal faces only.

Viola and Jones 2004, "Robust Real-Time Face Detection", doi 10.1023/B:VISI.0000013087.49260.fb; the cascade
`frontalface_alt2`, which finds more faces than `frontalface_default` at no more false ones.
"""

import threading
from pathlib import Path

import cv2
import numpy as np

from mien.core.images import as_image
from mien.core.types import Faces, Image
from mien.faces import check_min_face
from mien.faces.boxes import BoxFit
from mien.faces.landmarks import with_landmarks
from mien.faces.scaled import scaled_gray

FIT = BoxFit(scale=(0.94, 1.232), shift=(0.0, 0.044))
WINDOW = 20  # side of the smallest face that the cascade sees, in its own convention
NEIGHBOURS = 2  # windows that must agree
STEP = 1.1  # from one size to the next
LAST_STAGE = 54.0  # about what the last stage asks of a face
MOST_PIXELS = 16_000_000


class HaarDetector:
    """Faces by OpenCV's Haar cascade, landmarks by O-Net. Thread-safe: each thread has a cascade of its own.

    Boxes are in MTCNN's convention: their median overlap (IoU) with MTCNN's is 0.80 on half b of the wild
    photographs, 341 faces (`scripts/fit_boxes.py`).

    Args:
        fit: how its boxes become MTCNN's.
        threads: for the landmarks; None for one, and all cores for many faces.
        device: where the landmarks are computed.
    """

    def __init__(self, *, fit: BoxFit = FIT, threads: int | None = None, device: str = "auto") -> None:
        self._fit = fit
        self._threads, self._device = threads, device
        self._own = threading.local()

    def detect(self, image: Image, /, *, min_face: int = 40) -> Faces:
        """Faces at least `min_face` pixels wide or high, best score first.

        Args:
            image: RGB uint8 (H, W, 3), or any form that `as_image` takes.
            min_face: in pixels; below 12 it is taken for 12. Pictures are searched at 16 megapixels at most.

        Raises:
            UsageError: `min_face` is less than 1.
        """
        check_min_face(min_face)
        image = as_image(image)
        gray, back = scaled_gray(
            image, window=WINDOW * max(self._fit.scale), min_face=min_face, most_pixels=MOST_PIXELS
        )
        found, _, weights = self._cascade().detectMultiScale3(
            gray, scaleFactor=STEP, minNeighbors=NEIGHBOURS, outputRejectLevels=True
        )
        if not len(found):
            return Faces.empty()
        boxes = np.asarray(found, np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        boxes = self._fit.apply(boxes * back)
        # The last stage's sum has no unit: the logistic function keeps its order and brings it to 0..1.
        scores = 1 / (1 + np.exp(LAST_STAGE - np.asarray(weights, np.float32).reshape(-1)))
        return with_landmarks(image, boxes, scores, min_face=min_face, threads=self._threads, device=self._device)

    def _cascade(self) -> cv2.CascadeClassifier:
        """This thread's cascade."""
        cascade = getattr(self._own, "cascade", None)
        if cascade is None:
            # Through memory, because OpenCV cannot open every path on every system.
            text = (Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_alt2.xml").read_text(encoding="utf-8")
            storage = cv2.FileStorage(text, cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
            cascade = self._own.cascade = cv2.CascadeClassifier()
            cascade.read(storage.getFirstTopLevelNode())
        return cascade
