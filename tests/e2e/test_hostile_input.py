"""Hostile and broken input through every way in, a little of each; `tests/soak` holds the same at length.

What a process reads it reads in one of its own, with its files watched: see `tests/fuzzing`.
"""

import json
import subprocess
from pathlib import Path

import pytest
from fuzzing.cases import command
from fuzzing.entries import ENTRIES

COUNT = 8  # damaged inputs of each entry, beside its corpus
REQUESTS = 16


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of each entry, written by one process."""
    folder = tmp_path_factory.mktemp("fuzzing")
    line, environment = command("fuzzing", "0", str(COUNT), str(folder), *ENTRIES)
    done = subprocess.run(line, env=environment, capture_output=True, text=True, errors="replace", timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.parametrize("name", ENTRIES)
def test_every_input_is_read_or_refused_in_one_sentence(name: str, reports: Path) -> None:
    found = json.loads((reports / f"{name}.json").read_text("utf-8"))
    assert not found["wrong"], found["wrong"]
    assert sum(found["counts"].values()) == found["next"] >= COUNT
    assert found["slowest"] < 5


def test_requests_and_frames(tmp_path: Path) -> None:
    line, environment = command("fuzzing.requests", "0", str(REQUESTS), str(tmp_path), "http", "stream")
    done = subprocess.run(line, env=environment, capture_output=True, text=True, errors="replace", timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]
    for kind in ("http", "stream"):
        found = json.loads((tmp_path / f"{kind}.json").read_text("utf-8"))
        assert not found["wrong"], found["wrong"]
