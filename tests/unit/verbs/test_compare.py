"""`mien compare`, from Python and from the command line."""

import csv
import json

import numpy as np
import pytest

import mien
from mien.cli.app import main
from mien.core.errors import DataError, OutputError, UsageError
from mien.core.labels import LABEL_SETS
from mien.evaluation import PredictionTable, read_predictions

LABELS = LABEL_SETS["fer2013"]


@pytest.fixture
def files(tmp_path):
    """Three prediction tables of 200 images: good, fair, and as good as fair."""
    y = np.random.default_rng(0).integers(0, 7, 200)
    for name, skill, seed in (("good", 0.9, 1), ("fair", 0.7, 2), ("same", 0.7, 3)):
        generator = np.random.default_rng(seed)
        said = np.where(generator.random(200) < skill, y, (y + generator.integers(1, 7, 200)) % 7)
        p = np.where(np.arange(7) == said[:, None], 0.7, 0.05).astype(np.float32)
        ids = np.array([f"i{k}" for k in range(200)])
        meta = {"data": "made", "split": "test", "rule": "all"}
        PredictionTable(ids, np.full(200, "test"), y.astype(np.int16), p, LABELS, meta=meta).write(
            tmp_path / f"{name}.parquet"
        )
    return tmp_path


def test_words_paths_and_tables_in_memory_are_one(files):
    by_word = mien.compare([f"a={files / 'good.parquet'}", f"b={files / 'fair.parquet'}"], resamples=200)
    in_memory = mien.compare(
        {"a": read_predictions(files / "good.parquet"), "b": [files / "fair.parquet"]}, resamples=200
    )
    assert by_word.to_dict() == in_memory.to_dict()
    assert by_word.sentences[0].startswith("a is ") and "better than b on the same 200 images" in by_word.sentences[0]


def test_the_files_of_a_comparison(files):
    pytest.importorskip("matplotlib")
    words = [f"{name}={files / name}.parquet" for name in ("good", "fair", "same")]
    result = mien.compare(words, out=files / "out", resamples=200)
    assert {path.name for path in result.files} == {
        "scores.csv", "differences.csv", "tests.csv", "compare.json", "critical-difference.png",
        "critical-difference.svg",
    }  # fmt: skip
    written = json.loads((files / "out" / "compare.json").read_text("utf-8"))
    assert written["sentences"] == list(result.sentences) and written["n"] == 200 and written["rule"] == "all"
    with open(files / "out" / "tests.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[0]["p"]) == result.comparison.overall[0].finding.p and rows[0]["test"] == "cochran_q"
    with pytest.raises(OutputError, match=r"expected no comparison in .*, got compare.json"):
        mien.compare(words, out=files / "out")
    mien.compare(words, out=files / "out", overwrite=True, resamples=200)
    with pytest.raises(OutputError, match="expected a folder for the results, got the file"):
        mien.compare(words, out=files / "good.parquet")


def test_the_command_prints_the_sentence_the_intervals_and_the_tests(files, capsys):
    assert main(["compare", f"a={files / 'good.parquet'}", f"b={files / 'fair.parquet'}"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("made, test, n = 200, all\n")
    assert "\na is " in said and "mcnemar" in said and "odds_ratio" in said and "macro_f1" in said
    assert main(["compare", f"a={files / 'good.parquet'}", f"b={files / 'fair.parquet'}", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["sentences"][0] in said and found["pairs"][0]["differ"] is True


USE = "expected NAME=PREDICTIONS[,PREDICTIONS...], got"
GONE = "expected a prediction table at gone.parquet, got no such file: check the path"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a=good.parquet"], "expected two NAMEs or more to compare, got a"),
        (["a=good.parquet", "a=fair.parquet"], "expected each NAME once, got 'a' twice: join its tables with commas"),
        (["a=good.parquet", "fair.parquet"], f"{USE} 'fair.parquet'"),
        (["a=good.parquet", "b="], f"{USE} 'b='"),
        (["a=good.parquet", "b=gone.parquet"], GONE),
        (["a=good.parquet", "b=x.csv"], "expected the columns id, label and p_<label>... in x.csv, got id"),
        (
            ["a=good.parquet", "b=fair.parquet", "--posthoc", "tukey"],
            "expected a post-hoc test out of nemenyi, holm, got 'tukey'",
        ),
        (["a=good.parquet", "b=fair.parquet", "--n-train", "0"], "expected --n-train of 1 or more, got 0"),
    ],
)
def test_wrong_use_is_one_line(files, capsys, monkeypatch, words, said):
    monkeypatch.chdir(files)
    (files / "x.csv").write_text("id\n1\n")
    assert main(["compare", *words]) == 2
    assert capsys.readouterr().err == f"mien: {said}\n"


def test_other_images_are_refused_from_python_too(files):
    table = read_predictions(files / "good.parquet")
    with pytest.raises(DataError, match=r"2 only in a \(i0, i1\), 198 in both"):
        mien.compare({"a": table, "b": table.select(slice(2, None))})
    with pytest.raises(UsageError, match="two NAMEs or more"):
        mien.compare({})
