"""Takes docs/images/page.png: the page of `mien serve` in Chromium, whose camera films the two sample photographs.

    python scripts/shoot_page.py                # on an idle machine: the page shows its frames a second

The picture is brought to 256 colours, which keeps it below 300 kB.
"""

import io
import subprocess
import sys
import tempfile
from pathlib import Path

import PIL.Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "docs" / "images" / "page.png"
SAMPLES = ROOT / "src" / "mien" / "samples"

sys.path.insert(0, str(ROOT / "tests"))
from browsing import chromium  # noqa: E402
from serving import serving  # noqa: E402


def film(path: Path) -> Path:
    """One sample after the other, filmed as a camera of 640 x 480 does: MJPEG, 15 seconds."""
    words = ["ffmpeg", "-v", "error", "-y"]
    for name, seconds in (("grace_hopper", 5), ("astronaut", 10)):
        words += ["-loop", "1", "-t", str(seconds), "-i", str(SAMPLES / f"{name}.jpg")]
    shape = "scale=640:480:force_original_aspect_ratio=increase,crop=640:480:0:{y},fps=30"
    graph = ";".join(f"[{i}]{shape.format(y=y)}[v{i}]" for i, y in enumerate((30, 0)))
    graph += ";[v0][v1]concat=n=2:v=1:a=0,format=yuvj420p"
    subprocess.run([*words, "-filter_complex", graph, "-q:v", "2", str(path)], check=True)
    return path


def main() -> None:
    """Take the picture."""
    with serving() as server, tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = chromium(playwright, camera=film(Path(folder, "camera.mjpeg")))
        page = browser.new_page(viewport={"width": 1280, "height": 772})
        page.goto(server.address)
        page.click("#camera-start")
        page.wait_for_selector("#camera-gauge:not([hidden])", timeout=60_000)
        page.wait_for_timeout(30_000)
        for _ in range(200):  # until the astronaut is in sight again
            if "happiness 100" in page.inner_text("#verdict").replace("\n", " "):
                break
            page.wait_for_timeout(200)
        page.wait_for_timeout(2500)
        picture = PIL.Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        print(page.inner_text("#camera-gauge"))
        browser.close()
    picture.quantize(256, PIL.Image.Quantize.MEDIANCUT).save(OUT, optimize=True)
    print(f"{OUT.relative_to(ROOT)}: {OUT.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
