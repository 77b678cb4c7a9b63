"""OpenCV and PyAV on an H.264 clip of 1280 x 720, one thread: CPU time a frame, time stamps, rotation.

    python benchmarks/decode.py

The clips are made by ffmpeg from the bundled photographs.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np

from mien.core.video import frames

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import clips


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clip = clips.people(Path(folder, "clip.mp4"), 1, seconds=8, size=(1280, 720)).path
        decoded = {"OpenCV": lambda: grabbed(clip), "PyAV": lambda: pyav(clip, lambda frame: None)}
        pictures = {"OpenCV": lambda: frames(clip), "PyAV": lambda: pyav(clip, lambda f: f.to_ndarray(format="rgb24"))}
        print("| CPU ms a frame | OpenCV | PyAV |\n|---|---|---|")
        for what, ways in (("decoding alone", decoded), ("to an RGB array", pictures)):
            cells = [f"{np.median([milliseconds(way) for _ in range(options.repeats)]):.2f}" for way in ways.values()]
            print(f"| {what} | {' | '.join(cells)} |", flush=True)
        uneven = clips.variable_rate(Path(folder, "uneven.mp4"))
        ours = [time_s for _, time_s, _ in frames(uneven.path)]
        theirs = list(pyav(uneven.path, lambda frame: frame.time))
        for name, times in (("OpenCV", ours), ("PyAV", theirs)):
            print(f"{name}: time stamps off by at most {np.abs(np.subtract(times, uneven.times)).max() * 1e3:.3f} ms")
        turned = clips.rotated(Path(folder, "turned.mp4"))
        angle, image = next(pyav(turned.path, lambda f: (f.rotation, f.to_ndarray(format="rgb24"))))
        print(f"rotation: {turned.size} is {next(frames(turned.path))[2].shape[1::-1]} by OpenCV, ", end="")
        print(f"{image.shape[1::-1]} by PyAV, which says {angle} degrees")


def milliseconds(way: Callable[[], Iterator[object]]) -> float:
    """CPU time a frame."""
    began = time.process_time()
    count = sum(1 for _ in way())
    return 1000 * (time.process_time() - began) / count


def grabbed(path: Path) -> Iterator[None]:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    while capture.grab():
        yield None


def pyav(path: Path, convert: Callable[[av.VideoFrame], object]) -> Iterator[object]:
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = "NONE", 1
        for frame in file.decode(stream):
            yield convert(frame)


if __name__ == "__main__":
    main()
