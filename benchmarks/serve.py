"""`mien serve` on this machine: live frames a second over the WebSocket, and pictures a second by POST.

    python benchmarks/serve.py [--seconds 10] [--model mien-s]

A server is started, and asked from the same machine as the page asks it: by a camera of 640 x 480 with two frames
under way, and by four clients that each send a photograph as soon as the one before is answered. The page itself takes
a part of the processor, too, for the picture, the JPEG and the drawing: `--page` measures it in a real Chromium.
"""

import argparse
import asyncio
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import httpx
import numpy as np
import websockets

from mien.core.images import encode, read_image
from mien.verbs.demo import sample

LANES = 2
CLIENTS = 4


def frame() -> bytes:
    """The sample photograph as a camera of 640 x 480 sees it."""
    image = read_image(sample("astronaut"))
    return encode(np.ascontiguousarray(cv2.resize(image, (640, 640))[:480]), ".jpg")


async def live(address: str, seconds: float) -> tuple[float, list[float], list[float]]:
    """Frames a second, and of each frame the seconds until its answer and the server's own milliseconds."""
    data, waits, own = frame(), [], []
    async with websockets.connect(address.replace("http", "ws") + "stream") as socket:
        began = time.perf_counter()
        sent = [began] * LANES
        for _ in range(LANES):
            await socket.send(data)
        while time.perf_counter() - began < seconds:
            answer = json.loads(await socket.recv())
            assert len(answer["rows"]) == 1, answer
            waits.append(time.perf_counter() - sent.pop(0))
            own.append(answer["ms"])
            sent.append(time.perf_counter())
            await socket.send(data)
    return len(waits) / seconds, waits, own


async def post(address: str, seconds: float) -> tuple[float, list[float]]:
    """Pictures a second of several clients, and the seconds of each."""
    data, waits = sample("astronaut").read_bytes(), []
    until = time.perf_counter() + seconds

    async def client() -> None:
        async with httpx.AsyncClient(base_url=address, timeout=60) as ask:
            while time.perf_counter() < until:
                began = time.perf_counter()
                (await ask.post("/predict", files={"images": data})).raise_for_status()
                waits.append(time.perf_counter() - began)

    await asyncio.gather(*[client() for _ in range(CLIENTS)])
    return len(waits) / seconds, waits


def page(address: str, seconds: float) -> str:
    """What the page's own gauge says in Chromium, whose camera films the sample photograph."""
    from playwright.sync_api import sync_playwright

    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from browsing import chromium, film

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = chromium(playwright, camera=film(sample("astronaut"), Path(folder, "camera.mjpeg")))
        tab = browser.new_page(viewport={"width": 1280, "height": 800})
        tab.goto(address)
        tab.click("#camera-start")
        tab.wait_for_selector("#camera-gauge:not([hidden])")
        tab.wait_for_timeout(1000 * seconds)
        said = str(tab.inner_text("#camera-gauge"))
        browser.close()
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mien-s")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--page", action="store_true", help="also the page in Chromium (needs Playwright)")
    options = parser.parse_args()
    words = [sys.executable, "-m", "mien.cli", "serve", "--port", "0", "--model", options.model]
    began = time.perf_counter()
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            found = re.search(r"http://\S+", server.stdout.readline())
            assert found is not None
            started, address = time.perf_counter() - began, found[0]
            rate, waits, own = asyncio.run(live(address, options.seconds))
            many, each = asyncio.run(post(address, options.seconds))
            print("| what | figure | |")
            print("|---|---|---|")
            print(f"| from the command to the page's address | {started:.1f} s | |")
            print(
                f"| live frames of 640 x 480, {LANES} under way | {rate:.0f} a second | "
                f"{1000 * statistics.median(waits):.0f} ms each, {statistics.median(own):.0f} ms of them recognition |"
            )
            print(
                f"| photographs of 512 x 512 by POST, {CLIENTS} clients | {many:.0f} a second | "
                f"p95 {1000 * float(np.percentile(each, 95)):.0f} ms |"
            )
            if options.page:
                print(f"| the page in Chromium | {page(address, options.seconds)} | as its gauge says |")
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
