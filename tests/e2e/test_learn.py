"""`mien data prepare`, `mien evaluate` and `mien export`, as a user runs them."""

import json
from pathlib import Path

import numpy as np
import pytest

from mien.cli.app import main
from mien.core.labels import LabelSet
from mien.datasets import LabelColumn, Table, open_data, write_table
from mien.datasets.subsets import carve_valid
from mien.evaluation import read_predictions

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
    assert "expected a format out of onnx, int8, web, got 'tflite'" in capsys.readouterr().err


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


OWN = LabelSet("labels", ("calm", "cheerful", "cross"))
SMALL = ["batch=8", "net_options.widths=[8]", "net_options.blocks=[1]", "threads=1", "input.size=24", "start_size=24"]


@pytest.fixture
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """`mien train` on 48 faces of six people, all in train: the words but for --out."""
    pytest.importorskip("lightning")
    monkeypatch.chdir(tmp_path)
    rng, n = np.random.default_rng(0), 48
    ids = (np.arange(n) // 6 % 3).astype(np.int16)
    images = rng.integers(0, 90, (n, 24, 24), dtype=np.uint8)
    for image, kind in zip(images, ids.tolist(), strict=True):
        image[8 * kind : 8 * kind + 8] += 120
    table = Table(
        np.array([f"own-{k:02d}" for k in range(n)]),
        images,
        np.full(n, "train"),
        {"labels": LabelColumn(OWN, ids)},
        {"subject": np.array([f"s{k % 6}" for k in range(n)])},
    )
    write_table(table, tmp_path / "people.parquet")
    return ["train", "--data", "people.parquet", *(word for change in SMALL for word in ("--set", change))]


@pytest.mark.slow
def test_folds_go_on_where_they_stopped_and_are_summed_up(
    people: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*people, "--set", "epochs=2", "--folds", "2", "--out", "runs"]
    assert main([*words, "--max-minutes", "0.0001"]) == 0
    said = capsys.readouterr()
    assert "not finished: go on with --resume" in said.err
    assert said.out.count("run fold-0  epoch") == 1
    assert main(words) == 2
    assert "expected a new folder, got runs that holds fold-0: use --resume" in capsys.readouterr().err
    assert main([*words, "--resume"]) == 0
    said = capsys.readouterr()
    assert [said.out.count(f"run fold-{k}  epoch") for k in (0, 1)] == [1, 2]
    assert "labels: test, 2 of 2 runs" in said.out
    assert "trained 4 epochs of 2 runs in runs" in said.err

    summary = json.loads(Path("runs/summary.json").read_text("utf-8"))
    assert (summary["runs"], summary["finished"], summary["split"]) == (["fold-0", "fold-1"], True, "test")
    accuracy = summary["heads"]["labels"]["accuracy"]
    parts = [json.loads(Path(f"runs/fold-{k}/labels/metrics-test.json").read_text("utf-8")) for k in (0, 1)]
    values = [each["accuracy"]["value"] for each in parts]
    assert accuracy["mean"] == pytest.approx(sum(values) / 2)
    assert (accuracy["min"], accuracy["max"], accuracy["n"]) == (min(values), max(values), 2)
    assert Path("runs/summary.csv").read_text("utf-8").splitlines()[0].startswith("head,run,n,accuracy,macro_f1")

    pooled = read_predictions("runs/labels/predictions-test.parquet")
    assert sorted(pooled.ids.tolist()) == [f"own-{k:02d}" for k in range(48)]
    hits = (pooled.probabilities.argmax(1) == pooled.label_ids).mean()
    assert summary["pooled"]["labels"]["accuracy"]["value"] == pytest.approx(hits)
    for k in (0, 1):
        valid = read_predictions(f"runs/fold-{k}/labels/predictions-valid.parquet")
        test = read_predictions(f"runs/fold-{k}/labels/predictions-test.parquet")
        assert not set(valid.subject.tolist()) & set(test.subject.tolist())
        assert {"curves.png", "curves.svg"} <= {each.name for each in Path(f"runs/fold-{k}/figures").iterdir()}

    assert main([*words, "--resume"]) == 0  # nothing is left to do
    said = capsys.readouterr()
    assert "epoch 0" not in said.out and "labels: test, 2 of 2 runs" in said.out
    assert json.loads(Path("runs/summary.json").read_text("utf-8")) == summary


@pytest.mark.slow
def test_seeds_differ_and_only_in_the_seed(people: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    write_table(carve_valid(open_data("people.parquet"), "labels", 0.3, group="subject"), Path("s.parquet"))
    words = ["s.parquet" if word == "people.parquet" else word for word in people]
    assert main([*words, "--set", "epochs=1", "--set", "seed=4", "--seeds", "2", "--out", "runs", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["summary"]["runs"] == ["seed-4", "seed-5"]
    assert result["summary"]["split"] == "valid" and "pooled" not in result["summary"]
    versions = [json.loads(Path(f"runs/seed-{k}/versions.json").read_text("utf-8")) for k in (4, 5)]
    assert [each["seed"] for each in versions] == [4, 5]
    assert versions[0]["data"] == versions[1]["data"]
    losses = [Path(f"runs/seed-{k}/metrics.csv").read_text("utf-8").splitlines()[1].split(",")[3] for k in (4, 5)]
    assert losses[0] != losses[1]


def test_what_folds_and_seeds_cannot_be_is_said(people: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    for options, said in {
        ("--folds", "2", "--seeds", "2"): "expected --folds or --seeds, got both",
        ("--folds", "many"): "expected --folds of 2 or more, or loso, got 'many'",
        ("--folds", "7"): "fewer",
        ("--seeds", "0"): "expected --seeds of 1 or more, got 0",
        ("--group", "subject"): "expected --folds with --group, got none",
        ("--folds", "2", "--group", "actor"): "expected the column 'actor' to group by, got subject",
        ("--seeds", "2", "--resume"): "expected runs to resume in runs, got none",
    }.items():
        assert main([*people, *options, "--out", "runs"]) == 2
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1
    assert not Path("runs").exists()


def test_what_a_training_cannot_be_is_said_in_one_line(people: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    for options, said in {
        ("--max-minutes", "0"): "expected --max-minutes above 0, got 0",
        ("--max-minutes", "nan"): "expected --max-minutes above 0, got nan",
        ("--set", "net_options.widths=[8.5]"): "expected options that the net 'resnet' takes, got",
        ("--set", "net_options.stem_stride=0"): "expected stem_kernel and stem_stride of 1 or more, got 3 and 0",
        ("--set", "about.title=3"): "expected text as about.title, got 3",
    }.items():
        assert main([*people, *options, "--folds", "2", "--out", "run"]) == 2
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1
    assert not Path("run").exists()


def test_data_beyond_memory_are_said_in_one_line(
    people: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import mien.training.streamed

    def placed(*_: object) -> None:
        np.empty(2**50)

    monkeypatch.setattr(mien.training.streamed, "placed", placed)
    assert main([*people, "--out", "run"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("mien: expected more memory than there is, got: Unable to allocate 8.00 PiB")
    assert error.count("\n") == 1
    with pytest.raises(MemoryError):
        main(["--debug", *people, "--out", "run"])


def test_notes_are_said_once_and_before_the_first_epoch(people: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import mien.cli.training
    import mien.training.fit

    said: list[str] = []
    monkeypatch.setattr(mien.cli.training, "note", said.append)

    def stop(trainer, module, checkpoint):  # type: ignore[no-untyped-def]
        raise KeyboardInterrupt

    monkeypatch.setattr(mien.training.fit, "_train", stop)
    assert main([*people, "--set", "batch=400", "--folds", "2", "--out", "runs"]) == 2
    assert len(said) == 1 and "a batch of 400 is larger than" in said[0]


def test_ctrl_c_says_how_to_go_on(people: list[str], capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    import mien.training.fit

    def stop(trainer, module, checkpoint):
        raise KeyboardInterrupt

    monkeypatch.setattr(mien.training.fit, "_train", stop)
    assert main([*people, "--folds", "2", "--out", "runs"]) == 2
    assert capsys.readouterr().err == "mien: interrupted: go on with --resume from the last finished epoch in runs\n"
