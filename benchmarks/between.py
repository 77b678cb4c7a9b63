"""What is lost by looking for faces in every Kth frame only: on clips whose faces are known, against every frame.

    python benchmarks/between.py

The clips are made by ffmpeg from the bundled photographs. Overlap is intersection over union with the true box; a face
is missed where nothing overlaps it by 0.3; the change is the largest of the face's probabilities, averaged over faces.
"""

import argparse
import functools
import sys
import tempfile
from pathlib import Path

import numpy as np

import mien
from mien.faces.boxes import overlaps
from mien.pipeline.video import Sampling, watch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import clips

CLIPS = {
    "one face that sways": clips.motion,
    "one face that comes closer": clips.scale,
    "one face, covered for half a second": clips.occlusion,
    "two faces that cross": clips.crossing,
    "four faces that sway": functools.partial(clips.people, count=4),
}
SEEN = 0.7  # share of a face that nothing covers, from which it should be found
FOUND = 0.3  # overlap

Faces = dict[tuple[int, str], tuple[float, np.ndarray | None]]  # frame and name -> overlap, probabilities


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, nargs="+", default=[1, 2, 3, 5, 10])
    options = parser.parse_args()
    recognizer = mien.Recognizer()
    print("| clip | K | mean overlap | lowest | missed | change |")
    print("|---|---|---|---|---|---|")
    for name, make in CLIPS.items():
        with tempfile.TemporaryDirectory() as folder:
            clip = make(Path(folder, "clip.mp4"))
            each_frame = faces(recognizer, clip, 1)
            for step in options.every:
                found = faces(recognizer, clip, step)
                print(f"| {name} | {step} | {' | '.join(judged(found, each_frame))} |", flush=True)


def faces(recognizer: mien.Recognizer, clip: clips.Clip, step: int) -> Faces:
    """How well each face that can be seen is covered, and what it says; None where it is missed."""
    result: Faces = {}
    for frame in watch(recognizer, clip.path, Sampling(detect_every=step)):
        for name, box in clip.boxes[frame.index].items():
            if clip.visible[frame.index][name] < SEEN:
                continue
            shared = overlaps(np.float32([box]), frame.predictions.boxes)[0]
            best = int(shared.argmax()) if len(shared) else -1
            hit = best >= 0 and shared[best] >= FOUND
            said = frame.predictions.probabilities[best] if hit else None
            result[frame.index, name] = (float(shared[best]) if hit else 0.0, said)
    return result


def judged(found: Faces, each_frame: Faces) -> list[str]:
    shared = [overlap for overlap, said in found.values() if said is not None]
    changes = [
        np.abs(said - each_frame[key][1]).max()
        for key, (_, said) in found.items()
        if said is not None and each_frame[key][1] is not None
    ]
    missed = f"{len(found) - len(shared)} of {len(found)}"
    return [f"{np.mean(shared):.3f}", f"{min(shared):.3f}", missed, f"{np.mean(changes):.3f}"]


if __name__ == "__main__":
    main()
