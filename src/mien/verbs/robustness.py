"""The robustness of a model: faces changed in every way and strength, and how many are still recognised."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from mien.core.corruptions import CORRUPTIONS, Corruption
from mien.evaluation.robustness import Robustness, accuracy_of, robustness
from mien.runtime.classifier import Classifier

_FACES_AT_ONCE = 256


def measure_robustness(
    classifier: Classifier,
    images: npt.NDArray[np.uint8],
    label_ids: npt.NDArray[np.integer],
    *,
    head: str | None = None,
    tell: Callable[[int], None] = lambda faces: None,
) -> Robustness:
    """Accuracy on labelled faces that were changed, beside that on the faces as they are.

    Nothing is drawn by chance: equal faces and weights give equal figures. A corruption that changes no face, as the
    loss of colour of grey ones, is left out.

    Args:
        classifier: the model.
        images: (n, H, W[, 3]) uint8.
        label_ids: (n,) in the order of the head's labels, -1 without one; such faces are left out.
        head: of the model; its default one if None.
        tell: called with the number of faces after each part.
    """
    labelled = label_ids >= 0
    images, label_ids = images[labelled], label_ids[labelled]
    name = head or classifier.card.default_head

    def accuracy(each: Corruption | None = None, strength: float = 0.0) -> float:
        parts = [np.empty((0, len(classifier.label_set(name))), np.float32)]
        for start in range(0, len(images), _FACES_AT_ONCE):
            part = images[start : start + _FACES_AT_ONCE]
            if each is not None:
                part = np.stack([each.apply(face, strength, start + number) for number, face in enumerate(part)])
            parts.append(classifier.predict(part, head=name))
            tell(len(part))
        return accuracy_of(np.concatenate(parts), label_ids)

    clean = accuracy()
    measured = [
        (kind, strength, accuracy(each, strength))
        for kind, each in corruptions_of(images).items()
        for strength in each.strengths
    ]
    return robustness(name, len(images), clean, measured)


def corruptions_of(images: npt.NDArray[np.uint8]) -> dict[str, Corruption]:
    """Those that change faces of this kind: grey ones have no colour to lose."""
    return {name: each for name, each in CORRUPTIONS.items() if images.ndim == 4 or name != "grey"}


def cell_count(images: npt.NDArray[np.uint8]) -> int:
    """How many cells the table has, with the one of clean faces."""
    return 1 + sum(len(each.strengths) for each in corruptions_of(images).values())
