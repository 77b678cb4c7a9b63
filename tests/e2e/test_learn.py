"""`mien data prepare`, `mien evaluate` and `mien export`, as a user runs them."""

import json
from pathlib import Path

import numpy as np
import pytest

from mien.cli.app import main

EMOTIONS = 7
VOTES = "neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"


@pytest.fixture
def fer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with FER2013 and FER+ as they are distributed: 28 faces in Training, 28 in PublicTest."""
    pytest.importorskip("pyarrow")
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "fer 2013"
    folder.mkdir()
    rng = np.random.default_rng(0)
    faces, votes = ["emotion,pixels,Usage"], [f"Usage,Image name,{VOTES}"]
    for i in range(56):
        usage = "Training" if i < 28 else "PublicTest"
        pixels = " ".join(map(str, rng.integers(0, 256, 48 * 48)))
        faces.append(f"{i % EMOTIONS},{pixels},{usage}")
        counts = np.zeros(10, int)
        counts[i % EMOTIONS] = 8
        counts[7] = 2
        votes.append(f"{usage},fer{i:07}.png,{','.join(map(str, counts))}")
    (folder / "fer2013.csv").write_text("\n".join(faces) + "\n")
    (folder / "fer2013new.csv").write_text("\n".join(votes) + "\n")
    return folder


def test_prepare_then_evaluate(fer: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "prepare", f"ferplus={fer}", "--out", "t.parquet"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[0].split() == ["train", "valid"]
    assert ["images", "28", "28"] in [line.split() for line in said.out.splitlines()]
    assert "wrote t.parquet" in said.err

    assert main(["data", "prepare", f"ferplus={fer}", "--out", "t.parquet"]) == 2
    assert "t.parquet" in capsys.readouterr().err

    assert main(["evaluate", str(tiny_model), "--data", "t.parquet", "--out", "run"]) == 0
    said = capsys.readouterr()
    assert "accuracy" in said.out
    assert "n = 28" in said.out
    assert "happiness" in said.out
    metrics = json.loads(Path("run/metrics-valid.json").read_text("utf-8"))
    assert metrics["n"] == 28
    assert f"{metrics['accuracy']['value']:.3f}" in said.out

    assert main(["evaluate", str(tiny_model), "--data", "t.parquet", "--head", "fer2013", "--json"]) == 0
    (evaluation,) = json.loads(capsys.readouterr().out)["evaluations"]
    assert evaluation["label_set"] == "fer2013"

    assert main(["evaluate", "run/predictions-valid.parquet", "--json"]) == 0
    (again,) = json.loads(capsys.readouterr().out)["evaluations"]
    assert again["accuracy"] == metrics["accuracy"]

    assert main(["evaluate", str(tiny_model), "--data", "t.parquet", "--split", "test"]) == 2
    assert "train, valid" in capsys.readouterr().err


def test_export_gives_a_model_that_predicts_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, samples: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", "mien-s", "--format", "int8", "--out", "exported"]) == 0
    assert "exported" in capsys.readouterr().err
    (model,) = Path("exported").glob("*.onnx")
    tables = []
    for name in (str(model), "mien-s"):
        assert main(["predict", str(samples / "astronaut.jpg"), "--model", name, "--json"]) == 0
        tables.append(json.loads(capsys.readouterr().out))
    from mien.verbs.models import models

    if models("mien-s").cards["mien-s"].default_file == "int8":
        assert tables[0] == tables[1]
    assert tables[0][0]["label"] == tables[1][0]["label"]
    assert main(["export", "mien-s", "--format", "int8", "--out", "exported"]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main(["export", "mien-s", "--format", "tflite", "--out", "exported"]) == 2
    assert "expected a format out of onnx, int8, got 'tflite'" in capsys.readouterr().err


def test_train_names_what_it_does_not_know(fer: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("lightning")
    words = ["train", "--data", f"ferplus={fer}", "--out", "run"]
    assert main([*words, "--preset", "mien-x"]) == 2
    assert "expected a preset out of" in capsys.readouterr().err
    assert main([*words, "--set", "epoch=3"]) == 2
    assert "did you mean 'epochs'?" in capsys.readouterr().err
    assert main([*words, "--set", "epochs"]) == 2
    assert "expected --set key=value, got 'epochs'" in capsys.readouterr().err
    assert not Path("run").exists()
