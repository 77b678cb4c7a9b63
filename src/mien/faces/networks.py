"""MTCNN's three networks, which `scripts/export_mtcnn.py` made; shared by all that use them."""

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mien.core.types import Floats
from mien.runtime.session import Session

WEIGHTS = Path(__file__).parent / "weights"
BATCH = {"rnet": 32, "onet": 16}  # crops at once: bounds memory; more are no faster
MUCH = 512 * 512  # pixels of input from which a second thread pays for waking it


@cache
def network(name: str, threads: int | None, device: str) -> Session:
    """The session of `pnet`, `rnet` or `onet`, loaded once a process for each combination of options."""
    return Session(WEIGHTS / f"{name}.onnx", threads=threads, device=device)


def run(
    name: str, images: npt.NDArray[np.uint8], *, threads: int | None = None, device: str = "auto"
) -> dict[str, Floats]:
    """Run one of the networks.

    Args:
        name: `pnet`, `rnet` or `onet`.
        images: RGB uint8 (n, H, W, 3), n > 0; 24 or 48 pixels high and wide for R-Net and O-Net.
        threads: None for one, and all cores where there is much to do.
        device: where to run.

    Returns:
        The network's outputs by name, over all n.
    """
    if threads is None and images.size < 3 * MUCH:
        threads = 1
    session = network(name, threads, device)
    batch = BATCH.get(name, len(images))
    parts = [session.run(None, image=images[start : start + batch]) for start in range(0, len(images), batch)]
    return parts[0] if len(parts) == 1 else {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
