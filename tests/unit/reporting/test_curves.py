"""The curves of a training show the figures of its log, and which epoch was selected."""

import pytest

pytest.importorskip("matplotlib")

from mien.reporting.curves import draw_curves, training_curves
from mien.reporting.style import NARROW, WIDE

ROWS = [
    {
        "epoch": str(epoch),
        "train_loss": str(2 - 0.3 * epoch),
        "valid_loss": str(1.9 - 0.2 * epoch),
        "train_accuracy_ferplus": str(0.3 + 0.1 * epoch),
        "train_accuracy_fer2013": str(0.2 + 0.1 * epoch),
        "valid_accuracy_ferplus": str(0.4 + 0.05 * epoch),
        "valid_accuracy_fer2013": str(0.3 + 0.05 * epoch),
        "selection": str(selection),
    }
    for epoch, selection in enumerate([0.3, 0.5, 0.4])
]


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_each_column_is_a_line_and_the_best_epoch_is_marked(width):
    loss, accuracy = training_curves(ROWS, width).axes
    drawn = {line.get_label(): line for line in (*loss.lines, *accuracy.lines)}
    assert set(drawn) == {
        "train", "valid", "train ferplus", "train fer2013", "valid ferplus", "valid fer2013", "selected: epoch 1"
    }  # fmt: skip
    assert drawn["valid"].get_ydata() == pytest.approx([1.9, 1.7, 1.5])
    assert drawn["train fer2013"].get_ydata() == pytest.approx([20, 30, 40])
    assert drawn["train ferplus"].get_linestyle() != drawn["train fer2013"].get_linestyle()
    assert list(drawn["selected: epoch 1"].get_xdata()) == [1, 1]


def test_the_files_of_a_run_of_one_epoch_and_of_none():
    for rows in (ROWS[:1], []):
        drawing = draw_curves(rows)
        assert drawing.png.startswith(b"\x89PNG") and "<svg" in drawing.svg
