"""The report of models with faces at hand: what they look at, whether to believe it, and faces measured once."""

import csv
from html.parser import HTMLParser

import numpy as np
import pytest

import mien
from mien.core.labels import LABEL_SETS
from mien.datasets import LabelColumn, Table
from mien.verbs import errors

SMALL = {"widths": (4, 8), "blocks": (1, 1), "reduction": 2}


@pytest.fixture(scope="module")
def faces():
    """Noise, three faces of each of five classes."""
    ids = np.repeat(np.arange(5), 3).astype(np.int16)
    images = np.random.default_rng(0).integers(0, 256, (15, 48, 48), np.uint8)
    return Table(
        [f"f{i}" for i in range(15)], images, ["valid"] * 15, {"ferplus": LabelColumn(LABEL_SETS["ferplus"], ids)}
    )


class Loads(HTMLParser):
    """All that a page asks a browser to load or to follow."""

    def __init__(self, html):
        super().__init__()
        self.found, self.tags, self.styles = [], set(), ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        for name, value in attributes:
            if name in ("src", "srcset", "href", "xlink:href", "data", "poster", "action", "background", "ping"):
                self.found.append(value)
            if name in ("style", "fill", "stroke", "clip-path", "filter", "mask", "marker-end", "marker-start"):
                self.styles += f"{value}\n"

    def handle_data(self, data):
        if self.get_starttag_text() and self.get_starttag_text().startswith("<style"):
            self.styles += data


@pytest.mark.filterwarnings("ignore::mien.evaluation.metrics.UndefinedMetricWarning")
def test_a_run_beside_a_shipped_model(make_run, faces, tmp_path, monkeypatch):
    measured = []
    landmarks = errors._landmarks
    monkeypatch.setattr(
        errors, "_landmarks", lambda images, tell: measured.append(len(images)) or landmarks(images, tell)
    )
    run = make_run(tmp_path / "run", "resnet-cbam", SMALL)
    made = mien.report([run, "mien-s"], data=faces, out=tmp_path / "report.html")
    assert measured == [15]  # once, not once a model

    files = {path.name for path in made.files}
    for name in ("mean-maps", "maps", "faithfulness"):
        assert {f"{name}-{k}.{suffix}" for k in (0, 1) for suffix in ("png", "svg")} <= files
    assert {"faithfulness-0.csv", "faithfulness-1.csv", "randomised-0.csv", "randomised-0.svg"} <= files
    assert "randomised-1.csv" not in files
    assert [line for line in made.left_out if "randomised" in line] == [
        "maps of mien-s with its weights randomised: expected a run folder with its checkpoint, got a model file alone"
    ]
    with open(tmp_path / "report_files" / "faithfulness-1.csv", newline="", encoding="utf-8") as file:
        curves = list(csv.DictReader(file))
    assert [float(row["share"]) for row in curves[:: len(curves) - 1]] == [0, 1]
    for name in ("deletion", "insertion"):  # where nothing or all is changed the order of pixels does not matter
        for row in (curves[0], curves[-1]):
            assert float(row[name]) == pytest.approx(float(row[f"{name}_random"]), abs=1e-4)
    with open(tmp_path / "report_files" / "randomised-0.csv", newline="", encoding="utf-8") as file:
        forgotten = list(csv.DictReader(file))
    assert [forgotten[0]["forgotten_down_to"], forgotten[-1]["forgotten_down_to"]] == ["heads.ferplus", "stem.0"]
    assert all(-1 <= float(row["least"]) <= float(row["median"]) <= float(row["most"]) <= 1 for row in forgotten[:2])

    html = made.page.read_text("utf-8")
    assert "Whether the maps show what the model goes by" in html
    assert "15 faces become grey" in html
    loads = Loads(html)
    assert loads.found and {each.partition(":")[0] for each in loads.found if not each.startswith("#")} == {"data"}
    assert not loads.tags & {"script", "link", "iframe", "object", "embed", "base", "form", "audio", "video"}
    assert "@import" not in loads.styles and "url(http" not in loads.styles and "url(//" not in loads.styles
    assert "prefers-color-scheme: dark" in loads.styles and "@media print" in loads.styles


def test_measured_once_or_for_each_model_is_the_same(faces):
    predictions = mien.evaluate("mien-s", data=faces).evaluations[0].predictions
    alone, _ = errors.errors_in(predictions, faces)
    shared, _ = errors.errors_in(predictions, faces, measured=errors.measure_faces(faces))
    assert set(alone.bins) == {"brightness", "sharpness", "yaw"}
    assert alone.bins == shared.bins
