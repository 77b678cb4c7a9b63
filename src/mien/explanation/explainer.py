"""The methods behind one face: faces in, heat maps out, whether the model is an ONNX file or a net of torch.

A model of clips takes clips of a face wherever another takes faces, and has a map for each frame.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from mien.core.errors import UsageError
from mien.core.labels import LabelSet
from mien.core.registry import unknown
from mien.core.types import Attribution, Floats
from mien.explanation.cam import class_activation, eigen_activation
from mien.explanation.maps import enlarge, to_unit
from mien.explanation.occlusion import occlusion
from mien.runtime.card import InputSpec
from mien.runtime.classifier import Classifier
from mien.runtime.graph import Graph
from mien.runtime.preprocess import Crops, fit_clips, fit_crops

METHODS = ("gradcam", "gradcam++", "eigencam", "occlusion", "attention")
CLASSLESS = ("eigencam", "attention")  # they show where a model looks, whatever it says


class Explainer(Protocol):
    """A model that can be explained. `ModelExplainer` and `mien.explanation.net_explainer.NetExplainer` are."""

    name: str

    def label_set(self, head: str | None = None) -> LabelSet:
        """The labels of a head's columns; of the default head if None."""
        ...

    def predict(self, crops: Crops, *, head: str | None = None) -> Floats:
        """(n, K) probabilities of faces (n, H, W[, 3]) uint8, or of clips (n, T, H, W[, 3])."""
        ...

    def maps(self, crops: Crops, classes: Sequence[int], *, method: str, head: str | None = None) -> Floats:
        """(n, S, S), of clips (n, frames, S, S), in 0..1 over the faces as the model sees them, for a class of each."""
        ...


def expect_method(method: str) -> None:
    """Raise UsageError for a method that is not known."""
    if method not in METHODS:
        raise UsageError(unknown("method", method, METHODS))


def explain_faces(
    explainer: Explainer,
    crops: Crops,
    *,
    method: str = "gradcam",
    head: str | None = None,
    label: str | None = None,
) -> Attribution:
    """Heat maps of faces.

    Args:
        explainer: the model.
        crops: (n, H, W) grey or (n, H, W, 3) RGB uint8; for a model of clips (n, T, H, W) or (n, T, H, W, 3).
        method: one of `METHODS`.
        head: which classifier; the default one if None.
        label: what the maps speak for; of each face the most probable label if None.

    Raises:
        UsageError: an unknown method, head or label, or a method that this model does not allow.
    """
    expect_method(method)
    labels = explainer.label_set(head)
    asked = None if label is None else labels.index(label)
    classes = explainer.predict(crops, head=head).argmax(1).tolist() if asked is None else [asked] * len(crops)
    maps = explainer.maps(crops, classes, method=method, head=head)
    named = ("",) * len(crops) if method in CLASSLESS else tuple(labels.labels[k] for k in classes)
    return Attribution(maps, method, named, explainer.name)


def occluded(
    explainer: Explainer, crops: Crops, classes: Sequence[int], input: InputSpec, *, head: str | None = None
) -> Floats:
    """The method occlusion, which any model allows; see `Explainer.maps`.

    Args:
        explainer: the model that is asked.
        crops: faces, or clips.
        classes: what each map speaks for.
        input: what the model takes.
        head: which classifier; the default one if None.
    """
    clips = input.frames > 0
    fitted = (fit_clips if clips else fit_crops)(crops, input)
    return to_unit(occlusion(lambda some: explainer.predict(some, head=head), fitted, classes, clips=clips))


class ModelExplainer:
    """Explains an ONNX model, without torch.

    Args:
        classifier: the model.
        data: the bytes of its weight file, which hold the weights of its heads.
    """

    def __init__(self, classifier: Classifier, data: bytes) -> None:
        self._classifier = classifier
        self._graph = Graph(data)
        self.name = classifier.card.name

    def label_set(self, head: str | None = None) -> LabelSet:
        """The labels of a head's columns; of the card's default head if None."""
        return self._classifier.label_set(head)

    def predict(self, crops: Crops, *, head: str | None = None) -> Floats:
        """As `Classifier.predict` or, of a model of clips, `Classifier.predict_clips`."""
        if self._classifier.takes_clips:
            return self._classifier.predict_clips(crops, head=head)
        return self._classifier.predict(crops, head=head)

    def head_weights(self, head: str | None = None) -> Floats | None:
        """(K, F) of a head that is linear on the mean of the feature map; None of another kind."""
        card = self._classifier.card
        if not card.features or self._classifier.takes_clips:
            return None
        return self._graph.linear_head(self._classifier.head(head).output, card.features)

    def quickest(self, head: str | None = None) -> str:
        """The method for many faces: gradcam where the model allows it, else occlusion, which any model does."""
        return "occlusion" if self.head_weights(head) is None else "gradcam"

    def maps(self, crops: Crops, classes: Sequence[int], *, method: str, head: str | None = None) -> Floats:
        """See `Explainer.maps`.

        Raises:
            UsageError: a method that needs a run folder, or a head that is not linear on the mean of the map.
        """
        expect_method(method)
        if method == "occlusion":
            return occluded(self, crops, classes, self._classifier.card.input, head=head)
        if self._classifier.takes_clips:
            raise UsageError(
                f"expected a run folder, whose net torch can open, for the method {method} of clips, got the ONNX "
                f"model {self.name}: give the run folder, or choose occlusion"
            )
        if method not in ("gradcam", "eigencam"):
            raise UsageError(
                f"expected a run folder, whose net torch can open, for the method {method}, got the ONNX model "
                f"{self.name}: give the run folder, or choose gradcam, eigencam or occlusion"
            )
        side = self._classifier.card.input.size
        if method == "eigencam":
            return to_unit(enlarge(to_unit(eigen_activation(self._classifier.features(crops))), side, side))
        weights = self.head_weights(head)
        if weights is None:
            raise UsageError(
                f"expected a head that is linear on the mean of the feature map for gradcam without torch, got another "
                f"in {self.name}: give its run folder, or choose occlusion"
            )
        features = self._classifier.features(crops)
        raw = class_activation(features, weights[np.asarray(classes, np.intp)])
        return to_unit(enlarge(to_unit(raw), side, side))
