"""MTCNN as mien runs it against the package mtcnn-runtime, and the other detectors beside: faces found, overlap, time.

    python benchmarks/detect.py ../shared/data/wild/images --peer PEERS/bin/python --count 200

`--peer` is the Python of an environment that holds mtcnn-runtime 1.0.0. Both are measured in turns, three times, in
this one run, each with its default number of threads, and the median over all is printed: on an idle machine only. Then
each detector's median time for one photograph of 640 x 480 with a face in it (`mien`'s sample), decoding left out.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

import mien
from mien.core.errors import MissingExtraError
from mien.core.images import read_image
from mien.core.types import Detector, Faces, Image
from mien.faces import DETECTORS
from mien.faces.boxes import overlaps

REFERENCE = Path(__file__).parents[1] / "scripts" / "reference_mtcnn.py"
SAMPLE = Path(mien.__file__).parent / "samples" / "grace_hopper.jpg"


def timed(detector: Detector, images: list[Image]) -> tuple[list[Faces], list[float]]:
    faces, seconds = [], []
    detector.detect(images[0])
    for image in images:
        start = time.perf_counter()
        faces.append(detector.detect(image))
        seconds.append(time.perf_counter() - start)
    return faces, seconds


def reference(python: Path, folder: Path, count: int) -> dict:
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "reference.json"
        command = [python, REFERENCE, folder, "--count", str(count), "--out", out]
        subprocess.run([str(part) for part in command], check=True)
        return json.loads(out.read_text(encoding="utf-8"))


def compare(ours: list[Faces], theirs: list[list[dict]]) -> None:
    overlap = []
    for faces, wanted in zip(ours, theirs, strict=True):
        for face in wanted:
            box = np.asarray([face["box"]], np.float32)
            overlap.append(float(overlaps(box, faces.boxes).max(initial=0)))
    print(f"faces of mtcnn-runtime: {len(overlap)}, of which we find {np.mean(np.asarray(overlap) > 0.5):.1%}")
    print(f"overlap (IoU): median {np.median(overlap):.3f}, {np.mean(np.asarray(overlap) >= 0.9):.1%} at 0.9 or more")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of photographs")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--peer", type=Path, help="Python of an environment with mtcnn-runtime")
    options = parser.parse_args()
    paths = sorted(options.folder.iterdir())
    paths = paths[:: max(len(paths) // options.count, 1)][: options.count]
    images = [read_image(path) for path in paths]

    ours_ms, theirs_ms, wanted = [], [], {}
    mtcnn = DETECTORS.create("mtcnn")
    for _ in range(3 if options.peer else 1):
        faces, seconds = timed(mtcnn, images)
        ours_ms.append(np.median(seconds) * 1e3)
        if options.peer:
            answer = reference(options.peer, options.folder, options.count)
            wanted = answer["pictures"]
            theirs_ms.append(answer["median_ms"])
    print(f"{len(images)} photographs; a face in {np.mean([len(f) > 0 for f in faces]):.1%}")
    print(f"mien:          {np.median(ours_ms):6.1f} ms a photograph")
    if options.peer:
        found = np.mean([len(each) > 0 for each in wanted.values()])
        print(f"mtcnn-runtime: {np.median(theirs_ms):6.1f} ms; a face in {found:.1%}")
        compare(faces, [wanted[path.name] for path in paths])

    sample = read_image(SAMPLE)
    edge = np.pad(
        cv2.resize(sample, (410, 480), interpolation=cv2.INTER_AREA), ((0, 0), (115, 115), (0, 0)), mode="edge"
    )
    empty = np.ascontiguousarray(edge[::-1] // 2)
    for name in DETECTORS:
        try:
            detector = DETECTORS.create(name)
        except MissingExtraError as error:
            print(f"{name}: {error}", file=sys.stderr)
            continue
        faces, seconds = timed(detector, [edge] * 30)
        _, none = timed(detector, [empty] * 30)
        print(
            f"{name:6} 640x480, min_face 40: {np.median(seconds) * 1e3:6.1f} ms with {len(faces[0])} face, "
            f"{np.median(none) * 1e3:6.1f} ms upside down"
        )


if __name__ == "__main__":
    main()
