"""RAF-DB as its authors hand it out, and sorted into folders by others."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from layouts import Layout, Row
from layouts.faces import face
from mien.core.images import write_image

# In the order of ids: name -> number in the list of labels, label. The numbers start at 1.
_PICTURES = {
    "train_00001": (5, "sadness"),
    "train_00002": (1, "surprise"),
    "train_00003": (7, "neutral"),
    "train_00010": (2, "fear"),
    "train_12271": (3, "disgust"),
    "test_0001": (4, "happiness"),
    "test_0002": (6, "anger"),
    "test_3068": (1, "surprise"),
}
# Name -> what stands at the end of its file, and what that means. The others have no file.
_GROUPS = {
    "train_00001": ("0 1 2", ("male", "African-American", "20-39")),
    "train_00002": ("1 0 4", ("female", "Caucasian", "70+")),
    "train_12271": ("2 2 0", ("unsure", "Asian", "0-3")),
    "test_0001": ("1 2 1", ("female", "Asian", "4-19")),
    "test_3068": ("0 0 3", ("male", "Caucasian", "40-69")),
}
_POINTS = [[30.5, 40.0], [70.25, 41.0], [50.0, 60.125], [35.0, 80.0], [66.0, 79.5]]
_BOXES = {"train_00001": [10.0, 5.5, 90.0, 100.25], "test_0001": [0.0, 1.0, 64.0, 80.0]}


def _draw(path: Path, *, label: str, seed: int, size: int = 100) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, face(label, seed=seed, size=size, color=True))


def _write_tree(basic: Path, images: tuple[str, ...]) -> None:
    for kind in images:
        for seed, (name, (_, label)) in enumerate(_PICTURES.items()):
            if kind == "aligned":
                _draw(basic / "Image" / kind / f"{name}_aligned.jpg", label=label, seed=seed)
            else:
                _draw(basic / "Image" / kind / f"{name}.jpg", label=label, seed=seed, size=120 + seed)
        (basic / "Image" / kind / ".DS_Store").write_bytes(b"litter")
        (basic / "Image" / kind / "._train_00001.jpg").write_bytes(b"litter")
        (basic / "Image" / kind / "Thumbs.db").write_bytes(b"litter")
    for folder in ("manual", "auto", "boundingbox"):
        (basic / "Annotation" / folder).mkdir(parents=True)
    for k, (name, (numbers, _)) in enumerate(_GROUPS.items()):
        between, end = ("\t", "\r\n") if k % 2 else (" ", "\n")
        lines = [f"{x:.4f}{between}{y:.4f}" for x, y in _POINTS] + numbers.split()
        path = basic / "Annotation" / "manual" / f"{name}_manu_attri.txt"
        path.write_bytes((end.join(lines) + (end if k else "")).encode())
    for name, box in _BOXES.items():
        (basic / "Annotation" / "boundingbox" / f"{name}_boundingbox.txt").write_text(" ".join(map(str, box)) + "\n")
    points = "".join(f"{k}.5\t{k}.25\n" for k in range(37))
    (basic / "Annotation" / "auto" / "train_00001_auto_attri.txt").write_text(points)


def _write_list(basic: Path, *, end: str = "\n") -> None:
    """In the authors' spelling, and without an end of the last line."""
    (basic / "EmoLabel").mkdir(parents=True)
    lines = [f"{name}.jpg {number}" for name, (number, _) in _PICTURES.items()]
    (basic / "EmoLabel" / "list_patition_label.txt").write_bytes(end.join(lines).encode())


def _rows() -> tuple[Row, ...]:
    return tuple(
        Row(f"rafdb-{name}", name.partition("_")[0], {"rafdb": label}) for name, (_, label) in _PICTURES.items()
    )


def _groups(name: str) -> dict[str, str]:
    words = _GROUPS[name][1] if name in _GROUPS else ("", "", "")
    return dict(zip(("group_gender", "group_race", "group_age"), words, strict=True))


def aligned(root: Path) -> Layout:
    """Both kinds of pictures: the face crops are read."""
    _write_tree(root / "basic", ("aligned", "original"))
    _write_list(root / "basic")
    _draw(root / "basic" / "Image" / "aligned" / "train_00099_aligned.jpg", label="fear", seed=99)  # in no list
    rows = [replace(row, extra=_groups(name)) for row, name in zip(_rows(), _PICTURES, strict=True)]
    return Layout("rafdb", root, "basic, aligned", tuple(rows), True)


def original(root: Path) -> Layout:
    """The photographs, the folder basic itself as root, lines that end as on Windows."""
    _write_tree(root / "basic", ("aligned", "original"))
    _write_list(root / "basic", end="\r\n")
    rows = [
        replace(
            row,
            extra={
                **_groups(name),
                "landmarks": np.ravel(_POINTS) if name in _GROUPS else [np.nan] * 10,
                "box": _BOXES.get(name, [np.nan] * 4),
            },
        )
        for row, name in zip(_rows(), _PICTURES, strict=True)
    ]
    return Layout("rafdb", root / "basic", "basic, original", tuple(rows), False, {"images": "original"})


def kaggle(root: Path) -> Layout:
    """Numbers as folders, and a csv a split beside them."""
    for seed, (name, (number, label)) in enumerate(_PICTURES.items()):
        folder = root / "DATASET" / name.partition("_")[0]
        for k in range(1, 8):
            (folder / str(k)).mkdir(parents=True, exist_ok=True)
        _draw(folder / str(number) / f"{name}_aligned.jpg", label=label, seed=seed)
    for split in ("train", "test"):
        lines = [f"{name}_aligned.jpg,{k}" for name, (k, _) in _PICTURES.items() if name.startswith(split)]
        (root / f"{split}_labels.csv").write_text("\n".join(["image,label", *lines]) + "\n")
        (root / "DATASET" / split / "1" / ".DS_Store").write_bytes(b"litter")
    form = "a folder a class under train and test, with train_labels.csv and test_labels.csv"
    return Layout("rafdb", root, form, _rows(), True, original=False)


def imagefolder(root: Path) -> Layout:
    """Emotions as folders; the test split is called valid."""
    spelled = {"anger": "angry", "happiness": "Happy", "sadness": "sad"}
    for seed, (name, (_, label)) in enumerate(_PICTURES.items()):
        split = "train" if name.startswith("train") else "valid"
        _draw(root / split / spelled.get(label, label) / f"{name}_aligned.jpg", label=label, seed=seed)
    (root / "valid" / "neutral").mkdir()
    (root / "valid" / "Happy" / "Thumbs.db").write_bytes(b"litter")
    form = "a folder a class under train and valid"
    return Layout("rafdb", root, form, _rows(), True, original=False)


FORMS = {"aligned": aligned, "original": original, "kaggle": kaggle, "imagefolder": imagefolder}
