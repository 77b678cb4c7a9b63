"""Faces in, calibrated probabilities out."""

from collections.abc import Iterator, Sequence

import numpy as np

from mien.core.errors import DataError, ModelError, UsageError
from mien.core.labels import LabelSet
from mien.core.types import Floats
from mien.runtime.card import AFFECT, CLIP, IMAGE, VALENCE_AROUSAL, Card, Head
from mien.runtime.preprocess import ClipCrops, Crops, clips_to_tensor, fit_crops, to_tensor
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

    def head(self, name: str | None = None) -> Head:
        """One of the card's heads, the default one if none is named; an unknown name raises UsageError."""
        return self.card.head(name)

    def label_set(self, head: str | None = None) -> LabelSet:
        """The labels of a head's columns."""
        return self.head(head).label_set

    @property
    def takes_clips(self) -> bool:
        """Whether it sees clips, not single faces."""
        return self.card.input.frames > 0

    def predict(self, crops: Crops, *, head: str | None = None, batch: int = 64) -> Floats:
        """Classify faces.

        Args:
            crops: (n, H, W) grey or (n, H, W, 3) RGB uint8, brought to the net's size and colour.
            head: which classifier; None: the card's default.
            batch: how many faces go through the net at a time.

        Returns:
            (n, K) float32, calibrated by the head's temperature, rows sum to 1.

        Raises:
            UsageError: an unknown head, or a net of clips. DataError: faces of another shape or type.
            ModelError: the net's output is no probabilities.
        """
        return self._classify(self._parts(crops, batch), [self.head(head)])[0]

    def predict_heads(self, crops: Crops, *, heads: Sequence[str] = (), batch: int = 64) -> dict[str, Floats]:
        """What several heads say of faces, in one pass through the net.

        Args:
            crops: as `predict` takes them.
            heads: which classifiers; all of the card if empty.
            batch: how many faces go through the net at a time.

        Returns:
            Head -> (n, K) float32, as `predict` gives it.

        Raises:
            UsageError, DataError, ModelError: as `predict`.
        """
        names = list(heads or self.card.heads)
        found = self._classify(self._parts(crops, batch), [self.head(name) for name in names])
        return dict(zip(names, found, strict=True))

    def predict_clips(
        self, clips: ClipCrops, *, peaks: Crops | None = None, head: str | None = None, batch: int = 16
    ) -> Floats:
        """Classify clips of a face.

        Args:
            clips: (n, T, H, W) grey or (n, T, H, W, 3) RGB uint8, of any T: as many frames as the card says are taken,
                evenly spaced.
            peaks: (n, H, W) or (n, H, W, 3) uint8, the picture of each clip that says most, for a net that sees one
                beside the clip; the last frames if None.
            head: which classifier; None: the card's default.
            batch: how many clips go through the net at a time.

        Returns:
            As `predict`, a row a clip.

        Raises:
            UsageError: an unknown head, or a net of single faces. DataError: clips of another shape or type.
            ModelError: the net's output is no probabilities.
        """
        return self._classify(self._clip_parts(clips, peaks, batch), [self.head(head)])[0]

    def _classify(self, parts: Iterator[dict[str, Floats]], heads: Sequence[Head]) -> list[Floats]:
        names = [each.output for each in heads]
        outputs = [self._session.run(names, **part) for part in parts]
        if not outputs:
            return [np.empty((0, len(each.label_set)), np.float32) for each in heads]
        found = []
        for each in heads:
            raw = np.concatenate([part[each.output] for part in outputs])
            _check_probabilities(raw, f"{each.output} of {self.card.name}")
            found.append(apply_temperature(raw, each.temperature))
        return found

    def features(self, crops: Crops, *, batch: int = 64) -> Floats:
        """The last feature map of each face: (n, F, h, w) float32.

        Raises:
            ModelError: the card names no such output.
        """
        if not self.card.features:
            raise ModelError(f"expected a feature map from {self.card.name}, got a card that names none")
        name = self.card.features
        parts = [self._session.run([name], **part)[name] for part in self._parts(crops, batch)]
        if not parts:
            shape = self._session.output_shapes[name][1:]
            return np.empty((0, *(each or 0 for each in shape)), np.float32)
        return np.concatenate(parts)

    @property
    def tells_affect(self) -> bool:
        """Whether the net says valence and arousal, too."""
        shape: tuple[int | None, ...] = self._session.output_shapes.get(VALENCE_AROUSAL, ())
        return len(shape) == 2 and shape[1] in (None, len(AFFECT))

    def affect(self, crops: Crops, *, batch: int = 64) -> Floats:
        """Valence and arousal of each face: (n, 2) float32, -1..1.

        Raises:
            ModelError: the net says nothing of them. UsageError, DataError: as `predict`.
        """
        if not self.tells_affect:
            raise ModelError(f"expected the output {VALENCE_AROUSAL} from {self.card.name}, got a net without it")
        parts = [self._session.run([VALENCE_AROUSAL], **part)[VALENCE_AROUSAL] for part in self._parts(crops, batch)]
        return np.concatenate([np.empty((0, len(AFFECT)), np.float32), *parts])

    def _parts(self, crops: Crops, batch: int) -> Iterator[dict[str, Floats]]:
        if batch < 1:
            raise UsageError(f"expected a batch of 1 or more faces, got {batch}")
        if self.takes_clips:
            raise UsageError(
                f"expected clips for {self.card.name}, which sees {self.card.input.frames} frames of each, got single "
                "faces: choose another model, or call predict_clips"
            )
        (name,) = self._session.input_names
        for start in range(0, len(crops), batch):
            yield {name: to_tensor(fit_crops(crops[start : start + batch], self.card.input), self.card.input)}

    def _clip_parts(self, clips: ClipCrops, peaks: Crops | None, batch: int) -> Iterator[dict[str, Floats]]:
        if batch < 1:
            raise UsageError(f"expected a batch of 1 or more clips, got {batch}")
        if not self.takes_clips:
            raise UsageError(f"expected single faces for {self.card.name}, got clips: call predict")
        if peaks is not None and len(peaks) != len(clips):
            raise DataError(f"expected a peak for each of {len(clips)} clips, got {len(peaks)}")
        for start in range(0, len(clips), batch):
            some = slice(start, start + batch)
            feeds = {CLIP: clips_to_tensor(clips[some], self.card.input)}
            if IMAGE in self._session.input_names:
                peak = clips[some, -1] if peaks is None else peaks[some]
                feeds[IMAGE] = to_tensor(fit_crops(peak, self.card.input), self.card.input)
            yield feeds


def _check_probabilities(values: Floats, what: str) -> None:
    """Logits, say, would be calibrated to nonsense without a word. NaN fails, too."""
    if not (values.min() >= -0.01 and np.abs(values.sum(1) - 1).max() <= 0.02):
        sums = values.sum(1)
        raise ModelError(
            f"expected probabilities from {what}, got values in {values.min():.3g}..{values.max():.3g} "
            f"whose rows sum to {sums.min():.3g}..{sums.max():.3g}: end the net in a softmax"
        )


def _check_inputs(card: Card, session: Session) -> None:
    picture = (card.input.channels, card.input.size, card.input.size)
    if card.input.frames:
        wanted = {CLIP: (card.input.frames, *picture), IMAGE: picture}
        if CLIP not in session.input_shapes or set(session.input_shapes) - set(wanted):
            said = ", ".join(session.input_shapes)
            raise ModelError(f"expected a net with the input clip, or clip and image, for {card.name}, got {said}")
    else:
        if len(session.input_shapes) != 1:
            raise ModelError(f"expected a net with one input for {card.name}, got {', '.join(session.input_shapes)}")
        wanted = dict.fromkeys(session.input_shapes, picture)
    for name, shape in session.input_shapes.items():
        sizes = wanted[name]
        if len(shape) != 1 + len(sizes) or any(
            isinstance(got, int) and got != want for got, want in zip(shape[1:], sizes, strict=True)
        ):
            raise ModelError(f"expected the input {name} of shape (N, {', '.join(map(str, sizes))}), got {shape}")


def _check_fit(card: Card, session: Session) -> None:
    """Raise ModelError where the card says one thing and the net another. Named sizes are free."""
    _check_inputs(card, session)
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
