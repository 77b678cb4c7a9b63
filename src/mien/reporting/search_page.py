"""The page that shows a search: its best settings, how they were found, and what they are worth on new faces."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from mien.evaluation.compared import Score
from mien.reporting import figures_search as draw
from mien.reporting.drawing import Drawing, render
from mien.reporting.figures_search import Trials
from mien.reporting.page import FigureView, Section, TableView, render_page
from mien.reporting.parts import shown

_SHOWN = 20  # trials in the page; trials.csv has all


@dataclass(frozen=True, eq=False)
class Retrained:
    """What the best setting reaches with other seeds on faces that the search did not see.

    Attributes:
        split: of the data. n: faces. seeds: their numbers. scores: label source -> figures.
    """

    split: str
    n: int
    seeds: tuple[int, ...]
    scores: Mapping[str, Score]


@dataclass(frozen=True, eq=False)
class Searched:
    """What the page tells.

    Attributes:
        facts: names and values at the top. best: number of the best trial, None if none went through.
        trials: for the figures. importance: setting and share, the largest first; empty where unknown.
        settings: of the best trial: name, the value, what it was before, what was tried.
        table: header and rows of all trials, the best first.
        sentences: what was found, in words. retrained: None where that was not done (yet).
    """

    facts: Sequence[tuple[str, str]]
    best: int | None
    trials: Trials
    importance: Sequence[tuple[str, float]]
    settings: Sequence[tuple[str, str, str, str]]
    table: Sequence[Sequence[str]]
    sentences: Sequence[str]
    retrained: Retrained | None


@dataclass(frozen=True)
class SearchPage:
    """The page, and its figures."""

    html: str
    drawings: tuple[Drawing, ...]


def search_page(found: Searched) -> SearchPage:
    """Draw the figures and lay out the page."""
    views = _figures(found)
    sections = [
        Section("Result", tuple(found.sentences), tuple(_tables(found))),
        *([Section("How it went", figures=tuple(views))] if views else []),
        _trials(found),
    ]
    html = render_page("Search", sections, subtitle=f"for a large {found.trials.figure}", facts=found.facts)
    return SearchPage(html, tuple(each.drawing for each in views))


def _tables(found: Searched) -> list[TableView]:
    tables = []
    if found.settings:
        tables.append(
            TableView(
                ("setting", "best", "before", "tried"),
                tuple(found.settings),
                f"The settings of trial {found.best}, and those that stood there before the search.",
            )
        )
    if found.retrained is not None:
        tables.append(_reached(found.retrained))
    return tables


def _reached(retrained: Retrained) -> TableView:
    header = ("labels", "figure", "mean (95 % interval)", *(f"seed {seed}" for seed in retrained.seeds))
    rows = []
    for head, score in retrained.scores.items():
        for metric, figure in (("accuracy", score.accuracy), ("macro_f1", score.macro_f1)):
            runs = score.runs[metric] or (figure.value,)
            mean = shown(figure, share=False)
            rows.append((head, metric.replace("_", " "), mean, *(f"{each:.3f}" for each in runs)))
    caption = f"Trained anew with other seeds, on {retrained.n:,} faces ({retrained.split}) that no trial saw."
    return TableView(header, tuple(rows), caption)


def _figures(found: Searched) -> list[FigureView]:
    trials = found.trials
    through = len(trials.through)
    views = [
        FigureView(
            "History",
            "Each point is a trial. The line is the best one so far: where it has been flat for long, more trials "
            "promise little.",
            render("history", partial(draw.history, trials)),
        )
    ]
    if found.importance:
        name, share = found.importance[0]
        views.append(
            FigureView(
                "Importance",
                "How much of the differences between the trials a setting explains within the ranges tried, alone and "
                "with others (functional analysis of variance on a random forest).",
                render("importance", partial(draw.importance, found.importance)),
                f"{name} explains {share:.0%}.",
            )
        )
    if through > 1:
        views.append(
            FigureView(
                "Parallel coordinates",
                "A row is a setting, a line a trial; the better the trial, the stronger its line, and the best one is "
                "orange. Where strong lines meet, that value is good whatever the others are.",
                render("parallel", partial(draw.parallel, trials)),
            )
        )
    if through > 3 and draw.pairs_of(trials.axes):
        views.append(
            FigureView(
                "Contours",
                "Two settings at a time, those that mattered most. Points are trials, dark where the figure is large; "
                "between them it is interpolated. The best trial is circled.",
                render("contours", partial(draw.contours, trials)),
            )
        )
    return views


def _trials(found: Searched) -> Section:
    header, *rows = found.table
    text = "The best first." if len(rows) <= _SHOWN else f"The best {_SHOWN} of {len(rows):,}; trials.csv has all."
    return Section("Trials", (text,), (TableView(tuple(header), tuple(map(tuple, rows[:_SHOWN]))),))
