"""The documentation site: built strictly, whole, and without anything from elsewhere."""

import os
import re
import sys
from pathlib import Path

import pytest
from browsing import chromium
from newcomer import build_site, read, walk
from pages import ROOT

import mien

pytest.importorskip("mkdocs")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site, built strictly: a warning is a failure."""
    folder = tmp_path_factory.mktemp("site")
    build_site(folder, wheel=True)
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
            if not re.match(r"[a-z]+:", link) and not (page.parent / link).exists():
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
    assert 'class="not-run"' in (site / "benchmarks.html").read_text("utf-8")


def test_commands_name_the_wheel_beside_the_pages(site: Path) -> None:
    """However the site is reached, what is copied from it can be run."""
    sync_api = pytest.importorskip("playwright.sync_api")
    [wheel] = (site / "download").glob("*.whl")
    with sync_api.sync_playwright() as playwright:
        browser = chromium(playwright)
        page = browser.new_page()
        for name in ("start.html", "how-to/behaviour.html"):
            page.goto((site / name).as_uri())
            shown = "\n".join(page.locator("pre code").all_text_contents())
            assert f' @ {wheel.as_uri()}"' in shown
            assert "/path/to/" not in shown
        browser.close()


@pytest.mark.skipif(os.name == "nt", reason="needs bash")
def test_a_newcomer_has_a_prediction(site: Path, samples: Path, tmp_path: Path) -> None:
    """From the site alone, in an empty environment; uv installs, as it has the packages. tests/soak does all of it."""
    (tmp_path / "holiday").mkdir()
    for name in ("photo.jpg", "holiday/1.jpg"):
        (tmp_path / name).write_bytes((samples / "astronaut.jpg").read_bytes())
    uv = Path(sys.executable).with_name("uv")
    instead = {
        "python3 -m venv": f"'{uv}' venv --quiet --python '{sys.executable}'",
        "pip install": f"'{uv}' pip install --quiet --python mien-env/bin/python -c '{ROOT / 'constraints.txt'}'",
    }
    steps = [step for step in read(site / "start.html") if step.heading.startswith("Two minutes")]
    assert len(steps) == 4
    [seconds] = walk(steps, tmp_path, instead).values()
    assert len(list((tmp_path / "demo").glob("*.jpg"))) == 2
    assert "happiness" in (tmp_path / "faces.csv").read_text("utf-8")
    assert seconds < 2 * 60
