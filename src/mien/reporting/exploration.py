"""The page that shows a table: its figures, what they mean, and its numbers."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from mien.datasets.explore import Agreement, Classes, Exploration
from mien.reporting.drawing import Drawing, render
from mien.reporting.page import FigureView, Section, TableView, render_page
from mien.reporting.plates import PLATES, Plate
from mien.reporting.style import many, short

_MOST_CLASSES = 24  # more cannot be told apart in one figure


@dataclass(frozen=True)
class ExplorationPage:
    """What was drawn.

    Attributes:
        html: the page. drawings: its figures.
        left_out: title of a figure that could not be drawn -> why.
        findings: name of a figure -> what it shows here.
    """

    html: str
    drawings: tuple[Drawing, ...]
    left_out: dict[str, str]
    findings: dict[str, str]


def exploration_page(
    e: Exploration, *, files: str = "", tell: Callable[[int, int], None] = lambda done, total: None
) -> ExplorationPage:
    """Draw all figures that the data allow, and put them on one page.

    Args:
        e: the numbers.
        files: in words, what lies beside the page.
        tell: called with the number of figures done and their total.
    """
    shown = _to_show(e)
    plates = [plate for each in PLATES.values() for plate in each]
    left_out = {plate.title: why for plate in plates if (why := plate.absent(shown))}
    views: dict[str, FigureView] = {}
    for plate in plates:
        if plate.title not in left_out:
            views[plate.name] = _view(plate, shown)
            tell(len(views), len(plates) - len(left_out))
    sections = [_numbers(shown, len(e.classes.labels))]
    for title, group in PLATES.items():
        if figures := tuple(views[plate.name] for plate in group if plate.name in views):
            sections.append(Section(title, figures=figures))
    if left_out:
        sections.append(Section("Left out", text=tuple(f"{title}: {why}." for title, why in left_out.items())))
    html = render_page(e.name, sections, subtitle=_subtitle(e), facts=_facts(e), foot=files)
    findings = {name: view.finding for name, view in views.items() if view.finding}
    return ExplorationPage(html, tuple(view.drawing for view in views.values()), left_out, findings)


def _view(plate: Plate, e: Exploration) -> FigureView:
    return FigureView(
        plate.title,
        plate.reading,
        render(plate.name, partial(plate.draw, e)),
        plate.finding(e).replace(" %", "\N{NO-BREAK SPACE}%"),
    )


def _to_show(e: Exploration) -> Exploration:
    """The largest classes alone where there are too many, under names that fit."""
    sizes = e.counts[:, :-1].sum(0)
    kept = np.sort(np.argsort(-sizes, kind="stable")[:_MOST_CLASSES])
    new = np.full(len(sizes) + 1, -1, np.intp)  # the last is for images without a label
    new[kept] = np.arange(len(kept))
    without = e.counts[:, -1] + np.delete(e.counts[:, :-1], kept, axis=1).sum(1)
    labels = tuple(short(e.classes.labels[k]) for k in kept)
    absent = tuple(map(short, e.classes.absent[:_MOST_CLASSES]))
    return replace(
        e,
        classes=Classes(e.classes.source, labels, absent, new[e.classes.of], e.classes.rule),
        counts=np.column_stack([e.counts[:, kept], without]),
        faces=replace(e.faces, mean=e.faces.mean[kept], std=e.faces.std[kept]),
        class_levels=e.class_levels[kept],
        agreement=e.agreement and _largest(e.agreement),
    )


def _largest(found: Agreement) -> Agreement:
    """The largest classes of both sources."""
    rows, columns = (np.sort(np.argsort(-found.counts.sum(axis), kind="stable")[:_MOST_CLASSES]) for axis in (1, 0))
    return replace(
        found,
        row_labels=tuple(found.row_labels[k] for k in rows),
        column_labels=tuple(found.column_labels[k] for k in columns),
        counts=found.counts[np.ix_(rows, columns)],
    )


def _subtitle(e: Exploration) -> str:
    parts = (e.table.meta.get("form", ""), f"{many(len(e.table))} images")
    return ": ".join(filter(None, parts))


def _facts(e: Exploration) -> list[tuple[str, str]]:
    height, width = e.table.images.shape[1:3]
    splits = ", ".join(f"{split} {many(n)}" for split, n in zip(e.table.splits, e.counts.sum(1), strict=True))
    facts = [
        ("images", splits),
        ("size", f"{width} × {height} pixels, {'grey' if e.table.images.ndim == 3 else 'colour'}"),
    ]
    if e.classes.source:
        rule = f" ({e.classes.rule})" if e.classes.rule else ""
        facts.append(("labels", f"{e.classes.source}{rule}"))
    facts.append((f"mean of {e.moments.split}, 0 to 1", ", ".join(f"{each:.4f}" for each in e.moments.mean)))
    facts.append(("standard deviation", ", ".join(f"{each:.4f}" for each in e.moments.std)))
    return facts


def _numbers(shown: Exploration, classes: int) -> Section:
    """Medians by class, and how to use mean and standard deviation; of all `classes` some may not be shown."""
    measures = shown.measures.columns()
    groups = [*shown.classes.rows()] if shown.classes.source else []
    rows = [
        (label, many(len(members)), *(_median(values[members]) for values in measures.values()))
        for label, members in [*groups, ("all images", np.arange(len(shown.table)))]
    ]
    caption = "Medians in grey levels; sharpness in their squares."
    table = TableView(("class", "images", *measures), tuple(rows), caption)
    text = [
        f"To normalise, take the mean and standard deviation of {shown.moments.split} for every split: "
        "(pixel / 255 − mean) / standard deviation. All numbers are in numbers.json, with more digits."
    ]
    if more := classes - len(shown.classes.labels):
        kept = len(shown.classes.labels)
        text.append(f"Figures and this table show the {kept} largest classes; {many(more)} more are in the csv.")
    return Section("Numbers", text=tuple(text), tables=(table,))


def _median(values: npt.NDArray[np.float32]) -> str:
    known = values[np.isfinite(values)]
    if not len(known):
        return "–"
    middle = float(np.median(known))
    return f"{middle:,.{0 if middle >= 100 else 1 if middle >= 10 else 2}f}"
