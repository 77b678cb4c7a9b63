"""What an ablation found, as a table: a row a label source and variant, with its difference to the whole training."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mien.evaluation.compared import Comparison, Judged, Pair
from mien.evaluation.metrics import Estimate
from mien.evaluation.statistics import finite

_FIGURES = ("accuracy", "macro_f1", "difference", "difference_macro_f1")
_BOUNDS = ("value", "low", "high")


@dataclass(frozen=True)
class Row:
    """One variant of a training.

    Attributes:
        head: the label source. variant: its name in words.
        accuracy, macro_f1: with their 95 % intervals; means over seeds.
        difference, difference_macro_f1: its figure less that of the whole training; None for the whole one.
        test: which one decides. p: of it. p_holm: corrected for the number of variants. differ: whether, at 5 %.
        effect: which effect size: Cohen's d_z over folds or seeds, Cohen's g of one run. effect_size: its value, of the
            sign of the difference. Neither where it is not defined.
    """

    head: str
    variant: str
    accuracy: Estimate
    macro_f1: Estimate
    difference: Estimate | None = None
    difference_macro_f1: Estimate | None = None
    test: str = ""
    p: float | None = None
    p_holm: float | None = None
    differ: bool | None = None
    effect: str = ""
    effect_size: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        figures = {name: getattr(self, name) for name in _FIGURES}
        return vars(self) | {name: None if each is None else each.to_dict() for name, each in figures.items()}


def rows_of(comparisons: Mapping[str, Comparison], *, full: str) -> tuple[Row, ...]:
    """The table of an ablation: the whole training first, then the variants.

    Args:
        comparisons: label source -> the variants, each compared with the whole training.
        full: the name of the whole training.
    """
    return tuple(row for head, found in comparisons.items() for row in _rows(head, found, full))


def _rows(head: str, found: Comparison, full: str) -> Iterator[Row]:
    pairs = {pair.first: pair for pair in found.pairs}
    for score in sorted(found.scores, key=lambda score: score.name != full):
        if score.name == full:
            yield Row(head, full, score.accuracy, score.macro_f1)
        else:
            yield _row(head, pairs[score.name], score.accuracy, score.macro_f1)


def _row(head: str, pair: Pair, accuracy: Estimate, macro_f1: Estimate) -> Row:
    decided, (effect, size) = pair.decided_by, _effect(pair)
    return Row(
        head,
        pair.first,
        accuracy,
        macro_f1,
        pair.differences["accuracy"],
        pair.differences["macro_f1"],
        decided.finding.test,
        finite(decided.finding.p),
        finite(decided.p_holm),
        pair.differ,
        effect,
        size,
    )


def _effect(pair: Pair) -> tuple[str, float | None]:
    """Over runs where there are two or more, else over images."""
    over_runs = [each for each in pair.tests if each.metric == "accuracy" and each.finding.test.endswith("paired_t")]
    test: Judged = over_runs[0] if over_runs else pair.decided_by
    effect, size = next(iter(test.finding.effects.items()), ("", float("nan")))
    return effect, finite(size)


def csv_rows(rows: Sequence[Row]) -> list[list[Any]]:
    """The table for a csv, its header first; shares of 1; empty cells for what is not defined."""
    plain = ["test", "p", "p_holm", "differ", "effect", "effect_size"]
    bounds = [f"{name}{'' if bound == 'value' else f'_{bound}'}" for name in _FIGURES for bound in _BOUNDS]
    lines: list[list[Any]] = [["head", "variant", *bounds, *plain]]
    for row in rows:
        figures = [getattr(getattr(row, name), bound, None) for name in _FIGURES for bound in _BOUNDS]
        cells = [row.head, row.variant, *figures, *(getattr(row, name) for name in plain)]
        lines.append(["" if _is_missing(each) else each for each in cells])
    return lines


def _is_missing(cell: Any) -> bool:
    return cell is None or (isinstance(cell, float) and finite(cell) is None)
