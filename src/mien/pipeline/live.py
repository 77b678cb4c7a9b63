"""Frames as they come, from a camera or a page: faces with ids and steady emotions, one frame after the other."""

from dataclasses import dataclass

from mien.core.types import Floats, Image, Predictions
from mien.faces.quality import quality_of
from mien.faces.smooth import Smoother
from mien.faces.track import Ids, Tracker
from mien.pipeline.predict_table import Row
from mien.pipeline.recognizer import Recognizer
from mien.pipeline.second_pass import ClipFrame, rows


@dataclass(frozen=True, eq=False)
class LiveFrame:
    """What was seen in a frame.

    Attributes:
        time_s: of the frame.
        faces: n faces; their probabilities smoothed over time, where that was asked for.
        face_ids: (n,) int64, who they are; the same person keeps the number through short gaps.
        raw: (n, K) float32, the probabilities of this frame alone.
    """

    time_s: float
    faces: Predictions
    face_ids: Ids
    raw: Floats


class LiveRecognizer:
    """A recogniser that remembers who was where: one for each camera or connection. Not safe to share between threads.

    The recogniser that it asks may be shared by many.

    Args:
        recognizer: finds and classifies.
        smooth: how probabilities are made steady, see `mien.faces.smooth.SMOOTHINGS`; None leaves them as they are.

    Raises:
        UsageError: an unknown smoothing.
        MissingExtraError: SciPy is not installed.

    >>> from mien import Recognizer, sample
    >>> from mien.core.images import read_image
    >>> image = read_image(sample("astronaut"))
    >>> live = LiveRecognizer(Recognizer())
    >>> [live.step(image, time_s).face_ids.tolist() for time_s in (0.0, 0.1)]
    [[0], [0]]
    """

    def __init__(self, recognizer: Recognizer, *, smooth: str | None = "exponential") -> None:
        self.recognizer = recognizer
        self._tracker = Tracker()
        self._smoother = Smoother(smooth) if smooth else None

    def step(self, image: Image, time_s: float) -> LiveFrame:
        """See the next frame.

        Args:
            image: RGB uint8 (H, W, 3).
            time_s: when it was taken; never before the frame before.

        Raises:
            InputError: the picture is none.
            DataError: the time runs backwards.
        """
        [found] = self.recognizer.predict_images([image])
        ids = self._tracker.update(found.boxes, time_s)
        steady = found.probabilities
        if self._smoother:
            steady = self._smoother.update(ids, found.probabilities, time_s)
        return LiveFrame(time_s, Predictions(found.faces, steady, found.label_set), ids, found.probabilities)


def live_rows(frame: LiveFrame, image: Image, *, source: str, index: int, abstain: float | None = None) -> list[Row]:
    """The rows of a frame, as those of a clip: one a face, or one without a face_id where there is none.

    Args:
        frame: what was seen in it.
        image: the frame itself.
        source: of the camera.
        index: of the frame.
        abstain: leave the label empty where the most probable one has less than this probability.
    """
    quality = quality_of(image, frame.faces.faces)
    seen = ClipFrame(index, frame.time_s, frame.faces, quality, raw=frame.raw, ids=frame.face_ids)
    return rows(seen, source, abstain=abstain)
