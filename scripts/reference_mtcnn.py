"""Write the boxes that the mtcnn-runtime package finds, for tests/parity/test_mtcnn.py and benchmarks/detect.py.

    python scripts/reference_mtcnn.py WILD/images --count 60 --out tests/parity/mtcnn_runtime.json

Runs in an environment of its own that holds mtcnn-runtime 1.0.0 (it pulls the full OpenCV, which clashes with the
headless one); imports nothing of mien. Its boxes name the last pixel inside: 1 is added to x2 and y2. A picture at
which it fails (it raises where P-Net finds nothing at all) counts as one without a face.
"""

import argparse
import json
import time
from pathlib import Path

import cv2
from mtcnnruntime import MTCNN


def detect(detector: MTCNN, path: Path, min_face: int) -> tuple[list[dict[str, object]], float]:
    """Faces in one picture, and the seconds it took without decoding."""
    image = cv2.imread(str(path))
    start = time.perf_counter()
    try:
        boxes, landmarks = detector.detect(image, min_face_size=min_face)
    except ValueError:
        boxes, landmarks = [], []
    seconds = time.perf_counter() - start
    faces = [
        {
            "box": [round(float(v), 2) for v in (box[0], box[1], box[2] + 1, box[3] + 1)],
            "score": round(float(box[4]), 5),
            "landmarks": [[round(float(p[i]), 2), round(float(p[i + 5]), 2)] for i in range(5)],
        }
        for box, p in zip(boxes, landmarks, strict=True)
    ]
    return faces, seconds


def main() -> None:
    """Parse the command line and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of photographs")
    parser.add_argument("--count", type=int, default=0, help="take so many, evenly spread by name (all)")
    parser.add_argument("--min-face", type=int, default=40)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    paths = sorted(options.folder.iterdir())
    if options.count:
        step = max(len(paths) // options.count, 1)
        paths = paths[::step][: options.count]
    detector = MTCNN()
    detect(detector, paths[0], options.min_face)  # warm
    pictures, seconds = {}, []
    for path in paths:
        pictures[path.name], spent = detect(detector, path, options.min_face)
        seconds.append(spent)
    result = {
        "package": "mtcnn-runtime 1.0.0",
        "min_face": options.min_face,
        "median_ms": round(sorted(seconds)[len(seconds) // 2] * 1e3, 2),
        "pictures": pictures,
    }
    lines = json.dumps({k: v for k, v in result.items() if k != "pictures"})[:-1]
    rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(faces)}" for name, faces in pictures.items())
    options.out.write_text(f'{lines}, "pictures": {{\n{rows}\n}}}}\n')


if __name__ == "__main__":
    main()
