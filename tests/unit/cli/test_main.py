"""The command without its script: ``python -m mien``."""

import runpy
import sys

import pytest

from mien import __version__


def test_python_m_mien_is_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["mien", "--version"])
    with pytest.raises(SystemExit) as done:
        runpy.run_module("mien", run_name="__main__")
    assert done.value.code == 0
    assert capsys.readouterr().out == f"mien {__version__}\n"
