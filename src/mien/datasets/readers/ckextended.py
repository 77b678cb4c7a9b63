"""``ckextended.csv``: 920 faces from CK+'s sequences, 48x48, 593 of them neutral, in the form of FER2013's csv."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mien.core.labels import LABEL_SETS
from mien.datasets.dataset import DataSet, PictureRows, Published, not_there
from mien.datasets.readers.ckplus import SEQUENCES
from mien.datasets.readers.fer2013_csv import read_csv
from mien.datasets.table import LabelColumn

FILE = "ckextended.csv"
ORIGIN = "Kaggle's user davilsena (ckdataset)"
# 80, 10 and 10 % by its description, which counts classes over all splits alone.
PUBLISHED = Published(
    "ckextended",
    {},
    certain=False,
    totals={"train": 736, "valid": 92, "test": 92},
    overall={**SEQUENCES, "neutral": 593},
    size=(48, 48),
)

_LABEL_SET = LABEL_SETS["ckextended"]


def read_ckextended(root: str | os.PathLike[str], *, splits: Sequence[str] | None = None) -> DataSet:
    """Read ``ckextended.csv`` from a folder that holds it, or the file itself.

    Args:
        root: the csv, or its folder.
        splits: read these alone, out of train (Training), valid (PublicTest) and test (PrivateTest); None: all there.

    Returns:
        48x48 grey faces with the label source ``ckextended``. The csv does not say who is who.

    Raises:
        DataError: no csv there, a row that is not as it should be (named by file and line), a split that is not there.
    """
    path = Path(root)
    path = path if path.is_file() else path / FILE
    if not path.is_file():
        raise not_there(root, FILE, ORIGIN)
    rows = read_csv(path, splits=splits, classes=len(_LABEL_SET), handed_out=f"the data set is handed out by {ORIGIN}")
    numbers = rows.numbers.tolist()
    return DataSet(
        name="ckextended",
        root=Path(root),
        form=FILE,
        origin=ORIGIN,
        ids=np.array([f"ckextended-{row:03d}" for row in numbers], np.str_),
        split=rows.split[rows.kept],
        pictures=PictureRows(rows.images, [f"{path.name}, row {row}" for row in numbers]),
        sources={"ckextended": LabelColumn(_LABEL_SET, rows.emotions, rule="all rows", file=path.name)},
        faces=True,
        gray=True,
        published=PUBLISHED,
        notes=(
            "ckextended.csv is a third party's rework of CK+ and names no subjects: a person may stand in several of "
            "its splits, so a figure on its test split says little about new people",
        ),
    )
