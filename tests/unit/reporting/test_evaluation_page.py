"""The page that shows trained models: what stands on it, and that figures and tables say what was computed."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from mien.core.labels import LABEL_SETS, LabelSet
from mien.evaluation import PredictionTable, judge
from mien.evaluation.metrics import Estimate
from mien.reporting.evaluation_page import report_page
from mien.reporting.evaluation_sections import measured
from mien.reporting.page import TableView
from mien.reporting.parts import Extra, Plan, Reported, shown
from mien.reporting.style import new_figure
from mien.runtime.card import RobustnessCell

LABELS = LABEL_SETS["fer2013"]
LOG = [
    {
        "epoch": str(k),
        "train_loss": "1.5",
        "valid_loss": f"{1.9 - 0.1 * k}",
        "train_accuracy_fer2013": "0.4",
        "valid_accuracy_fer2013": f"{0.4 + 0.02 * k}",
        "selection": f"{0.4 + 0.02 * k}",
    }
    for k in range(6)
]


def predictions(seed: int = 0, *, n: int = 200, labels: LabelSet = LABELS, sharp: float = 2.0) -> PredictionTable:
    """Predictions that are right more often than not."""
    chance = np.random.default_rng(seed)
    ids = np.random.default_rng(99).integers(0, len(labels), n)
    scores = chance.normal(size=(n, len(labels))) + sharp * np.eye(len(labels))[ids]
    odds = np.exp(scores)
    return PredictionTable(
        ids=np.array([f"f{k}" for k in range(n)]),
        split=np.full(n, "valid"),
        label_ids=ids.astype(np.int16),
        probabilities=(odds / odds.sum(1, keepdims=True)).astype(np.float32),
        label_set=labels,
        meta={"model": "a", "head": "fer2013", "data": "made <up>", "split": "valid", "rule": "all rows"},
    )


@pytest.fixture(scope="module")
def models():
    cells = [RobustnessCell("blur", 0.01 * k, 0.6 - 0.1 * k, 1 - 0.15 * k, "fer2013") for k in range(3)]
    first = Reported("first", judge(predictions()), log=LOG, diagnosis=("It was still rising.",), robustness=cells)
    settings = {"net": "resnet", "epochs": 6, "augment": {"flip": 0.5, "yaw": 0.0}, "<b>": 1}
    return [replace(first, settings=settings), Reported("<i>second", judge(predictions(1, sharp=1.0)))]


@pytest.fixture(scope="module")
def page(models):
    told = []
    made = report_page(models, title="Two <models>", tell=lambda done, total: told.append((done, total)))
    assert told == [(k + 1, len(made.drawings)) for k in range(len(made.drawings))]
    return made


def test_every_part_is_there(page):
    titles = re.findall(r"<h2>(.*?)</h2>", page.html)
    assert titles == ["Figures", "Training", "Classes", "Scores and confidence", "Robustness"]
    names = [each.name for each in page.drawings]
    assert len(set(names)) == len(names)
    assert {"intervals", "curves-0", "recall", "precision", "confusion-0", "confusion-1"} <= set(names)
    assert {"roc", "reliability", "coverage", "robustness-fer2013"} <= set(names)
    assert "curves-1" not in names  # there is no log of it


def test_the_table_holds_what_was_computed(page, models):
    rows = {row[0]: row[1:] for row in page.tables["figures.csv"].rows}
    assert page.tables["figures.csv"].header == ("figure", "first, fer2013", "<i>second, fer2013")
    assert rows["faces (n)"] == ("200", "200")
    for column, model in enumerate(models):
        right = int(np.trace(model.evaluation.confusion))
        assert rows["accuracy"][column].startswith(f"{right / 2:.1f} %")
    classes = {row[0]: row[1:] for row in page.tables["classes-1.csv"].rows}
    confusion = models[1].evaluation.confusion
    assert list(classes) == list(LABELS)
    recall = confusion[2, 2] / confusion[2].sum()
    assert classes[LABELS.labels[2]][1].startswith(f"{100 * recall:.1f} %")
    assert classes[LABELS.labels[2]][3] == str(confusion[2].sum())


def test_settings_that_are_off_are_left_out(page):
    rows = {row[0]: row[1] for row in page.tables["training.csv"].rows}
    assert rows["augment"] == "flip 0.5"
    assert rows["epochs"] == "6"


def test_names_are_text_and_all_is_inside(page):
    assert "<i>second" not in page.html.replace("&lt;i&gt;second", "")
    assert "made &lt;up&gt;" in page.html
    assert "<script" not in page.html
    links = set(re.findall(r'(?:href|src)="([^"#][^"]{0,20})', page.html))
    assert {link[:11] for link in links} <= {"data:image/"}
    assert len(page.html) < 3_000_000
    names = re.findall(r' id="([^"]+)"', page.html)
    assert len(names) == len(set(names))


def test_findings_follow_the_numbers(page, models):
    assert "It was still rising." in page.html
    confusion = models[0].evaluation.confusion.astype(float)
    rates = confusion / confusion.sum(1, keepdims=True)
    np.fill_diagonal(rates, 0)
    row, column = np.unravel_index(rates.argmax(), rates.shape)
    said = f"{100 * rates[row, column]:.0f} % of {LABELS.labels[row]} is taken for {LABELS.labels[column]}"
    assert said in page.html
    assert "On average over all cells: first 85.0 %." in page.html


def test_more_sections_and_what_is_missing(models):
    table = TableView(("a", "b"), (("1", "2"),))
    plan = Plan("mine", "Mine", "To be read so.", lambda width: new_figure(width, 1))
    points = TableView(("x",), (("0.123",),))
    extra = Extra("Comparison", ("A is better.",), {"pairs.csv": table}, (plan,), {"points.csv": points})
    made = report_page(models[:1], title="One", extras=[extra], left_out=["hard faces: no --data"])
    assert re.findall(r"<h2>(.*?)</h2>", made.html)[-2:] == ["Comparison", "Left out"]
    assert "A is better." in made.html
    assert "hard faces: no --data." in made.html
    assert made.left_out == ("hard faces: no --data",)
    assert made.tables["pairs.csv"] == table
    assert made.tables["points.csv"] == points and "0.123" not in made.html  # in the file alone
    assert "mine" in [each.name for each in made.drawings]


def test_a_remark_on_several_models_is_made_once(models):
    gone = "is not defined: it was predicted of no face"
    macro = "macro_precision leaves out fear, anger: predicted of no face."
    said = (macro, f"precision_fear {gone}", f"precision_anger {gone}")
    noted = [replace(each, evaluation=replace(each.evaluation, notes=said)) for each in models]
    assert measured(noted)[0].text == (
        "Macro precision leaves out fear, anger: predicted of no face (first, <i>second).",
        f"Precision of fear, anger {gone} (first, <i>second).",
    )
    assert measured(noted[:1])[0].text[1] == f"Precision of fear, anger {gone}."


def test_models_with_other_classes_stand_beside_each_other():
    four = LabelSet("four", ("anger", "happiness", "neutral", "sadness"))
    made = report_page(
        [Reported("seven", judge(predictions())), Reported("four", judge(predictions(labels=four)))], title="Both"
    )
    assert {"confusion-0", "confusion-1"} <= {each.name for each in made.drawings}
    assert [row[0] for row in made.tables["classes-1.csv"].rows] == list(four)


@pytest.mark.filterwarnings("ignore::mien.evaluation.metrics.UndefinedMetricWarning")
def test_a_single_face_makes_a_page():
    made = report_page([Reported("one", judge(predictions(n=1)))], title="One face")
    assert {row[0]: row[1] for row in made.tables["figures.csv"].rows}["faces (n)"] == "1"


@pytest.mark.parametrize(
    ("figure", "share", "text"),
    [
        (Estimate(0.694, 0.678, 0.708), True, "69.4 % (67.8 to 70.8)"),
        (Estimate(0.694), True, "69.4 %"),
        (Estimate(1.25, 1.0, 1.5), False, "1.250 (1.000 to 1.500)"),
        (Estimate(math.nan), True, "–"),
        (None, True, "–"),
    ],
)
def test_a_figure_as_text(figure, share, text):
    assert shown(figure, share=share) == text
