"""The readers on FER2013 and FER+ themselves, where they are at hand."""

import csv
import os

import numpy as np
import pyarrow.parquet as parquet
import pytest
from layouts.fer2013 import CLASSES, NUMBERS, pixels

from mien.core.images import decode, write_image
from mien.core.labels import SPELLINGS
from mien.datasets import open_data, open_dataset
from mien.datasets.readers import fer2013, ferplus
from mien.datasets.readers.ferplus_rules import MODES, VOTES, majority, soften

ROWS = {"Training": 150, "PublicTest": 60}
FOLDERS = {NUMBERS[SPELLINGS.get(name, name)]: name for name in CLASSES}
SPLITS = {"Training": "train", "PublicTest": "valid"}
VOTE_COLUMNS = [f"ferplus_{each}" for each in VOTES]


@pytest.fixture(scope="module")
def whole(data_dir):
    """All that is known about the rows but their pixels."""
    return parquet.read_table(data_dir / "fer2013.parquet", columns=["row", "usage", "emotion", *VOTE_COLUMNS])


@pytest.fixture(scope="module")
def exported(data_dir, tmp_path_factory):
    """Some rows of both splits in the layouts in which the authors hand them out, and the rows themselves.

    The folders hold those of Training alone, for the others do not stand where they stand in the whole csv.
    """
    root = tmp_path_factory.mktemp("fer")
    frame = parquet.read_table(data_dir / "fer2013.parquet")
    usage = np.array(frame["usage"].to_pylist())
    rows = frame.take(np.concatenate([np.flatnonzero(usage == each)[:n] for each, n in ROWS.items()])).to_pylist()
    for row in rows:
        row["pixels"] = decode(row["image"])[:, :, 0]
    texts = [pixels(row["pixels"]) for row in rows]
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
            (row["usage"], row["ferplus_name"], *(row[each] for each in VOTE_COLUMNS)) for row in rows
        )
    for row in rows[: ROWS["Training"]]:
        path = root / "folder" / "train" / FOLDERS[row["emotion"]] / f"Training_{row['row']}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, row["pixels"])
    return root, rows


def votes_of(whole):
    return np.stack([whole[each].to_numpy() for each in VOTE_COLUMNS], axis=1).astype(np.int8)


def test_the_official_majority_gives_the_official_counts(whole):
    votes = votes_of(whole)
    usage = np.array(whole["usage"].to_pylist())
    labelled = majority(votes) >= 0
    assert (usage == "Training").sum() == 28_709 and (usage == "PublicTest").sum() == 3_589
    assert labelled[usage == "Training"].sum() == 25_060
    assert labelled[usage == "PublicTest"].sum() == 3_199
    assert np.isfinite(soften(votes)[labelled]).all()


def test_published_counts_are_those_of_the_data(whole):
    """The real file itself was not at hand for FER2013's labels: they were matched, and are off by a few."""
    usage, emotion = np.array(whole["usage"].to_pylist()), whole["emotion"].to_numpy()
    for name, split in SPLITS.items():
        counts = np.bincount(emotion[usage == name], minlength=7)
        published = list(fer2013.PUBLISHED.counts[split].values())
        assert counts.sum() == sum(published) and np.abs(counts - published).max() <= 9
        ids = majority(votes_of(whole)[usage == name])
        of_ferplus = ferplus.PUBLISHED
        assert np.bincount(ids[ids >= 0], minlength=8).tolist() == list(of_ferplus.counts[split].values())
        assert (ids < 0).sum() == of_ferplus.unlabelled[split]


def test_the_other_rules_label_what_the_majority_rule_labels_and_more(whole):
    """The counts that docs/data.md gives."""
    votes, train = votes_of(whole), np.array(whole["usage"].to_pylist()) == "Training"
    ids = {mode: rule(votes)[0] for mode, rule in MODES.items()}
    for mode, counts in {"probability": (27_956, 3_505), "multi-target": (27_671, 3_472)}.items():
        assert ((ids[mode][train] >= 0).sum(), (ids[mode][~train] >= 0).sum()) == counts
        both = (ids[mode] >= 0) & (ids["majority"] >= 0)
        assert (ids[mode][both] == ids["majority"][both]).all()


def test_real_rows_are_read_exactly(exported):
    root, rows = exported
    table = open_data(f"ferplus={root}")
    assert len(table) == sum(ROWS.values()) and table.splits == ("train", "valid")
    np.testing.assert_array_equal(table.images, np.stack([row["pixels"] for row in rows]))
    assert table.sources["fer2013"].ids.tolist() == [row["emotion"] for row in rows]
    assert table.extra["image_name"].tolist() == [row["ferplus_name"] for row in rows]
    votes = [[row[each] for each in VOTE_COLUMNS] for row in rows]
    assert table.extra["votes"].tolist() == votes


def test_three_layouts_give_the_same_table(exported):
    root, _ = exported
    one, two = (open_data(f"fer2013={root / name}") for name in ("fer2013", "icml_face_data.csv"))
    assert one.digest() == two.digest()
    one, three = one.of_split("train"), open_data(f"fer2013={root / 'folder'}")
    assert three.ids.tolist() == one.ids.tolist() and three.split.tolist() == one.split.tolist()
    assert three.sources["fer2013"].names() == one.sources["fer2013"].names()
    differences = np.abs(three.images.astype(int) - one.images)  # JPEG of quality 95; of all 32,298: 11 and 1.3
    assert differences.max() <= 16 and 0 < differences.mean() <= 2


def test_the_folders_hold_the_rows_of_the_csv_in_its_order(whole, tmp_path):
    """All names of the real data, in the layout of Kaggle's form; one picture stands for all."""
    write_image(tmp_path / "one.jpg", np.zeros((48, 48), np.uint8))
    rows = list(zip(*(whole[name].to_pylist() for name in ("row", "usage", "emotion")), strict=True))
    for usage, emotion in {row[1:] for row in rows}:
        (tmp_path / ("train" if usage == "Training" else "test") / FOLDERS[emotion]).mkdir(parents=True, exist_ok=True)
    for row, usage, emotion in rows:
        folder = "train" if usage == "Training" else "test"
        os.link(tmp_path / "one.jpg", tmp_path / folder / FOLDERS[emotion] / f"{usage}_{row}.jpg")
    data = open_dataset(f"fer2013={tmp_path}")
    assert data.ids.tolist() == [f"fer2013-{row:05d}" for row, *_ in rows]
    assert data.split.tolist() == [SPLITS[usage] for _, usage, _ in rows]
    assert data.sources["fer2013"].ids.tolist() == [emotion for *_, emotion in rows]


def test_fer2013_and_ferplus_mean_the_same_emotions(exported):
    """An order of classes mixed up would show at once: where both label, they agree far above chance."""
    root, _ = exported
    table = open_data(f"ferplus={root}")
    pairs = zip(table.sources["fer2013"].names(), table.sources["ferplus"].names(), strict=True)
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    assert np.mean([a == b for a, b in both]) > 0.6
