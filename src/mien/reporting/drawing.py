"""A figure in the forms in which it is shown: in a page, as a file, on a telephone."""

import contextlib
import io
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import matplotlib
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from mien.reporting.style import GRID, INK, MUTED, NARROW, RC, WIDE

_DPI = 160
_MARGIN = 0.1  # inches of white around a picture that stands alone
_DIGITS = re.compile(r"-?\d+\.\d{3,}")  # of a path, in points
_IN_PAGE = {INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--grid)"}


@dataclass(frozen=True)
class Drawing:
    """One figure.

    Attributes:
        name: of its files.
        png, svg: as files. wide, narrow: as markup for a page, whose colours follow those of the page.
    """

    name: str
    png: bytes
    svg: str
    wide: str
    narrow: str


def render(name: str, make: Callable[[float], Figure]) -> Drawing:
    """Draw a figure in all its forms.

    Args:
        name: of its files.
        make: draws it for a width in inches.
    """
    with _style():
        wide = make(WIDE)
        svg = _svg(wide, f"{name}-wide")
        narrow = _svg(make(NARROW), f"{name}-narrow")
        file = svg.replace("<svg ", '<svg style="background: white" ', 1)  # for a dark window
        return Drawing(name, _png(wide), file, _inline(svg), _inline(narrow))


def render_png(make: Callable[[float], Figure]) -> bytes:
    """Draw a figure as a PNG file alone."""
    with _style():
        return _png(make(WIDE))


@contextlib.contextmanager
def _style() -> Iterator[None]:
    with matplotlib.rc_context(RC), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a label's script may have no font here; a browser has one
        yield


def _svg(figure: Figure, salt: str) -> str:
    """Markup that is the same in every run; `salt` keeps the names in it apart from those of other figures."""
    _interpolate(figure, "none")  # pictures go in with the pixels they have
    out = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": salt}):
        figure.savefig(out, format="svg", backend="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue().replace("image-rendering:crisp-edges;image-rendering:pixelated", "")


def _png(figure: Figure) -> bytes:
    _interpolate(figure, "bicubic")
    width, height = figure.get_size_inches()
    paper = Bbox.from_extents(-_MARGIN, -_MARGIN, width + _MARGIN, height + _MARGIN)
    out = io.BytesIO()
    figure.savefig(
        out, format="png", backend="agg", dpi=_DPI, facecolor="white", bbox_inches=paper, metadata={"Software": None}
    )
    return out.getvalue()


def _interpolate(figure: Figure, how: str) -> None:
    for axes in figure.axes:
        for image in axes.images:
            image.set_interpolation(how)


def _inline(svg: str) -> str:
    """The markup for a page: without XML header or a size of its own, in the page's colours.

    Names are such that no other figure has them, and lines are as exact as a screen can show.
    """
    start = svg.index("<svg")
    text = re.sub(r' (width|height)="[\d.]+pt"', "", svg[start:], count=2)
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' d="[^"]+"', lambda path: _DIGITS.sub(lambda number: f"{float(number[0]):.2f}", path[0]), text)
    used = {f' id="{name}"' for name in re.findall(r'(?:href="|url\()#([^")]+)', text)}
    text = re.sub(r' id="[^"]+"', lambda found: found[0] if found[0] in used else "", text)
    return re.sub("|".join(_IN_PAGE), lambda found: _IN_PAGE[found[0]], text)
