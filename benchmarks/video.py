"""`mien predict` on a clip of ten minutes, 1280 x 720 at 25 frames a second, with one face and with four.

    python benchmarks/video.py
    python benchmarks/video.py --minutes 0.5 --faces 1

The clip is made by ffmpeg from the bundled photographs: faces that sway, twenty seconds of them over and over. Needs
ffmpeg; Linux.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet
from memory import watch

from mien.runtime.session import available_processors

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from clips import people

SECONDS, FPS, SIZE = 20, 25, (1280, 720)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--faces", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--options", default="", help='further options of mien predict, such as "--detect-every 1"')
    options = parser.parse_args()
    print(f"{available_processors()} processors\n")
    print("| faces | frames | rows | frames/s | CPU ms a frame | peak memory |")
    print("|---|---|---|---|---|---|")
    for faces in options.faces:
        with tempfile.TemporaryDirectory() as temporary:
            measure(Path(temporary), faces, options.minutes, options.options.split())


def measure(folder: Path, faces: int, minutes: float, words: list[str]) -> None:
    clip, out = made(folder, faces, minutes), folder / "faces.parquet"
    before, began = cpu_seconds(), time.monotonic()
    held, code = watch([sys.executable, "-m", "mien.cli", "predict", str(clip), "--out", str(out), *words], quiet=True)
    seconds, used = time.monotonic() - began, cpu_seconds() - before
    assert code == 0, f"expected exit code 0, got {code}"
    table = pyarrow.parquet.read_table(out, columns=["frame", "face_id"])
    frames, rows = len(set(table["frame"].to_pylist())), sum(each is not None for each in table["face_id"].to_pylist())
    speed, work = frames / seconds, 1000 * used / frames
    print(f"| {faces} | {frames:,} | {rows:,} | {speed:.1f} | {work:.1f} | {max(held):,.0f} MB |", flush=True)


def made(folder: Path, faces: int, minutes: float) -> Path:
    """A clip of so many minutes."""
    part, whole = people(folder / "part.mp4", faces, seconds=SECONDS, size=SIZE, fps=FPS), folder / "whole.mp4"
    times = max(round(60 * minutes / SECONDS), 1)
    command = ["ffmpeg", "-v", "error", "-stream_loop", str(times - 1), "-i", str(part.path), "-c", "copy", str(whole)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    os.unlink(part.path)
    return whole


def cpu_seconds() -> float:
    """Of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
