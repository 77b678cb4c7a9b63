"""`mien demo`: what mien does, shown on two bundled photographs."""

import os
from collections.abc import Callable
from pathlib import Path

from mien.core.errors import UsageError
from mien.core.registry import unknown
from mien.verbs.predict import predict
from mien.verbs.predict_config import PredictConfig, PredictResult, Step

_SAMPLES = Path(__file__).parent.parent / "samples"


def sample(name: str) -> Path:
    """The path of a bundled photograph (public domain; see README.md beside it).

    >>> sample("grace_hopper").name
    'grace_hopper.jpg'

    Raises:
        UsageError: there is none of this name.
    """
    if name not in samples():
        raise UsageError(unknown("sample", name, samples()))
    return _SAMPLES / f"{name}.jpg"


def samples() -> list[str]:
    """Names of the bundled photographs."""
    return sorted(path.stem for path in _SAMPLES.glob("*.jpg"))


def demo(
    out: str | os.PathLike[str] = "demo",
    *,
    detector: str = "mtcnn",
    model: str | os.PathLike[str] = "mien-s",
    tell: Callable[[Step], None] | None = None,
) -> PredictResult:
    """Predict on the bundled photographs and write the annotated copies.

    Args:
        out: folder of the copies; those of an earlier demo are replaced.
        detector: see `mien.predict`.
        model: see `mien.predict`.
        tell: see `mien.predict`.

    Raises:
        OutputError: the copies cannot be written.

    Example:
        >>> import tempfile
        >>> demo(tempfile.mkdtemp(), detector="haar").faces
        2
    """
    pictures = [sample(name) for name in reversed(samples())]  # the portrait of an officer first
    config = PredictConfig(model=model, detector=detector, annotate=out, overwrite=True)
    return predict(pictures, config, tell=tell)
