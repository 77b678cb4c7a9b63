"""CK+48: a folder a class, the person and the sequence in the file names."""

from pathlib import Path

from layouts import Layout, Row
from layouts.faces import face
from mien.core.images import write_image

# In the order of the ids: name of the file -> folder and label.
_FACES = {
    "S010_004_00000017.png": ("anger", "anger"),
    "S010_004_00000018.png": ("anger", "anger"),
    "S010_004_00000019.png": ("anger", "anger"),
    "S010_006_00000015.png": ("happy", "happiness"),
    "S011_001_00000016.png": ("surprise", "surprise"),
    "S011_002_00000022.png": ("sadness", "sadness"),
    "S011_005_00000020.png": ("disgust", "disgust"),
    "S050_001_00000016.png": ("fear", "fear"),
    "S138_008_00000009.png": ("contempt", "contempt"),
}


def _write(folder: Path) -> tuple[Row, ...]:
    rows = []
    for seed, (name, (class_folder, label)) in enumerate(_FACES.items()):
        (folder / class_folder).mkdir(parents=True, exist_ok=True)
        write_image(folder / class_folder / name, face(label, seed=seed))
        stem = name.removesuffix(".png")
        extra = {"subject": name[:4], "clip_id": name[:8], "frame": int(stem[9:])}
        rows.append(Row(f"ck48-{stem}", "train", {"ck48": label}, extra))
    for litter in (".DS_Store", "happy/.DS_Store", "happy/._S010_006_00000015.png", "happy/Thumbs.db"):
        (folder / litter).write_bytes(b"litter")
    return tuple(rows)


def archive(root: Path) -> Layout:
    """As it comes out of the archive."""
    return Layout("ck48", root, "CK+48", _write(root / "CK+48"), True)


def bare(root: Path) -> Layout:
    """The folder itself as root."""
    return Layout("ck48", root, "CK+48", _write(root), True)


FORMS = {"archive": archive, "bare": bare}
