"""A page that needs nothing but itself: sections of text, figures and tables in one HTML file."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import jinja2
from markupsafe import Markup

from mien.reporting.drawing import Drawing


@dataclass(frozen=True)
class TableView:
    """Rows to be shown.

    Attributes:
        header: names of the columns; the first stands at the left, the others at the right.
        rows: cells as text.
        caption: what it holds.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""


@dataclass(frozen=True)
class FigureView:
    """A figure with what helps to read it.

    Attributes:
        title: what it is. reading: how to read it. drawing: itself.
        finding: what it shows here; "" where nothing was computed.
    """

    title: str
    reading: str
    drawing: Drawing
    finding: str = ""

    @property
    def wide(self) -> Markup:
        """The markup for a wide page; what a data set says of itself was escaped when it was drawn."""
        return Markup(self.drawing.wide)

    @property
    def narrow(self) -> Markup:
        """The same for a telephone."""
        return Markup(self.drawing.narrow)


@dataclass(frozen=True)
class Section:
    """A part of a page under a heading of its own."""

    title: str
    text: tuple[str, ...] = ()
    tables: tuple[TableView, ...] = ()
    figures: tuple[FigureView, ...] = ()

    @property
    def anchor(self) -> str:
        """For links to it."""
        return re.sub(r"\W+", "-", self.title.lower()).strip("-")


def unbroken(text: str) -> str:
    r"""A figure that breaks, where it must, before its interval alone.

    >>> unbroken("87.2 % (86.0 to 88.4)").split(" ")
    ['87.2\xa0%', '(86.0\xa0to\xa088.4)']
    """
    return re.sub(r"\([^()]{1,24}\)|\d %", lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), text)


def render_page(
    title: str,
    sections: Sequence[Section],
    *,
    subtitle: str = "",
    facts: Sequence[tuple[str, str]] = (),
    foot: str = "",
) -> str:
    """A whole page as HTML. All texts are escaped: names of data sets and paths may hold anything.

    Args:
        title: stands at the top.
        subtitle: under it.
        sections: in order; they make up the table of contents, too.
        facts: names and values that come before all else.
        foot: stands at the end.
    """
    template = resources.files("mien.reporting").joinpath("templates/page.html").read_text("utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["unbroken"] = unbroken
    page = environment.from_string(template)
    return page.render(title=title, subtitle=subtitle, sections=sections, facts=facts, foot=foot)
