import io
import json
import sys

import pytest

from mien.cli import console
from mien.cli.console import Progress, interval, print_json, table


def test_columns_are_aligned() -> None:
    assert table(("name", "n"), [("a", 10), ("long", 9)], right=(1,)) == "name   n\na     10\nlong   9"
    assert table(None, [("a", "b")]) == "a  b"


def test_a_figure_with_its_interval() -> None:
    assert interval({"value": 0.8741, "low": 0.862, "high": 0.885}) == "0.874 (0.862 to 0.885)"
    assert interval({"value": 0.5}) == "0.500"
    assert interval({"value": float("nan")}) == interval({"value": None}) == "undefined"


def test_json_holds_no_nan(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": [float("nan"), 1.5], "path": io})
    assert json.loads(capsys.readouterr().out)["a"] == [None, 1.5]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_silent_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())
    monkeypatch.setattr(Progress, "PATIENCE_S", 0)
    with Progress("faces") as progress:
        progress.step(10)
    assert stream.getvalue() == ""


def test_progress_shows_rate_and_remaining_time_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    clock = iter(range(0, 1000, 1))
    monkeypatch.setattr(console.time, "monotonic", lambda: float(next(clock)))
    with Progress("faces") as progress:
        progress.step(1000)
        assert stream.getvalue() == ""
        for _ in range(5):
            progress.step(1000)
    assert "/1000" in stream.getvalue()
    assert "faces/s" in stream.getvalue()
