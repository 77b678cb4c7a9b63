"""Miniature data sets, written to disk exactly as the real ones are handed out, and what a reader must find in them.

A module a data set. Each holds `FORMS`: form -> a function that writes it under a folder and returns a `Layout`.
What a `Layout` says is written down here by hand and not computed by the reader's code, so that a wrong label order,
split or count fails.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Row:
    """One picture that the reader must yield.

    Attributes:
        id, split: as in `Sample`. labels: source -> label, None where there is none.
        extra: columns that must hold these values for this picture; others may be there.
        soft: source -> the distribution over its classes, in the order of its label set.
    """

    id: str
    split: str
    labels: Mapping[str, str | None]
    extra: Mapping[str, Any] = field(default_factory=dict)
    soft: Mapping[str, Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Layout:
    """What was written.

    Attributes:
        name: of the reader. root: what it is given. form: what it must say the form is.
        rows: what it must yield, in order. faces: whether it must say that they are face crops.
        options: for the reader. original: whether the form is as the authors hand it out.
    """

    name: str
    root: Path
    form: str
    rows: tuple[Row, ...]
    faces: bool
    options: Mapping[str, Any] = field(default_factory=dict)
    original: bool = True


Writer = Callable[[Path], Layout]
