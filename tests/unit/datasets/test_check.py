"""The check of a data set: what is counted, what is opened, and what is said of it."""

import json
import threading
from pathlib import Path

import numpy as np
import pytest
from layouts.faces import face

from mien.core.images import write_image
from mien.core.labels import LABEL_SETS
from mien.datasets.check import check
from mien.datasets.dataset import DataSet, PictureFile, PictureRows, Published
from mien.datasets.table import LabelColumn

RAFDB = LABEL_SETS["rafdb"]
FILES = {  # file -> split and label, None where there is no label
    "train/1/a.png": ("train", "surprise"),
    "train/4/b.png": ("train", "happiness"),
    "train/4/c.png": ("train", "happiness"),
    "test/1/d.png": ("test", "surprise"),
    "test/e.png": ("test", None),
}
PUBLISHED = Published(
    "rafdb", {"train": {"surprise": 1, "happiness": 2}, "test": {"surprise": 1}}, unlabelled={"test": 1}, size=(24, 24)
)


@pytest.fixture
def make(tmp_path):
    """A data set with these files on disk."""

    def data(files=FILES, *, published=PUBLISHED, size=24, **changes):
        for seed, (name, (_, label)) in enumerate(files.items()):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_image(path, face(label or "neutral", seed=seed, size=size))
        labels = [-1 if label is None else RAFDB.index(label) for _, label in files.values()]
        fields = {
            "name": "rafdb",
            "root": tmp_path,
            "form": "made up",
            "origin": "nobody",
            "ids": [f"rafdb-{k}" for k in range(len(files))],
            "split": [split for split, _ in files.values()],
            "pictures": [PictureFile(str(tmp_path), name) for name in files],
            "sources": {"rafdb": LabelColumn(RAFDB, np.array(labels, np.int16))},
            "faces": True,
            "gray": True,
            "published": published,
        }
        return DataSet(**fields | changes)

    return data


def figures(report):
    return {
        (split.split, each.label): (each.found, each.published) for split in report.counts for each in split.classes
    }


def test_complete_and_as_distributed(make):
    report = check(make())
    assert report.ok and not report.lacking and not report.altered
    assert report.verdict == "complete and as distributed: 5 pictures, each opened"
    assert figures(report) == {
        ("train", "surprise"): (1, 1),
        ("train", "happiness"): (2, 2),
        ("test", "surprise"): (1, 1),
        ("test", None): (1, 1),
    }
    assert [(each.split, each.found, each.published, each.difference) for each in report.counts] == [
        ("train", 3, 3, 0),
        ("test", 2, 2, 0),
    ]
    assert report.sizes == ((24, 24, 5),)


def test_a_file_that_is_missing_and_one_that_is_no_picture(make, tmp_path):
    data = make()
    (tmp_path / "train/1/a.png").unlink()
    (tmp_path / "train/4/b.png").write_bytes(b"no picture")
    report = check(data)
    assert [(each.id, each.where) for each in report.missing] == [("rafdb-0", "train/1/a.png")]
    assert [(each.id, each.where) for each in report.unreadable] == [("rafdb-1", "train/4/b.png")]
    assert "got no such file" in report.missing[0].error and "10 bytes that are not one" in report.unreadable[0].error
    assert report.lacking == (
        "1 picture that the labels name is missing, such as train/1/a.png",
        "1 picture cannot be read, such as train/4/b.png",
        "train has 1 of 3 pictures (surprise 0 instead of 1, happiness 1 instead of 2)",
    )
    assert report.verdict == (
        "incomplete: 1 picture that the labels name is missing, such as train/1/a.png, and 2 more; "
        "the data set is handed out by nobody"
    )


def test_a_quick_check_opens_nothing(make, tmp_path, monkeypatch):
    data = make()
    (tmp_path / "train/1/a.png").unlink()
    (tmp_path / "train/4/b.png").write_bytes(b"no picture")
    monkeypatch.setattr(PictureFile, "read", lambda self: pytest.fail("opened"))
    report = check(data, decode=False)
    assert len(report.missing) == 1 and not report.unreadable and not report.sizes and not report.opened


def test_a_split_is_missing(make):
    data = make()
    report = check(data.of_splits(["train"]))
    assert report.lacking == ("test is missing, 2 pictures",) and not report.altered
    assert figures(report)["test", "surprise"] == (0, 1)


def test_more_than_published(make):
    more = {f"train/1/x{k}.png": ("train", "surprise") for k in range(4)}
    report = check(make(FILES | more))
    assert not report.lacking
    said = "train has more than published (surprise 5 instead of 1): an oversampled or augmented copy?"
    assert report.altered == (said,)
    assert report.verdict == f"not as distributed: {said}; the data set is handed out by nobody"


def test_other_labels(make):
    report = check(make(FILES | {"train/4/c.png": ("train", "fear")}))
    assert report.altered == (
        "train has as many pictures as published, but other labels (fear 1 instead of 0, happiness 1 instead of 2)",
    )
    assert not report.lacking


def test_a_sentence_names_the_classes_that_differ_most(make):
    counts = {"train": {"surprise": 900, "happiness": 40, "fear": 30, "anger": 20, "neutral": 10}}
    report = check(make(published=Published("rafdb", counts)))
    named = "fear 0 instead of 30, anger 0 instead of 20, neutral 0 instead of 10, …"
    assert report.lacking == (f"train has 3 of 1,000 pictures ({named})",)
    assert len(report.counts[0].classes) == 5


def test_a_split_whose_classes_nobody_counted(make):
    published = Published("rafdb", {}, totals={"train": 3, "test": 3})
    report = check(make(published=published))
    assert report.lacking == ("test has 2 of 3 pictures",) and not report.altered
    assert set(figures(report).values()) == {(1, None), (2, None)}


def test_classes_that_are_counted_over_all_splits(make):
    totals, overall = {"train": 3, "test": 2}, {"surprise": 2, "happiness": 2, "fear": 1}
    report = check(make(published=Published("rafdb", {}, totals=totals, overall=overall)))
    assert report.altered == (
        "all of it has as many pictures as published, but other labels (fear 0 instead of 1, no label 1 instead of 0)",
    )
    assert [(each.split, each.found, each.published) for each in report.counts] == [
        ("train", 3, 3),
        ("test", 2, 2),
        ("all", 5, 5),
    ]


def test_a_rework_is_named(make):
    said = "this is the Kaggle rework, not the original: the files are JPEG"
    report = check(make(original=False, notes=("It has no splits.", said)))
    assert report.altered == (said,) and said in report.notes and "not as distributed" in report.verdict
    report = check(make(original=False))
    assert report.altered == ("this is made up, a rework of someone else, not the original",)


def test_both_incomplete_and_altered(make):
    report = check(make(original=False).of_splits(["train"]))
    assert report.verdict == (
        "incomplete: test is missing, 2 pictures; not as distributed: this is made up, a rework of someone else, "
        "not the original; the data set is handed out by nobody"
    )


def test_counts_that_no_copy_confirmed(make):
    report = check(make(published=Published("rafdb", PUBLISHED.counts, certain=False, unlabelled={"test": 1})))
    assert report.ok and not report.certain
    assert any("could not be confirmed" in note for note in report.notes)


def test_where_only_other_splits_were_counted(make):
    report = check(make(published=Published("rafdb", {"valid": {}}, certain=False)))
    assert report.ok and not report.compared and not report.notes
    assert "there are no published counts to compare with" in report.verdict


def test_names_that_several_files_bear(make):
    files = FILES | {"train/1/b.png": ("train", "surprise"), "test/1/a.png": ("test", "surprise")}
    report = check(make(files))
    assert [(each.name, each.split, each.places) for each in report.shared_names] == [
        ("b.png", "train", ("train/4/b.png", "train/1/b.png"))
    ]
    said = "1 name is used for several files of a split, such as train/4/b.png and train/1/b.png"
    assert said in report.altered
    assert said in check(make(files, published=None)).notes


def test_a_picture_with_two_faces_is_one_file(make, tmp_path):
    data = make(pictures=[PictureFile(str(tmp_path), "train/1/a.png")] * 5)
    assert check(data).shared_names == ()


COPIES = ["a_aug.png", "aug_0_17.png", "a_aug3.png", "a_flip.png", "flipped_a.png", "a_rot90.png", "a_mirror.png"]


@pytest.mark.parametrize("name", [*COPIES, "a (1).png", "a - Copy.png", "copy of a.png"])
def test_names_that_speak_of_copies(make, name):
    report = check(make({f"train/4/{name}": ("train", "happiness")}, published=PUBLISHED))
    assert report.copies == (f"train/4/{name}",)
    said = f"the names of 1 picture speak of augmented or copied ones, such as train/4/{name}"
    assert said in report.altered


@pytest.mark.parametrize("name", ["Training_1.jpg", "rotterdam.png", "august_1.png", "copyright.png", "KA.AN1.39.tiff"])
def test_names_that_do_not(make, name):
    assert check(make({f"train/1/{name}": ("train", "surprise")})).copies == ()


def test_sizes_that_differ_are_a_note(make, tmp_path):
    data = make()
    write_image(tmp_path / "train/1/a.png", face("surprise", seed=9, size=32))
    report = check(data)
    assert report.ok and report.sizes == ((24, 24, 4), (32, 32, 1))
    assert [each.error for each in report.odd_sizes] == ["expected 24 x 24 pixels, got 32 x 32"]
    assert any("pictures of another size: 1 of 5, such as" in note for note in report.notes)
    assert not check(make(faces=False)).odd_sizes
    assert len(check(make(size=32)).odd_sizes) == 5


def test_pictures_in_memory_need_no_opening(make):
    rows = PictureRows(np.zeros((5, 48, 40), np.uint8), [f"a.csv, row {k}" for k in range(5)])
    report = check(make(pictures=rows, published=None))
    assert report.ok and report.sizes == ((40, 48, 5),)
    assert report.verdict == "nothing wrong: 5 pictures, each opened; there are no published counts to compare with"


def test_data_without_labels(make):
    report = check(make(sources={}, published=PUBLISHED))
    assert report.source is None and not report.compared
    assert figures(report) == {("train", None): (3, None), ("test", None): (2, None)}


def test_pictures_are_opened_in_bounded_memory(make, monkeypatch):
    """However many there are: no more than a bundle of them is in memory at a time."""
    alive, most, lock = 0, 0, threading.Lock()

    class Big(np.ndarray):
        def __del__(self):
            nonlocal alive
            with lock:
                alive -= 1

    def read(self):
        nonlocal alive, most
        with lock:
            alive += 1
            most = max(most, alive)
        return np.zeros((4, 4), np.uint8).view(Big)

    monkeypatch.setattr(PictureFile, "read", read)
    n = 3000
    fields = {"ids": [f"r{k}" for k in range(n)], "split": ["train"] * n, "sources": {}}
    told = []
    report = check(
        make(pictures=[PictureFile("x", f"{k}.png") for k in range(n)], **fields),
        tell=lambda done, total: told.append((done, total)),
    )
    assert report.pictures == n and most < 50
    assert told[-1] == (n, n) and len(told) > 3 and told == sorted(told)


def test_all_of_it_as_plain_values(make, tmp_path):
    data = make()
    Path(tmp_path, "train/1/a.png").unlink()
    said = json.loads(json.dumps(check(data).to_dict()))
    assert said["ok"] is False and said["verdict"].startswith("incomplete")
    assert said["counts"][0]["split"] == "train" and said["counts"][0]["difference"] == -1
    assert said["counts"][0]["classes"][0] == {"label": "surprise", "found": 0, "published": 1, "difference": -1}
    assert said["missing"][0]["id"] == "rafdb-0"
