"""dlib's frontal face detector: histograms of oriented gradients and a linear classifier. Needs the extra `dlib`.

Dalal and Triggs 2005, "Histograms of Oriented Gradients for Human Detection", doi 10.1109/CVPR.2005.177; King 2009,
"Dlib-ml: A Machine Learning Toolkit".
"""

import threading
from typing import Any

import numpy as np

from mien.core.images import as_image
from mien.core.optional import require
from mien.core.types import Faces, Image
from mien.faces import check_min_face
from mien.faces.boxes import BoxFit
from mien.faces.landmarks import with_landmarks
from mien.faces.scaled import scaled_gray

FIT = BoxFit(scale=(0.971, 1.274), shift=(-0.017, -0.08))
WINDOW = 80  # side of the smallest face that the detector sees, in its own convention
MOST_PIXELS = 64_000_000


class DlibDetector:
    """Faces by dlib, landmarks by O-Net. Thread-safe: each thread has a detector of its own.

    Boxes are in MTCNN's convention: their median overlap (IoU) with MTCNN's is 0.79 on half b of the wild
    photographs, 351 faces (`scripts/fit_boxes.py`).

    Args:
        fit: how its boxes become MTCNN's.
        threads: for the landmarks; None for one, and all cores for many faces.
        device: where the landmarks are computed.

    Raises:
        MissingExtraError: dlib is not installed.
    """

    def __init__(self, *, fit: BoxFit = FIT, threads: int | None = None, device: str = "auto") -> None:
        self._fit = fit
        self._dlib = require("dlib", extra="dlib")
        self._threads, self._device = threads, device
        self._own = threading.local()

    def detect(self, image: Image, /, *, min_face: int = 40) -> Faces:
        """Faces at least `min_face` pixels wide or high, best score first.

        Args:
            image: RGB uint8 (H, W, 3), or any form that `as_image` takes.
            min_face: in pixels; below 12 it is taken for 12. The picture is enlarged so that such a face is large
                enough for dlib, to 64 megapixels at most.

        Raises:
            UsageError: `min_face` is less than 1.
        """
        check_min_face(min_face)
        image = as_image(image)
        gray, back = scaled_gray(
            image, window=WINDOW * max(self._fit.scale), min_face=min_face, most_pixels=MOST_PIXELS
        )
        found, margins, _ = self._detector().run(gray, 0, 0.0)
        if not len(found):
            return Faces.empty()
        edges = [(box.left(), box.top(), box.right() + 1, box.bottom() + 1) for box in found]
        boxes = self._fit.apply(np.asarray(edges, np.float32) * back)
        # The distance from the classifier's plane has no unit: the logistic function brings it to 0..1.
        scores = np.asarray(1 / (1 + np.exp(-np.asarray(margins, np.float32))), np.float32)
        return with_landmarks(image, boxes, scores, min_face=min_face, threads=self._threads, device=self._device)

    def _detector(self) -> Any:
        """This thread's detector."""
        detector = getattr(self._own, "detector", None)
        if detector is None:
            detector = self._own.detector = self._dlib.get_frontal_face_detector()
        return detector
