"""The critical-difference diagram shows the places, the bars and the distance that it is given."""

import math

import pytest

pytest.importorskip("matplotlib")

from matplotlib.backends.backend_agg import FigureCanvasAgg

from mien.evaluation.compared import Diagram
from mien.reporting.ranks import diagram_figure, draw_diagram
from mien.reporting.style import NARROW, WIDE

RANKS = Diagram(("a", "b", "c"), (2.5, 1.25, 2.25), "mean rank", ((1, 2), (2, 0)), 1.1, "Friedman, Nemenyi", True)
POINTS = Diagram(("a", "b"), (73.0, 71.0), "accuracy (%)", (), math.nan, "McNemar", False)


def places(axes):
    """Where each model's line leaves the axis, in the order of drawing."""
    return [line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 3]


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_ranks_run_from_the_left_and_bars_cover_their_models(width):
    (axes,) = diagram_figure(RANKS, width).axes
    b, c, a = places(axes)  # best first
    assert b < c < a
    assert (c - b) / (a - b) == pytest.approx((2.25 - 1.25) / (2.5 - 1.25))
    first, second = (line.get_xdata() for line in axes.lines if line.get_label() == "bar")
    assert first == pytest.approx([b - 0.04, c + 0.04]) and second == pytest.approx([c - 0.04, a + 0.04])
    (distance,) = (line.get_xdata() for line in axes.lines if line.get_label() == "critical difference")
    assert (distance[1] - distance[0]) / (a - b) == pytest.approx(1.1 / 1.25)
    words = [text.get_text() for text in axes.texts]
    assert "b  1.25" in words and "critical difference 1.10" in words
    assert "bars: not shown to differ at 5 % (Friedman, Nemenyi)" in words
    assert all(0 <= x <= width for line in axes.lines for x in line.get_xdata())


def test_the_highest_accuracy_stands_at_the_left():
    (axes,) = diagram_figure(POINTS, WIDE).axes
    a, b = places(axes)
    assert a < b
    assert not any(line.get_label() in ("bar", "critical difference") for line in axes.lines)
    assert "all differ at 5 % (McNemar)" in [text.get_text() for text in axes.texts]


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_long_names_stay_on_the_paper_and_beside_the_axis(width):
    long = Diagram(
        tuple(f"{k} WIDE model {'m' * 30}" for k in range(5)), (1, 2, 3, 4, 5), "mean rank", (), 2.0, "t", True
    )
    figure = diagram_figure(long, width)
    figure.set_dpi(160)  # as in a file: where letters stand depends on it
    FigureCanvasAgg(figure)
    (axes,) = figure.axes
    boxes = [text.get_window_extent().transformed(axes.transData.inverted()) for text in axes.texts]
    assert all(box.x0 >= -0.05 and box.x1 <= width + 0.05 for box in boxes)  # files have a margin
    assert min(places(axes)) < width / 2 < max(places(axes))


def test_equal_models_and_many_of_them():
    same = Diagram(("a", "b"), (50.0, 50.0), "accuracy (%)", ((0, 1),), math.nan, "McNemar", False)
    many = Diagram(tuple(f"a long name {k}" for k in range(9)), tuple(range(1, 10)), "rank", (), 9.0, "t", True)
    for each in (same, many):
        drawing = draw_diagram(each)
        assert drawing.png.startswith(b"\x89PNG") and "<svg" in drawing.svg
