"""Choose how a detected face is cut for a model: on half a of photographs taken in the wild, reported on half b.

    python scripts/choose_crop.py MODEL --wild FOLDER [--detector mtcnn]

FOLDER holds `labels.csv` (image,label,person,half) and `images/`. A photograph counts as right when the top label,
over all labels of the head, of the largest face found is its label; one without a face found counts as wrong.
Prints the accuracy of each geometry on half a, and half b, with an interval over persons, for the best and for the
card's own. Many geometries differ by less than chance, so the best is chosen by the one-standard-error rule (Breiman et
al. 1984): of those within a standard error of the highest figure, the plainest, which is upright, with the least shift,
and with the scale nearest to 0.9 of MTCNN's longer side, which is about what FER2013's own faces show.
"""

import argparse
import csv
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.core.images import read_image
from mien.core.labels import canonical
from mien.core.types import Faces, Image
from mien.faces import DETECTORS
from mien.runtime.card import CropGeometry
from mien.runtime.classifier import Classifier
from mien.runtime.preprocess import crop_faces
from mien.zoo.store import load_classifier

SCALES = (0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.05)
TYPICAL_SCALE = 0.9
SHIFTS = (-0.09, -0.06, -0.03, 0.0, 0.03)
RESAMPLES = 10_000


@dataclass(frozen=True, eq=False)
class Photograph:
    """One photograph, its largest face (none if none was found), and what it shows."""

    image: Image
    largest: Faces
    label: str
    person: str
    half: str


def read_photographs(folder: Path, detector_name: str) -> list[Photograph]:
    """Read and detect once; the geometries are tried on what this returns."""
    detector = DETECTORS.create(detector_name)
    photographs = []
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            image = read_image(folder / "images" / row["image"])
            faces = detector.detect(image, min_face=40)
            largest = faces[[int(faces.areas.argmax())]] if len(faces) else faces
            photographs.append(Photograph(image, largest, canonical(row["label"]), row["person"], row["half"]))
    return photographs


def right(photographs: list[Photograph], classifier: Classifier, head: str, crop: CropGeometry) -> np.ndarray:
    """(n,) whether each photograph is recognised under a geometry."""
    found = [each for each in photographs if len(each.largest)]
    crops = np.concatenate([crop_faces(each.image, each.largest, classifier.card.input, crop) for each in found])
    labels = classifier.label_set(head).labels
    top = iter(classifier.predict(crops, head=head).argmax(1).tolist())
    return np.array([bool(len(each.largest)) and labels[next(top)] == each.label for each in photographs])


def interval_by_person(photographs: list[Photograph], hits: np.ndarray) -> tuple[float, float]:
    """95 % percentile bootstrap over persons, since photographs of one person are alike."""
    persons, index = np.unique([each.person for each in photographs], return_inverse=True)
    n, correct = np.bincount(index), np.bincount(index, hits)
    drawn = np.random.default_rng(0).integers(0, len(persons), (RESAMPLES, len(persons)))
    low, high = np.quantile(correct[drawn].sum(1) / n[drawn].sum(1), (0.025, 0.975))
    return float(low), float(high)


def plainest(grid: np.ndarray, n: int) -> CropGeometry:
    """The one-standard-error choice from accuracies (2, scales, shifts) on n photographs."""
    highest = grid.max()
    good = np.argwhere(grid >= highest - np.sqrt(highest * (1 - highest) / n))
    a, i, j = min(good.tolist(), key=lambda cell: (cell[0], abs(SHIFTS[cell[2]]), abs(SCALES[cell[1]] - TYPICAL_SCALE)))
    return CropGeometry(scale=SCALES[i], shift_y=SHIFTS[j], align=bool(a))


def main() -> None:
    """Try all geometries and print what they give."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--wild", type=Path, required=True)
    parser.add_argument("--detector", default="mtcnn")
    parser.add_argument("--head")
    parser.add_argument("--variant")
    args = parser.parse_args()
    classifier = load_classifier(args.model, variant=args.variant)
    head = args.head or classifier.card.default_head
    photographs = read_photographs(args.wild, args.detector)
    halves = {half: [each for each in photographs if each.half == half] for half in "ab"}
    for half, those in halves.items():
        share = np.mean([len(each.largest) > 0 for each in those])
        print(f"half {half}: {len(those)} photographs, a face found on {share:.1%}")

    grid = np.zeros((2, len(SCALES), len(SHIFTS)))
    for align, (i, scale), (j, shift) in itertools.product((False, True), enumerate(SCALES), enumerate(SHIFTS)):
        crop = CropGeometry(scale=scale, shift_y=shift, align=align)
        grid[int(align), i, j] = right(halves["a"], classifier, head, crop).mean()
    for align in (False, True):
        print(f"\nhalf a, {'eyes level' if align else 'upright'}; rows: scale, columns: shift_y")
        print("       " + "".join(f"{shift:8.2f}" for shift in SHIFTS))
        for scale, row in zip(SCALES, grid[int(align)], strict=True):
            print(f"{scale:7.2f}" + "".join(f"{value:8.1%}" for value in row))
    best = plainest(grid, len(halves["a"]))
    for name, crop in (("best", best), ("card", classifier.card.crop)):
        hits = {half: right(those, classifier, head, crop) for half, those in halves.items()}
        low, high = interval_by_person(halves["b"], hits["b"])
        print(
            f"\n{name}: {crop}\n  half a {hits['a'].mean():.1%}, "
            f"half b {hits['b'].mean():.1%} (95 % interval over persons {low:.1%} to {high:.1%}, n = {len(hits['b'])})"
        )


if __name__ == "__main__":
    main()
