"""What mien is made of and what is built of it: licences, model cards, builds that are the same twice."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pages import ROOT

from mien.runtime.card import Card

pytest.importorskip("piplicenses")


@pytest.fixture(scope="module")
def licences() -> dict[str, Any]:
    """The script that writes THIRD_PARTY.md."""
    return runpy.run_path(str(ROOT / "scripts" / "licences.py"))


def rows(section: str) -> dict[str, list[str]]:
    """Package -> the other cells of a section of THIRD_PARTY.md."""
    text = (ROOT / "THIRD_PARTY.md").read_text("utf-8").partition(f"## {section}\n")[2].partition("\n## ")[0]
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {name: rest for name, *rest in cells[1:]}


def test_the_page_lists_what_is_installed(licences: dict[str, Any]) -> None:
    """On the platform of the page it is the whole list; elsewhere what is common to both has to agree."""
    known, groups = licences["installed"](), licences["by_extra"]()
    page = rows("Core") | rows("Extras")
    names = set().union(*groups.values()) & set(known)
    assert len(names) > 100
    assert {name for name in names if name in page and page[name][:2] != list(known[name])} == set()
    if sys.platform == "linux":
        assert names == set(page), "run python scripts/licences.py"


def test_all_of_the_core_is_permissive(licences: dict[str, Any]) -> None:
    core = rows("Core")
    assert {"numpy", "opencv-python-headless", "onnxruntime", "typer", "rich"} <= set(core)
    assert {name: cells[1] for name, cells in core.items() if not licences["permissive"](cells[1])} == {}


@pytest.mark.parametrize(
    ("licence", "verdict"),
    [
        ("MIT", True),
        ("Apache Software License", True),
        ("BSD-3-Clause AND 0BSD AND MIT AND Zlib AND CC0-1.0", True),
        ("MIT OR GPL-3.0", True),
        ("MIT AND GPL-3.0", False),
        ("Mozilla Public License 2.0 (MPL 2.0)", False),
        ("GNU Library or Lesser General Public License (LGPL)", False),
        ("LicenseRef-NVIDIA-Proprietary", False),
        ("UNKNOWN", False),
    ],
)
def test_what_is_permissive(licences: dict[str, Any], licence: str, verdict: bool) -> None:
    assert licences["permissive"](licence) is verdict


def test_no_extra_has_an_unknown_licence() -> None:
    assert {name: cells for name, cells in (rows("Core") | rows("Extras")).items() if "UNKNOWN" in cells[1]} == {}


def test_the_model_cards_are_those_of_the_weights() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "model_card.py"))
    assert (ROOT / "MODEL_CARD.md").read_text("utf-8") == script["page"](), "run python scripts/model_card.py"


@pytest.mark.parametrize("page", ["README.md", "docs/models.md"])
def test_the_figures_of_the_pages_are_those_of_the_cards(page: str) -> None:
    """Accuracy of the default weights: as on the card, to the digit."""
    script = runpy.run_path(str(ROOT / "scripts" / "model_card.py"))
    text = (ROOT / page).read_text("utf-8")
    for path in script["CARDS"]:
        card = Card.load(path)
        for figure in card.figures:
            if (figure.metric, figure.file) != ("accuracy", card.default_file):
                continue
            if page == "README.md" and (
                figure.rule.count("class")
                or "without" in figure.rule
                or (figure.data, figure.head) == ("wild", "fer2013")
            ):
                continue  # not among those that the first page shows
            assert script["said"](figure) in text, (card.name, figure)


@pytest.mark.slow
def test_two_builds_are_the_same_byte_by_byte(tmp_path: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git clone")
    command = [sys.executable, str(ROOT / "scripts" / "build_twice.py"), "--out", str(tmp_path / "dist")]
    done = subprocess.run(
        command, env=os.environ | {"SOURCE_DATE_EPOCH": "1700000000"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(path.suffix for path in (tmp_path / "dist").iterdir()) == [".gz", ".whl"]
    assert len(re.findall(r"^[0-9a-f]{64}  mien-", done.stdout, re.MULTILINE)) == 2
