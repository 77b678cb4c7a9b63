"""Where a model looks in the faces of each class: some of them, and all on average."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mien.core.types import Attribution, Floats
from mien.explanation.explainer import Explainer, explain_faces
from mien.runtime.preprocess import Crops, resize


@dataclass(frozen=True, eq=False)
class ClassGallery:
    """The faces of one class and where the model sees the class in them.

    Attributes:
        label: the class. n: how many faces the means are of.
        rows: (m,) which of all faces are shown. crops: (m, S, S[, 3]) uint8.
        shown: their maps, for this class.
        probabilities: (m,) of this class. top: what the model takes each for.
        mean_face: (S, S[, 3]) uint8.
        mean_map: (S, S) float32 in 0..1, the mean of the maps of all n faces, its highest value 1.
    """

    label: str
    n: int
    rows: npt.NDArray[np.intp]
    crops: Crops
    shown: Attribution
    probabilities: Floats
    top: tuple[str, ...]
    mean_face: npt.NDArray[np.uint8]
    mean_map: Floats


def galleries(
    explainer: Explainer,
    images: Crops,
    classes: npt.NDArray[np.integer],
    *,
    method: str = "gradcam",
    head: str | None = None,
    most: int = 200,
    show: int = 12,
    seed: int = 0,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[ClassGallery, ...]:
    """Explain faces class by class, each for the class that it is labelled with, right or wrong.

    Args:
        explainer: the model.
        images: (n, H, W) grey or (n, H, W, 3) RGB uint8, all faces of one size.
        classes: (n,) ids among the labels of the head; -1 for faces to leave out.
        method: one of `mien.explanation.explainer.METHODS`.
        head: which classifier; the default one if None.
        most: faces of a class that are looked at, drawn by lot.
        show: of these in the gallery.
        seed: of the lot.
        tell: called with the number of faces done and their total.

    Returns:
        One a class that has faces, in the order of the head's labels.

    Raises:
        UsageError: as `explain_faces`.
    """
    labels, rng = explainer.label_set(head), np.random.default_rng(seed)
    chosen = {}
    for k, label in enumerate(labels):
        there = np.flatnonzero(classes == k)
        if len(there):
            chosen[label] = there if len(there) <= most else np.sort(rng.choice(there, most, replace=False))
    total, done = sum(map(len, chosen.values())), 0
    found = []
    for label, rows in chosen.items():
        found.append(_class_gallery(explainer, images, rows, label, method, head, rng.permutation(len(rows))[:show]))
        done += len(rows)
        tell(done, total)
    return tuple(found)


def _class_gallery(
    explainer: Explainer,
    images: Crops,
    rows: npt.NDArray[np.intp],
    label: str,
    method: str,
    head: str | None,
    some: npt.NDArray[np.intp],
) -> ClassGallery:
    crops = images[rows]
    probabilities = explainer.predict(crops, head=head)
    attribution = explain_faces(explainer, crops, method=method, head=head, label=label)
    labels = explainer.label_set(head)
    mean = attribution.maps.mean(0)
    side = attribution.maps.shape[1]
    face = np.rint(crops.mean(0, dtype=np.float64)).astype(np.uint8)
    return ClassGallery(
        label=label,
        n=len(rows),
        rows=rows[some],
        crops=crops[some],
        shown=attribution[some],
        probabilities=probabilities[some, labels.index(label)],
        top=tuple(labels.labels[k] for k in probabilities[some].argmax(1)),
        mean_face=resize(face, (side, side)),
        mean_map=(mean / max(float(mean.max()), np.finfo(np.float32).tiny)).astype(np.float32),
    )
