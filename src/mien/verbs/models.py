"""`mien models`: the models that come with mien, and what their cards say."""

import os
from dataclasses import dataclass

from mien.runtime.card import Card
from mien.zoo import store


@dataclass(frozen=True)
class ModelsResult:
    """The cards asked for, by the name under which each is found."""

    cards: dict[str, Card]


def models(name: str | os.PathLike[str] | None = None) -> ModelsResult:
    """The cards of all bundled models, or of one model.

    Args:
        name: a bundled model, an ONNX file with its card beside it, or a run folder; all bundled ones if None.

    Raises:
        UsageError: no model of this name is known.
        ModelError: its card is missing or damaged.

    Example:
        >>> sorted(models().cards)
        ['mien-s']
    """
    names = store.names() if name is None else [os.fspath(name)]
    return ModelsResult({each: store.load_card(each) for each in names})
