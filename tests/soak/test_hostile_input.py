"""Ten thousand damaged inputs through every way in, with its files watched; see `tests/fuzzing`.

The formats of pictures, clips and tables, and the layouts of one data set, share the ten thousand.
"""

import os
from collections import Counter
from pathlib import Path

import pytest
from fuzzing import cases
from fuzzing.entries import ENTRIES

COUNT = int(os.environ.get("MIEN_SOAK_MUTATIONS", "10000"))
BUSY = ("onnx", "onnx-bare")  # native code on a net that its card vouches for: its deaths are those of a worker


def way_in(name: str) -> str:
    """What an entry is a form of: ``data-mmi-clips`` of data-mmi, ``picture-png`` of picture."""
    kind, _, form = name.partition("-")
    return f"{kind}-{form.partition('-')[0]}" if kind == "data" else kind


FORMS = Counter(map(way_in, ENTRIES))

pytestmark = [pytest.mark.soak, pytest.mark.timeout(7200)]


def expect_well(found: cases.Outcome, name: str) -> None:
    print(f"{name}: {found}")
    assert not found.wrong
    assert found.slowest < 5
    assert found.peak_mb < 1024
    assert len(found.died) <= (sum(found.counts.values()) // 1000 if name in BUSY else 0), found.died


@pytest.mark.parametrize("name", ENTRIES)
def test_every_input_is_read_or_refused_in_one_sentence(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIEN_MODEL_MEMORY_MB", "512")
    found = cases.run("fuzzing", COUNT // FORMS[way_in(name)], tmp_path / "report.json", name)
    expect_well(found, name)
    seeds = tmp_path / "entry"
    seeds.mkdir()
    if ENTRIES[name](seeds).both:
        assert min(found.counts["read"], found.counts["refused"]) > 0, "damage that proves nothing"


@pytest.mark.parametrize("kind", ["http", "stream"])
def test_every_request_is_answered(kind: str, tmp_path: Path) -> None:
    expect_well(cases.run("fuzzing.requests", COUNT, tmp_path / "report.json", kind), kind)
