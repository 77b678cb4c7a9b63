"""Pictures in, emotions out: a detector and a classifier behind one call.

>>> from mien import Recognizer, sample
>>> recognizer = Recognizer(detector="haar")
>>> faces = recognizer.predict(sample("astronaut"))
>>> len(faces), faces.top
(1, ['happiness'])
>>> both = recognizer.predict([sample("grace_hopper"), sample("astronaut")])  # one call of the classifier
>>> [len(each) for each in both]
[1, 1]
"""

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from mien.core.errors import InputError, UsageError
from mien.core.images import as_image, read_image
from mien.core.labels import LabelSet
from mien.core.registry import unknown
from mien.core.types import Detector, Faces, Image, Predictions
from mien.faces import DETECTORS, check_min_face
from mien.runtime.classifier import Classifier
from mien.runtime.preprocess import Crops, crop_faces, fit_crops
from mien.zoo.store import load_classifier

if TYPE_CHECKING:
    from mien.pipeline.video import VideoFrame

Picture = str | os.PathLike[str] | bytes | npt.NDArray[Any]

NO_DETECTOR = "none"


class Recognizer:
    """Finds the faces of a picture and says what they express. Safe to call from several threads."""

    def __init__(
        self,
        model: str | os.PathLike[str] | Classifier = "mien-s",
        *,
        detector: str | Detector = "mtcnn",
        head: str | None = None,
        min_face: int = 40,
        device: str = "auto",
        threads: int | None = None,
        variant: str | None = None,
    ) -> None:
        """Load a model and a detector.

        Args:
            model: a name out of `mien models list`, an ONNX file with its card beside it, a run folder, a classifier.
            detector: ``"mtcnn"``, ``"haar"``, ``"dlib"`` (extra `dlib`), an object of your own, or ``"none"``:
                every picture is a face crop already; it becomes one face whose box is the whole picture, score 1.
            head: which of the model's label sets answers; the card's default head if None.
            min_face: smaller faces (in pixels of the longer side) are not looked for.
            device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
            threads: of each network; if None, of the classifier as many as this process may use, of the detector
                as many as pay for the picture at hand.
            variant: which of the model's weight files; the card's default if None.

        Raises:
            UsageError: the model, head or detector is not known, or `min_face` is below 1.
            ModelError: the model's files are missing, damaged or do not fit.
            MissingExtraError: the detector needs an extra that is not installed.
        """
        check_min_face(min_face)
        self.min_face = min_face
        # Before the model: it is the quicker one to fail.
        self._detector = _detector(detector, threads=threads, device=device)
        if not isinstance(model, Classifier):
            model = load_classifier(model, threads=threads, device=device, variant=variant)
        self.classifier = model
        self.head = head or self.classifier.card.default_head
        self.label_set: LabelSet = self.classifier.label_set(self.head)

    @overload  # a str is a sequence of str too, but here it is a path
    def predict(self, source: Picture) -> Predictions: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, source: Sequence[Picture]) -> list[Predictions]: ...

    def predict(self, source: Picture | Sequence[Picture]) -> Predictions | list[Predictions]:
        """Faces of one picture or of several, with their emotions.

        Args:
            source: a path, the bytes of an encoded picture, an array (RGB uint8 (H, W, 3); grey, RGBA, 16 bit and
                floats in 0..1 are understood), or a list of them: then the faces of all go through the classifier
                together.

        Returns:
            Predictions (empty when no face is found), or a list of them, one a picture in the order given.

        Raises:
            InputError: a picture cannot be read.
        """
        if isinstance(source, list | tuple):
            return self.predict_images(source)
        return self.predict_images([source])[0]  # type: ignore[list-item]

    def predict_images(self, sources: Sequence[Picture]) -> list[Predictions]:
        """As `predict` of a list. Pictures are opened one at a time; only their face crops are held together."""
        found = [self.locate(_open(source)) for source in sources]
        return self.classify(found)

    def stream(
        self,
        path: str | os.PathLike[str],
        *,
        every: int = 1,
        fps: float | None = None,
        detect_every: int | None = None,
        smooth: str | None = None,
    ) -> Iterator["VideoFrame"]:
        """The frames of a video file one by one, with the faces in them and whose they are.

        Memory does not grow with the length of the file. Some frames are read ahead, so that faces of several go
        through the classifier together.

        Args:
            path: a video, or an animated GIF or WebP.
            every: look at the frames 0, `every`, 2 `every`, ... only.
            fps: instead, look at so many frames a second, whatever the clip's own rate.
            detect_every: look for faces in the frames 0, `detect_every`, ... of the file; between them they lie on
                straight lines. 1 looks in each; None in every 5th, or more often where frames are few a second.
            smooth: ``"exponential"`` or ``"bayesian"`` makes probabilities steady over time.

        Yields:
            Frames with `time_s`, `faces` (Predictions) and `face_ids`.

        Raises:
            UsageError: an option out of range. InputError: the file cannot be read, at its beginning or later on.
            MissingExtraError: SciPy (extra `video`) is not installed.

        Example:
            >>> for frame in Recognizer().stream("clip.mp4", every=2):  # doctest: +SKIP
            ...     print(frame.time_s, frame.face_ids, frame.faces.top)
        """
        from mien.pipeline.video import Sampling, stream

        sampling = Sampling(every=every, fps=fps, detect_every=detect_every)
        return stream(self, path, sampling, smooth=smooth)

    def locate(self, image: Image) -> tuple[Faces, Crops]:
        """The faces of one RGB uint8 picture, and their crops as the model wants them: (n, size, size[, 3]) uint8."""
        faces = self.find(image)
        return faces, self.crops(image, faces)

    def find(self, image: Image) -> Faces:
        """The faces of one RGB uint8 picture."""
        if self._detector is None:
            height, width = image.shape[:2]
            return Faces([[0, 0, width, height]], [1.0], np.full((1, 5, 2), np.nan))  # type: ignore[arg-type]
        return self._detector.detect(image, min_face=self.min_face)

    @property
    def cuts(self) -> bool:
        """Whether faces are cut out of pictures; else each picture is a face crop already."""
        return self._detector is not None

    def crops(self, image: Image, faces: Faces) -> Crops:
        """The faces that `locate` found in a picture, as the model sees them: (n, size, size[, 3]) uint8."""
        card = self.classifier.card
        if not self.cuts:
            return fit_crops(image[None], card.input)
        return crop_faces(image, faces, card.input, card.crop)

    def classify(self, found: Sequence[tuple[Faces, Crops]]) -> list[Predictions]:
        """Emotions of the faces that `locate` found in several pictures, through one call of the classifier."""
        if not found:
            return []
        probabilities = self.classifier.predict(np.concatenate([crops for _, crops in found]), head=self.head)
        ends = np.cumsum([len(faces) for faces, _ in found])
        parts = np.split(probabilities, ends[:-1])
        return [Predictions(faces, part, self.label_set) for (faces, _), part in zip(found, parts, strict=True)]


def _detector(detector: str | Detector, *, threads: int | None, device: str) -> Detector | None:
    if not isinstance(detector, str):
        return detector
    if detector == NO_DETECTOR:
        return None
    if detector not in DETECTORS:
        raise UsageError(unknown("detector", detector, [*DETECTORS, NO_DETECTOR]))
    return DETECTORS.create(detector, threads=threads, device=device)


def _open(source: Any) -> Image:
    if isinstance(source, str | os.PathLike | bytes | bytearray | memoryview):
        return read_image(source)  # type: ignore[arg-type]
    if isinstance(source, np.ndarray):
        return as_image(source)
    raise InputError(f"expected a path, bytes, an array or a list of them, got {type(source).__name__}")
