"""Picture galleries of a model's errors: confused classes, hard faces, and labels that may be wrong."""

from functools import partial

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from mien.evaluation.errors import ErrorAnalysis
from mien.reporting.drawing import Drawing, render
from mien.reporting.pictures import Tile, gallery
from mien.reporting.style import is_narrow, many

Images = npt.NDArray[np.uint8]

GALLERIES = ("confused", "hardest", "confident", "suspects")
PAIRS = 8  # confused pairs shown
_ROWS = 4  # of a gallery of single faces


def error_galleries(found: ErrorAnalysis, images: Images) -> list[Drawing]:
    """All galleries that these errors allow.

    Args:
        found: the errors.
        images: (n, H, W) or (n, H, W, 3) uint8, a picture for each row of ``found.predictions``.
    """
    shown = {
        "confused": (confused_gallery, len(found.confused)),
        "hardest": (hardest_gallery, len(found.hardest)),
        "confident": (confident_gallery, len(found.confident)),
        "suspects": (suspects_gallery, len(found.suspects)),
    }
    return [render(name, partial(make, found, images)) for name, (make, faces) in shown.items() if faces]


def confused_gallery(found: ErrorAnalysis, images: Images, width: float) -> Figure:
    """The classes taken for another most often, a row each: label, what was said, how often; the surest faces."""
    columns = 4 if is_narrow(width) else 10
    shown = found.confused[:PAIRS]
    labels = [f"{each.label}\nas {each.predicted}\n{many(len(each.rows))} ({each.share.value:.0%})" for each in shown]
    rows = [
        [Tile(images[row], (f"p = {found.confidence[row]:.2f}",)) for row in each.rows[:columns].tolist()]
        for each in shown
    ]
    return gallery(rows, width, columns=columns, labels=labels)[0]


def hardest_gallery(found: ErrorAnalysis, images: Images, width: float) -> Figure:
    """The faces with the highest loss: label; what was said, with its probability."""
    return _faces(found, images, found.hardest, width)


def confident_gallery(found: ErrorAnalysis, images: Images, width: float) -> Figure:
    """The wrong answers that the model is surest of."""
    return _faces(found, images, found.confident, width)


def suspects_gallery(found: ErrorAnalysis, images: Images, width: float) -> Figure:
    """Faces wrong by their label and right by the second source's: the label; what model and second source say."""
    return _faces(found, images, found.suspects, width)


def _faces(found: ErrorAnalysis, images: Images, rows: npt.NDArray[np.intp], width: float) -> Figure:
    columns = 4 if is_narrow(width) else 8
    tiles = [Tile(images[row], _caption(found, row)) for row in rows[: columns * _ROWS].tolist()]
    return gallery([tiles[k : k + columns] for k in range(0, len(tiles), columns)], width, columns=columns)[0]


def _caption(found: ErrorAnalysis, row: int) -> tuple[str, str]:
    label, said = found.names(row)
    return label, f"as {said} {found.confidence[row]:.2f}"
