"""What a report is made of: the models, the sections, the figures in them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mien.evaluation import Evaluation
from mien.evaluation.metrics import Estimate
from mien.reporting.page import TableView
from mien.runtime.card import Card, RobustnessCell


@dataclass(frozen=True, eq=False)
class Reported:
    """One model of a report.

    Attributes:
        name: what it is called in the report.
        evaluation: of its predictions with one head, which the figures show.
        others: of its other heads: a row each in the table of all figures.
        card: of the model, if there is one. settings, versions: of its training, {} if not known.
        log: rows of `metrics.csv`. diagnosis: what they say, in sentences.
        robustness: cells of all heads.
    """

    name: str
    evaluation: Evaluation
    others: tuple[Evaluation, ...] = ()
    card: Card | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, Any] = field(default_factory=dict)
    log: Sequence[Mapping[str, str]] = ()
    diagnosis: Sequence[str] = ()
    robustness: Sequence[RobustnessCell] = ()


@dataclass(frozen=True, eq=False)
class Extra:
    """A section of a report.

    Attributes:
        title: over it. text: its paragraphs. figures: still to be drawn.
        tables: name of a file -> what it holds, which the page shows, too.
        numbers: the same of what only the file shows, such as the points of a curve.
    """

    title: str
    text: tuple[str, ...] = ()
    tables: Mapping[str, TableView] = field(default_factory=dict)
    figures: tuple["Plan", ...] = ()
    numbers: Mapping[str, TableView] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Plan:
    """A figure to be drawn: name of its files, title, how it is read, what makes it for a width, what it shows."""

    name: str
    title: str
    reading: str
    make: Callable[[float], Figure]
    finding: str = ""


def shown(figure: Estimate | None, *, share: bool) -> str:
    """A figure with its interval, as text."""
    if figure is None or not np.isfinite(figure.value):
        return "–"
    unit, digits = (100, 1) if share else (1, 3)
    said = f"{unit * figure.value:.{digits}f}" + (" %" if share else "")
    if np.isfinite(figure.low):
        said += f" ({unit * figure.low:.{digits}f} to {unit * figure.high:.{digits}f})"
    return said


def sentence(text: str) -> str:
    """A remark as a sentence."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
