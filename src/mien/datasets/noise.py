"""How far labels can be trusted: two sources compared, raters who disagree, and labels that are probably wrong.

The suspects are those of confident learning: Northcutt, Jiang and Chuang 2021, "Confident Learning: Estimating
Uncertainty in Dataset Labels", https://doi.org/10.1613/jair.1.12125.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError
from mien.core.labels import LabelSet
from mien.datasets.readers.ferplus_rules import VOTES
from mien.datasets.table import LabelColumn, Table

_ROUNDING = 1e-6  # of a mean of equal probabilities

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Agreement:
    """Two label sources on the images that both label, with the labels that both know.

    Attributes:
        labels: those K, in the order of the first source.
        confusion: (K, K) images; rows are the first source's labels, columns the second's.
    """

    labels: tuple[str, ...]
    confusion: npt.NDArray[np.int64]

    @property
    def n(self) -> int:
        """Images compared."""
        return int(self.confusion.sum())

    @property
    def agree(self) -> int:
        """Images to which both give one label."""
        return int(np.trace(self.confusion))

    @property
    def kappa(self) -> float:
        """Cohen's kappa: the agreement beyond chance, out of what is possible beyond it; NaN if chance is all."""
        if not self.n:
            return float("nan")
        shares = self.confusion / self.n
        chance = float(shares.sum(1) @ shares.sum(0))
        return float((np.trace(shares) - chance) / (1 - chance)) if chance < 1 else float("nan")

    def by_label(self) -> dict[str, float]:
        """For each label of the first source, the share to which the second gives it too; NaN where it gives none."""
        totals = self.confusion.sum(1)
        shares = np.diag(self.confusion) / np.where(totals, totals, 1)
        return {
            label: float(share) if total else float("nan")
            for label, share, total in zip(self.labels, shares, totals, strict=True)
        }


def compare(one: LabelColumn, other: LabelColumn) -> Agreement:
    """Compare two label sources of the same images; an image that one of them does not label does not count.

    Raises:
        DataError: they have fewer than two labels in common.
    """
    common = common_labels(one.label_set, other.label_set)
    a, b = (ids_in(common, each) for each in (one, other))
    both = (a >= 0) & (b >= 0)
    k = len(common)
    counts = np.bincount(a[both] * k + b[both], minlength=k * k)
    return Agreement(common.labels, counts.reshape(k, k))


def common_labels(one: LabelSet, other: LabelSet) -> LabelSet:
    """The labels that both know, in the order of the first; DataError if those are fewer than two."""
    labels = tuple(label for label in one if label in other.labels)
    if len(labels) < 2:
        raise DataError(f"expected label sources with labels in common, got {', '.join(one)} and {', '.join(other)}")
    return LabelSet(f"{one.name} and {other.name}", labels)


def votes_of(table: Table, source: str) -> Floats | None:
    """What raters said of each image: (n, K) votes for the labels of a source, rows of zeros where nobody voted.

    Where the data keep raw votes those are taken, single ones too; else the source's distributions; else None.
    """
    column = table.source(source)
    k = len(column.label_set)
    if "votes" in table.extra and column.label_set.labels == VOTES[:k]:
        raw: Floats = table.extra["votes"][:, :k].astype(np.float64).clip(0)  # -1: none
        return raw
    return None if column.soft is None else np.nan_to_num(column.soft.astype(np.float64))


def vote_share(table: Table, source: str, against: str) -> Floats:
    """The share of all raters, those who saw no face or were not sure included, who chose the label of `source`.

    Returns:
        (n,), NaN where nobody voted, or the source gives no label or one that was not to be chosen.
    """
    votes, column, asked = votes_of(table, against), table.source(source), table.source(against).label_set
    if votes is None:
        return np.full(len(table), np.nan)
    raw = table.extra.get("votes")
    everybody = votes.sum(1) if raw is None else raw.astype(np.float64).clip(0).sum(1)
    chosen = np.array([*column.label_set.columns_in(asked), -1])[column.ids]  # id -1 is the last
    known = (chosen >= 0) & (everybody > 0)
    share = np.full(len(table), np.nan)
    share[known] = votes[known, chosen[known]] / everybody[known]
    return share


def entropy_bits(votes: Floats) -> Floats:
    """How undecided the raters are: 0 bits where all agree, log2(K) where every label has the same number of votes.

    Args:
        votes: (n, K) of 0 or more.

    Returns:
        (n,) bits, NaN where nobody voted.
    """
    total = votes.sum(1, keepdims=True)
    shares = votes / np.where(total > 0, total, 1)
    bits = -(shares * np.log2(np.where(shares > 0, shares, 1))).sum(1) + 0.0  # no -0
    return np.where(total[:, 0] > 0, bits, np.nan)


@dataclass(frozen=True, eq=False)
class Suspects:
    """Labels that are probably wrong.

    Attributes:
        rows: (m,) images, the most doubtful first. suggested: (m,) class ids that they probably have.
        given, likely: (m,) the probability of the label given, and of the one suggested.
        joint: (K, K) confident counts; rows are the labels given, columns the probable ones.
        thresholds: (K,) the probability from which on an image is counted for a class: the mean over its own images.
        n: images with a label and probabilities.
        noise: the share of wrong labels, estimated: the joint's part off its diagonal, its rows scaled to the data's.
    """

    rows: npt.NDArray[np.intp]
    suggested: npt.NDArray[np.intp]
    given: Floats
    likely: Floats
    joint: npt.NDArray[np.int64]
    thresholds: Floats
    n: int
    noise: float


def find_suspects(ids: npt.NDArray[np.intp], probabilities: Floats) -> Suspects:
    """Find labels that are probably wrong, by confident learning.

    An image counts for a class whose probability reaches the mean that this class has over the images labelled so,
    and of several for the most probable. It is suspect where that is not its label, nor is its label the most probable
    of all, which is suggested then. The order is that of the margin: the probability of the label less that of the
    best other class.

    Args:
        ids: (n,) labels given, -1 for none.
        probabilities: (n, K), rows that sum to 1, from something that did not learn from these labels; rows of zeros
            or NaN do not count.
    """
    k = probabilities.shape[1]
    usable = np.flatnonzero((ids >= 0) & (np.nan_to_num(probabilities).sum(1) > 0))
    labels, p = ids[usable].astype(np.intp), probabilities[usable]
    counts = np.bincount(labels, minlength=k)
    own = p[np.arange(len(p)), labels]
    thresholds = np.where(counts > 0, np.bincount(labels, own, minlength=k) / np.where(counts, counts, 1), np.inf)
    confident = np.where(p >= thresholds - _ROUNDING, p, -1.0)
    counted, probable = confident.max(1) >= 0, confident.argmax(1)
    joint = np.bincount(labels[counted] * k + probable[counted], minlength=k * k).reshape(k, k)
    rest = p.copy()
    rest[np.arange(len(p)), labels] = -1.0
    margin = own - rest.max(1)
    off = np.flatnonzero(counted & (probable != labels) & (margin < 0))
    off = off[np.argsort(margin[off], kind="stable")]
    best, likely = p[off].argmax(1), p[off].max(1)
    return Suspects(usable[off], best, own[off], likely, joint, thresholds, len(usable), _noise(joint, counts))


def _noise(joint: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> float:
    rows = joint.sum(1)
    if not counts.sum():
        return float("nan")
    right = np.where(rows > 0, np.diag(joint) / np.where(rows, rows, 1), 1.0)  # a class without counts: as it says
    return float(1 - (right * counts).sum() / counts.sum())


def distributions_in(labels: LabelSet, values: Floats, of: LabelSet) -> Floats:
    """Votes or probabilities for the classes of `of` as shares of those for `labels`: (n, len(labels)).

    Rows are zeros where no label of `labels` has any.

    Raises:
        DataError: `of` lacks a label.
    """
    columns = labels.columns_in(of)
    if (columns < 0).any():
        raise DataError(f"expected the labels {', '.join(labels)}, got {', '.join(of)}")
    part = values[:, columns]
    total = part.sum(1, keepdims=True)
    return np.asarray(part / np.where(total > 0, total, 1), np.float64)


def ids_in(labels: LabelSet, column: LabelColumn) -> npt.NDArray[np.intp]:
    """The class ids of a column in another label set, -1 where that has no such label: (n,)."""
    numbers = np.array([*column.label_set.columns_in(labels), -1], np.intp)  # id -1 is the last
    ids: npt.NDArray[np.intp] = numbers[column.ids]
    return ids
