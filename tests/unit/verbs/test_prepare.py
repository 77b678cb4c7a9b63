"""The verb prepare: data sets in, a table and its counts out."""

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien.core.errors import DataError, MienError, OutputError, UsageError
from mien.core.images import write_image
from mien.datasets import read_table
from mien.verbs.prepare import PrepareConfig, prepare


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with FER2013: three faces of train, two of valid."""
    generator = np.random.default_rng(0)
    with open(tmp_path / "fer2013.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["emotion", "pixels", "Usage"])
        for k, usage in enumerate(["Training"] * 3 + ["PublicTest"] * 2):
            writer.writerow([k, " ".join(map(str, generator.integers(0, 256, 2304))), usage])
    return tmp_path


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Four colour faces of a user, 32 pixels wide and high, with labels of their own; one file is missing."""
    folder = tmp_path / "own"
    folder.mkdir()
    for k in range(4):
        write_image(folder / f"{k}.png", noise(32, 32, 3, seed=k))
    labels = ["enraged", "glad", "enraged", "glad", "glad"]
    lines = [f"{k}.png,{label},{'valid' if k == 3 else 'train'}" for k, label in enumerate(labels)]
    (folder / "labels.csv").write_text("\n".join(["path,label,split", *lines]) + "\n", "utf-8")
    (folder / "map.toml").write_text(
        'name = "two"\nlabels = ["anger", "happiness"]\n[labels_map]\nenraged = "anger"\nglad = "happiness"\n'
        'disgust = ""\nfear = ""\nsadness = ""\nsurprise = ""\nneutral = ""\n',
        "utf-8",
    )
    return folder


def test_a_table_and_its_counts(root: Path) -> None:
    result = prepare(f"fer2013={root}", out=root / "new" / "t.parquet")
    assert result.faces == {"train": 3, "valid": 2}
    assert result.labelled == {"fer2013": {"train": 3, "valid": 2}} and result.rules == {"fer2013": "all rows"}
    table = read_table(result.out)
    assert table.digest() == result.digest and result.failed == {}
    assert result.mean == pytest.approx(table.images[:3].mean() / 255)
    assert result.std == pytest.approx(table.images[:3].std() / 255)


def test_what_cannot_be_done(root: Path) -> None:
    prepare(f"fer2013={root}", out=root / "t.parquet")
    with pytest.raises(OutputError, match=r"expected no file at .*, got one"):
        prepare(f"fer2013={root}", out=root / "t.parquet")
    prepare(f"fer2013={root}", out=root / "t.parquet", overwrite=True)
    with pytest.raises(OutputError, match=r"end in \.parquet"):
        prepare(f"fer2013={root}", out=root / "t.csv")
    with pytest.raises(OutputError, match="expected to write into"):
        prepare(f"fer2013={root}", out=root / "fer2013.csv" / "t.parquet")
    with pytest.raises(DataError, match=r"fer2013new\.csv"):
        prepare(f"ferplus={root}", out=root / "u.parquet")
    with pytest.raises(UsageError, match="fer2013, ferplus"):
        prepare(f"fer2012={root}", out=root / "u.parquet")
    with pytest.raises(UsageError, match="expected a data set as NAME=ROOT, got none"):
        prepare([], out=root / "u.parquet")
    assert not (root / "u.parquet").exists() and not list(root.glob(".*"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 4}, "a size of 8 to 4096 pixels, got 4"),
        ({"color": "grey"}, "a color out of gray, rgb, got 'grey'"),
        ({"detector": "yolo"}, "a detector out of mtcnn, haar, dlib, none, got 'yolo'"),
        ({"scale": 0}, "a scale above 0 and up to 10, got 0"),
        ({"workers": -1}, "0 to 256 workers, got -1"),
        ({"min_face": 0}, "min_face of 1 pixel or more, got 0"),
    ],
)
def test_settings_that_make_no_sense(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(f"expected {message}")):
        PrepareConfig(**changes)


def test_pyarrow_is_asked_for_before_anything_is_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(module: str, **_: object) -> None:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    monkeypatch.setattr("mien.core.optional.importlib.import_module", missing)
    with pytest.raises(MienError, match=r"expected the package 'pyarrow', got none installed: run `pip install"):
        prepare("fer2013=nowhere", out=root / "t.parquet")


def test_splits_size_and_colour(root: Path) -> None:
    result = prepare(f"fer2013={root}", out=root / "t.parquet", splits=["valid"], size=20, color="rgb", workers=1)
    assert result.faces == {"valid": 2} and len(result.mean) == 3
    assert read_table(result.out).images.shape == (2, 20, 20, 3)


def test_several_data_sets_in_one_table(root: Path, own: Path) -> None:
    specs = [f"fer2013={root}", f"csv={own / 'labels.csv'}"]
    options = {"csv.label_map": str(own / "map.toml")}
    with pytest.raises(DataError, match=r"crops of one size, got 48 x 48 and 32 x 32 \(0\.png\): say with --size PX"):
        prepare(specs, out=root / "t.parquet", options=options)
    result = prepare(specs, out=root / "t.parquet", options=options, size=48)
    table = read_table(result.out)
    assert table.images.shape == (9, 48, 48, 3) and list(table.sources) == ["fer2013", "two"]
    assert result.labelled == {"fer2013": {"train": 3, "valid": 2}, "two": {"train": 3, "valid": 1}}
    assert list(result.failed) == ["csv-4.png"] and "4.png" in result.failed["csv-4.png"]
    with pytest.raises(DataError, match="without a common image"):
        prepare([specs[0], specs[0]], out=root / "u.parquet")


def test_labels_of_several_data_sets_under_common_names(root: Path, own: Path) -> None:
    specs = [f"fer2013={root}", f"csv={own / 'labels.csv'}"]
    result = prepare(specs, out=root / "t.parquet", size=48, label_map=own / "map.toml")
    table = read_table(result.out)
    assert table.sources["two"].label_set.labels == ("anger", "happiness")
    of_fer2013 = ["anger", None, None, "happiness", None]
    assert table.sources["two"].names() == [*of_fer2013, "anger", "happiness", "anger", "happiness"]
    assert "map.toml" in result.rules["two"]
    assert table.sources["fer2013"].names()[:2] == ["anger", "disgust"]


def test_options_of_readers(root: Path, own: Path) -> None:
    spec = f"csv={own / 'labels.csv'}"
    shared = {"label_map": str(own / "map.toml")}
    prepare(spec, out=root / "t.parquet", options={**shared, "csv.gray": True})
    assert read_table(root / "t.parquet").images.shape == (4, 32, 32)
    with pytest.raises(UsageError, match="grey"):
        prepare(spec, out=root / "u.parquet", options={**shared, "grey": True})
    with pytest.raises(UsageError, match=r"expected an option of csv, got 'jaffe\.gray'"):
        prepare(spec, out=root / "u.parquet", options={"jaffe.gray": True})


def test_face_crops_and_photographs_need_a_size(root: Path, own: Path) -> None:
    specs = [f"fer2013={root}", f"csv={own / 'labels.csv'}"]
    options = {"csv.label_map": str(own / "map.toml"), "csv.faces": False}
    with pytest.raises(UsageError, match="expected --size PX where face crops and photographs go into one table"):
        prepare(specs, out=root / "t.parquet", options=options)
    result = prepare(specs, out=root / "t.parquet", options=options, size=48, detector="haar")
    assert result.faces == {"train": 3, "valid": 2} and len(result.failed) == 5


def test_photographs_are_cut_as_the_shipped_model_sees_them(tmp_path: Path, samples: Path) -> None:
    import json

    from mien.zoo.store import load_card

    (tmp_path / "list.csv").write_text("path,label\nastronaut.jpg,happy\ngrace_hopper.jpg,happy\n", "utf-8")
    options = {"faces": False, "images": str(samples)}
    result = prepare(f"csv={tmp_path / 'list.csv'}", out=tmp_path / "t.parquet", options=options, detector="haar")
    table = read_table(result.out)
    assert table.images.shape == (2, 112, 112, 3) and table.extra["box"].shape == (2, 4)
    geometry = json.loads(table.meta["geometry"])
    crop = load_card("mien-s").crop
    assert geometry == {"scale": crop.scale, "shift_x": crop.shift_x, "shift_y": crop.shift_y, "align": crop.align}
    other = prepare(
        f"csv={tmp_path / 'list.csv'}", out=tmp_path / "u.parquet", options=options, detector="haar",
        scale=1.5, align=True, size=64,
    )  # fmt: skip
    meta = read_table(other.out).meta
    assert json.loads(meta["geometry"]) == geometry | {"scale": 1.5, "align": True} and meta["size"] == "64x64"
