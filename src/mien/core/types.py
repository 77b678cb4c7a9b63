"""Results as frozen structs of arrays, validated once, maskable like an array."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError
from mien.core.labels import LabelSet
from mien.core.optional import require

Image = npt.NDArray[np.uint8]  # RGB, (H, W, 3)
Floats = npt.NDArray[np.float32]

LANDMARKS = ("right_eye", "left_eye", "nose", "right_mouth", "left_mouth")


def _frozen(name: str, values: npt.ArrayLike, shape: tuple[int | None, ...]) -> Floats:
    array = np.asarray(values, np.float32)
    if len(array.shape) != len(shape) or any(w is not None and g != w for g, w in zip(array.shape, shape, strict=True)):
        wanted = str(shape).replace("None", "n")
        raise DataError(f"expected {name} of shape {wanted}, got {array.shape}")
    array = array.view()
    array.flags.writeable = False
    return array


@dataclass(frozen=True, eq=False)
class Faces:
    """Faces found in one picture, best score first.

    Attributes:
        boxes: (n, 4) float32, x1 y1 x2 y2 in pixels, in MTCNN's convention whatever the detector;
            they may reach past the picture's edge.
        scores: (n,) float32, the detector's own confidence in 0..1.
        landmarks: (n, 5, 2) float32, x y in pixels of right eye, left eye, nose, right and left
            corner of the mouth (the person's own right and left); NaN where not known.
    """

    boxes: Floats
    scores: Floats
    landmarks: Floats

    def __post_init__(self) -> None:
        boxes = _frozen("boxes", self.boxes, (None, 4))
        n = len(boxes)
        object.__setattr__(self, "boxes", boxes)
        object.__setattr__(self, "scores", _frozen("scores", self.scores, (n,)))
        object.__setattr__(self, "landmarks", _frozen("landmarks", self.landmarks, (n, 5, 2)))

    @classmethod
    def empty(cls) -> Self:
        """No face."""
        return cls(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty((0, 5, 2), np.float32))

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, which: Any) -> Self:
        """A subset by mask, slice, index array or one number."""
        which = _rows(which)
        return type(self)(self.boxes[which], self.scores[which], self.landmarks[which])

    @property
    def areas(self) -> Floats:
        """(n,) box areas in square pixels."""
        sides: Floats = np.maximum(self.boxes[:, 2:] - self.boxes[:, :2], 0)
        areas: Floats = sides.prod(1)
        return areas


@dataclass(frozen=True, eq=False)
class Predictions:
    """Faces with the emotions they express.

    Attributes:
        faces: where the faces are (n of them).
        probabilities: (n, K) float32, calibrated, rows sum to 1.
        label_set: names of the K columns.

    >>> from mien.core.labels import LABEL_SETS
    >>> Predictions.empty(LABEL_SETS["ferplus"]).top
    []
    """

    faces: Faces
    probabilities: Floats
    label_set: LabelSet

    def __post_init__(self) -> None:
        probabilities = _frozen("probabilities", self.probabilities, (len(self.faces), len(self.label_set)))
        object.__setattr__(self, "probabilities", probabilities)

    @classmethod
    def empty(cls, label_set: LabelSet) -> Self:
        """No face."""
        return cls(Faces.empty(), np.empty((0, len(label_set)), np.float32), label_set)

    def __len__(self) -> int:
        return len(self.faces)

    def __getitem__(self, which: Any) -> Self:
        """A subset by mask, slice, index array or one number."""
        which = _rows(which)
        return type(self)(self.faces[which], self.probabilities[which], self.label_set)

    def __iter__(self) -> Iterator[Self]:
        return (self[i] for i in range(len(self)))

    @property
    def boxes(self) -> Floats:
        """(n, 4) float32, x1 y1 x2 y2 in pixels."""
        return self.faces.boxes

    @property
    def scores(self) -> Floats:
        """(n,) float32, the detector's confidence."""
        return self.faces.scores

    @property
    def landmarks(self) -> Floats:
        """(n, 5, 2) float32, see `Faces`."""
        return self.faces.landmarks

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the K emotions, in the order of the columns of `probabilities`."""
        return self.label_set.labels

    @property
    def top(self) -> list[str]:
        """The most probable emotion of each face: n names."""
        return [self.labels[k] for k in self.probabilities.argmax(1)] if len(self) else []

    def probability(self, label: str) -> Floats:
        """(n,) float32, the probability of one emotion; an unknown label raises UsageError."""
        column: Floats = self.probabilities[:, self.label_set.index(label)]
        return column

    def to_dict(self) -> dict[str, list[Any]]:
        """Column name -> n plain Python values: x1, y1, x2, y2, score, p_<label>..., label."""
        columns: dict[str, list[Any]] = {
            name: self.boxes[:, i].tolist() for i, name in enumerate(("x1", "y1", "x2", "y2"))
        }
        columns["score"] = self.scores.tolist()
        columns |= {f"p_{label}": self.probabilities[:, k].tolist() for k, label in enumerate(self.labels)}
        columns["label"] = list(self.top)
        return columns

    def to_pandas(self) -> Any:
        """The columns of `to_dict` as a pandas DataFrame (needs the extra `data`)."""
        return require("pandas", extra="data").DataFrame(self.to_dict()).astype({"label": "str"})  # even of no face


@dataclass(frozen=True, eq=False)
class Attribution:
    """Where in n faces, or clips of a face, a model sees what it says of them.

    Attributes:
        maps: (n, H, W) float32 in 0..1, over the face as the model sees it; 1 where it matters most, all 0 where the
            method found nothing that speaks for the label. Of clips (n, T, H, W), all frames of one on one scale.
        method: that made the maps, such as ``"gradcam"``.
        label: of each face, the emotion that its map speaks for; "" by a method that asks for none.
        model: its name.
    """

    maps: Floats
    method: str
    label: tuple[str, ...]
    model: str = ""

    def __post_init__(self) -> None:
        maps = _frozen("maps", self.maps, (None,) * (4 if np.ndim(self.maps) == 4 else 3))
        if len(self.label) != len(maps):
            raise DataError(f"expected a label for each of {len(maps)} maps, got {len(self.label)}")
        if not (maps.size == 0 or (maps.min() >= 0 and maps.max() <= 1)):  # NaN fails, too
            raise DataError(f"expected maps in 0..1 from {self.method}, got values in {maps.min():g}..{maps.max():g}")
        object.__setattr__(self, "maps", maps)

    def __len__(self) -> int:
        return len(self.maps)

    def __getitem__(self, which: Any) -> Self:
        """A subset by mask, slice, index array or one number."""
        rows = np.arange(len(self))[_rows(which)]
        return type(self)(self.maps[rows], self.method, tuple(self.label[i] for i in rows), self.model)


class Detector(Protocol):
    """Finds faces. Implementations are safe to call from several threads and raise on no image."""

    def detect(self, image: Image, /, *, min_face: int = 40) -> Faces:
        """Faces at least `min_face` pixels wide or high in an RGB uint8 picture (H, W, 3)."""
        ...


def _rows(which: Any) -> Any:
    """One number becomes a slice, so that a subset keeps its row axis; -1 is the last."""
    if isinstance(which, int | np.integer):
        return [int(which)]
    return which
