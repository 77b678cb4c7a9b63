"""`mien data audit`: tables in, what is wrong with them out, and a list that training and evaluation take."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.core.errors import UsageError
from mien.core.files import expect_free, make_folder
from mien.core.images import as_image
from mien.datasets import Table
from mien.datasets.audit import Audit
from mien.datasets.audit import audit as look_at
from mien.datasets.duplicates import DISTANCE
from mien.datasets.lists import write_list
from mien.faces import DETECTORS
from mien.pipeline.picture_workers import open_data

_SMALLEST_FACE = 1 / 4  # of a crop's shorter side: a crop whose face is smaller is none


@dataclass(frozen=True)
class AuditResult:
    """The figures, and the list written."""

    audit: Audit
    out: Path | None = None

    @property
    def clean(self) -> bool:
        """Whether nothing crosses splits and no labels contradict each other."""
        return self.audit.clean

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**self.audit.to_dict(), "out": None if self.out is None else str(self.out)}


def audit(
    data: str | os.PathLike[str] | Table | Sequence[str | os.PathLike[str] | Table],
    *,
    out: str | os.PathLike[str] | None = None,
    near: int = DISTANCE,
    faces: bool = False,
    overwrite: bool = False,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> AuditResult:
    """Find copies within and between splits and data, labels that contradict each other, blank images, and more.

    Args:
        data: a prepared table (its path, or one in memory) or ``"NAME=ROOT"`` of face crops, or several of them.
        out: a csv for the list of what to drop, to label anew and to look at; its folder is made if need be.
        near: most bits, 0 to 11 of 64, in which the perceptual hashes of near copies differ.
        faces: look for a face in every image, too, with MTCNN; slow.
        overwrite: replace `out` if it is there.
        tell: called with the number of images done in the present step, and their total.

    Raises:
        UsageError, DataError: the data are not known, or not as they should be.
        OutputError: the list cannot be written.

    Example:
        >>> mien.audit("ferplus.parquet").audit.cross_split["train|valid"]["images"]  # doctest: +SKIP
        279
    """
    if not 0 <= near <= DISTANCE:
        raise UsageError(f"expected --near from 0 to {DISTANCE} bits, got {near}")
    if out is not None:
        expect_free(out, overwrite=overwrite)
        make_folder(Path(out).parent)
    specs = [data] if isinstance(data, str | os.PathLike | Table) else list(data)
    if not specs:
        raise UsageError("expected a table or NAME=ROOT, got none")
    tables = [spec if isinstance(spec, Table) else open_data(spec) for spec in specs]
    not_found = _without_face(tables, tell) if faces else None
    found = look_at(tables, distance=near, not_found=not_found, tell=(lambda done, total: None) if faces else tell)
    if out is not None:
        write_list(found.entries, out)
    return AuditResult(found, None if out is None else Path(out))


def _without_face(tables: Sequence[Table], tell: Callable[[int, int], None]) -> npt.NDArray[np.bool_]:
    """In which images of all tables in a row MTCNN finds no face."""
    detector = DETECTORS.create("mtcnn")
    found: list[bool] = []
    total = sum(map(len, tables))
    for table in tables:
        smallest = max(12, round(min(table.images.shape[1:3]) * _SMALLEST_FACE))
        for image in table.images:
            found.append(len(detector.detect(as_image(image), min_face=smallest)) > 0)
            tell(len(found), total)
    return ~np.array(found, np.bool_)
