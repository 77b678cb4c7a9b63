"""A newcomer who has only the built site: a prediction in two minutes, a trained net in ten, a report in fifteen."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from newcomer import build_site, read, walk

LIMITS = {"Two minutes: a prediction": 2, "Ten minutes: a net of your own": 10, "Fifteen minutes: a report": 15}

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600), pytest.mark.skipif(os.name == "nt", reason="needs bash")]


def test_a_newcomer_has_a_prediction_a_net_and_a_report_in_time(samples: Path, tmp_path: Path) -> None:
    """Every command as the page shows it, installing with pip included: torch and all, into an empty environment."""
    build_site(tmp_path / "site", wheel=True)
    home = tmp_path / "newcomer"
    (home / "holiday").mkdir(parents=True)
    for name in ("photo.jpg", "holiday/1.jpg"):
        (home / name).write_bytes((samples / "astronaut.jpg").read_bytes())
    steps = [step for step in read(tmp_path / "site" / "start.html") if step.heading in LIMITS]
    assert len(steps) > 9
    try:
        after = walk(steps, home, {"python3 -m venv": f"'{sys.executable}' -m venv"})
    finally:
        shutil.rmtree(home / "mien-env", ignore_errors=True)  # gigabytes, with torch
    print(", ".join(f"{heading}: {seconds:.0f} s" for heading, seconds in after.items()))
    assert (home / "runs" / "first" / "model.onnx").is_file()
    assert "<h2>Training</h2>" in (home / "report.html").read_text("utf-8")
    late = {heading: seconds for heading, seconds in after.items() if seconds > 60 * LIMITS[heading]}
    assert late == {}
