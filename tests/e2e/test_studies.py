"""The studies, in small: each shows what `docs/studies.md` says of it."""

import csv
import importlib
from pathlib import Path

import pytest

pytest.importorskip("lightning")
pytest.importorskip("matplotlib")

STUDIES = Path(__file__).resolve().parents[2] / "studies"


@pytest.mark.soak
def test_an_order_in_time_is_learnt_that_no_single_frame_tells(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(STUDIES)
    study = importlib.import_module("temporal_order")
    words = ["--out", str(tmp_path), "--people", "20", "--clips", "6", "--folds", "2", "--epochs", "7"]
    comparison, rows = study.main(words)
    forwards, unordered, backwards = rows
    assert forwards.clips == unordered.clips == backwards.clips == 120
    assert forwards.accuracy.low > 0.8
    assert unordered.accuracy.low < 0.5 < unordered.accuracy.high
    assert backwards.accuracy.high < 0.2
    (pair,) = comparison.pairs
    assert (pair.first, pair.second) == ("without temporal", "full") and pair.differ
    assert comparison.paired.folds == 2 and pair.decided_by.over == "subjects"
    assert "full is " in capsys.readouterr().out
    with (tmp_path / "temporal_order.csv").open(encoding="utf-8", newline="") as file:
        assert [int(row["right"]) for row in csv.DictReader(file)] == [each.right for each in rows]
