"""The verb noise and its command: files that other verbs take, choices of sources, and FER2013 against FER+ itself."""

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pyarrow.parquet as parquet
import pytest

from mien.cli.app import main
from mien.core.errors import DataError, OutputError, UsageError
from mien.core.images import read_image
from mien.core.labels import LABEL_SETS
from mien.datasets import LabelColumn, Table, write_table
from mien.datasets.readers.ferplus_rules import VOTES, majority, soften
from mien.evaluation.predictions import PredictionTable
from mien.verbs.noise import noise

FER2013, FERPLUS = LABEL_SETS["fer2013"], LABEL_SETS["ferplus"]


def make(n=60, *, wrong=(3, 40)):
    """Raters and labels agree but for the rows in `wrong`, which are called disgust."""
    truth = [("happiness", "anger", "neutral")[i % 3] for i in range(n)]
    votes = np.zeros((n, len(VOTES)), np.int8)
    for row, label in enumerate(truth):
        votes[row, VOTES.index(label)] = 8
        votes[row, VOTES.index("sadness")] = 2
    labels = ["disgust" if row in wrong else label for row, label in enumerate(truth)]
    sources = {
        "ferplus": LabelColumn(FERPLUS, majority(votes), soften(votes)),
        "fer2013": LabelColumn(FER2013, np.array([FER2013.index(each) for each in labels])),
    }
    images = np.random.default_rng(0).integers(0, 256, (n, 48, 48), np.uint8)
    split = ["train"] * (n // 2) + ["valid"] * (n - n // 2)
    return Table([f"f-{i}" for i in range(n)], images, split, sources, {"votes": votes}, {"name": "made up"})


def test_what_is_found():
    figures = noise(make()).to_dict()
    assert (figures["source"], figures["against"]) == ("fer2013", "ferplus")
    assert figures["agreement"]["agreement"]["value"] == pytest.approx(58 / 60)
    assert figures["by_split"]["train"]["n"] == figures["by_split"]["valid"]["n"] == 30
    assert figures["vote_share"] == pytest.approx(0.8 * 58 / 60)
    bits = -(0.8 * math.log2(0.8) + 0.2 * math.log2(0.2))
    assert [figures["entropy"][each] for each in ("mean", "q05", "q95")] == pytest.approx([bits] * 3)
    assert figures["entropy"]["disagree"] == 1 and figures["entropy"]["n"] == 60
    assert figures["suspects"]["count"] == 2 and figures["suspects"]["by_split"] == {"train": 1, "valid": 1}
    assert figures["suspects"]["noise"] == pytest.approx(2 / 60)
    assert figures["suspects"]["left_out"] == 0 and not figures["files"]


def test_what_nobody_labels_is_undefined(tmp_path, capsys):
    table = make()
    nobody = np.full(len(table), -1, np.int16)
    sources = {name: replace(column, ids=nobody) for name, column in table.sources.items()}
    write_table(replace(table, sources=sources), tmp_path / "t.parquet")
    assert main(["data", "noise", str(tmp_path / "t.parquet")]) == 0
    printed, said = capsys.readouterr()
    assert said == "mien: a share is not defined: there are no faces\n"
    assert "nan" not in printed and "estimated share of wrong labels: undefined." in printed


def test_the_files_and_what_they_are_for(tmp_path):
    table, out = make(), tmp_path / "noise"
    result = noise(table, out=out)
    assert [each.name for each in result.files] == ["suspects.csv", "confusion.csv", "entropy.csv", "gallery.png"]
    suspects = list(csv.DictReader((out / "suspects.csv").open(encoding="utf-8")))
    assert [(each["id"], each["label"], each["suggestion"], each["action"]) for each in suspects] == [
        ("f-3", "disgust", "happiness", "relabel"),
        ("f-40", "disgust", "anger", "relabel"),
    ]
    assert suspects[0]["detail"] == "the votes of ferplus give its label 0.00, the other 0.80"
    assert noise(table.relabel(out / "suspects.csv")).to_dict()["suspects"]["count"] == 0
    confusion = list(csv.reader((out / "confusion.csv").open(encoding="utf-8")))
    assert confusion[0] == ["fer2013 \\ ferplus", *FER2013.labels] and sum(map(int, confusion[2][1:])) == 2
    entropy = list(csv.DictReader((out / "entropy.csv").open(encoding="utf-8")))
    assert len(entropy) == 60 and entropy[3]["label_fer2013"] == "disgust" and entropy[3]["vote_share"] == "0.0000"
    assert read_image(out / "gallery.png").shape[0] > 96
    with pytest.raises(OutputError, match=r"expected no file at .*suspects\.csv"):
        noise(table, out=out)
    noise(table, out=out, overwrite=True)


def predictions(path, table, *, split):
    """Of a model that is right about everything but sees no disgust."""
    rows = np.flatnonzero(table.split == split)
    p = np.full((len(rows), 8), 0.02, np.float32)
    p[np.arange(len(rows)), table.sources["ferplus"].ids[rows]] = 0.86
    ids = table.sources["ferplus"].ids[rows]
    PredictionTable(table.ids[rows], table.split[rows], ids, p, FERPLUS, meta={"model": "other"}).write(path)
    return path


def test_predictions_judge_instead_of_votes(tmp_path):
    table = make()
    result = noise(table, predictions=predictions(tmp_path / "p.parquet", table, split="valid"))
    figures = result.to_dict()["suspects"]
    assert figures["judged_by"] == "the predictions of other" and figures["n"] == 30 and figures["left_out"] == 30
    assert result.table.ids[result.suspects.rows].tolist() == ["f-40"] and not result.notes


def test_predictions_of_train_are_doubted(tmp_path):
    table = make()
    result = noise(table, predictions=predictions(tmp_path / "p.parquet", table, split="train"))
    assert "if the model learnt from these labels it repeats them" in result.notes[0]


def test_sources_are_chosen_or_named(tmp_path):
    table = make()
    result = noise(table, against="fer2013", predictions=predictions(tmp_path / "p.parquet", table, split="valid"))
    assert (result.source, result.against) == ("ferplus", "fer2013")
    assert math.isnan(result.to_dict()["vote_share"]) and result.to_dict()["entropy"] == {"n": 0}
    with pytest.raises(DataError, match="expected votes to judge the labels of ferplus by, got none"):
        noise(table, source="ferplus")
    with pytest.raises(DataError, match="expected labels of 'rafdb' in the data, got those of ferplus, fer2013"):
        noise(table, source="rafdb")
    with pytest.raises(UsageError, match="expected two label sources to compare, got ferplus twice"):
        noise(table, source="ferplus", against="ferplus")
    alone = Table(table.ids, table.images, table.split, {"fer2013": table.sources["fer2013"]})
    with pytest.raises(DataError, match="give --against a source with votes, or --predictions"):
        noise(alone)
    out = tmp_path / "alone"
    found = noise(alone, predictions=predictions(tmp_path / "p.parquet", table, split="valid"), out=out)
    assert found.agreement is None and [each.name for each in found.files] == [
        "suspects.csv",
        "entropy.csv",
        "gallery.png",
    ]
    assert sorted(each.name for each in out.iterdir()) == ["entropy.csv", "gallery.png", "suspects.csv"]


def test_predictions_on_other_data_are_refused(tmp_path):
    path = predictions(tmp_path / "p.parquet", make(), split="valid")
    other = make()
    other = Table([f"g-{i}" for i in range(60)], other.images, other.split, other.sources)
    with pytest.raises(DataError, match=r"expected predictions on this data in .*p\.parquet, got none of its ids"):
        noise(other, predictions=path)


def test_the_command(tmp_path, capsys):
    path = str(tmp_path / "table.parquet")
    write_table(make(), path)
    assert main(["data", "noise", path, "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    # Chance: (19 * 20 + 19 * 20 + 20 * 20) / 60^2.
    assert ["all", "60", "0.967", "(0.886", "to", "0.991)", "0.951"] in [line.split() for line in said.out.splitlines()]
    assert "Raters disagree on 100.0% of 60 images" in said.out
    assert "Suspect labels of fer2013, judged by the votes of ferplus: 2 of 60" in said.out
    assert "gallery.png" in said.err
    assert main(["data", "noise", path, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["suspects"]["count"] == 2
    assert main(["data", "noise", path, "--source", "mine"]) == 2


def test_the_figures_of_fer2013_against_ferplus(data_dir):
    """Those that docs/data.md states."""
    columns = ["row", "usage", "emotion", *(f"ferplus_{each}" for each in VOTES)]
    frame = parquet.read_table(data_dir / "fer2013.parquet", columns=columns)
    votes = np.stack([frame[f"ferplus_{each}"].to_numpy() for each in VOTES], axis=1).astype(np.int8)
    sources = {
        "fer2013": LabelColumn(FER2013, frame["emotion"].to_numpy().astype(np.int16)),
        "ferplus": LabelColumn(FERPLUS, majority(votes), soften(votes)),
    }
    split = ["train" if each == "Training" else "valid" for each in frame["usage"].to_pylist()]
    ids = [str(row) for row in frame["row"].to_pylist()]
    images = np.zeros((len(ids), 1, 1), np.uint8)
    figures = noise(Table(ids, images, split, sources, {"votes": votes})).to_dict()
    assert figures["agreement"]["n"] == 28_127
    assert figures["agreement"]["agreement"]["value"] == pytest.approx(0.679, abs=5e-4)
    assert figures["agreement"]["kappa"] == pytest.approx(0.603, abs=5e-4)
    assert figures["agreement"]["by_label"]["happiness"] == pytest.approx(0.93, abs=5e-3)
    assert figures["agreement"]["by_label"]["fear"] == pytest.approx(0.14, abs=5e-3)
    assert figures["vote_share"] == pytest.approx(0.555, abs=5e-4)
    assert figures["entropy"]["n"] == 32_138 and figures["entropy"]["disagree"] == pytest.approx(0.741, abs=5e-4)
    assert figures["entropy"]["mean"] == pytest.approx(0.77, abs=5e-3)
    assert (figures["suspects"]["count"], figures["suspects"]["n"]) == (6409, 32_136)
    assert figures["suspects"]["noise"] == pytest.approx(0.282, abs=5e-4)
