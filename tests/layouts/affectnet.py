"""AffectNet: photographs with csv files, crops with four npy files each, and one rework of others."""

from pathlib import Path

import numpy as np

from layouts import Layout, Row
from layouts.faces import face
from mien.core.images import write_image

_HEADER = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
_POINTS = [round(20 + k * 0.37, 2) for k in range(136)]
_NAN = float("nan")


def _draw(path: Path, label: str, seed: int, *, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, face(label, seed=seed, size=size, color=True))


def _line(path: str, box: str, expression: int, valence: str, arousal: str, points: str | None = None) -> str:
    points = ";".join(map(str, _POINTS)) if points is None else points
    return f"{path},{box},{points},{expression},{valence},{arousal}"


# Of the csv files: path, box as x,y,width,height, number of the expression, valence, arousal.
_TRAINING = (
    ("1/aa.jpg", "5,6,80,90", 0, "0.01", "-0.02"),
    ("1/aa.jpg", "60,6,30,40", 1, "0.7", "0.1"),  # another face in the same photograph
    ("1/bb.jpg", "-1,-1,-1,-1", 6, "-0.5", "0.5"),  # no box
    ("2/cc.JPG", "10,10,50,50", 8, "-2", "-2"),  # none
    ("2/dd.jpg", "10,10,50,50", 9, "-2", "-2"),  # uncertain
    ("2/ee.jpg", "0,0,0,0", 10, "-2", "-2"),  # no face
    ("2/ff.jpg", "10,10,50,50", 5, "-2", "-2"),
    ("10/gg.png", "0,0,96,96", 6, "-0.4", "0.9"),
    ("10/hh.jpg", "1,2,3,4", 7, "-0.25", "0.5"),
    ("1/aa.jpg", "0,0,10,10", 10, "-2", "-2"),  # a third one, left out, and
    ("1/aa.jpg", "0,0,12,12", 4, "-1", "1"),  # a fourth: its id counts all
)
_VALIDATION = (("1/aa.jpg", "5,6,80,90", 2, "-0.6", "-0.3"), ("3/ii.jpg", "8,8,64,64", 3, "0.25", "0.75"))


def _draw_all(folder: Path, *tables: tuple[tuple[str, str, int, str, str], ...]) -> None:
    labels = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
    for seed, (path, _, k, *_) in enumerate(row for table in tables for row in table):
        _draw(folder / path, labels[k % 8], seed, size=96)
        (folder / path).with_name(".DS_Store").write_bytes(b"litter")


def _row(name: str, split: str, label: str, box: tuple[float, ...], valence: float, arousal: float) -> Row:
    extra = {"box": np.array(box, np.float32), "valence": valence, "arousal": arousal}
    return Row(f"affectnet-{name}", split, {"affectnet": label}, extra)


_MANUAL = (
    _row("train_1/aa.jpg", "train", "neutral", (5, 6, 85, 96), 0.01, -0.02),
    _row("train_1/aa.jpg#2", "train", "happiness", (60, 6, 90, 46), 0.7, 0.1),
    _row("train_2/ff.jpg", "train", "disgust", (10, 10, 60, 60), _NAN, _NAN),
    _row("train_10/gg.png", "train", "anger", (0, 0, 96, 96), -0.4, 0.9),
    _row("train_10/hh.jpg", "train", "contempt", (1, 2, 4, 6), -0.25, 0.5),
    _row("train_1/aa.jpg#4", "train", "fear", (0, 0, 12, 12), -1, 1),
    _row("val_1/aa.jpg", "test", "sadness", (5, 6, 85, 96), -0.6, -0.3),
    _row("val_3/ii.jpg", "test", "surprise", (8, 8, 72, 72), 0.25, 0.75),
)


def manual(root: Path) -> Layout:
    """The lists in a folder of their own, the second without a header."""
    _draw_all(root / "Manually_Annotated_Images", _TRAINING, _VALIDATION)
    lists = root / "Manually_Annotated_file_lists"
    lists.mkdir()
    (lists / "training.csv").write_text("\n".join([_HEADER, *(_line(*row) for row in _TRAINING)]) + "\n")
    (lists / "validation.csv").write_bytes("\r\n".join(_line(*row) for row in _VALIDATION).encode())
    return Layout("affectnet", root, "2017, manual", _MANUAL, False)


def automatic(root: Path) -> Layout:
    """Both parts side by side in one folder; the net's labels are asked for. Landmarks, which some faces lack."""
    table = (
        ("1/aa.jpg", "5,6,80,90", 3, "0.125", "0.5"),
        ("1/bb.jpg", "7,7,70,70", 10, "-2", "-2"),
        ("2/cc.jpg", "7,7,70,70", 4, "-0.5", "0.75"),
    )
    _draw_all(root / "Automatically_Annotated_Images", table)
    _draw_all(root / "Manually_Annotated_Images", _TRAINING)
    (root / "training.csv").write_text("\n".join([_HEADER, *(_line(*row) for row in _TRAINING)]) + "\n")
    lines = [_HEADER, _line(*table[0]), _line(*table[1]), _line(*table[2], points="NULL")]
    (root / "automatically_annotated.csv").write_text("\n".join(lines) + "\n")
    rows = (
        _row("auto_1/aa.jpg", "train", "surprise", (5, 6, 85, 96), 0.125, 0.5),
        _row("auto_2/cc.jpg", "train", "fear", (7, 7, 77, 77), -0.5, 0.75),
    )
    rows[0].extra["landmarks"] = _POINTS
    rows[1].extra["landmarks"] = [_NAN] * 136
    options = {"annotated": "automatic", "landmarks": True}
    return Layout("affectnet", root, "2017, automatic", rows, False, options)


# Folder, id -> number of the expression, its label, valence, arousal, in the order of ids.
_CROPS = {
    ("train_set", "0"): (0, "neutral", 0.02, -0.01),
    ("train_set", "2"): (1, "happiness", 0.75, 0.25),
    ("train_set", "5"): (2, "sadness", -0.5, -0.25),
    ("train_set", "10"): (3, "surprise", 0.25, 0.875),
    ("train_set", "11"): (4, "fear", -0.25, 0.75),
    ("train_set", "100"): (5, "disgust", _NAN, _NAN),
    ("val_set", "2"): (6, "anger", -0.5, 0.625),
    ("val_set", "3"): (7, "contempt", -0.5, 0.5),
}


def crops(root: Path) -> Layout:
    """Numbers as texts in some files and as numbers in others; one id in both sets; one picture without a label."""
    rows = []
    for seed, ((name, stem), (k, label, valence, arousal)) in enumerate(_CROPS.items()):
        _draw(root / name / "images" / f"{stem}.jpg", label, seed, size=224)
        about = root / name / "annotations"
        about.mkdir(exist_ok=True)
        as_text = seed % 2 == 0
        np.save(about / f"{stem}_exp.npy", np.array(str(k)) if as_text else np.array(k))
        if stem != "100":  # one lost both
            np.save(about / f"{stem}_val.npy", np.array(str(valence) if as_text else valence))
            np.save(about / f"{stem}_aro.npy", np.array(str(arousal) if as_text else np.float32(arousal)))
        points = np.array(_POINTS) + seed
        np.save(about / f"{stem}_lnd.npy", points)
        extra = {"valence": valence, "arousal": arousal, "landmarks": points}
        split, short = {"train_set": ("train", "train"), "val_set": ("test", "val")}[name]
        rows.append(Row(f"affectnet-{short}_{stem}", split, {"affectnet": label}, extra))
    _draw(root / "train_set" / "images" / "7.jpg", "anger", 99, size=224)
    for folder in ("train_set/images", "train_set/annotations"):
        (root / folder / ".DS_Store").write_bytes(b"litter")
        (root / folder / "._0_exp.npy").write_bytes(b"litter")
    (root / "train_set" / "images" / "Thumbs.db").write_bytes(b"litter")
    return Layout("affectnet", root, "2021", tuple(rows), True, {"landmarks": True})


def kaggle(root: Path) -> Layout:
    """96x96, labelled by a net: a folder may say something else than the csv, which counts."""
    table = (
        ("anger/image0000006.jpg", "surprise", 0.8730869),
        ("anger/image0000060.jpg", "anger", 0.8523112),
        ("contempt/image0000045.jpg", "contempt", 0.9),
        ("happy/ffhq_12.png", "happy", 0.75),
        ("sad/image0000002.jpg", "neutral", 0.5),
    )
    spelled = {"happy": "happiness"}
    lines = [",pth,label,relFCs"]
    rows = []
    for seed, (path, label, share) in enumerate(table):
        name = spelled.get(label, label)
        _draw(root / path, name, seed, size=96)
        lines.append(f"{seed},{path},{label},{share}")
        rows.append(Row(f"affectnet-kaggle_{path}", "train", {"affectnet": name}, {"relfcs": np.float32(share)}))
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    return Layout("affectnet", root, "Kaggle, 96x96", tuple(rows), True, original=False)


FORMS = {"2017-manual": manual, "2017-automatic": automatic, "2021": crops, "kaggle-96": kaggle}
