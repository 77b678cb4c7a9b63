"""The live window: how long after a picture was taken it is shown with its faces, and how many are shown in a second.

    python benchmarks/live.py [--seconds 20]

A clip of 640 x 480 at 30 frames a second plays as if it were a camera: one face that moves, from a bundled photograph.
The window opens without a screen (SDL's dummy driver), so drawing is measured and a monitor's own delay is not. The
limit is 60 ms.
"""

import argparse
import os
import tempfile
from pathlib import Path

import cv2
import numpy as np

import mien
from mien.core.images import read_image

LIMIT_MS = 60
SIZE, FPS = (640, 480), 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    print("| detector | frames/s of 30 | median, ms | 95 % within, ms | share of the limit of 60 ms |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        clip = moving_face(Path(folder, "camera.avi"), frames=round(FPS * (options.seconds + 2)))
        for detector in ("mtcnn", "haar"):
            found = mien.live(camera=str(clip), detector=detector, seconds=options.seconds)
            share = found.latency_p95_ms / LIMIT_MS
            figures = (f"{found.fps:.1f}", f"{found.latency_ms:.0f}", f"{found.latency_p95_ms:.0f}", f"{share:.2f}")
            print(f"| {detector} | {' | '.join(figures)} |")


def moving_face(path: Path, *, frames: int) -> Path:
    image = read_image(mien.sample("astronaut"))
    image = cv2.resize(image, None, fx=800 / image.shape[1], fy=800 / image.shape[1])[:, :, ::-1]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), FPS, SIZE)
    for at in range(frames):
        x, y = round(80 + 60 * np.sin(at / 15)), round(20 + 15 * np.cos(at / 20))
        writer.write(np.ascontiguousarray(image[y : y + SIZE[1], x : x + SIZE[0]]))
    writer.release()
    return path


if __name__ == "__main__":
    main()
