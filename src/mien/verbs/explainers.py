"""Which `Explainer` a model gets: the net of a run where torch can open it, else its ONNX file."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from mien.core.optional import require
from mien.explanation.explainer import Explainer, ModelExplainer
from mien.runtime.classifier import Classifier
from mien.zoo.store import find_card, weights_of

if TYPE_CHECKING:
    from mien.explanation.net_explainer import NetExplainer

NEEDS_NET = ("gradcam++", "attention")  # methods that an ONNX file does not allow

_CHECKPOINT = Path("checkpoints") / "best.ckpt"


def open_explainer(
    model: str | os.PathLike[str], classifier: Classifier, *, method: str, variant: str | None = None
) -> Explainer:
    """The explainer of a model.

    Args:
        model: as given to `load_classifier`.
        classifier: that was loaded.
        method: that it is for.
        variant: which of the model's weight files; the card's default if None.

    Raises:
        MissingExtraError: the method needs torch, which is not installed.
    """
    if has_net(model) and (find_spec("torch") or method in NEEDS_NET):
        return open_net(Path(model), classifier)
    return ModelExplainer(classifier, weights_of(model, variant=variant))


def has_net(model: str | os.PathLike[str]) -> bool:
    """Whether it is a run folder with a checkpoint, and no model at hand of that name."""
    run = Path(model)
    return find_card(model).parent == run and (run / _CHECKPOINT).exists()


def open_net(run: Path, classifier: Classifier) -> "NetExplainer":
    """The net of a run.

    Raises:
        MissingExtraError: torch is not installed.
        TrainingError: the run's settings or weights cannot be read.
    """
    require("torch", extra="explain")
    from mien.explanation.net_explainer import NetExplainer
    from mien.training.fit import load_run

    config, net = load_run(run)
    card = classifier.card
    order = sorted(card.heads, key=lambda head: head != card.default_head)  # the default one first
    labels = {head: card.heads[head].label_set for head in order}
    temperatures = {head: each.temperature for head, each in card.heads.items()}
    return NetExplainer(net, config.input, labels, name=card.name, temperatures=temperatures)
