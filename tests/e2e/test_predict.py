"""`mien predict`, `mien demo` and `mien models`, as a user runs them."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mien
from mien.cli.app import main
from mien.core.images import read_image


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "hier ü"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def mean_change(image: Path, drawn: Path) -> float:
    before, after = read_image(image), read_image(drawn)
    factor = len(after) // len(before)
    return float(abs(after[::factor, ::factor].astype(int) - before).mean())


def test_a_photograph_as_a_table(
    here: Path, samples: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(samples / "grace_hopper.jpg"), "--model", str(tiny_model)]) == 0
    said = capsys.readouterr()
    header, row = said.out.splitlines()
    assert header.split()[:2] == ["picture", "face"]
    assert "grace_hopper.jpg" in row
    assert any(label in row for label in ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear"))
    assert said.err == ""


@pytest.mark.parametrize("suffix", [".csv", ".json", ".jsonl", ".parquet"])
def test_out_holds_the_columns_of_the_contract(here: Path, samples: Path, tiny_model: Path, suffix: str) -> None:
    words = ["predict", str(samples), "--model", str(tiny_model), "--detector", "none", "--out", f"größe{suffix}"]
    assert main(words) == 0
    path = here / f"größe{suffix}"
    if suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            rows: list[dict[str, object]] = list(csv.DictReader(file))
    elif suffix == ".json":
        rows = json.loads(path.read_text("utf-8"))
    elif suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    else:
        rows = pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist()
    assert list(rows[0]) == [
        "source",
        "frame",
        "time_s",
        "face_id",
        "x1",
        "y1",
        "x2",
        "y2",
        "score",
        "p_neutral",
        "p_happiness",
        "p_surprise",
        "p_sadness",
        "p_anger",
        "p_disgust",
        "p_fear",
        "p_contempt",
        "label",
        "error",
    ]
    assert [Path(str(row["source"])).name for row in rows] == ["astronaut.jpg", "grace_hopper.jpg"]
    assert [float(str(row["x2"])) for row in rows] == [512, 512]


def test_annotated_copies_of_two_sources_of_one_name(here: Path, samples: Path, tiny_model: Path) -> None:
    for folder in ("a", "b"):
        (here / folder).mkdir()
        (here / folder / "Bild ü.jpg").write_bytes((samples / "astronaut.jpg").read_bytes())
    assert main(["predict", "a", "b", "--model", str(tiny_model), "--annotate", "drawn"]) == 0
    drawn = sorted(path.name for path in Path("drawn").iterdir())
    assert drawn == ["Bild ü-2.annotated.jpg", "Bild ü.annotated.jpg"]
    assert mean_change(Path("a/Bild ü.jpg"), Path("drawn") / drawn[1]) > 1
    assert main(["predict", "a", "b", "--model", str(tiny_model), "--annotate", "drawn", "--overwrite"]) == 0
    assert len(list(Path("drawn").iterdir())) == 2


def test_a_folder_is_not_fed_its_own_annotated_copies(here: Path, samples: Path, tiny_model: Path) -> None:
    (here / "a.jpg").write_bytes((samples / "astronaut.jpg").read_bytes())
    for _ in range(2):
        assert main(["predict", ".", "--model", str(tiny_model), "--annotate", ".", "--overwrite"]) == 0
    assert sorted(path.name for path in here.iterdir()) == ["a.annotated.jpg", "a.jpg"]


def test_a_table_may_grow_in_the_folder_that_is_read(
    here: Path, samples: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "a.jpg").write_bytes((samples / "astronaut.jpg").read_bytes())
    assert main(["predict", ".", "--model", str(tiny_model), "--out", "faces.csv"]) == 0
    assert "skipped" not in capsys.readouterr().err


def test_no_face_is_a_row_and_no_failure(here: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from mien.core.images import write_image

    write_image(here / "black.png", read_image(mien.sample("astronaut")) * 0)
    assert main(["predict", "black.png", "--model", str(tiny_model), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["face_id"] is None
    assert row["error"] is None
    assert main(["predict", "black.png", "--model", str(tiny_model), "--annotate", "drawn"]) == 0
    assert "no face" in capsys.readouterr().out
    assert Path("drawn/black.annotated.jpg").exists()


def test_abstain(here: Path, samples: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["predict", str(samples / "astronaut.jpg"), "--model", str(tiny_model), "--detector", "none"]
    assert main([*words, "--json", "--abstain", "1"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["label"] is None
    assert row["p_neutral"] is not None


def test_demo_says_what_a_person_sees(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 3
    assert sorted(path.name for path in Path("demo").iterdir()) == [
        "astronaut.annotated.jpg",
        "grace_hopper.annotated.jpg",
    ]
    for name in ("grace_hopper", "astronaut"):
        assert mean_change(mien.sample(name), Path("demo") / f"{name}.annotated.jpg") > 1
    assert main(["demo", "--json"]) == 0, "it can be run again"
    boxes = {Path(row["source"]).stem: row for row in json.loads(capsys.readouterr().out)}
    assert boxes["astronaut"]["label"] == "happiness"
    assert boxes["grace_hopper"]["label"] in ("neutral", "happiness"), "a closed mouth, perhaps a smile"
    eyes = {"grace_hopper": (262, 190), "astronaut": (224, 108)}  # a point between the eyes
    for name, (x, y) in eyes.items():
        assert boxes[name]["x1"] < x < boxes[name]["x2"]
        assert boxes[name]["y1"] < y < boxes[name]["y2"]


def test_models(here: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "show", str(tiny_model)]) == 0
    assert "neutral, happiness, surprise" in capsys.readouterr().out
    assert main(["models", "list"]) == 0
    assert "mien-s" in capsys.readouterr().out
    assert main(["models", "list", "--json"]) == 0
    assert "mien-s" in [card["name"] for card in json.loads(capsys.readouterr().out)]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["predict"],
        ["demo"],
        ["models"],
        ["models", "list"],
        ["models", "show"],
        ["models", "nets"],
        ["data"],
        ["data", "prepare"],
        ["train"],
        ["evaluate"],
        ["export"],
        ["bench"],
    ],
    ids=" ".join,
)
def test_every_verb_has_help_with_an_example(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--help"]) == 0
    text = capsys.readouterr().out
    assert "Usage: mien" in text
    if words not in ([], ["models"], ["data"]):
        assert f"\n    mien {' '.join(words)} " in text or f"\n    mien {' '.join(words)}\n" in text


def test_version_and_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"mien {mien.__version__}\n"
    assert main([]) == 2
    assert "Commands:" in capsys.readouterr().out


def test_predict_as_a_process_from_any_terminal(samples: Path, tiny_model: Path, tmp_path: Path) -> None:
    name = tmp_path / "Größe 写真.jpg"
    name.write_bytes((samples / "astronaut.jpg").read_bytes())
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "mien.cli", "predict", str(name), "--model", str(tiny_model)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_predict_imports_no_more_than_it_needs(samples: Path, tiny_model: Path) -> None:
    words = ["predict", str(samples / "astronaut.jpg"), "--model", str(tiny_model)]
    code = f"import sys; from mien.cli.app import main; main({words!r}); print(sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "pandas", "pyarrow", "scipy", "matplotlib", "rich", "dlib", "onnx", "mien.training"}
    assert not [name for name in heavy if f"'{name}'" in done.stderr]
