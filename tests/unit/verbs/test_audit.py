"""The verb audit and its command, on planted problems and on FER2013 itself."""

import csv
import json

import numpy as np
import pyarrow.parquet as parquet
import pytest

from mien.cli.app import main
from mien.core.errors import OutputError, UsageError
from mien.core.images import decode, read_image, to_gray
from mien.core.labels import LABEL_SETS
from mien.datasets import LabelColumn, Table, write_table
from mien.datasets.readers.ferplus_rules import VOTES, majority, soften
from mien.verbs.audit import audit

FER2013, FERPLUS = LABEL_SETS["fer2013"], LABEL_SETS["ferplus"]


def noise(seed):
    return np.random.default_rng(seed).integers(0, 256, (48, 48)).astype(np.uint8)


def make(pictures, split, labels):
    ids = np.array([FER2013.index(each) for each in labels], np.int16)
    names = [f"f-{i}" for i in range(len(split))]
    return Table(names, np.stack(pictures), split, {"fer2013": LabelColumn(FER2013, ids)}, meta={"name": "made up"})


@pytest.fixture
def leaking(tmp_path):
    """A picture of train stands in valid with another label, and one stands twice in train."""
    pictures = [noise(0), noise(1), noise(1), noise(2), noise(0)]
    table = make(pictures, ["train"] * 4 + ["valid"], ["anger", "fear", "fear", "anger", "fear"])
    write_table(table, tmp_path / "leaking.parquet")
    return str(tmp_path / "leaking.parquet")


def test_a_list_that_training_and_evaluation_take(leaking, tmp_path):
    result = audit(leaking, out=tmp_path / "list.csv")
    assert not result.clean and result.out == tmp_path / "list.csv"
    rows = list(csv.DictReader((tmp_path / "list.csv").open(encoding="utf-8")))
    assert [(row["id"], row["problem"], row["action"]) for row in rows] == [
        ("f-0", "copy_across_splits", "drop"),
        ("f-4", "label_conflict", "review"),
        ("f-2", "copy", "drop"),
    ]
    from mien.datasets import read_table

    cleaned = read_table(leaking).drop(tmp_path / "list.csv")
    assert cleaned.ids.tolist() == ["f-1", "f-3", "f-4"] and audit(cleaned).clean


def test_the_folder_of_the_list_is_made(leaking, tmp_path):
    assert audit(leaking, out=tmp_path / "new" / "list.csv").out.is_file()


def test_it_does_not_replace_a_list_unasked(leaking, tmp_path):
    (tmp_path / "list.csv").write_text("mine", "utf-8")
    with pytest.raises(OutputError, match=r"expected no file at .*list\.csv"):
        audit(leaking, out=tmp_path / "list.csv")
    audit(leaking, out=tmp_path / "list.csv", overwrite=True)
    assert (tmp_path / "list.csv").read_text("utf-8").startswith("id,split,problem")


def test_wrong_use(leaking):
    with pytest.raises(UsageError, match="expected --near from 0 to 11 bits, got 12"):
        audit(leaking, near=12)
    with pytest.raises(UsageError, match="expected a table or NAME=ROOT, got none"):
        audit([])


def test_progress_counts_all_images(leaking):
    told = []
    many = Table(
        [f"x-{i}" for i in range(4500)],
        np.random.default_rng(0).integers(0, 256, (4500, 8, 8), np.uint8),
        ["train"] * 4500,
    )
    audit([leaking, many], near=0, tell=lambda done, total: told.append((done, total)))
    assert told[:2] == [(2053, 9010), (4101, 9010)]  # seen, and then
    assert told[-1] == (9010, 9010) and told == sorted(told)  # compared


def test_faces_are_looked_for_on_request(samples):
    whole = to_gray(read_image(samples / "astronaut.jpg"))
    face, none = (np.asarray(each, np.uint8) for each in (whole[40:240, 120:320], np.roll(whole[300:500, 0:200], 5)))
    found = audit(make([face, none], ["train", "train"], ["happiness", "fear"]), faces=True).audit
    assert found.no_face_found == 1
    assert [(each.id, each.problem, each.action) for each in found.entries] == [("f-1", "no_face", "review")]


def test_the_command(leaking, tmp_path, capsys):
    assert main(["data", "audit", leaking, "--out", str(tmp_path / "list.csv")]) == 0
    said = capsys.readouterr()
    rows = [line.split() for line in said.out.splitlines()]
    assert ["valid", "that", "stand", "in", "train", "1", "1", "1", "0"] in rows
    assert ["within", "train", "1", "1", "0", "0", "0", "0"] in rows
    assert "Of 5 images 2 are to be dropped and 0 labelled anew; 1 rows are for review." in said.out
    assert said.err.strip().endswith("list.csv")

    assert main(["data", "audit", leaking, "--strict"]) == 1
    assert "expected no copies across splits" in capsys.readouterr().err

    assert main(["data", "audit", leaking, "--json", "--strict"]) == 1
    figures = json.loads(capsys.readouterr().out)
    assert figures["cross_split"]["train|valid"]["images"] == 1
    assert figures["cross_split"]["train|valid"]["label_conflicts"] == 1
    assert figures["rows"] == 5 and figures["actions"] == {"drop": 2, "relabel": 0, "review": 1}

    assert main(["data", "audit", str(tmp_path / "absent.parquet")]) == 2
    assert main(["data", "audit", leaking, "--out", str(tmp_path / "list.csv")]) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_strict_is_content_with_clean_data(tmp_path, capsys):
    write_table(make([noise(0), noise(1)], ["train", "valid"], ["anger", "fear"]), tmp_path / "clean.parquet")
    assert main(["data", "audit", str(tmp_path / "clean.parquet"), "--strict"]) == 0
    assert "made up" not in capsys.readouterr().err


@pytest.fixture(scope="module")
def fer2013(data_dir):
    """All of the real Training and PublicTest."""
    frame = parquet.read_table(data_dir / "fer2013.parquet")
    votes = np.stack([frame[f"ferplus_{each}"].to_numpy() for each in VOTES], axis=1).astype(np.int8)
    sources = {
        "fer2013": LabelColumn(FER2013, frame["emotion"].to_numpy().astype(np.int16)),
        "ferplus": LabelColumn(FERPLUS, majority(votes), soften(votes)),
    }
    return Table(
        [f"fer2013-{row:05d}" for row in frame["row"].to_pylist()],
        np.stack([decode(each)[:, :, 0] for each in frame["image"].to_pylist()]),
        ["train" if each == "Training" else "valid" for each in frame["usage"].to_pylist()],
        sources,
        {"votes": votes},
        {"name": "ferplus"},
    )


def test_the_figures_of_fer2013(fer2013):
    """Those that docs/data.md states."""
    found = audit(fer2013).audit
    shared = found.cross_split["train|valid"]
    assert (shared["images"], shared["groups"], shared["near_images"]) == (279, 269, 155)
    assert shared["label_conflicts_by_source"] == {"fer2013": 9, "ferplus": 0}
    train, valid = found.within_split["train"], found.within_split["valid"]
    assert (train["images"], train["groups"], train["near_images"], train["blank"]) == (1239, 1037, 861, 13)
    assert (valid["images"], valid["groups"], valid["near_images"], valid["blank"]) == (26, 26, 22, 1)
    assert (found.rows, found.blank, found.no_face, train["most_copies"]) == (32_298, 14, 160, 21)
    images, ids = dict(zip(fer2013.ids.tolist(), fer2013.images, strict=True)), set(fer2013.ids.tolist())
    copies = [each for each in found.entries if each.problem == "copy_across_splits"]
    assert len(copies) == 340
    for each in copies:
        other = each.detail.rpartition(" ")[2]
        assert other in ids and np.array_equal(images[each.id], images[other])
