"""Find faces and bring them into one form: detectors behind one Protocol, landmarks, alignment."""

from mien.core.errors import UsageError
from mien.core.registry import Registry
from mien.core.types import Detector

DETECTORS: Registry[Detector] = Registry("detector")
"""Name -> factory. Options of all: `threads` (None: as many as pay) and `device` of the networks that they run."""


def check_min_face(min_face: float) -> None:
    """Raise UsageError unless `min_face` is at least one pixel."""
    if not min_face >= 1:
        raise UsageError(f"expected min_face of 1 pixel or more, got {min_face}")


@DETECTORS.register("mtcnn")
def _mtcnn(*, threads: int | None = None, device: str = "auto") -> Detector:
    from mien.faces.mtcnn import MtcnnDetector

    return MtcnnDetector(threads=threads, device=device)


@DETECTORS.register("haar")
def _haar(*, threads: int | None = None, device: str = "auto") -> Detector:
    from mien.faces.haar import HaarDetector

    return HaarDetector(threads=threads, device=device)


@DETECTORS.register("dlib")
def _dlib(*, threads: int | None = None, device: str = "auto") -> Detector:
    from mien.faces.dlib import DlibDetector

    return DlibDetector(threads=threads, device=device)
