"""The figure of models against one of them shows the differences, the intervals and the runs that it is given."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from mien.core.labels import LabelSet
from mien.evaluation import PredictionTable
from mien.evaluation.comparison import compare_predictions
from mien.reporting.differences import differences_figure, draw_differences
from mien.reporting.style import NARROW, WIDE

AB = LabelSet("ab", ("a", "b"))


def table(wrong, n=200):
    """Right on all images but the first `wrong`."""
    labels = np.arange(n) % 2
    said = np.where(np.arange(n) < wrong, 1 - labels, labels)
    p = np.where(np.arange(2) == said[:, None], 0.8, 0.2).astype(np.float32)
    return PredictionTable(
        np.array([f"i{k:03d}" for k in range(n)]), np.full(n, "valid"), labels.astype(np.int16), p, AB
    )


@pytest.fixture
def found():
    wrong = {"full": (20, 30), "same": (22, 29), "worse": (70, 80)}
    tables = {name: [table(each) for each in seeds] for name, seeds in wrong.items()}
    return compare_predictions(tables, against="full", resamples=300)


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_what_loses_most_stands_at_the_top_and_is_filled_where_it_differs(found, width):
    first, second = differences_figure({"one": found, "other": found}, width).axes
    assert first.get_title() == "one: 200 images, 2 seeds"
    assert [each.get_text() for each in first.get_yticklabels()] == ["worse", "same"]
    lines = {}
    for line in second.lines:
        lines.setdefault(line.get_label(), []).append(line)
    assert [float(line.get_xdata()[0]) for line in lines["difference"]] == pytest.approx([-25, -0.25])
    assert [line.get_markerfacecolor() != "white" for line in lines["difference"]] == [True, False]
    assert [line.get_xdata().tolist() for line in lines["runs"]] == [
        pytest.approx([-25, -25]),
        pytest.approx([-1, 0.5]),
    ]
    worse = found.pairs[1].differences["accuracy"]
    assert lines["interval"][0].get_xdata() == pytest.approx([100 * worse.low, 100 * worse.high])
    assert f"-25.0 ({100 * worse.low:+.1f} to {100 * worse.high:+.1f})" in [text.get_text() for text in first.texts]


def test_the_files_bear_the_name(found):
    drawing = draw_differences({"made": found}, name="ablation")
    assert drawing.name == "ablation" and drawing.png.startswith(b"\x89PNG") and "<svg" in drawing.svg
