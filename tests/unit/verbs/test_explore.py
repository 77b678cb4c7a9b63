"""The verb explore: a table in, a folder with a page out."""

import csv
import json

import cv2
import numpy as np
import pytest
from layouts.faces import face

import mien
from mien.cli.app import main
from mien.core.errors import DataError, MissingExtraError, OutputError, UsageError
from mien.core.labels import LABEL_SETS
from mien.datasets import LabelColumn, Table, write_table
from mien.reporting import exploration
from mien.reporting.plates import PLATES


@pytest.fixture
def few_figures(monkeypatch):
    """Two figures and one that is left out: what is tested here is what becomes of them."""
    names = ("classes", "mean-faces", "affect")
    plates = tuple(plate for each in PLATES.values() for plate in each if plate.name in names)
    monkeypatch.setattr(exploration, "PLATES", {"Some": plates})


@pytest.fixture(scope="module")
def table():
    labels, ids = LABEL_SETS["fer2013"], np.arange(12) % 7
    images = np.stack([face(labels.labels[k], seed=row) for row, k in enumerate(ids)])
    split = np.array(["train"] * 8 + ["valid"] * 4)
    column = LabelColumn(labels, ids.astype(np.int16), rule="all rows")
    return Table(np.array([f"t-{k}" for k in range(12)]), images, split, {"fer2013": column}, {}, {"name": "mine"})


def test_what_lies_in_the_folder(table, tmp_path, few_figures):
    result = mien.explore(table, out=tmp_path / "new" / "out")
    found = sorted(path.relative_to(result.out).as_posix() for path in result.out.rglob("*") if path.is_file())
    assert found == [
        "classes.csv",
        "figures/classes.png",
        "figures/classes.svg",
        "figures/mean-faces.png",
        "figures/mean-faces.svg",
        "images.csv",
        "index.html",
        "intensities.csv",
        "numbers.json",
    ]
    assert sorted([result.page, *result.figures, *result.tables]) == sorted(
        path for path in result.out.rglob("*") if path.is_file() and path.name != "numbers.json"
    )
    assert result.left_out == {"Valence and arousal": "the table holds no valence and arousal"}
    assert set(result.findings) == {"classes", "mean-faces"}
    assert cv2.imread(str(result.figures[0])).shape[1] == 1568  # 9.6 inches and the margins, at 160 dots each
    page = result.page.read_text("utf-8")
    assert "<title>mine</title>" in page
    assert "Beside this page: numbers.json, classes.csv, images.csv, intensities.csv" in page


def test_the_numbers(table, tmp_path, few_figures):
    result = mien.explore(table, out=tmp_path / "out")
    numbers = json.loads((result.out / "numbers.json").read_text("utf-8"))
    assert numbers == result.numbers
    train = table.images[:8] / 255
    assert numbers["mean"] == [pytest.approx(train.mean())]
    assert numbers["std"] == [pytest.approx(train.std())]
    assert numbers["digest"] == table.digest()
    assert numbers["classes"]["train"]["anger"] == 2
    with open(result.out / "images.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == table.ids.tolist()
    assert rows[3]["label"] == "happiness"
    assert float(rows[3]["brightness"]) == pytest.approx(table.images[3].mean(), rel=1e-4)


def test_a_folder_that_holds_files_is_left_alone_unless_told(table, tmp_path, few_figures):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"expected an empty folder at .*, got files: choose another, or give --over"):
        mien.explore(table, out=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    mien.explore(table, out=tmp_path, overwrite=True)
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert (tmp_path / "index.html").is_file()
    with pytest.raises(OutputError, match=r"expected a folder or nothing at .*mine\.txt, got a file"):
        mien.explore(table, out=tmp_path / "mine.txt")


def test_an_earlier_exploration_leaves_nothing_behind(table, tmp_path, few_figures, monkeypatch):
    mien.explore(table, out=tmp_path)
    monkeypatch.setattr(exploration, "PLATES", {"Some": tuple(exploration.PLATES["Some"][:1])})
    mien.explore(table, out=tmp_path, overwrite=True)
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == ["classes.png", "classes.svg"]


def test_what_cannot_be_done(table, tmp_path):
    with pytest.raises(DataError, match="expected a table with images to explore, got one without rows"):
        mien.explore(table.select([]), out=tmp_path / "a")
    with pytest.raises(DataError, match="expected labels of 'ferplus' in the data, got those of fer2013"):
        mien.explore(table, out=tmp_path / "a", source="ferplus")
    with pytest.raises(DataError, match="got no such file"):
        mien.explore(tmp_path / "gone.parquet", out=tmp_path / "a")
    with pytest.raises(UsageError, match=r"expected a \.parquet table, or NAME=FOLDER"):
        mien.explore("somewhere", out=tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_without_matplotlib_it_says_what_to_install(table, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(
        MissingExtraError, match=r"'matplotlib', got none installed: run `pip install 'mien\[report\]'`"
    ):
        mien.explore(table, out=tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_the_command(table, tmp_path, few_figures, capsys):
    write_table(table, tmp_path / "t.parquet")
    words = ["data", "explore", str(tmp_path / "t.parquet"), "--out", str(tmp_path / "out")]
    assert main(words) == 0
    said = capsys.readouterr()
    assert said.out.startswith("The largest class, ")
    assert "mien: left out: Valence and arousal: the table holds no valence and arousal\n" in said.err
    assert f"mien: wrote {tmp_path / 'out' / 'index.html'}, 4 figure files, 3 tables\n" in said.err
    assert main(words) == 2
    assert "expected an empty folder" in capsys.readouterr().err
    assert main([*words, "--overwrite", "--json", "--source", "fer2013"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["page"] == str(tmp_path / "out" / "index.html")
    assert found["numbers"]["images"] == 12
