"""ckextended.csv: FER2013's columns, eight classes, and no word on who is who."""

from pathlib import Path

from layouts import Layout, Row
from layouts.faces import face

# Class id, label, Usage and split, in the order of the file.
_ROWS = (
    (6, "neutral", "Training", "train"),
    (0, "anger", "Training", "train"),
    (1, "disgust", "Training", "train"),
    (7, "contempt", "Training", "train"),
    (2, "fear", "PublicTest", "valid"),
    (3, "happiness", "PublicTest", "valid"),
    (4, "sadness", "PrivateTest", "test"),
    (5, "surprise", "PrivateTest", "test"),
)


def _write(path: Path) -> tuple[Row, ...]:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["emotion,pixels,Usage"]
    rows = []
    for number, (class_id, label, usage, split) in enumerate(_ROWS):
        pixels = " ".join(map(str, face(label, seed=number).ravel().tolist()))
        lines.append(f"{class_id},{pixels},{usage}")
        rows.append(Row(f"ckextended-{number:03d}", split, {"ckextended": label}))
    path.write_text("\r\n".join(lines) + "\r\n", newline="")
    return tuple(rows)


def folder(root: Path) -> Layout:
    """In a folder."""
    return Layout("ckextended", root, "ckextended.csv", _write(root / "ckextended.csv"), True)


def file(root: Path) -> Layout:
    """The file itself as root."""
    return Layout("ckextended", root / "ckextended.csv", "ckextended.csv", _write(root / "ckextended.csv"), True)


FORMS = {"folder": folder, "file": file}
