"""The verb train: lists change the data and are remembered, and labels of one's own come through to the card."""

import json

import numpy as np
import pytest

from mien.cli.app import main
from mien.core.errors import DataError, TrainingError
from mien.core.labels import LabelSet
from mien.datasets import LabelColumn, Table, write_table
from mien.runtime.card import Card
from mien.verbs.evaluate import evaluate
from mien.verbs.train import train

pytest.importorskip("lightning")

SMALL = ["batch=16", "net_options.widths=[8,16]", "net_options.blocks=[1,1]", "threads=1", "augment.rotation=0"]
OWN = LabelSet("labels", ("calm", "cheerful", "cross"))


@pytest.fixture
def data(tmp_path):
    """A table with labels that no data set has: 48 faces in train, 12 in valid."""
    rng = np.random.default_rng(0)
    ids = (np.arange(60) % 3).astype(np.int16)
    images = rng.integers(0, 90, (60, 48, 48), dtype=np.uint8)
    for image, kind in zip(images, ids.tolist(), strict=True):
        image[16 * kind : 16 * kind + 16] += 120
    split = ["train"] * 48 + ["valid"] * 12
    table = Table([f"own-{i:02d}" for i in range(60)], images, split, {"labels": LabelColumn(OWN, ids)})
    write_table(table, tmp_path / "own.parquet")
    return str(tmp_path / "own.parquet")


def write(path, text):
    path.write_text(text, "utf-8")
    return path


def test_a_run_on_labels_of_ones_own_with_lists(data, tmp_path):
    drop = write(tmp_path / "drop.csv", "id,action\nown-00,drop\nown-01,review\nelsewhere,drop\n")
    more = write(tmp_path / "more.csv", "id\nown-02\n")
    relabel = write(tmp_path / "relabel.csv", "id,source,suggestion\nown-03,labels,cross\n")
    lists = {"drop": [drop, more], "relabel": relabel}
    result = train(data, out=tmp_path / "run", changes=[*SMALL, "epochs=1"], **lists)
    assert result.finished and result.figures
    assert len(result.notes) == 3 and "1 images left out" in result.notes[1] and "1 that it names" in result.notes[1]

    versions = json.loads((tmp_path / "run" / "versions.json").read_text("utf-8"))
    assert list(versions["lists"]) == ["--relabel relabel.csv", "--drop drop.csv", "--drop more.csv"]
    assert all(len(each) == 64 for each in versions["lists"].values())
    card = Card.load(tmp_path / "run" / "model.toml")
    assert card.heads["labels"].label_set.labels == OWN.labels
    assert "--relabel relabel.csv --drop drop.csv --drop more.csv --out RUN" in card.train["command"]
    assert card.train["data_sha256"] == versions["data"]

    (judged,) = evaluate(tmp_path / "run", data=data).evaluations
    assert judged.label_set.labels == OWN.labels and judged.n == 12

    with pytest.raises(TrainingError, match="the data that the run in .* began with, got others: .*--drop"):
        train(data, out=tmp_path / "run", changes=[*SMALL, "epochs=2"], resume=True, drop=drop)


def test_lists_fail_before_a_run_is_begun(data, tmp_path):
    strange = write(tmp_path / "strange.csv", "id\nnowhere\n")
    with pytest.raises(DataError, match=r"expected ids of this data in .*strange\.csv"):
        train(data, out=tmp_path / "run", changes=SMALL, drop=strange)
    assert not (tmp_path / "run").exists()


def test_the_command_takes_several_lists(data, tmp_path, capsys):
    good = write(tmp_path / "good.csv", "id\nown-00\n")
    bad = write(tmp_path / "bad.csv", "id,source,suggestion\nown-01,labels,furious\n")
    words = ["train", "--data", data, "--out", str(tmp_path / "run"), "--drop", str(good), "--drop", str(good)]
    assert main([*words, "--relabel", str(bad)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "out of calm, cheerful, cross, got 'furious'" in said and "bad.csv, line 2" in said
