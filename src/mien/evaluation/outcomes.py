"""What a metric sees: labelled faces, and what a model said of them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError
from mien.core.labels import LabelSet
from mien.evaluation.bootstrap import Floats, Ints, resampled_counts, units_of
from mien.evaluation.ranking import Ranking, rank


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What a metric sees: n labelled faces and what a model said.

    What several metrics need is computed once, when it is first asked for.

    Attributes:
        probabilities: (n, K), rows sum to 1.
        labels: (n,) class ids in 0..K-1.
        label_set: names of the K classes.
        subjects: (n,) who is seen, "" where not known, so that intervals resample people instead of faces; None: every
            face by itself.
        seed: of the bootstrap.
    """

    probabilities: Floats
    labels: Ints
    label_set: LabelSet
    subjects: npt.NDArray[np.str_] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "probabilities", np.asarray(self.probabilities, np.float64))
        object.__setattr__(self, "labels", np.asarray(self.labels, np.int64))
        n, k = len(self.labels), len(self.label_set)
        if self.probabilities.shape != (n, k):
            raise DataError(f"expected probabilities of shape {(n, k)}, got {self.probabilities.shape}")
        if n and not (self.labels.min() >= 0 and self.labels.max() < k):
            raise DataError(f"expected class ids in 0..{k - 1}, got others: leave out faces without a label")

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def units(self) -> int:
        """How many people, or faces where people are not known, the bootstrap draws from."""
        return int(units_of(self.subjects, len(self)).max(initial=-1)) + 1

    @cached_property
    def predicted(self) -> Ints:
        """(n,) the most probable class."""
        return np.asarray(self.probabilities.argmax(1), np.int64)

    @cached_property
    def correct(self) -> npt.NDArray[np.bool_]:
        """(n,) where the most probable class is the label."""
        return np.asarray(self.predicted == self.labels, np.bool_)

    @cached_property
    def confusion(self) -> Ints:
        """(K, K) counts: rows are labels, columns what was predicted."""
        return confusion_matrix(self.labels, self.predicted, len(self.label_set))

    @cached_property
    def confusions(self) -> Ints:
        """(B, K, K) confusion matrices of bootstrap samples; n > 0."""
        k = len(self.label_set)
        cells = self.labels * k + self.predicted
        return resampled_counts(cells, k * k, self.subjects, seed=self.seed).reshape(-1, k, k)

    @cached_property
    def ranking(self) -> Ranking:
        """Areas under the ROC curves and average precisions of the classes, of bootstrap samples too; n > 0."""
        return rank(self.probabilities, self.labels, self.subjects, seed=self.seed)


def confusion_matrix(labels: Ints, predicted: Ints, k: int) -> Ints:
    """(K, K) counts: rows are labels, columns what was predicted."""
    return np.bincount(labels * k + predicted, minlength=k * k).reshape(k, k)
