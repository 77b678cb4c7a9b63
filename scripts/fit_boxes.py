"""Fit what turns Haar's and dlib's boxes into MTCNN's, and the template of landmarks, on the wild photographs.

    python scripts/fit_boxes.py ../shared/data/wild

Fits on half `a`, where both detectors find the face, and reports the overlap with MTCNN's boxes on half `b`. What it
prints are the constants `FIT` of `mien.faces.haar` and `mien.faces.dlib`, and `TEMPLATE` of `mien.faces.align`.
"""

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mien.core.images import read_image
from mien.core.types import Detector, Faces, Floats
from mien.faces.align import similarity
from mien.faces.boxes import BoxFit, overlaps, sides
from mien.faces.dlib import DlibDetector
from mien.faces.haar import HaarDetector
from mien.faces.mtcnn import MtcnnDetector

SAME_FACE = 0.3  # least overlap of two boxes of one face before the fit
OWN = BoxFit(scale=(1.0, 1.0), shift=(0.0, 0.0))


def photographs(root: Path) -> Iterator[tuple[Path, str]]:
    """Path and half of each photograph."""
    with (root / "labels.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            yield root / "images" / row["image"], row["half"]


def pairs(found: list[Faces], wanted: list[Faces]) -> tuple[Floats, Floats]:
    """Boxes (n, 4) of a detector and of MTCNN, where they show the same face: MTCNN's best of each picture."""
    both = []
    for ours, reference in zip(found, wanted, strict=True):
        if len(ours) and len(reference):
            overlap = overlaps(ours.boxes, reference.boxes[:1])[:, 0]
            if overlap.max() >= SAME_FACE:
                both.append((ours.boxes[overlap.argmax()], reference.boxes[0]))
    first, second = zip(*both, strict=True)
    return np.stack(first), np.stack(second)


def fitted(own: Floats, wanted: Floats) -> BoxFit:
    """The median scale and shift."""
    size = sides(own)
    scale = np.median(sides(wanted) / size, axis=0)
    shift = np.median(((wanted[:, :2] + wanted[:, 2:]) - (own[:, :2] + own[:, 2:])) / 2 / size, axis=0)
    (sx, sy), (dx, dy) = scale.tolist(), shift.tolist()
    return BoxFit(scale=(round(sx, 3), round(sy, 3)), shift=(round(dx, 3) + 0.0, round(dy, 3) + 0.0))


def report(name: str, detector: Detector, wanted: dict[str, list[Faces]], images: dict[str, list[Path]]) -> None:
    """Fit one detector and print what came of it."""
    found = {half: [detector.detect(read_image(path), min_face=32) for path in paths] for half, paths in images.items()}
    fit = fitted(*pairs(found["a"], wanted["a"]))
    print(f"{name}: FIT = {fit}")
    for half in "ab":
        own, reference = pairs(found[half], wanted[half])
        overlap = np.diagonal(overlaps(fit.apply(own), reference))
        print(
            f"  half {half}: median IoU {np.median(overlap):.3f}, {np.mean(overlap >= 0.75):.1%} of {len(own)} faces "
            f"at 0.75 or more; a face in {sum(map(bool, found[half]))} of {len(found[half])} photographs"
        )


def template(faces: list[Faces]) -> Floats:
    """Mean landmarks after each face was laid onto the mean of all; eyes level and 0.38 apart, centred."""
    shapes = np.stack([each.landmarks[0] for each in faces if each])
    mean = shapes[0] - shapes[0].mean(0)
    for _ in range(5):
        laid = []
        for shape in shapes:
            matrix = similarity(shape, mean)
            laid.append(shape @ matrix[:, :2].T + matrix[:, 2])
        mean = np.mean(laid, axis=0)
        eyes = mean[1] - mean[0]
        level = np.asarray([[eyes[0], -eyes[1]], [eyes[1], eyes[0]]]) / (eyes @ eyes) * 0.38
        mean = (mean @ level).astype(np.float32)
        mean -= (mean.max(0) + mean.min(0)) / 2
    result: Floats = mean
    return result


def main() -> None:
    """Parse the command line, fit and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wild", type=Path, help="folder of the wild photographs")
    options = parser.parse_args()
    images: dict[str, list[Path]] = {"a": [], "b": []}
    for path, half in photographs(options.wild):
        images[half].append(path)
    mtcnn = MtcnnDetector()
    wanted = {half: [mtcnn.detect(read_image(path)) for path in paths] for half, paths in images.items()}
    for half in "ab":
        print(f"mtcnn, half {half}: a face in {sum(map(bool, wanted[half]))} of {len(wanted[half])} photographs")
    report("haar", HaarDetector(fit=OWN), wanted, images)
    report("dlib", DlibDetector(fit=OWN), wanted, images)
    points = [[round(value, 3) for value in point] for point in (template(wanted["a"]) + 0.5).tolist()]
    print(f"TEMPLATE = {points}, to be made symmetric and moved down")


if __name__ == "__main__":
    main()
