"""Emotion labels: the canonical names, other spellings, and every data set's own order in one table."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError, UsageError

CANONICAL = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")

UNSURE = "unsure"
"""What is said of a face whose label was left empty, see `--abstain`."""

# Understood on input, never written.
SPELLINGS = {
    "angry": "anger",
    "disgusted": "disgust",
    "fearful": "fear",
    "afraid": "fear",
    "scared": "fear",
    "happy": "happiness",
    "joy": "happiness",
    "sad": "sadness",
    "surprised": "surprise",
    "contemptuous": "contempt",
    "natural": "neutral",
}


def canonical(name: str) -> str:
    """The canonical spelling of an emotion: ``"Happy"`` gives ``"happiness"``.

    Raises:
        DataError: no emotion of this name is known.
    """
    key = name.strip().lower()
    key = SPELLINGS.get(key, key)
    if key not in CANONICAL:
        raise DataError(f"expected an emotion out of {', '.join(CANONICAL)}, got {name!r}")
    return key


@dataclass(frozen=True)
class LabelSet:
    """Names of the K classes of one source of labels, in the order of its class ids.

    >>> LABEL_SETS["fer2013"].index("happy")
    3
    """

    name: str
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.labels or len(set(self.labels)) != len(self.labels):
            raise DataError(f"expected distinct labels in label set {self.name!r}, got {self.labels}")

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[str]:
        return iter(self.labels)

    def index(self, label: str) -> int:
        """Class id of a label, any known spelling; an unknown one raises UsageError."""
        name = label if label in self.labels else SPELLINGS.get(label.strip().lower(), label.strip().lower())
        if name not in self.labels:
            raise UsageError(f"expected a label out of {', '.join(self.labels)}, got {label!r}")
        return self.labels.index(name)

    def columns_in(self, other: "LabelSet") -> npt.NDArray[np.intp]:
        """For each of our labels its class id in `other`, -1 where `other` lacks it: (K,)."""
        return np.array([other.labels.index(label) if label in other.labels else -1 for label in self.labels], np.intp)


_AN, _DI, _FE, _HA, _SA, _SU, _NE, _CO = (
    "anger",
    "disgust",
    "fear",
    "happiness",
    "sadness",
    "surprise",
    "neutral",
    "contempt",
)

# Class orders as the data sets' own files number them. Ids that start at 1 are given in FIRST_ID.
LABEL_SETS = {
    each.name: each
    for each in (
        LabelSet("fer2013", (_AN, _DI, _FE, _HA, _SA, _SU, _NE)),
        LabelSet("ferplus", (_NE, _HA, _SU, _SA, _AN, _DI, _FE, _CO)),
        LabelSet("rafdb", (_SU, _FE, _DI, _HA, _SA, _AN, _NE)),
        LabelSet("ckplus", (_NE, _AN, _CO, _DI, _FE, _HA, _SA, _SU)),
        LabelSet("ck48", (_AN, _DI, _FE, _HA, _SA, _SU, _CO)),
        LabelSet("ckextended", (_AN, _DI, _FE, _HA, _SA, _SU, _NE, _CO)),
        LabelSet("jaffe", (_AN, _DI, _FE, _HA, _NE, _SA, _SU)),
        LabelSet("mmi", (_AN, _DI, _FE, _HA, _SA, _SU)),
        LabelSet("affectnet", (_NE, _HA, _SA, _SU, _FE, _DI, _AN, _CO)),
        LabelSet("wild", (_AN, _HA, _NE, _SA, _SU)),
    )
}
FIRST_ID = {"rafdb": 1, "mmi": 1}
