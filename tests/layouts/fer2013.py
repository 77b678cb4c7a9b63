"""FER2013 as the competition hands it out, and as others hand it on."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from layouts import Layout, Row
from layouts.faces import face
from mien.core.images import write_image

# What the numbers in the column emotion mean, and the folders that Kaggle's form has; by the alphabet neutral is 4th.
NUMBERS = {"anger": 0, "disgust": 1, "fear": 2, "happiness": 3, "sadness": 4, "surprise": 5, "neutral": 6}
CLASSES = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
SPLITS = {"Training": "train", "PublicTest": "valid", "PrivateTest": "test"}

# One row of the csv each.
FACES = (
    *((label, "Training") for label in ("neutral", "anger", "sadness", "happiness", "surprise", "fear", "disgust")),
    ("sadness", "Training"),
    ("neutral", "PublicTest"),
    ("surprise", "PublicTest"),
    ("neutral", "PrivateTest"),
    ("anger", "PrivateTest"),
)


def pixels(image: npt.NDArray[np.uint8]) -> str:
    return " ".join(map(str, image.ravel()))


def drawn(faces: tuple[tuple[str, str], ...] = FACES) -> list[tuple[int, str, str]]:
    """(emotion, pixels, Usage) of each row."""
    return [(NUMBERS[label], pixels(face(label, seed=k)), usage) for k, (label, usage) in enumerate(faces)]


def write_lines(path: Path, lines: list[str], *, end: str = "\n", final: str = "\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((end.join(lines) + final).encode())


def write_csv(root: Path) -> None:
    rows = [f"{emotion},{text},{usage}" for emotion, text, usage in drawn()]
    write_lines(root / "fer2013" / "fer2013.csv", ["emotion,pixels,Usage", *rows])


def by_row(faces: tuple[tuple[str, str], ...] = FACES) -> tuple[Row, ...]:
    return tuple(Row(f"fer2013-{k:05d}", SPLITS[usage], {"fer2013": label}) for k, (label, usage) in enumerate(faces))


def csv(root: Path) -> Layout:
    """As fer2013.tar.gz unpacks, with the other files of the competition beside it: the first is read."""
    write_csv(root)
    (root / "fer2013" / "README").write_text("The fer2013.bib file")
    other = pixels(face("fear", seed=99))
    write_lines(root / "icml_face_data.csv", ["emotion, Usage, pixels", f"2,Training,{other}"])
    write_lines(root / "train.csv", ["emotion,pixels", f'2,"{other}"'])
    return Layout("fer2013", root, "fer2013.csv", by_row(), True)


def icml(root: Path) -> Layout:
    """Spaces in the header, another order of columns, lines that end as on Windows, and none after the last."""
    rows = [f"{emotion},{usage},{text}" for emotion, text, usage in drawn()]
    write_lines(root / "icml_face_data.csv", ["emotion, Usage, pixels", *rows], end="\r\n", final="")
    write_lines(root / "train.csv", ["emotion,pixels", f'2,"{pixels(face("fear", seed=99))}"'])
    return Layout("fer2013", root, "icml_face_data.csv", by_row(), True)


def train_test(root: Path) -> Layout:
    """The files of the contest itself: its test.csv has no labels, so nothing of it is read."""
    rows = [(emotion, text) for emotion, text, usage in drawn() if usage == "Training"]
    write_lines(root / "train.csv", ["emotion,pixels", *(f'{emotion},"{text}"' for emotion, text in rows)])
    unlabelled = [f'"{text}"' for _, text, usage in drawn() if usage != "Training"]
    write_lines(root / "test.csv", ["pixels", *unlabelled], final="")
    write_lines(root / "example_submission.csv", ["3", "4", "0", "1"])
    return Layout("fer2013", root, "train.csv", by_row(FACES[:8]), True)


def split_csv(root: Path) -> Layout:
    """Cut into a file a split, test.csv with labels."""
    for name, usage in (("train", "Training"), ("val", "PublicTest"), ("test", "PrivateTest")):
        rows = [f"{emotion},{text}" for emotion, text, each in drawn() if each == usage]
        write_lines(root / f"{name}.csv", ["emotion,pixels", *rows])
    labels = [("val", "neutral"), ("val", "surprise"), ("test", "neutral"), ("test", "anger")]
    rows = tuple(
        Row(f"fer2013-{name}_{k % 2:05d}", {"val": "valid", "test": "test"}[name], {"fer2013": label})
        for k, (name, label) in enumerate(labels)
    )
    form = "train.csv, val.csv, test.csv"
    return Layout("fer2013", root, form, (*by_row(FACES[:8]), *rows), True, original=False)


def _draw(root: Path, paths: dict[str, str]) -> None:
    """Path -> label: a picture each, and what file managers leave behind."""
    for seed, (path, label) in enumerate(paths.items()):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        write_image(root / path, face(label, seed=seed))
        for litter in (".DS_Store", "Thumbs.db", "._" + Path(path).name):
            (root / path).with_name(litter).write_bytes(b"\0")


def _layout(root: Path, form: str, rows: list[tuple[str, str, str]]) -> Layout:
    expected = tuple(Row(f"fer2013-{id}", split, {"fer2013": label}) for id, split, label in rows)
    return Layout("fer2013", root, form, expected, True, original=False)


def kaggle_folder(root: Path) -> Layout:
    """Two splits in test, told apart by name; numbers that are no rows, though some could be; a class without files."""
    for folder in ("train", "test"):
        for name in CLASSES:
            (root / folder / name).mkdir(parents=True)
    (root / "train" / ".ipynb_checkpoints").mkdir()
    paths = {
        "test/angry/PrivateTest_88305.jpg": "anger",
        "test/neutral/PublicTest_59069.jpg": "neutral",
        "test/neutral/PrivateTest_59059.jpg": "neutral",
        "test/surprise/PublicTest_23151545.JPG": "surprise",
        "train/angry/Training_3908.jpg": "anger",
        "train/disgust/Training_659019.jpg": "disgust",
        "train/fear/Training_10018621.jpg": "fear",
        "train/happy/Training_1206.jpg": "happiness",
        "train/neutral/Training_65667.jpg": "neutral",
        "train/sad/Training_6197.jpg": "sadness",
        "train/surprise/Training_8796.jpg": "surprise",
    }
    _draw(root, paths)
    (root / "train" / "angry" / "notes.txt").write_text("no picture")
    rows = [
        ("Training_3908", "train", "anger"),
        ("Training_659019", "train", "disgust"),
        ("Training_10018621", "train", "fear"),
        ("Training_1206", "train", "happiness"),
        ("Training_65667", "train", "neutral"),
        ("Training_6197", "train", "sadness"),
        ("Training_8796", "train", "surprise"),
        ("PublicTest_59069", "valid", "neutral"),
        ("PublicTest_23151545", "valid", "surprise"),
        ("PrivateTest_88305", "test", "anger"),
        ("PrivateTest_59059", "test", "neutral"),
    ]
    return _layout(root, "a folder a class under train and test", rows)


def row_folder(root: Path) -> Layout:
    """Kaggle's form with rows of fer2013.csv in the names: the same ids and the same order as of the csv."""
    paths = {
        "train/neutral/Training_0.jpg": "neutral",
        "train/angry/Training_1.jpg": "anger",
        "train/sad/Training_2.jpg": "sadness",
        "train/happy/Training_10.jpg": "happiness",
        "train/surprise/Training_28708.jpg": "surprise",
        "test/neutral/PublicTest_28709.jpg": "neutral",
        "test/fear/PublicTest_32297.jpg": "fear",
        "test/angry/PrivateTest_32298.jpg": "anger",
        "test/disgust/PrivateTest_35886.jpg": "disgust",
    }
    _draw(root / "fer2013", paths)
    rows = [
        ("00000", "train", "neutral"),
        ("00001", "train", "anger"),
        ("00002", "train", "sadness"),
        ("00010", "train", "happiness"),
        ("28708", "train", "surprise"),
        ("28709", "valid", "neutral"),
        ("32297", "valid", "fear"),
        ("32298", "test", "anger"),
        ("35886", "test", "disgust"),
    ]
    return _layout(root, "a folder a class under train and test", rows)


def images_folder(root: Path) -> Layout:
    """Divided anew by somebody: the names are rows, by which the true split comes back."""
    paths = {
        "images/train/angry/0.jpg": "anger",
        "images/train/disgust/10018.jpg": "disgust",
        "images/train/neutral/35886.jpg": "neutral",
        "images/train/sad/28709.jpg": "sadness",
        "images/validation/fear/28708.jpg": "fear",
        "images/validation/happy/32297.jpg": "happiness",
        "images/validation/surprise/1115.jpg": "surprise",
        "images/validation/surprise/32298.jpg": "surprise",
    }
    _draw(root, paths)
    rows = [
        ("00000", "train", "anger"),
        ("01115", "train", "surprise"),
        ("10018", "train", "disgust"),
        ("28708", "train", "fear"),
        ("28709", "valid", "sadness"),
        ("32297", "valid", "happiness"),
        ("32298", "test", "surprise"),
        ("35886", "test", "neutral"),
    ]
    return _layout(root, "a folder a class under train and validation", rows)


def copies_folder(root: Path) -> Layout:
    """Oversampled: one name in two classes and with two suffixes, copies, names without a split: paths are ids."""
    paths = {
        "test/disgust/im0.png": "disgust",
        "test/sad/PublicTest_7.png": "sadness",
        "train/angry/Training_1.jpg": "anger",
        "train/angry/Training_1.png": "anger",
        "train/disgust/Training_1.jpg": "disgust",
        "train/disgust/Training_1 (2).jpg": "disgust",
        "train/neutral/im0.png": "neutral",
        "train/sad/PrivateTest_5.jpg": "sadness",
    }
    _draw(root, paths)
    rows = [
        ("train/angry/Training_1.jpg", "train", "anger"),
        ("train/angry/Training_1.png", "train", "anger"),
        ("train/disgust/Training_1 (2).jpg", "train", "disgust"),
        ("train/disgust/Training_1.jpg", "train", "disgust"),
        ("train/neutral/im0.png", "train", "neutral"),
        ("test/sad/PublicTest_7.png", "valid", "sadness"),
        ("train/sad/PrivateTest_5.jpg", "test", "sadness"),
        ("test/disgust/im0.png", "test", "disgust"),
    ]
    return _layout(root, "a folder a class under train and test", rows)


FORMS = {
    "csv": csv,
    "icml": icml,
    "train-test": train_test,
    "split-csv": split_csv,
    "kaggle-folder": kaggle_folder,
    "row-folder": row_folder,
    "images-folder": images_folder,
    "copies-folder": copies_folder,
}
