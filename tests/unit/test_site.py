"""The documentation site: built strictly, whole, and without anything from elsewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pages import ROOT

import mien

pytest.importorskip("mkdocs")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site, built strictly: a warning is a failure."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


def test_every_page_is_there_and_in_the_navigation(site: Path) -> None:
    pages = [path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")]
    assert len(pages) > 25
    assert [page for page in pages if not (site / page).is_file()] == []
    linked = set(re.findall(r'class="md-nav__link" href="|href="([\w./-]+\.html)"', (site / "index.html").read_text()))
    assert [page for page in pages if page.as_posix() not in linked and page.name != "index.html"] == []
    for name in ("security", "model-card", "third-party", "contributing", "changelog"):
        assert f"{name}.html" in linked


def test_nothing_comes_from_elsewhere(site: Path) -> None:
    """No script, style, font or picture of another host: the site works from a disk, without a network."""
    loads = re.compile(
        r"<(?:script|link|img|iframe|source)\b[^>]*(?:src|href)=\"?(?:https?:)?//[^\s\">]+", re.IGNORECASE
    )
    for page in site.rglob("*.html"):
        assert loads.findall(page.read_text("utf-8")) == [], page
    for style in site.rglob("*.css"):
        assert re.findall(r"(?:@import|url\()\s*['\"]?https?:", style.read_text("utf-8")) == [], style


def test_links_lead_to_files_of_the_site(site: Path) -> None:
    dead = []
    for page in site.rglob("*.html"):
        if page.name == "404.html":
            continue
        for link in re.findall(r'(?:href|src)="([^"#?]+)', page.read_text("utf-8")):
            if not re.match(r"[a-z]+:", link) and "download/" not in link and not (page.parent / link).exists():
                dead.append(f"{page.relative_to(site)}: {link}")
    assert dead == []


def test_the_search_knows_the_pages_without_a_server(site: Path) -> None:
    index = (site / "search" / "search_index.js").read_text("utf-8")
    assert index.startswith("var __index = ") and "responsible-use.html" in index
    assert "javascripts/iframe-worker.js" in (site / "index.html").read_text("utf-8")


def test_the_reference_has_every_public_name(site: Path) -> None:
    pages = "".join(page.read_text("utf-8") for page in (site / "reference").glob("*.html"))
    public = [name for name in mien.__all__ if name != "__version__"]
    assert [name for name in public if f'id="mien.{name}"' not in pages] == []
    # Of every verb the result, and the config where it takes one.
    for home, name in (("predict_config", "PredictConfig"), ("evaluate", "EvaluateResult"), ("train", "TrainResult")):
        assert f'id="mien.verbs.{home}.{name}"' in pages


def test_what_is_not_run_is_said(site: Path) -> None:
    assert 'class="not-run"' in (site / "live.html").read_text("utf-8")
