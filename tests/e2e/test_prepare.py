"""`mien data prepare`, as a user runs it: what it prints, what it leaves behind, and its exit codes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mien.cli.app import main
from mien.core.images import write_image

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    pytest.importorskip("pyarrow")
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, str, str]:
        code = main(["data", "prepare", *words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """A folder a class, 30 faces; 25 of them are no pictures."""
    for k in range(30):
        path = tmp_path / "faces" / ("happy", "sad")[k % 2] / f"{k:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if k < 5:
            write_image(path, np.random.default_rng(k).integers(0, 256, (24, 24), np.uint8))
        else:
            path.write_bytes(b"no picture")
    return tmp_path / "faces"


def test_failures_are_named_and_the_rest_is_there(run: Run, faces: Path) -> None:
    code, out, err = run(f"folder={faces}", "--out", "t.parquet", "--gray")
    assert code == 1
    assert ["images", "5"] in [line.split() for line in out.splitlines()]
    lines = err.splitlines()
    assert sum("bytes that are not one" in line for line in lines) == 20
    assert "mien: and 5 more: the column error of the table names them all" in lines
    assert "mien: 25 of the pictures gave no face; their rows have no image" in lines
    assert lines[-1].startswith("mien: wrote t.parquet (sha256 ")

    code, out, err = run(f"folder={faces}", "--out", "u.parquet", "--rgb", "--json")
    result = json.loads(out)
    assert code == 1 and len(result["failed"]) == 25 and result["faces"] == {"train": 5} and len(result["mean"]) == 3


def test_photographs(run: Run, samples: Path, tmp_path: Path) -> None:
    shutil.copytree(
        samples, tmp_path / "people" / "happy", ignore=shutil.ignore_patterns("*.md", "*.py", "__pycache__")
    )
    words = [f"folder={tmp_path / 'people'}", "--set", "faces=false", "--detector", "haar", "--size", "48", "--gray"]
    code, out, _ = run(*words, "--out", "t.parquet", "--json")
    assert code == 0 and json.loads(out)["faces"] == {"train": 2}
    from mien.datasets import read_table

    assert read_table(tmp_path / "t.parquet").images.shape == (2, 48, 48)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["folder=faces", "--out", "t.csv"], "expected a table's name to end in .parquet, got t.csv"),
        (["folder=nowhere", "--out", "t.parquet"], "nowhere"),
        (["faces", "--out", "t.parquet"], "expected NAME=FOLDER with a NAME out of"),
        (["folder=faces", "--out", "faces/happy/00.png/t.parquet"], "expected to write into faces/happy/00.png"),
        (["folder=faces", "--out", "t.parquet", "--set", "gray"], "expected --set key=value, got 'gray'"),
        (["folder=faces", "--out", "t.parquet", "--splits", "train,dev"], "expected a split out of train, valid, test"),
        (["folder=faces", "--out", "t.parquet", "--splits", "test"], "got train only"),
        (["folder=faces", "--out", "t.parquet", "--detector", "yolo"], "expected a detector out of"),
        (["folder=faces", "--out", "t.parquet", "--size", "0"], "expected a size of 8 to 4096 pixels, got 0"),
        (["folder=faces", "--out", "t.parquet", "--label-map", "none.toml"], "none.toml"),
        (["--out", "t.parquet"], "Missing argument"),
    ],
)
def test_wrong_use_is_one_line(run: Run, faces: Path, words: list[str], message: str) -> None:
    code, out, err = run(*words)
    assert code == 2 and out == ""
    assert message in err and len(err.splitlines()) == 1
    assert sorted(each.name for each in Path().iterdir()) == ["faces"]


def test_broken_off_and_resumed(run: Run, faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mien.pipeline import cut
    from mien.pipeline import prepare as pipeline

    monkeypatch.setattr(pipeline, "PART", 4)
    monkeypatch.setattr(pipeline, "_JOB", 2)
    words = [f"folder={faces}", "--out", "t.parquet", "--gray"]
    make_row, made = cut.FaceMaker.row, []

    def stops(self: cut.FaceMaker, data: object, row: int) -> cut.Row:
        made.append(row)
        if row == 18:
            raise KeyboardInterrupt
        return make_row(self, data, row)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(cut.FaceMaker, "row", stops)
        code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert err == "mien: interrupted: t.parquet is not written; what is done is kept: go on with --resume\n"
    assert Path(".t.parquet.parts").is_dir() and not Path("t.parquet").exists()

    code, _, err = run(*words)
    assert code == 2 and len(err.splitlines()) == 1
    assert "go on with --resume, or start anew with --overwrite" in err
    code, _, err = run(*words, "--size", "48", "--resume")
    assert code == 2 and "expected the same size as in the unfinished work on t.parquet (None), got 48" in err

    made.clear()
    monkeypatch.setattr(cut.FaceMaker, "row", lambda self, data, row: (made.append(row), make_row(self, data, row))[1])
    assert run(*words, "--resume")[0] == 1
    assert sorted(made) == list(range(16, 30))
    assert not Path(".t.parquet.parts").exists()
    assert run(f"folder={faces}", "--out", "u.parquet", "--gray")[0] == 1
    assert Path("t.parquet").read_bytes() == Path("u.parquet").read_bytes()

    code, _, err = run(*words, "--resume")
    assert code == 2 and "expected no file at t.parquet, got one" in err


def test_help_shows_examples(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0 and "mien data prepare ferplus=data/fer2013 --out ferplus.parquet" in out
