"""Several runs as one net: its answer is the mean of theirs, and its map explains it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("lightning", reason="needs the extra train")

import torch

import mien
from mien.core.errors import OutputError, TrainingError, UsageError
from mien.core.labels import LABEL_SETS
from mien.datasets import LabelColumn, Table
from mien.training.fit import load_run
from mien.zoo.store import load_card, load_classifier, verify

HEADS = ("ferplus", "fer2013")
NETS: dict[str, list[str]] = {
    "wide": ["net_options.widths=[16,16]", "net_options.blocks=[1,1]", "net_options.stem_stride=2"],
    "deep": [
        "net_options.widths=[16,16,16]",
        "net_options.blocks=[1,1,1]",
        "dropout=0.3",
        "label_smoothing=0",
        "about.license='free for all'",
    ],
}


@pytest.fixture(scope="module")
def table() -> Table:
    """Faces whose brightness tells the label."""
    chance = np.random.default_rng(3)
    ids = chance.integers(0, 7, 96)
    images = (chance.integers(0, 60, (96, 48, 48)) + 25 * ids[:, None, None]).astype(np.uint8)
    sources = {head: LabelColumn(LABEL_SETS[head], ids.astype(np.int16)) for head in HEADS}
    return Table([f"f{k}" for k in range(96)], images, np.where(np.arange(96) < 64, "train", "valid"), sources)


@pytest.fixture(scope="module")
def runs(table: Table, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    from mien.datasets import write_table

    folder = tmp_path_factory.mktemp("runs")
    write_table(table, folder / "table.parquet")
    for name, net in NETS.items():
        common = ["epochs=2", "batch=16", "threads=1", "precision='float32'", f"name='{name}'"]
        mien.train(str(folder / "table.parquet"), net="resnet", changes=[*common, *net], out=folder / name)
    return {name: folder / name for name in NETS}


@pytest.fixture(scope="module")
def joined(runs: dict[str, Path], table: Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("joined") / "both"
    result = mien.join(list(runs.values()), data=table, out=out, name="both", title="two nets")
    assert result.run == out and {row["head"] for row in result.figures} == set(HEADS)
    return out


def calibrated_logits(run: Path, images: np.ndarray, head: str) -> np.ndarray:
    """What a run says, in other words: log of its calibrated probabilities, up to a constant a face."""
    found = np.log(load_classifier(run, variant="float16", threads=1).predict(images, head=head).astype(np.float64))
    return np.asarray(found - found.mean(1, keepdims=True))


@pytest.mark.parametrize("head", HEADS)
def test_the_answer_is_the_mean_of_calibrated_logits(
    head: str, runs: dict[str, Path], joined: Path, table: Table
) -> None:
    mean = np.mean([calibrated_logits(run, table.images, head) for run in runs.values()], axis=0)
    wanted = mean / load_card(joined).heads[head].temperature
    np.testing.assert_allclose(calibrated_logits(joined, table.images, head), wanted, atol=5e-3)


def test_the_map_of_all_nets_explains_the_logits(joined: Path, table: Table) -> None:
    config, net = load_run(joined)
    assert config.net == "fusion" and net.trunk.channels == 16 + 16
    with torch.no_grad():
        logits, features = net(torch.randn(3, 1, 48, 48))
        head: Any = net.heads["ferplus"]
        activation = torch.einsum("kf,nfhw->nkhw", head.weight, features)
        torch.testing.assert_close(activation.mean((2, 3)) + head.bias, logits["ferplus"], atol=1e-5, rtol=1e-5)
    classifier = load_classifier(joined, variant="float16", threads=1)
    assert classifier.features(table.images[:2]).shape == (2, 32, 12, 12)


def test_it_is_a_run_like_any_other(joined: Path, table: Table, tmp_path: Path) -> None:
    verify(joined)
    card = load_card(joined)
    assert (card.name, card.title, set(card.files)) == ("both", "two nets", {"float16", "int8"})
    assert card.license == "free for all"  # of the second run, for the first says nothing
    assert card.train["command"] == "mien join wide deep --data DATA --name both --out RUN"
    (evaluation,) = mien.evaluate(joined, data=table, head="fer2013").evaluations
    assert evaluation.n == 32
    again = mien.join([joined, joined], data=table, out=tmp_path / "again").run
    images = table.images[:8]
    first, second = (calibrated_logits(each, images, "ferplus") for each in (joined, again))
    np.testing.assert_allclose(second * load_card(again).heads["ferplus"].temperature, first, atol=5e-3)


def test_what_cannot_be_joined_is_said_in_a_line(runs: dict[str, Path], table: Table, tmp_path: Path) -> None:
    wide, deep = runs.values()
    other = tmp_path / "small"
    common = ["epochs=1", "batch=16", "threads=1", "heads=['fer2013']", *NETS["wide"]]
    data = str(wide.parent / "table.parquet")
    mien.train(data, net="resnet", changes=common, out=other)
    smaller = tmp_path / "smaller"
    mien.train(data, net="resnet", changes=[*common, "input.size=24", "start_size=24"], out=smaller)
    for given, error, said in (
        ([wide], UsageError, "expected two finished runs or more to join, got 1"),
        ([wide, other], UsageError, "expected runs of one heads to join"),
        ([other, smaller], UsageError, "expected runs of one input to join, got .*size=48.*size=24"),
        ([wide, tmp_path / "none"], TrainingError, "expected a run with checkpoints/best.ckpt in .*none, got none"),
    ):
        with pytest.raises(error, match=said):
            mien.join(given, data=table, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(OutputError, match="that holds a run"):
        mien.join([wide, deep], data=table, out=wide)


def test_the_command(runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from mien.cli.app import main

    words = ["join", *map(str, runs.values()), "--data", str(next(iter(runs.values())).parent / "table.parquet")]
    assert main([*words, "--name", "pair", "--out", str(tmp_path / "pair")]) == 0
    said = capsys.readouterr()
    assert "joined 2 runs in" in said.out + said.err and "accuracy" in said.out
    assert main([*words, "--out", str(tmp_path / "pair")]) == 2
    assert "expected a new run folder" in capsys.readouterr().err
