"""How much of a model's accuracy is left when its pictures are worse: a table of corruptions and strengths."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import numpy.typing as npt

from mien.core.corruptions import CORRUPTIONS
from mien.core.errors import DataError
from mien.runtime.card import RobustnessCell

# What a model should keep of its clean accuracy: on the mean of all cells, and in each cell of moderate strength.
MEAN_GOAL, MODERATE_GOAL = 0.88, 0.75


@dataclass(frozen=True)
class Robustness:
    """The table of one model and head.

    Attributes:
        head: whose answers. n: labelled faces behind each cell. clean: accuracy on the faces as they are.
        cells: one a corruption and strength, in the order of `CORRUPTIONS`.
    """

    head: str
    n: int
    clean: float
    cells: tuple[RobustnessCell, ...]

    @property
    def mean(self) -> float:
        """Mean share of the clean accuracy over all cells."""
        return fmean(each.relative for each in self.cells)

    @property
    def worst(self) -> RobustnessCell:
        """The lowest cell of moderate strength."""
        return min((each for each in self.cells if is_moderate(each)), key=lambda each: each.relative)

    @property
    def reached(self) -> bool:
        """Whether both goals are: see `MEAN_GOAL` and `MODERATE_GOAL`."""
        return self.mean >= MEAN_GOAL and self.worst.relative >= MODERATE_GOAL

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        rows = [{**vars(each), "moderate": is_moderate(each)} for each in self.cells]
        return {"head": self.head, "n": self.n, "clean": self.clean, "mean": self.mean, "cells": rows}


def is_moderate(cell: RobustnessCell) -> bool:
    """Whether a cell's strength is one that everyday pictures show."""
    return cell.corruption in CORRUPTIONS and cell.strength in CORRUPTIONS[cell.corruption].moderate


def accuracy_of(probabilities: npt.NDArray[np.float32], label_ids: npt.NDArray[np.integer]) -> float:
    """Share of the labelled faces (id 0 or more) whose highest probability is their label's.

    Raises:
        DataError: no face has a label.
    """
    labelled = label_ids >= 0
    if not labelled.any():
        raise DataError("expected labelled faces to measure robustness on, got none")
    return float((probabilities[labelled].argmax(1) == label_ids[labelled]).mean())


def robustness(head: str, n: int, clean: float, measured: Sequence[tuple[str, float, float]]) -> Robustness:
    """The table from (corruption, strength, accuracy) of each cell.

    Raises:
        DataError: the model was right on no clean face, which is no measure of anything.
    """
    if clean <= 0:
        raise DataError("expected a model that is right on some faces to measure robustness, got an accuracy of 0")
    cells = tuple(RobustnessCell(kind, strength, value, value / clean, head) for kind, strength, value in measured)
    return Robustness(head, n, clean, cells)
