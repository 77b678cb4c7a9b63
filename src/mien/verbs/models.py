"""`mien models`: the models that come with mien and what their cards say, and the nets that can be trained."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mien.core.errors import UsageError
from mien.core.optional import require
from mien.runtime.card import Card
from mien.zoo import store

if TYPE_CHECKING:
    from mien.nets.summary import NetSummary


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
        >>> "mien-s" in models().cards
        True
    """
    names = store.names() if name is None else [os.fspath(name)]
    return ModelsResult({each: store.load_card(each) for each in names})


def nets(
    names: Sequence[str] = (), *, size: int = 48, channels: int = 1, options: Mapping[str, Any] | None = None
) -> "tuple[NetSummary, ...]":
    """What nets cost and take: parameters and multiply-accumulate operations.

    Args:
        names: which; all that mien has of its own if none is named. Names of timm's nets are taken, too.
        size: side of the pictures in pixels.
        channels: 1 for grey, 3 for colour.
        options: further arguments of all of them.

    Raises:
        UsageError: an unknown name or option, or pictures smaller than a net takes.
        MissingExtraError: the extra `train` is not installed.

    Example:
        >>> nets(["resnet"], size=48)[0].parameters  # doctest: +SKIP
        2794464
    """
    require("torch", extra="train")
    if channels not in (1, 3):
        raise UsageError(f"expected 1 channel (grey) or 3 (colour), got {channels}")
    from mien.nets import NETS
    from mien.nets.summary import summarise

    return tuple(summarise(name, size=size, channels=channels, options=options) for name in names or NETS)
