"""The page of `mien export --format web` in Chromium: how long it loads, what a picture takes, frames/s of the camera.

    python benchmarks/browser.py [--model mien-s] [--seconds 10] [--processors 0,1]

The camera is Chromium's false one, 640 x 480 at 30 frames/s, and films `mien`'s sample. On two cores:
`--processors 0,1`, for which the machine must be idle. Needs Chromium, ffmpeg and the package playwright.
"""

import argparse
import functools
import http.server
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

import mien

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from browsing import chromium, film

ONE_PICTURE = """async (rounds) => {
    const { create } = await import('./browser/local.js');
    const recogniser = await create();
    const picture = await (await fetch('sample.jpg')).blob();
    const times = [];
    for (let i = 0; i < rounds + 5; i += 1) times.push((await recogniser.recognise(picture)).ms);
    recogniser.close();
    return times.slice(5);
}"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A static server that prints nothing."""

    def log_message(self, *_: Any) -> None:
        """Say nothing of a request."""


def load(page: Page, address: str) -> float:
    start = time.perf_counter()
    page.goto(address)
    page.wait_for_selector("html[data-ready=true]", timeout=120_000)
    return time.perf_counter() - start


def live(page: Page, seconds: int) -> list[tuple[int, int]]:
    """What the page's own gauge says each second, after it has warmed up: frames/s, and ms from frame to answer."""
    page.click("#camera-start")
    page.wait_for_selector("#camera-gauge:has-text('frames/s')", timeout=120_000)
    time.sleep(5)
    said = []
    for _ in range(seconds):
        time.sleep(1)
        words = page.text_content("#camera-gauge").split()
        said.append((int(words[0]), int(words[3])))
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mien-s")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--processors", help="such as 0,1: the browser may use these alone")
    options = parser.parse_args()
    if options.processors:
        os.sched_setaffinity(0, {int(each) for each in options.processors.split(",")})

    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        folder = Path(scratch) / "page"
        files = mien.export(options.model, format="web", out=folder).files
        print(f"{options.model}: {len(files)} files, {sum(path.stat().st_size for path in files) / 1e6:.1f} MB")
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"

        browser = chromium(playwright, camera=film(folder / "sample.jpg", Path(scratch) / "camera.mjpeg"))
        page = browser.new_page(viewport={"width": 1200, "height": 860})
        print(f"until the page is ready: {load(page, address):.1f} s the first time, {load(page, address):.1f} s again")
        times = page.evaluate(ONE_PICTURE, 20)
        print(f"a picture of 512 x 512 with one face: {statistics.median(times):.0f} ms")
        said = live(page, options.seconds)
        rates, delays = zip(*said, strict=True)
        print(
            f"camera, one face: median {statistics.median(rates):.0f} frames/s (least {min(rates)}), "
            f"{statistics.median(delays):.0f} ms from frame to answer"
        )
        browser.close()
        server.shutdown()


if __name__ == "__main__":
    main()
