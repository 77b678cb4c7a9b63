"""The readers on FER2013 and FER+ themselves, where they are at hand."""

import csv

import numpy as np
import pyarrow.parquet as parquet
import pytest

from mien.core.images import decode
from mien.datasets import open_data
from mien.datasets.ferplus_rules import VOTES, majority, soften

ROWS = {"Training": 150, "PublicTest": 60}


@pytest.fixture(scope="module")
def frame(data_dir):
    return parquet.read_table(data_dir / "fer2013.parquet", columns=["usage", *(f"ferplus_{each}" for each in VOTES)])


@pytest.fixture(scope="module")
def exported(data_dir, tmp_path_factory):
    """Some rows of both splits in the layouts in which the authors hand them out, and the rows themselves."""
    root = tmp_path_factory.mktemp("fer")
    frame = parquet.read_table(data_dir / "fer2013.parquet")
    usage = np.array(frame["usage"].to_pylist())
    rows = frame.take(np.concatenate([np.flatnonzero(usage == each)[:n] for each, n in ROWS.items()])).to_pylist()
    for row in rows:
        row["pixels"] = decode(row["image"])[:, :, 0]
    texts = [" ".join(map(str, row["pixels"].ravel())) for row in rows]
    (root / "fer2013").mkdir()
    with open(root / "fer2013" / "fer2013.csv", "w", newline="") as file:
        csv.writer(file).writerow(["emotion", "pixels", "Usage"])
        csv.writer(file).writerows((row["emotion"], text, row["usage"]) for row, text in zip(rows, texts, strict=True))
    with open(root / "icml_face_data.csv", "w", newline="") as file:
        csv.writer(file).writerow(["emotion", " Usage", " pixels"])
        csv.writer(file).writerows((row["emotion"], row["usage"], text) for row, text in zip(rows, texts, strict=True))
    with open(root / "fer2013new.csv", "w", newline="") as file:
        csv.writer(file).writerow(["Usage", "Image name", *VOTES])
        csv.writer(file).writerows(
            (row["usage"], row["ferplus_name"], *(row[f"ferplus_{each}"] for each in VOTES)) for row in rows
        )
    return root, rows


def test_the_official_majority_gives_the_official_counts(frame):
    votes = np.stack([frame[f"ferplus_{each}"].to_numpy() for each in VOTES], axis=1).astype(np.int8)
    usage = np.array(frame["usage"].to_pylist())
    labelled = majority(votes) >= 0
    assert (usage == "Training").sum() == 28_709 and (usage == "PublicTest").sum() == 3_589
    assert labelled[usage == "Training"].sum() == 25_060
    assert labelled[usage == "PublicTest"].sum() == 3_199
    assert np.isfinite(soften(votes)[labelled]).all()


def test_real_rows_are_read_exactly(exported):
    root, rows = exported
    table = open_data(f"ferplus={root}")
    assert len(table) == sum(ROWS.values()) and table.splits == ("train", "valid")
    np.testing.assert_array_equal(table.images, np.stack([row["pixels"] for row in rows]))
    assert table.sources["fer2013"].ids.tolist() == [row["emotion"] for row in rows]
    assert table.extra["image_name"].tolist() == [row["ferplus_name"] for row in rows]
    votes = [[row[f"ferplus_{each}"] for each in VOTES] for row in rows]
    assert table.extra["votes"].tolist() == votes


def test_both_files_of_the_competition_are_the_same(exported):
    root, _ = exported
    one, two = (open_data(f"fer2013={root / name}") for name in ("fer2013", "icml_face_data.csv"))
    assert one.digest() == two.digest()


def test_fer2013_and_ferplus_mean_the_same_emotions(exported):
    """An order of classes mixed up would show at once: where both label, they agree far above chance."""
    root, _ = exported
    table = open_data(f"ferplus={root}")
    pairs = zip(table.sources["fer2013"].names(), table.sources["ferplus"].names(), strict=True)
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    assert np.mean([a == b for a, b in both]) > 0.6
