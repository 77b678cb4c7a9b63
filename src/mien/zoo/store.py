"""Find a model, verify its weights, load it."""

import hashlib
import os
from pathlib import Path

from mien.core.errors import ModelError, UsageError
from mien.core.registry import unknown
from mien.runtime.card import Card, WeightFile
from mien.runtime.classifier import Classifier
from mien.runtime.session import Session, read_weights

WEIGHTS = Path(__file__).parent / "weights"
CLONE = Path(__file__).parents[3]  # of the repository, where this is one: its `models` are too large for the package
RUN_CARD = "model.toml"  # in a run folder
ENVIRONMENT = "MIEN_MODELS"  # names a folder of further models


def names() -> list[str]:
    """Names of the models at hand."""
    return sorted(_at_hand())


def _at_hand() -> dict[str, Path]:
    """Name -> card: those of the package, of a clone's `models`, and of the folder `$MIEN_MODELS`; the first counts."""
    folders = [WEIGHTS]
    if (CLONE / "pyproject.toml").exists():
        folders.append(CLONE / "models")
    if os.environ.get(ENVIRONMENT):
        folders.append(Path(os.environ[ENVIRONMENT]).expanduser())
    return {card.stem: card for folder in reversed(folders) for card in folder.glob("*.toml")}


def find_card(model: str | os.PathLike[str]) -> Path:
    """Path of the card that a name or path means.

    Args:
        model: the name of a model at hand, an ``.onnx`` file with a card of the same name beside it, a card, a run
            folder, or a folder with one card.

    Raises:
        UsageError: no model at hand has this name (the known ones are listed).
        ModelError: the path or the card beside it is not there.
    """
    text = os.fspath(model)
    shipped = _at_hand()
    if text in shipped:
        return shipped[text]
    path = Path(text)
    if path.is_dir():
        return _card_in(path)
    if path.suffix in (".onnx", ".toml"):
        card = _card_beside(path)
        if not path.exists():
            raise ModelError(f"expected a model at {path}, got no such file")
        if not card.exists():
            raise ModelError(f"expected the card {card.name} beside {path}, got none: see docs/bring-your-own-model.md")
        return card
    if path.name == text and not path.suffix:
        raise UsageError(unknown("model", text, sorted(shipped)) + "; a file of yours ends in .onnx")
    raise ModelError(f"expected a model's name, an .onnx file or a run folder, got {text!r}, which is none")


def _card_in(folder: Path) -> Path:
    """The card of a run, or the only one of a folder."""
    if (folder / RUN_CARD).exists():
        return folder / RUN_CARD
    cards = sorted(folder.glob("*.toml"))
    if not cards or (folder / "config.toml") in cards:
        raise ModelError(f"expected {RUN_CARD} in the run {folder}, got none: `mien train --resume` finishes a run")
    if len(cards) > 1:
        found = ", ".join(each.name for each in cards)
        raise ModelError(f"expected one model's card in {folder}, got {found}: give the path of one")
    return cards[0]


def load_card(model: str | os.PathLike[str]) -> Card:
    """The card of a model; see `find_card` for what `model` may be."""
    return Card.load(find_card(model))


def load_classifier(
    model: str | os.PathLike[str] = "mien-s",
    *,
    variant: str | None = None,
    threads: int | None = None,
    device: str = "auto",
) -> Classifier:
    """Load a model.

    Args:
        model: the name of a model at hand, a path of an ONNX file or card, or a folder; see `find_card`.
        variant: which of the card's weight files (``float16``, ``int8``); None: the one named, or the card's default.
        threads: of one call; None: as many as this process may use.
        device: auto, cpu or cuda.

    Raises:
        UsageError: an unknown name, variant or device.
        ModelError: a file is missing, damaged or changed, or does not fit its card.

    >>> import mien
    >>> mien.load_classifier("mien-s").label_set().labels[:2]
    ('neutral', 'happiness')
    """
    path = find_card(model)
    card = Card.load(path)
    weights = _chosen(card, os.fspath(model), variant)
    file = path.parent / weights.file
    # The bytes that were verified are the bytes that run: the file is read once.
    session = Session(_verified(file, weights), threads=threads, device=device, name=str(file))
    return Classifier(card, session)


def weights_of(model: str | os.PathLike[str], *, variant: str | None = None) -> bytes:
    """The bytes of the weight file that `load_classifier` loads, verified; see there."""
    path = find_card(model)
    weights = _chosen(Card.load(path), os.fspath(model), variant)
    return _verified(path.parent / weights.file, weights)


def verify(model: str | os.PathLike[str]) -> None:
    """Check every weight file of a model against its card; ModelError names the one that differs."""
    path = find_card(model)
    for weights in Card.load(path).files.values():
        _verified(path.parent / weights.file, weights)


def _card_beside(path: Path) -> Path:
    """``x.onnx`` -> ``x.toml``; ``x.int8.onnx`` -> ``x.int8.toml`` if there is one, else ``x.toml``."""
    card = path.with_suffix(".toml")
    return card if card.exists() else path.with_name(path.name.partition(".")[0] + ".toml")


def _chosen(card: Card, model: str, variant: str | None) -> WeightFile:
    if variant is None:
        named = [each for each in card.files.values() if each.file == Path(model).name]
        if Path(model).suffix == ".onnx" and not named:
            files = ", ".join(each.file for each in card.files.values())
            raise ModelError(f"expected a card that names {Path(model).name}, got one that names {files}")
        return named[0] if named else card.files[card.default_file]
    if variant not in card.files:
        raise UsageError(unknown(f"weight file of {card.name}", variant, list(card.files)))
    return card.files[variant]


def _verified(file: Path, weights: WeightFile) -> bytes:
    """The bytes of a weight file that is what its card says."""
    if not file.exists():
        raise ModelError(f"expected the weight file {file}, got none: install the model again")
    data = read_weights(file)
    got = hashlib.sha256(data).hexdigest()
    if got != weights.sha256:
        raise ModelError(
            f"expected sha256 {weights.sha256[:12]}... of {file.name} as its card says, got {got[:12]}...: "
            "the file is damaged or was changed; install it again"
        )
    return data
