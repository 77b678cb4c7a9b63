"""Small FER2013 and FER+ files, written as the real ones are."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

Row = tuple[object, object, object]
USAGES = ("Training", "Training", "PublicTest", "PrivateTest")


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (len(USAGES), 48, 48), dtype=np.uint8)


@pytest.fixture
def rows(images: np.ndarray) -> list[Row]:
    """(emotion, pixels, Usage) of four faces."""
    return [
        (k, " ".join(map(str, image.ravel())), usage)
        for k, (image, usage) in enumerate(zip(images, USAGES, strict=True))
    ]


@pytest.fixture
def write_csv() -> Callable[..., Path]:
    def write(path: Path, header: str, rows: Sequence[Sequence[object]], *, end: str = "\r\n") -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [header, *(",".join(map(str, row)) for row in rows)]
        path.write_text(end.join(lines) + end, "utf-8", newline="")
        return path

    return write


@pytest.fixture
def votes_header() -> str:
    return "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"


@pytest.fixture
def vote_rows() -> list[list[object]]:
    """One face with a majority, one without, one where no face wins, one decided by taking a single vote out."""
    votes = [[8, 0, 1, 0, 0, 1, 0, 0, 0, 0], [5, 5, *[0] * 8], [*[0] * 9, 10], [0, 5, 1, 1, 1, 0, 0, 2, 0, 0]]
    return [[usage, f"fer{k:07d}.png", *each] for k, (usage, each) in enumerate(zip(USAGES, votes, strict=True))]
