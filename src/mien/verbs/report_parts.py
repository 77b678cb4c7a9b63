"""The sections of a report that need more than figures: groups of people, comparison, errors, explanations."""

import os
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from mien.core.errors import DataError, MienError
from mien.datasets import Table
from mien.evaluation.compared import Comparison
from mien.evaluation.comparison import compare_predictions
from mien.evaluation.errors import ErrorAnalysis
from mien.evaluation.fairness import GroupTable
from mien.reporting.figures_evaluation import conditions
from mien.reporting.galleries import confused_gallery, hardest_gallery, suspects_gallery
from mien.reporting.page import TableView
from mien.reporting.parts import Extra, Plan, Reported, sentence, shown
from mien.reporting.ranks import diagram_figure
from mien.reporting.style import many
from mien.verbs.errors import Measured, errors_in, measure_faces
from mien.verbs.report_explanations import explanations

_MOST_GROUPS = 40  # in a table of the page; the csv of `mien evaluate` holds all


def extra_sections(
    models: Sequence[Reported], sources: Mapping[str, str | os.PathLike[str] | None], faces: Table | None
) -> tuple[list[Extra], list[str]]:
    """The sections, and what could not be shown, and why.

    Args:
        models: of the report.
        sources: model -> what `load_classifier` takes; None where there are only predictions.
        faces: that the predictions are of; None if they are not at hand.
    """
    extras, left_out = _groups(models), []
    if len(models) > 1:
        try:
            tables = {each.name: [each.evaluation.predictions.labelled()] for each in models}
            extras.append(_comparison(compare_predictions(tables)))
        except DataError as error:
            left_out.append(f"comparison: {error}")
    if faces is None:
        return extras, [*left_out, "hard faces, confused classes and explanations: give --data to show them"]
    found: dict[str, ErrorAnalysis] = {}
    measured = _measured(models, faces)
    for each in models:
        try:
            found[each.name], images = errors_in(each.evaluation.predictions, faces, measured=measured)
            extras.append(_errors(each.name, len(found) - 1, found[each.name], images))
        except DataError as error:
            left_out.append(f"errors of {each.name}: {error}")
    if found:
        extras.append(_conditions(found))
    for number, each in enumerate(models):
        source = sources[each.name]
        try:
            if source is None:
                raise DataError("there are predictions only, and no model")
            section, missing = explanations(each, number, source, faces)
            extras.append(section)
            left_out += missing
        except MienError as error:
            left_out.append(f"explanations of {each.name}: {error}")
    return extras, left_out


def _measured(models: Sequence[Reported], faces: Table) -> Measured:
    """All faces that any of the models was asked about, measured once."""
    asked = np.concatenate([each.evaluation.predictions.labelled().ids for each in models])
    return measure_faces(faces.select(np.isin(faces.ids, asked)))


def _groups(models: Sequence[Reported]) -> list[Extra]:
    tables, text = {}, []
    for number, each in enumerate(models):
        for column, groups in each.evaluation.groups.items():
            tables[f"groups-{number}-{column}.csv"] = _group_table(each.name, column, groups)
            if groups.accuracy_gap is not None:
                gap = groups.accuracy_gap
                text.append(
                    f"{each.name}: {gap.best} and {gap.worst}, the best and the worst {column}, are "
                    f"{shown(gap.estimate, share=True)} apart in accuracy."
                )
    return [Extra("Groups of people", tuple(text), tables)] if tables else []


def _group_table(name: str, column: str, groups: GroupTable) -> TableView:
    rows = [
        (row.name, many(row.n), "too small" if row.too_small else shown(row.accuracy, share=True),
         "too small" if row.too_small else shown(row.macro_f1, share=True))
        for row in groups.rows[:_MOST_GROUPS]
    ]  # fmt: skip
    more = len(groups.rows) - len(rows)
    said = f", the first {len(rows)} of {len(groups.rows)}" if more > 0 else ""
    return TableView((column, "faces", "accuracy", "macro F1"), tuple(rows), f"{name}, by {column}{said}.")


def _comparison(found: Comparison) -> Extra:
    rows = [
        (
            f"{pair.first} less {pair.second}",
            *(_points(pair.differences[metric].value, pair.differences[metric].low, pair.differences[metric].high)
              for metric in ("accuracy", "macro_f1")),
            f"{pair.decided_by.finding.p:.3g}",
            f"{pair.decided_by.p_holm:.3g}",
            pair.decided_by.finding.test,
        )
        for pair in found.pairs
    ]  # fmt: skip
    header = ("pair", "accuracy, points", "macro F1, points", "p", "p after Holm", "test")
    table = TableView(header, tuple(rows), "Differences on the same faces; in brackets: 95 % intervals.")
    figures: tuple[Plan, ...] = ()
    if len(found.paired.names) > 2 and found.diagram is not None:
        reading = "Each model at its place; a bar joins those that are not shown to differ at 5 %."
        figures = (Plan("ranks", "Which models differ", reading, partial(diagram_figure, found.diagram)),)
    text = (*found.sentences, *map(sentence, found.notes))
    return Extra("Comparison", text, {"comparison.csv": table}, figures)


def _points(value: float, low: float, high: float) -> str:
    interval = f" ({100 * low:+.1f} to {100 * high:+.1f})" if np.isfinite(low) else ""
    return f"{100 * value:+.1f}{interval}"


def _errors(name: str, number: int, found: ErrorAnalysis, images: npt.NDArray[np.uint8]) -> Extra:
    plans = []
    for key, title, reading, make, there in (
        ("confused", "Confused classes", "The classes taken for another most often, a row each: the label, what was "
         "said, how often; the surest answers first.", confused_gallery, len(found.confused)),
        ("hardest", "Hardest faces", "The faces with the least probability for their label: the label, and what was "
         "said with which probability.", hardest_gallery, len(found.hardest)),
        ("suspects", "Labels that may be wrong", "Wrong by their label, but right by the second label source: the "
         "label, and what model and second source say.", suspects_gallery, len(found.suspects)),
    ):  # fmt: skip
        if there:
            plans.append(Plan(f"{key}-{number}", title, reading, partial(make, found, images)))
    said = f"{many(found.wrong)} of {many(len(found))} faces are taken for another class."
    if found.judged:
        said += (
            f" {many(found.judged)} of them have a label of a second source, too, which agrees with the model on "
            f"{many(len(found.suspects))}."
        )
    return Extra(
        f"Errors of {name}", (said, *(f"{note[:1].upper()}{note[1:]}." for note in found.notes)), {}, tuple(plans)
    )


def _conditions(found: Mapping[str, ErrorAnalysis]) -> Extra:
    names = dict.fromkeys(condition for each in found.values() for condition in each.bins)
    bins = {
        condition: {
            model: [(b.low, b.high, b.accuracy) for b in each.bins[condition]]
            for model, each in found.items()
            if condition in each.bins
        }
        for condition in names
    }
    plan = Plan(
        "conditions",
        "Accuracy by condition",
        "The faces in five parts of like size, from the least to the most of a condition: a fall to one side says what "
        "costs accuracy. Brightness in grey levels, sharpness as the variance of the Laplacian, the turn of the head "
        "in degrees, the entropy of the votes in bits.",
        partial(conditions, bins),
    )
    return Extra("What makes faces hard", (), {}, (plan,) if bins else ())
