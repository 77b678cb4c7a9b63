"""The exploratory page: all figures where there is something to draw, a reason where there is not."""

import json
import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg

from mien.core.labels import LabelSet
from mien.datasets.explore import explore_table
from mien.datasets.table import LabelColumn, Table
from mien.reporting import exploration
from mien.reporting.exploration import exploration_page
from mien.reporting.numbers import to_numbers, to_tables
from mien.reporting.plates import PLATES
from mien.reporting.style import NARROW, RC, WIDE
from mien.verbs.explore import TABLES

ALL = [plate for each in PLATES.values() for plate in each]


@pytest.fixture(scope="module")
def page(rich):
    told = []
    made = exploration_page(rich, files="beside", tell=lambda done, total: told.append((done, total)))
    assert told == [(k + 1, len(ALL)) for k in range(len(ALL))]
    return made


def test_there_is_a_figure_for_everything(page):
    assert page.left_out == {}
    assert len(page.drawings) == len(ALL) == 16
    assert len({drawing.name for drawing in page.drawings}) == 16


def test_each_figure_says_how_to_read_it():
    assert [plate.name for plate in ALL if len(plate.reading) < 60 or not plate.reading.endswith(".")] == []


def test_names_of_data_are_text_and_all_is_inside(page):
    assert "<script" not in page.html
    assert "&lt;script&gt;" in page.html
    links = set(re.findall(r'(?:href|src)="([^"#][^"]{0,20})', page.html))
    assert {link[:11] for link in links} <= {"data:image/"}
    assert len(page.html) < 3_000_000


def test_every_name_in_the_page_is_there_once(page):
    names = re.findall(r' id="([^"]+)"', page.html)
    assert len(names) == len(set(names))
    assert set(re.findall(r'xlink:href="#([^"]+)"', page.html)) <= set(names)
    assert set(re.findall(r"url\(#([^)]+)\)", page.html)) <= set(names)


@pytest.mark.parametrize("n", [1, 2])
def test_images_that_are_all_equally_sharp(n):
    image = np.random.default_rng(0).integers(0, 256, (1, 32, 32), np.uint8)
    ids, split = np.array([f"a-{k}" for k in range(n)]), np.array(["train"] * n)
    made = exploration_page(explore_table(Table(ids, image.repeat(n, axis=0), split)))
    assert "sharpness" in {drawing.name for drawing in made.drawings}


def test_a_table_with_nothing_to_tell_has_a_page_too(bare):
    made = exploration_page(bare)
    assert {drawing.name for drawing in made.drawings} == {
        "samples",
        "mean-faces",
        "std-faces",
        "brightness-contrast",
        "sharpness",
    }
    assert made.left_out["Class distribution"] == "the table has no labels"
    assert made.left_out["Noise"] == "the images are too small to measure it"
    assert made.left_out["Images that occur several times"] == "no two images are equal in every pixel"
    assert "Class distribution: the table has no labels." in made.html


def test_a_source_without_a_label_here(bare):
    column = LabelColumn(LabelSet("own", ("x",)), np.full(2, -1, np.int16))
    made = exploration_page(explore_table(replace(bare.table, sources={"own": column})))
    assert made.drawings == ()
    assert made.left_out["Pixel intensities by split"] == "all images are in valid"
    assert made.left_out["Samples"] == "no image has a label of own"


def test_many_classes_with_long_names_are_cut_down_to_what_can_be_seen(monkeypatch):
    monkeypatch.setattr(exploration, "_MOST_CLASSES", 3)
    names = tuple(f"{k} " + "long name " * 6 for k in range(6))
    ids = np.array([0, 1, 2, 3, 4, 5, 5, 4, 0], np.int16)
    images = np.random.default_rng(0).integers(0, 256, (9, 10, 10), dtype=np.uint8)
    column = LabelColumn(LabelSet("own", names), ids)
    found = explore_table(Table(np.arange(9).astype(str), images, np.full(9, "train"), {"own": column}))
    made = exploration_page(found)
    assert "Figures and this table show the 3 largest classes; 3 more are in the csv." in made.html
    samples = next(each for each in made.drawings if each.name == "samples")
    assert all(f"{k} long name long …" in samples.svg for k in (0, 4, 5))
    assert "1 long name long …" not in samples.svg
    assert sum(to_numbers(found)["classes"]["train"].values()) == 9


def test_blank_images_under_odd_labels_are_drawn_without_a_warning():
    labels = LabelSet("own", ("怒り", "<b>&$x_{$"))
    column = LabelColumn(labels, np.array([0, 1, 0, 1], np.int16), np.full((4, 2), 0.5, np.float32))
    images = np.zeros((4, 16, 16), np.uint8)
    found = explore_table(Table(np.arange(4).astype(str), images, np.full(4, "test"), {"own": column}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = exploration_page(found)
    assert "怒り" in made.html
    assert "&lt;b&gt;&amp;$x_{$" in made.html
    assert "<b>" not in made.html
    assert len(made.drawings) == 11


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("plate", ALL, ids=lambda plate: plate.name)
def test_nothing_reaches_over_the_edge(rich, plate, width):
    """What is drawn outside of the canvas is cut off. In inches."""
    with rc_context(RC):
        figure = plate.draw(rich, width)
        figure.draw_without_rendering()  # lays it out
        drawn = figure.get_tightbbox(FigureCanvasAgg(figure).get_renderer())
    assert drawn.x0 > -0.03
    assert drawn.y0 > -0.03
    assert drawn.x1 < width + 0.03
    assert drawn.y1 < figure.get_figheight() + 0.03


def test_findings_are_sentences_with_figures(page, rich):
    assert page.findings["classes"].startswith("The largest class, ")
    assert "2 groups with 4 images, of which 2 groups with 4 images in several splits" in page.findings["duplicates"]
    assert [name for name, said in page.findings.items() if not said.endswith(".")] == []
    assert "\N{NO-BREAK SPACE}%" in page.findings["classes"]


def test_numbers_are_plain_and_agree_with_the_csv_files(rich):
    numbers = to_numbers(rich)
    assert json.loads(json.dumps(numbers)) == numbers
    assert numbers["images"] == 60
    assert numbers["channels"] == len(numbers["mean"]) == len(numbers["std"]) == 3
    assert sum(numbers["splits"].values()) == 60
    labelled = sum(n for each in numbers["classes"].values() for n in each.values())
    assert labelled + sum(numbers["unlabelled"].values()) == 60
    tables = {name: [list(map(str, row)) for row in table.rows] for name, table in to_tables(rich).items()}
    assert (
        sorted(tables)
        == sorted(TABLES)
        == [
            "agreement.csv",
            "classes.csv",
            "duplicates.csv",
            "groups.csv",
            "images.csv",
            "intensities.csv",
        ]
    )
    assert sum(int(row[-1]) for row in tables["classes.csv"]) == 60
    assert len(tables["images.csv"]) == 60
    assert len(tables["duplicates.csv"]) == 4
    assert sum(int(n) for row in tables["agreement.csv"] for n in row[1:]) == numbers["agreement"]["images"]
