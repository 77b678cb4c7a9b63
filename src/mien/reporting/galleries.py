"""Pictures of a model's errors: confused classes, hard faces, labels that may be wrong, and accuracy by condition."""

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from mien.evaluation.errors import ErrorAnalysis
from mien.reporting.drawing import render_png
from mien.reporting.figures_evaluation import conditions
from mien.reporting.pictures import Tile, gallery
from mien.reporting.style import is_narrow, many, short

Images = npt.NDArray[np.uint8]

GALLERIES = ("confused", "hardest", "confident", "suspects", "conditions")
PAIRS = 8  # confused pairs shown
_ROWS = 4  # of a gallery of single faces


def error_galleries(found: ErrorAnalysis, images: Images) -> dict[str, bytes]:
    """All pictures that these errors allow, as PNG, by name; a line above the faces says what is shown.

    Args:
        found: the errors.
        images: (n, H, W) or (n, H, W, 3) uint8, a picture for each row of ``found.predictions``.
    """
    model = short(found.predictions.meta.get("model", "the model"), 30)
    said = f"the label, and what {model} said with its probability"
    shown = {
        "confused": (confused_gallery, len(found.confused), f"classes that {model} takes for another, and how surely"),
        "hardest": (hardest_gallery, len(found.hardest), f"highest loss: {said}"),
        "confident": (confident_gallery, len(found.confident), f"wrong and surest: {said}"),
        "suspects": (suspects_gallery, len(found.suspects), f"{said}; a second source agrees with {model}"),
    }
    drawn: dict[str, Callable[[float], Figure]] = {
        name: partial(make, found, images, head=head) for name, (make, faces, head) in shown.items() if faces
    }
    bins = {
        condition: {model: [(each.low, each.high, each.accuracy) for each in parts]}
        for condition, parts in found.bins.items()
        if parts
    }
    if bins:
        drawn["conditions"] = partial(conditions, bins)
    return {name: render_png(make) for name, make in drawn.items()}


def confused_gallery(found: ErrorAnalysis, images: Images, width: float, *, head: str = "") -> Figure:
    """The classes taken for another most often, a row each: label, what was said, how often; the surest faces."""
    columns = 4 if is_narrow(width) else 10
    shown = found.confused[:PAIRS]
    labels = [f"{each.label}\nas {each.predicted}\n{many(len(each.rows))} ({each.share.value:.0%})" for each in shown]
    rows = [
        [Tile(images[row], (f"p = {found.confidence[row]:.2f}",)) for row in each.rows[:columns].tolist()]
        for each in shown
    ]
    return gallery(rows, width, columns=columns, labels=labels, heads=_heads(head))[0]


def hardest_gallery(found: ErrorAnalysis, images: Images, width: float, *, head: str = "") -> Figure:
    """The faces with the highest loss: label; what was said, with its probability."""
    return _faces(found, images, found.hardest, width, head)


def confident_gallery(found: ErrorAnalysis, images: Images, width: float, *, head: str = "") -> Figure:
    """The wrong answers that the model is surest of."""
    return _faces(found, images, found.confident, width, head)


def suspects_gallery(found: ErrorAnalysis, images: Images, width: float, *, head: str = "") -> Figure:
    """Faces wrong by their label and right by the second source's: the label; what model and second source say."""
    return _faces(found, images, found.suspects, width, head)


def _faces(found: ErrorAnalysis, images: Images, rows: npt.NDArray[np.intp], width: float, head: str) -> Figure:
    columns = 4 if is_narrow(width) else 8
    tiles = [Tile(images[row], _caption(found, row)) for row in rows[: columns * _ROWS].tolist()]
    lines = [tiles[k : k + columns] for k in range(0, len(tiles), columns)]
    return gallery(lines, width, columns=columns, heads=_heads(head))[0]


def _heads(words: str) -> tuple[tuple[float, str], ...]:
    return ((0, words),) if words else ()


def _caption(found: ErrorAnalysis, row: int) -> tuple[str, str]:
    label, said = found.names(row)
    return label, f"as {said} {found.confidence[row]:.2f}"
