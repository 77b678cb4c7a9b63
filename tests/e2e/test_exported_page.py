"""The page of `mien export --format web` in Chromium: pictures, camera, privacy, and what may be wrong."""

import csv
import http.server
import os
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from browsing import chromium, film
from playwright.sync_api import Browser, Page, sync_playwright

import mien
from mien.verbs.export_web import runtime_missing

PATIENCE_MS = 180_000  # a busy machine takes long to start a browser; a test that waits so long has failed

pytestmark = pytest.mark.slow

if runtime_missing() and not os.environ.get("CI"):
    pytest.skip("needs scripts/fetch_web_runtime.py", allow_module_level=True)


class Site:
    """An exported folder on a port of this machine, served as by `python -m http.server`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.missing = folder, ""

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(handler, *args: Any) -> None:
                super().__init__(*args, directory=str(folder))

            def do_GET(handler) -> None:
                if self.missing and handler.path.endswith(self.missing):
                    handler.send_error(404)
                else:
                    super().do_GET()

            def log_message(handler, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("exported") / "page"
    mien.export("mien-s", format="web", out=folder)
    found = Site(folder)
    yield found
    found.server.shutdown()


@pytest.fixture(scope="module")
def browser(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One whose camera films the astronaut."""
    camera = film(samples / "astronaut.jpg", tmp_path_factory.mktemp("camera") / "camera.mjpeg")
    with sync_playwright() as playwright:
        found = chromium(playwright, camera=camera)
        yield found
        found.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1200, "height": 860})
    context.set_default_timeout(PATIENCE_MS)
    found = context.new_page()
    mistakes: list[str] = []
    found.on("pageerror", lambda error: mistakes.append(str(error)))
    found.on("console", lambda line: mistakes.append(line.text) if "Content Security" in line.text else None)
    yield found
    context.close()
    assert mistakes == []


def opened(page: Page, site: Site) -> list[str]:
    """Open the page and wait until it can recognise; the addresses that it asks for from then on.

    What is waited for are selectors: the page's own policy forbids to evaluate text, as Playwright's functions do.
    """
    site.missing = ""
    page.goto(site.address)
    page.wait_for_selector("html[data-ready=true]")
    later: list[str] = []
    page.context.on("request", lambda request: later.append(request.url))
    return later


def test_pictures_are_seen_as_in_python(page: Page, site: Site, tmp_path: Path) -> None:
    nobody, text = tmp_path / "nobody.png", tmp_path / "text.jpg"
    cv2.imwrite(str(nobody), np.full((240, 320, 3), 90, np.uint8))
    text.write_text("no picture at all", "utf-8")
    shutil.copy(mien.sample("astronaut"), tmp_path)
    shutil.copy(mien.sample("grace_hopper"), tmp_path)
    samples = [tmp_path / "astronaut.jpg", tmp_path / "grace_hopper.jpg"]

    later = opened(page, site)
    assert page.evaluate("crossOriginIsolated") is False  # no special headers
    page.click("#tab-pictures")
    page.set_input_files("#pictures-file", [str(each) for each in (text, nobody, *samples)])
    for n in range(1, 5):
        page.wait_for_selector(f"#pictures-strip li:nth-child({n}) [data-state]")
    assert "expected a picture in text.jpg, got what this browser cannot read" in page.text_content("#pictures-caption")
    page.click("#pictures-strip li:nth-child(2) button")
    assert page.text_content("#pictures-caption") == "No face found."
    with page.expect_download() as download:
        page.click("#pictures-table")
    with open(download.value.path(), encoding="utf-8", newline="") as file:
        rows = {row["source"]: row for row in csv.DictReader(file)}
    assert later == []

    recognizer = mien.Recognizer(threads=1)
    for path in samples:
        row, wanted = rows[path.name], recognizer.predict(path)
        assert [float(row[name]) for name in ("x1", "y1", "x2", "y2")] == pytest.approx(wanted.boxes[0].tolist(), abs=1)
        shares = [float(row[f"p_{label}"]) for label in wanted.labels]
        assert shares == pytest.approx(wanted.probabilities[0].tolist(), abs=0.01)
        assert row["label"] == wanted.top[0]
    assert "expected a picture" in rows["text.jpg"]["error"]
    assert rows["nobody.png"]["label"] == "" and rows["nobody.png"]["error"] == ""


def test_the_camera_is_seen_live_and_nothing_is_sent(page: Page, site: Site) -> None:
    later = opened(page, site)
    page.click("#camera-start")
    page.wait_for_selector("#verdict:has-text('happiness')")
    page.wait_for_selector("#camera-gauge:has-text('frames/s')")
    drawn = """() => {
        const canvas = document.querySelector('#camera-stage .overlay');
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        return data.filter((value, i) => i % 4 === 3 && value > 200).length;
    }"""
    assert page.evaluate(drawn) > 500
    assert re.search(r"\d+ frames/s", page.text_content("#camera-gauge"))
    assert "Pictures stay on this device" in page.text_content("#privacy")
    assert [url for url in later if not url.startswith("blob:")] == []


def test_a_missing_file_is_named_and_the_page_goes_on_when_it_is_there(page: Page, site: Site) -> None:
    site.missing = "browser/worker.js"
    page.goto(site.address)
    page.wait_for_selector("#reading-note:has-text('expected browser/worker.js to start, got')")
    site.missing = "runtime/ort.js"
    page.wait_for_selector("#reading-note:has-text('expected ONNX Runtime Web in runtime/ort.js, got')")
    site.missing = ".wasm"
    page.wait_for_selector("#reading-note:has-text('ort-wasm')")
    said = page.text_content("#reading-note")
    assert said.startswith(
        "expected the file runtime/ort-wasm-simd-threaded.wasm beside the page, got 404: copy the whole"
    )
    assert page.text_content("#link-text") == "not working"
    site.missing = ""
    page.wait_for_selector("html[data-ready=true]")


def test_it_works_within_another_page_and_says_what_is_wrong(page: Page, site: Site) -> None:
    (site.folder / "empty.html").write_text("<!DOCTYPE html><title>other</title>", "utf-8")
    site.missing = ""
    page.goto(f"{site.address}empty.html")
    said = page.evaluate(
        """async () => {
            const { create } = await import('./browser/local.js');
            const wrong = await create({ head: 'nonsense' }).catch((error) => error.message);
            const recogniser = await create({ head: 'fer2013' });
            const picture = await (await fetch('sample.jpg')).blob();
            const { faces } = await recogniser.recognise(picture);
            const large = new OffscreenCanvas(8000, 8000);
            large.getContext('2d').fillRect(0, 0, 1, 1);
            const tooLarge = await recogniser.recognise(large.transferToImageBitmap()).catch((error) => error.message);
            recogniser.close();
            const closed = await recogniser.recognise(picture).catch((error) => error.message);
            return { wrong, label: faces[0].label, labels: recogniser.labels, tooLarge, closed };
        }"""
    )
    assert said["wrong"] == "expected a head out of fer2013, ferplus, got nonsense"
    assert said["label"] == "happiness" and len(said["labels"]) == 7
    assert said["tooLarge"] == "expected at most 50 megapixels, got 8000 x 8000: make it smaller first"
    assert said["closed"] == "expected an open recogniser, got one that was closed"
