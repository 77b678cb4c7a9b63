"""FER+: votes beside FER2013's csv, beside its pictures, and beside pictures of FER+'s own making."""

import math
from dataclasses import dataclass
from pathlib import Path

from layouts import Layout, Row
from layouts.faces import face
from layouts.fer2013 import NUMBERS, SPLITS, pixels, write_lines
from mien.core.images import write_image

HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
ORDER = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")

Shares = dict[str, float]


@dataclass(frozen=True)
class Rated:
    """A row of both files: what FER2013 calls it, its name in FER+, and what the rule makes of its votes by hand."""

    label: str
    usage: str
    number: int | None  # in its name, which is not its row
    votes: tuple[int, ...]
    majority: str | None
    shares: Shares  # of the votes for emotions without single ones

    @property
    def name(self) -> str:
        return "" if self.number is None else f"fer{self.number:07d}.png"


# Pictures in which all ten see no face have no name; one row has nine votes; a name stands twice, with other votes.
RATED = (
    Rated("neutral", "Training", 0, (8, 0, 1, 0, 0, 1, 0, 0, 0, 0), "neutral", {"neutral": 1}),
    Rated("anger", "Training", None, (0, 0, 0, 0, 0, 0, 0, 0, 0, 10), None, {}),
    Rated("anger", "Training", 1, (0, 0, 0, 0, 9, 0, 0, 0, 0, 0), "anger", {"anger": 1}),
    Rated("sadness", "Training", 2, (5, 0, 0, 5, 0, 0, 0, 0, 0, 0), None, {"neutral": 1 / 2, "sadness": 1 / 2}),
    Rated("fear", "Training", 3, (1, 0, 3, 0, 0, 0, 6, 0, 0, 0), "fear", {"surprise": 1 / 3, "fear": 2 / 3}),
    Rated("happiness", "Training", 4, (0, 2, 0, 0, 0, 0, 0, 8, 0, 0), "contempt", {"happiness": 0.2, "contempt": 0.8}),
    Rated("disgust", "Training", 5, (0, 0, 0, 0, 2, 2, 0, 0, 6, 0), None, {"anger": 1 / 2, "disgust": 1 / 2}),
    Rated("surprise", "PublicTest", 6, (0, 1, 9, 0, 0, 0, 0, 0, 0, 0), "surprise", {"surprise": 1}),
    Rated(
        "fear", "PublicTest", 7, (0, 7, 2, 0, 0, 0, 0, 0, 1, 0), "happiness", {"happiness": 7 / 9, "surprise": 2 / 9}
    ),
    Rated("disgust", "PrivateTest", 8, (0, 0, 0, 0, 3, 7, 0, 0, 0, 0), "disgust", {"anger": 0.3, "disgust": 0.7}),
    Rated("sadness", "PrivateTest", 9, (1, 0, 0, 8, 0, 0, 0, 0, 1, 0), "sadness", {"sadness": 1}),
    Rated("neutral", "PrivateTest", 9, (0, 0, 0, 0, 0, 0, 0, 0, 0, 10), None, {}),
)


def _write(root: Path) -> None:
    csv = [f"{NUMBERS[each.label]},{pixels(face(each.label, seed=k))},{each.usage}" for k, each in enumerate(RATED)]
    write_lines(root / "fer2013.csv", ["emotion,pixels,Usage", *csv])
    write_lines(root / "fer2013new.csv", [HEADER, *_votes()], end="\r\n")


def _votes() -> list[str]:
    return [",".join(map(str, (each.usage, each.name, *each.votes))) for each in RATED]


def _row(row: int, *, label: str | None = None, shares: Shares | None = None) -> Row:
    """What the reader must find in a row of `RATED`: by the majority rule, or what is given."""
    each = RATED[row]
    label, shares = (each.majority, each.shares) if shares is None else (label, shares)
    return Row(
        f"fer2013-{row:05d}",
        SPLITS[each.usage],
        {"fer2013": each.label, "ferplus": label},
        {"votes": each.votes, "image_name": each.name},
        {"ferplus": tuple(shares.get(name, 0.0) if shares else math.nan for name in ORDER)},
    )


def csv(root: Path) -> Layout:
    """Both files in one folder, joined row by row."""
    _write(root)
    rows = tuple(_row(k) for k in range(len(RATED)))
    return Layout("ferplus", root, "fer2013.csv and fer2013new.csv", rows, True)


# What the other rules give where the majority rule gives something else: row -> label and shares.
PROBABILITY = {
    3: ("neutral", {"neutral": 1 / 2, "sadness": 1 / 2}),  # a tie: both, and the first is the label
    4: ("fear", {"surprise": 1 / 3, "fear": 2 / 3}),  # 6 of 9 are too few, so the second is in it too
    5: ("contempt", {"contempt": 1}),  # 8 of 10 are enough
    8: ("happiness", {"happiness": 1}),  # 7 of 9 too
    9: ("disgust", {"anger": 0.3, "disgust": 0.7}),  # 7 of 10 are not
}
MULTI_TARGET = {
    3: ("neutral", {"neutral": 1 / 2, "sadness": 1 / 2}),
    4: ("fear", {"surprise": 1 / 2, "fear": 1 / 2}),  # at least 30 %, so both are worth the same
    5: ("contempt", {"contempt": 1}),  # 20 % are too few
    8: ("happiness", {"happiness": 1}),
    9: ("disgust", {"anger": 1 / 2, "disgust": 1 / 2}),  # 30 % are enough
}


def _in_mode(root: Path, mode: str, given: dict[int, tuple[str, Shares]]) -> Layout:
    _write(root)
    rows = []
    for k, each in enumerate(RATED):
        label, shares = given.get(k, (each.majority, each.shares if each.majority else {}))
        rows.append(_row(k, label=label, shares=shares))
    return Layout("ferplus", root, "fer2013.csv and fer2013new.csv", tuple(rows), True, {"mode": mode})


def probability(root: Path) -> Layout:
    return _in_mode(root, "probability", PROBABILITY)


def multi_target(root: Path) -> Layout:
    return _in_mode(root, "multi-target", MULTI_TARGET)


def train_csv(root: Path) -> Layout:
    """The contest's train.csv, whose rows are the first of fer2013new.csv."""
    rows = [f"{NUMBERS[each.label]},{pixels(face(each.label, seed=k))}" for k, each in enumerate(RATED[:7])]
    write_lines(root / "train.csv", ["emotion,pixels", *rows])
    write_lines(root / "FERPlus" / "fer2013new.csv", [HEADER, *_votes()])
    expected = tuple(_row(k) for k in range(7))
    return Layout("ferplus", root, "train.csv and fer2013new.csv", expected, True)


def row_folder(root: Path) -> Layout:
    """FER2013's folder form with rows in the names: some of the rows that have votes."""
    for k in (6, 2, 0):
        each = RATED[k]
        folder = root / "train" / {"neutral": "neutral", "anger": "angry", "disgust": "disgust"}[each.label]
        folder.mkdir(parents=True)
        write_image(folder / f"Training_{k}.jpg", face(each.label, seed=k))
    write_lines(root / "fer2013new.csv", [HEADER, *_votes()])
    rows = tuple(_row(k) for k in (0, 2, 6))
    form = "a folder a class under train and test and fer2013new.csv"
    return Layout("ferplus", root, form, rows, True, original=False)


FOLDERS = {"FER2013Train": "train", "FER2013Valid": "valid", "FER2013Test": "test"}
BOX = '"(0, 0, 48, 48)",'


def _label_folders(root: Path, lines: dict[str, list[tuple[str, tuple[int, ...], str | None]]], box: str) -> Layout:
    rows = []
    for folder, named in lines.items():
        text = [f"{name},{box}{','.join(map(str, votes))}" for name, votes, _ in named]
        write_lines(root / "data" / folder / "label.csv", text, final="" if folder == "FER2013Test" else "\n")
        for seed, name in enumerate({name for name, *_ in named}):
            write_image(root / "data" / folder / name, face("neutral", seed=seed))
        last = {name: (votes, label) for name, votes, label in named}
        for name, (votes, label) in sorted(last.items()):
            extra = {"votes": votes, "image_name": name}
            rows.append(Row(f"ferplus-{name[:-4]}", FOLDERS[folder], {"ferplus": label}, extra))
    form = "FER2013Train, FER2013Valid and FER2013Test with label.csv"
    return Layout("ferplus", root, form, tuple(rows), True)


def label_folders(root: Path) -> Layout:
    """As the repository holds them: a box in each row, votes that differ from those of its csv, which is there too."""
    lines = {
        "FER2013Train": [
            ("fer0000000.png", (4, 0, 0, 1, 3, 2, 0, 0, 0, 0), None),
            ("fer0000001.png", (6, 0, 1, 1, 0, 0, 0, 0, 2, 0), "neutral"),
            ("fer0000007.png", (0, 10, 0, 0, 0, 0, 0, 0, 0, 0), "happiness"),
            ("fer0000009.png", (0, 0, 6, 0, 0, 0, 4, 0, 0, 0), "surprise"),
        ],
        "FER2013Valid": [
            ("fer0028638.png", (0, 0, 0, 1, 8, 0, 0, 1, 0, 0), "anger"),
            ("fer0028639.png", (1, 0, 0, 1, 0, 2, 0, 6, 0, 0), "contempt"),
        ],
        "FER2013Test": [
            ("fer0032220.png", (1, 0, 0, 0, 0, 9, 0, 0, 0, 0), "disgust"),
            ("fer0032221.png", (0, 0, 1, 0, 0, 0, 9, 0, 0, 0), "fear"),
            ("fer0033120.png", (2, 0, 0, 8, 0, 0, 0, 0, 0, 0), "sadness"),
        ],
    }
    layout = _label_folders(root, lines, BOX)
    write_lines(root / "fer2013new.csv", [HEADER, *_votes()])
    write_image(root / "data" / "FER2013Train" / "fer0000099.png", face("fear", seed=99))  # no row names it
    (root / "data" / "FER2013Train" / ".DS_Store").write_bytes(b"\0")
    return layout


def generated_folders(root: Path) -> Layout:
    """As the repository's own tool makes them: no box, and two rows of one name, the later one's picture."""
    lines = {
        "FER2013Train": [
            ("fer0000000.png", (8, 0, 1, 0, 0, 1, 0, 0, 0, 0), "neutral"),
            ("fer0006953.png", (5, 5, 0, 0, 0, 0, 0, 0, 0, 0), None),
            ("fer0006953.png", (1, 9, 0, 0, 0, 0, 0, 0, 0, 0), "happiness"),
            ("fer0006954.png", (0, 0, 0, 10, 0, 0, 0, 0, 0, 0), "sadness"),
        ],
        "FER2013Test": [
            ("fer0033119.png", (0, 0, 0, 0, 0, 0, 0, 8, 1, 1), "contempt"),
            ("fer0033120.png", (0, 0, 0, 0, 0, 0, 0, 0, 4, 6), None),
            ("fer0033120.png", (0, 0, 0, 0, 0, 0, 0, 0, 0, 10), None),
        ],
    }
    return _label_folders(root, lines, "")


FORMS = {
    "csv": csv,
    "probability": probability,
    "multi-target": multi_target,
    "train-csv": train_csv,
    "row-folder": row_folder,
    "label-folders": label_folders,
    "generated-folders": generated_folders,
}
