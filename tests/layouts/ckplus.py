"""CK+ as its authors hand it out: few sequences have a label, in a file whose folder most others have empty."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from layouts import Layout, Row
from layouts.faces import face
from mien.core.images import write_image

_FORM = "cohn-kanade-images and Emotion"

# Sequence -> class id and label, or None; numbers of its frames, some of which are missing.
_SEQUENCES = {
    "S005_001": (3, "disgust", (1, 2, 3, 5, 8, 11)),
    "S010_002": (7, "surprise", (1, 2, 3, 4)),
    "S010_004": None,
    "S011_003": (4, "fear", (1, 2, 3, 4, 5)),
    "S026_001": (1, "anger", (1, 2, 3, 4)),
    "S050_006": (6, "sadness", (1, 2, 3, 4)),
    "S138_008": (2, "contempt", (1, 2, 3, 4)),
    "S999_003": None,
    "S999_005": (5, "happiness", (1, 2)),  # shorter than the frames asked for
}


def _write(root: Path) -> None:
    pictures, labels = root / "cohn-kanade-images", root / "Emotion"
    for seed, (name, known) in enumerate(_SEQUENCES.items()):
        subject, sequence = name.split("_")
        for folder in (pictures, labels):
            (folder / subject / sequence).mkdir(parents=True)
        numbers = known[2] if known else (1, 2, 3)
        for number in numbers:
            label = known[1] if known and number == numbers[-1] else "neutral"
            image = face(label, seed=seed, size=80, color=subject >= "S100")  # later ones are in colour, and higher
            image = np.pad(image, ((0, 10), (0, 20), (0, 0)) if image.ndim == 3 else ((0, 5), (0, 20)))
            write_image(pictures / subject / sequence / f"{name}_{number:08d}.png", image)
        if known:
            text = f"   {known[0]}.0000000e+00\n"
            (labels / subject / sequence / f"{name}_{numbers[-1]:08d}_emotion.txt").write_text(text)
    for litter in ("S005/.DS_Store", ".DS_Store", "S010/002/.DS_Store", "S010/002/Thumbs.db"):
        (pictures / litter).write_bytes(b"litter")
    (labels / "S005" / ".DS_Store").write_bytes(b"litter")
    facs = root / "FACS" / "S005" / "001"
    facs.mkdir(parents=True)
    (facs / "S005_001_00000011_facs.txt").write_text("   9.0000000e+00   4.0000000e+00\n")


def _rows(chosen: dict[str, dict[int, str]]) -> tuple[Row, ...]:
    """Of sequence -> number of a frame -> label."""
    return tuple(
        Row(
            f"ckplus-{name}_{number:08d}",
            "train",
            {"ckplus": label},
            {"subject": name[:4], "clip_id": name, "frame": number},
        )
        for name, frames in chosen.items()
        for number, label in frames.items()
    )


_LAST_THREE = {
    "S005_001": {5: "disgust", 8: "disgust", 11: "disgust"},
    "S010_002": {2: "surprise", 3: "surprise", 4: "surprise"},
    "S011_003": {3: "fear", 4: "fear", 5: "fear"},
    "S026_001": {2: "anger", 3: "anger", 4: "anger"},
    "S050_006": {2: "sadness", 3: "sadness", 4: "sadness"},
    "S138_008": {2: "contempt", 3: "contempt", 4: "contempt"},
    "S999_005": {1: "happiness", 2: "happiness"},
}


def peak(root: Path) -> Layout:
    """The official tree, with the default choice of frames."""
    _write(root)
    return Layout("ckplus", root, _FORM, _rows(_LAST_THREE), False)


def neutral(root: Path) -> Layout:
    """Onsets as neutral, and landmarks of some frames."""
    _write(root)
    folder = root / "Landmarks" / "S005" / "001"
    folder.mkdir(parents=True)
    lines = [f"   {2 * k}.5000000e+00   {2 * k + 1}.2500000e+00" for k in range(68)]
    (folder / "S005_001_00000011_landmarks.txt").write_text("\n".join(lines) + "\n")
    chosen = {
        "S005_001": {1: "neutral", 2: "neutral", 11: "disgust"},
        "S010_002": {1: "neutral", 2: "neutral", 4: "surprise"},
        "S011_003": {1: "neutral", 2: "neutral", 5: "fear"},
        "S026_001": {1: "neutral", 2: "neutral", 4: "anger"},
        "S050_006": {1: "neutral", 2: "neutral", 4: "sadness"},
        "S138_008": {1: "neutral", 2: "neutral", 4: "contempt"},
        "S999_005": {1: "neutral", 2: "happiness"},
    }
    known = [k + (0.25 if k % 2 else 0.5) for k in range(136)]
    rows = [
        replace(row, extra={**row.extra, "landmarks": known if row.id.endswith("00000011") else [np.nan] * 136})
        for row in _rows(chosen)
    ]
    return Layout("ckplus", root, _FORM, tuple(rows), False, {"peak": 1, "neutral": 2})


def clips(root: Path) -> Layout:
    """Whole sequences."""
    _write(root)
    chosen = {name: dict.fromkeys(known[2], known[1]) for name, known in _SEQUENCES.items() if known}
    return Layout("ckplus", root, _FORM, _rows(chosen), False, {"clips": True})


def zips(root: Path) -> Layout:
    """Each zip file unpacked into a folder of its name."""
    _write(root)
    for folder, name in (("cohn-kanade-images", "extended-cohn-kanade-images"), ("Emotion", "Emotion_labels")):
        (root / name).mkdir()
        (root / folder).rename(root / name / folder)
    form = "extended-cohn-kanade-images and Emotion_labels"
    return Layout("ckplus", root, form, _rows(_LAST_THREE), False)


FORMS = {"peak": peak, "neutral": neutral, "clips": clips, "zips": zips}
