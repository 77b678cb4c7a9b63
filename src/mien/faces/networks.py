"""MTCNN's three networks, which `scripts/export_mtcnn.py` made; shared by all that use them."""

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mien.core.types import Floats
from mien.runtime.session import Session

WEIGHTS = Path(__file__).parent / "weights"


@cache
def network(name: str, threads: int | None, device: str) -> Session:
    """The session of `pnet`, `rnet` or `onet`, loaded once a process for each combination of options."""
    return Session(WEIGHTS / f"{name}.onnx", threads=threads, device=device)


def run_crops(session: Session, crops: npt.NDArray[np.uint8], *, batch: int) -> dict[str, Floats]:
    """Run R-Net or O-Net over crops (n, size, size, 3) in batches, so that memory stays bounded; n > 0."""
    parts = [session.run(None, image=crops[start : start + batch]) for start in range(0, len(crops), batch)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
