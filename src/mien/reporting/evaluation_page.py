"""The page that shows trained models: what they learnt, how well, how surely, where they fail, and why."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mien.reporting import evaluation_sections as sections
from mien.reporting.drawing import Drawing, render
from mien.reporting.page import FigureView, Section, TableView, render_page
from mien.reporting.parts import Extra, Reported, shown


@dataclass(frozen=True)
class ReportPage:
    """What was drawn: the page, its figures, its tables by the name of a file, and what had to be left out, and why."""

    html: str
    drawings: tuple[Drawing, ...]
    tables: Mapping[str, TableView]
    left_out: tuple[str, ...]


def report_page(
    models: Sequence[Reported],
    *,
    title: str,
    extras: Sequence[Extra] = (),
    left_out: Sequence[str] = (),
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> ReportPage:
    """Draw everything that the models allow on one page.

    Args:
        models: one or more, in the order in which they are shown.
        title: stands at the top.
        extras: sections made elsewhere, that come before the cards.
        left_out: what could not be computed, and why.
        tell: called with the number of figures drawn and their total.
    """
    parts = [*sections.measured(models), *extras, *sections.provenance(models)]
    parts = [each for each in parts if each.text or each.tables or each.figures]
    if left_out:
        parts.append(Extra("Left out", tuple(f"{each.rstrip('.')}." for each in left_out)))
    total = sum(len(each.figures) for each in parts)
    drawings: list[Drawing] = []
    shown_parts: list[Section] = []
    for part in parts:
        views = []
        for plan in part.figures:
            drawings.append(render(plan.name, plan.make))
            views.append(FigureView(plan.title, plan.reading, drawings[-1], plan.finding))
            tell(len(drawings), total)
        shown_parts.append(Section(part.title, part.text, tuple(part.tables.values()), tuple(views)))
    tables = {name: table for part in parts for name, table in {**part.tables, **part.numbers}.items()}
    html = render_page(title, shown_parts, subtitle=_subtitle(models), facts=_facts(models))
    return ReportPage(html, tuple(drawings), tables, tuple(left_out))


def _subtitle(models: Sequence[Reported]) -> str:
    about = models[0].evaluation.predictions.meta
    facts = [about.get("data"), about.get("split"), about.get("label_source") and f"labels {about['label_source']}"]
    rules = dict.fromkeys(each.evaluation.rule for each in models)
    return ", ".join(filter(None, facts)) + ": " + "; ".join(rules)


def _facts(models: Sequence[Reported]) -> list[tuple[str, str]]:
    return [(f"accuracy of {each.name}", shown(each.evaluation.metrics["accuracy"], share=True)) for each in models]
