"""Faces in, calibrated probabilities out."""

from collections.abc import Iterator

import numpy as np

from mien.core.errors import ModelError, UsageError
from mien.core.labels import LabelSet
from mien.core.registry import unknown
from mien.core.types import Floats
from mien.runtime.card import Card, Head
from mien.runtime.preprocess import Crops, fit_crops, to_tensor
from mien.runtime.session import Session
from mien.runtime.temperature import apply_temperature


class Classifier:
    """A net and its card. Calls from several threads are safe.

    Args:
        card: what the net takes and gives.
        session: the net.

    Raises:
        ModelError: the card does not fit the net.

    >>> import numpy, mien
    >>> classifier = mien.load_classifier("mien-s")
    >>> classifier.predict(numpy.zeros((2, 48, 48), numpy.uint8)).shape
    (2, 8)
    """

    def __init__(self, card: Card, session: Session) -> None:
        self.card = card
        self._session = session
        try:
            _check_fit(card, session)
        except ModelError as error:
            raise ModelError(f"{error}: the card {card.name} and the net do not belong together") from None
        self._input = session.input_names[0]

    def head(self, name: str | None = None) -> Head:
        """One of the card's heads, the default one if none is named; an unknown name raises UsageError."""
        name = name or self.card.default_head
        if name not in self.card.heads:
            raise UsageError(unknown(f"head of {self.card.name}", name, list(self.card.heads)))
        return self.card.heads[name]

    def label_set(self, head: str | None = None) -> LabelSet:
        """The labels of a head's columns."""
        return self.head(head).label_set

    def predict(self, crops: Crops, *, head: str | None = None, batch: int = 64) -> Floats:
        """Classify faces.

        Args:
            crops: (n, H, W) grey or (n, H, W, 3) RGB uint8, brought to the net's size and colour.
            head: which classifier; None: the card's default.
            batch: how many faces go through the net at a time.

        Returns:
            (n, K) float32, calibrated by the head's temperature, rows sum to 1.

        Raises:
            UsageError: an unknown head. DataError: faces of another shape or type.
            ModelError: the net's output is no probabilities.
        """
        which = self.head(head)
        parts = [self._run(part, which.output) for part in self._parts(crops, batch)]
        if not parts:
            return np.empty((0, len(which.label_set)), np.float32)
        raw = np.concatenate(parts)
        _check_probabilities(raw, f"{which.output} of {self.card.name}")
        return apply_temperature(raw, which.temperature)

    def features(self, crops: Crops, *, batch: int = 64) -> Floats:
        """The last feature map of each face: (n, F, h, w) float32.

        Raises:
            ModelError: the card names no such output.
        """
        if not self.card.features:
            raise ModelError(f"expected a feature map from {self.card.name}, got a card that names none")
        parts = [self._run(part, self.card.features) for part in self._parts(crops, batch)]
        if not parts:
            shape = self._session.output_shapes[self.card.features][1:]
            return np.empty((0, *(each or 0 for each in shape)), np.float32)
        return np.concatenate(parts)

    def _parts(self, crops: Crops, batch: int) -> Iterator[Floats]:
        if batch < 1:
            raise UsageError(f"expected a batch of 1 or more faces, got {batch}")
        for start in range(0, len(crops), batch):
            yield to_tensor(fit_crops(crops[start : start + batch], self.card.input), self.card.input)

    def _run(self, images: Floats, output: str) -> Floats:
        result: Floats = self._session.run([output], **{self._input: images})[output]
        return result


def _check_probabilities(values: Floats, what: str) -> None:
    """Logits, say, would be calibrated to nonsense without a word. NaN fails, too."""
    if not (values.min() >= -0.01 and np.abs(values.sum(1) - 1).max() <= 0.02):
        sums = values.sum(1)
        raise ModelError(
            f"expected probabilities from {what}, got values in {values.min():.3g}..{values.max():.3g} "
            f"whose rows sum to {sums.min():.3g}..{sums.max():.3g}: end the net in a softmax"
        )


def _check_fit(card: Card, session: Session) -> None:
    """Raise ModelError where the card says one thing and the net another. Named sizes are free."""
    if len(session.input_shapes) != 1:
        raise ModelError(f"expected a net with one input for {card.name}, got {', '.join(session.input_shapes)}")
    (name, shape), *_ = session.input_shapes.items()
    wanted = (card.input.channels, card.input.size, card.input.size)
    if len(shape) != 4 or any(
        isinstance(got, int) and got != want for got, want in zip(shape[1:], wanted, strict=True)
    ):
        raise ModelError(f"expected the input {name} of shape (N, {wanted[0]}, {wanted[1]}, {wanted[2]}), got {shape}")
    for head, each in card.heads.items():
        if each.output not in session.output_shapes:
            raise ModelError(
                f"expected the output {each.output} for head {head}, got {', '.join(session.output_shapes)}"
            )
        shape = session.output_shapes[each.output]
        if len(shape) != 2:
            raise ModelError(f"expected the output {each.output} of shape (N, K), got {shape}")
        if shape[1] not in (None, len(each.label_set)):
            raise ModelError(
                f"expected {len(each.label_set)} classes from head {head} as its card says, got {shape[1]}"
            )
    if card.features and card.features not in session.output_shapes:
        raise ModelError(f"expected the output {card.features}, got {', '.join(session.output_shapes)}")
    if card.features and len(session.output_shapes[card.features]) != 4:
        raise ModelError(
            f"expected the output {card.features} of shape (N, F, h, w), got {session.output_shapes[card.features]}"
        )
