"""The figures of a search show the trials as they are: their order, the best, what mattered, where it was good."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from mien.evaluation.compared import Score
from mien.evaluation.metrics import Estimate
from mien.reporting.figures_search import Axis, Trials, contours, history, importance, pairs_of, parallel
from mien.reporting.search_page import Retrained, Searched, search_page
from mien.reporting.style import NARROW, WIDE

STATES = ["complete", "complete", "failed", "pruned", "complete", "complete", "complete", "running"]
VALUES = np.array([0.4, 0.6, np.nan, 0.3, 0.5, 0.6, 0.1, np.nan])
RATE = Axis("learning_rate", np.array([1e-4, 1e-2, 1e-1, 1e-3, 3e-3, 2e-2, 1.0, 1e-2]), log=True)
DROPOUT = Axis("dropout", np.array([0.1, 0.3, 0.5, 0.2, 0.6, 0.4, 0.0, 0.2]))
LOSS = Axis("loss", np.array([0, 1, 0, 1, 1, 0, 1, 0.0]), choices=("cross-entropy", "focal"))
MOMENTUM = Axis("momentum", np.array([np.nan, 0.5, 0.9, np.nan, 0.7, 0.9, 0.6, 0.5]))
TRIALS = Trials("accuracy", range(8), VALUES, STATES, (RATE, DROPOUT, LOSS, MOMENTUM))


def test_trials_stand_in_their_order_and_the_line_is_the_best_so_far():
    (axis,) = history(TRIALS, WIDE).axes
    drawn = {line.get_label(): line for line in axis.lines}
    assert drawn["went through"].get_xdata().tolist() == [0, 1, 4, 5, 6]
    assert drawn["went through"].get_ydata().tolist() == [0.4, 0.6, 0.5, 0.6, 0.1]
    assert drawn["best so far"].get_ydata().tolist() == [0.4, 0.6, 0.6, 0.6, 0.6, 0.6]
    assert drawn["ended early (last epoch)"].get_xdata().tolist() == [3] and drawn["failed"].get_xdata() == [2, 2]
    assert len(axis.get_legend().get_texts()) == 4


def test_a_bar_is_as_long_as_the_share():
    (axis,) = importance([("learning_rate", 0.75), ("dropout", 0.25)], WIDE).axes
    assert [bar.get_width() for bar in axis.patches] == [75, 25]
    assert [text.get_text() for text in axis.get_yticklabels()] == ["learning_rate", "dropout"]


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_the_best_trial_is_drawn_last_and_strongest(width):
    (axis,) = parallel(TRIALS, width).axes
    lines = [line for line in axis.lines if line.get_label().startswith("trial")]
    assert [line.get_label() for line in lines] == [
        f"trial {k}" for k in (6, 0, 4, 5, 1)
    ]  # 1 is as good as 5, but first
    assert lines[-1].get_alpha() == 1 and lines[0].get_alpha() < lines[1].get_alpha() < lines[3].get_alpha()
    assert lines[-1].get_xdata().tolist() == pytest.approx([0.5, 0.5, 1.0, 0.0])
    shown = [text.get_text() for text in axis.texts]
    assert shown[:2] == ["0.0001", "1"] and "focal" in shown
    assert np.isnan(lines[1].get_xdata()[3])  # a setting that counts for nothing there


def test_numbers_are_contoured_and_choices_are_points():
    assert [(one.name, other.name) for one, other in pairs_of(TRIALS.axes)] == [
        ("learning_rate", "dropout"), ("learning_rate", "momentum"), ("dropout", "momentum")
    ]  # fmt: skip
    figure = contours(TRIALS, WIDE)
    first = figure.axes[0]
    assert first.get_xscale() == "log" and first.get_yscale() == "linear"
    (best,) = [line for line in first.lines if line.get_label() == "best"]
    assert (best.get_xdata()[0], best.get_ydata()[0]) == pytest.approx((1e-2, 0.3))
    chosen = contours(replace(TRIALS, axes=(LOSS, RATE)), NARROW).axes[0]
    assert [text.get_text() for text in chosen.get_xticklabels()] == ["cross-entro…", "focal"]
    line = Axis("warmup", DROPOUT.places)  # all points on one line: no triangles
    assert len(contours(replace(TRIALS, axes=(DROPOUT, line)), WIDE).axes) == 1


@pytest.mark.parametrize(
    "values", [[0.5] * 5, [0.0] * 5, [0.1, *[0.5] * 4], [0.5, 0.5, 0.5, 0.5, np.nextafter(0.5, 1)]]
)
def test_where_figures_are_equal_there_is_nothing_to_interpolate(values):
    """From the lower quartile to the best: a small share of few faces has a handful of values."""
    known = TRIALS.values.copy()
    known[TRIALS.of("complete")] = values
    for axis in contours(replace(TRIALS, values=known), WIDE).axes:
        assert [len(each.get_offsets()) for each in axis.collections] in ([5], [4])  # the trials alone


def test_a_page_says_what_was_found_and_escapes_names():
    score = Score("model", Estimate(0.65, 0.6, 0.7), Estimate(0.6), {"accuracy": (0.64, 0.66), "macro_f1": (0.6, 0.6)})
    found = Searched(
        facts=[("trials", "5 complete")],
        best=1,
        trials=TRIALS,
        importance=[("learning_rate", 0.7), ("dropout", 0.3)],
        settings=[("learning_rate", "0.01", "0.15", "0.0001 to 1")],
        table=[["trial", "value"], *([str(k), "0.5"] for k in range(30))],
        sentences=["Trial 1 is the best of <8>."],
        retrained=Retrained("valid", 40, (1, 2), {"own": score}),
    )
    page = search_page(found)
    assert [each.name for each in page.drawings] == ["history", "importance", "parallel", "contours"]
    assert "best of &lt;8&gt;" in page.html and "The best 20 of 30; trials.csv has all." in page.html
    shown = page.html.replace("\N{NO-BREAK SPACE}", " ")
    assert ">0.650 (0.600 to 0.700)</td>" in shown and ">0.600</td>" in shown and "seed 2" in shown
    assert "learning_rate explains 70%." in page.html
    none = Trials("accuracy", [0], np.array([np.nan]), ["failed"], (RATE,))
    empty = Searched([], None, none, [], [], [["trial"], ["0"]], ["No trial has gone through so far."], None)
    assert [each.name for each in search_page(empty).drawings] == ["history"]
