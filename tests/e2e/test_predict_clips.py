"""`mien predict` of clips, as a user runs it."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import clips as made
import pytest
from clips import Shelf

from mien.cli.app import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line in an empty folder; gives exit code, stdout, stderr."""
    folder = tmp_path / "hier ü"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def command(*words: object) -> tuple[int, str, str]:
        code = main(["predict", *(str(word) for word in words)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


def read(path: str) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_emotions_over_a_clip(run: Run, clips: Shelf) -> None:
    code, out, err = run(clips["cut"].path, "--fps", 5, "--smooth", "--out", "faces.csv")
    assert (code, out) == (0, "")
    assert "mien: wrote faces.csv: 1 clip of 15 frames, 15 faces" in err
    rows = read("faces.csv")
    assert [row["label"] for row in rows] == ["happiness"] * 8 + ["neutral"] * 7
    assert [row["face_id"] for row in rows] == ["0"] * 8 + ["1"] * 7
    assert [float(row["time_s"]) for row in rows] == [pytest.approx(0.2 * i, abs=1e-5) for i in range(15)]


def test_frames_are_printed_with_their_times(run: Run, clips: Shelf, tiny_model: Path) -> None:
    code, out, err = run(clips["motion"].path, "--every", 30, "--model", tiny_model)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert len(lines) == 4 and " 1.20 s " in lines[2] and "motion.mp4" in lines[2]


def test_bad_clips_get_a_row_each_and_the_others_go_on(run: Run, clips: Shelf, tiny_model: Path) -> None:
    folder = Path("clips")
    folder.mkdir()
    for name, write in made.DAMAGED.items():
        write(folder / f"{name}.mp4")
    made.animated(folder / "wave.gif")
    made.animated(folder / "wave.webp")
    made.still(folder / "still.gif")
    for name in ("nobody", "one_frame", "ending_early"):
        (folder / f"{name}.mp4").write_bytes(clips[name].path.read_bytes())
    (folder / "notes.txt").write_text("x")
    code, out, err = run(folder, "gone.mp4", "--model", tiny_model, "--out", "faces.csv")
    assert (code, out) == (1, "")
    rows: dict[str, list[dict[str, str]]] = {}
    for row in read("faces.csv"):
        rows.setdefault(Path(row["source"]).name, []).append(row)
    failed = {name for name, each in rows.items() if each[-1]["error"]}
    assert failed == {*(f"{name}.mp4" for name in made.DAMAGED), "ending_early.mp4", "gone.mp4"}
    assert list(rows) == [*sorted(set(rows) - {"gone.mp4"}), "gone.mp4"]
    assert all(len(rows[f"{name}.mp4"]) == 1 for name in (*made.DAMAGED, "one_frame"))
    assert rows["one_frame.mp4"][0]["face_id"] == "0"
    assert [row["face_id"] for row in rows["nobody.mp4"]] == [""] * 25
    assert len(rows["ending_early.mp4"]) == 31 and rows["ending_early.mp4"][-1]["frame"] == ""
    assert rows["still.gif"][0]["frame"] == ""
    for name in ("wave.gif", "wave.webp"):
        assert [row["frame"] for row in rows[name]] == [str(i) for i in range(10)]
        assert [row["face_id"] for row in rows[name]] == ["0"] * 10
    for name in failed:
        assert sum(name in line for line in err.splitlines()) == 1
    assert "mien: skipped 1 file that is neither photograph nor clip: 1 .txt\n" in err
    assert err.endswith("mien: 7 inputs out of 12 failed\n")


def test_ctrl_c_says_that_what_is_done_is_kept(
    run: Run, clips: Shelf, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words: list[Any] = [clips["motion"].path, "--model", tiny_model, "--out", "faces.csv", "--every", 10]

    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("mien.runtime.classifier.Classifier.predict", stop)
        assert run(*words) == (
            2, "", "mien: interrupted: faces.csv was not written; what is done is kept: go on with --resume\n",
        )  # fmt: skip
    code, out, err = run(*words)
    assert (code, out) == (2, "") and err.startswith("mien: expected no unfinished work on faces.csv, got ")
    assert run(*words, "--resume")[0] == 0
    assert len(read("faces.csv")) == 8
    assert not [path for path in Path().iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--baseline", "5"], "expected --baseline from one second to another, such as 0-5, got '5'"),
        (["--baseline", "5-2"], "expected a baseline from an earlier to a later second, such as 0-5, got 5-2"),
        (["--smoothing", "best"], "expected a smoothing"),
        (["--every", "0"], "expected every 1st frame or fewer, got --every 0: give 1 or more"),
        (["--every", "2", "--fps", "3"], "expected --every or --fps, got both (2 and 3): leave one out"),
        (["--detect-every", "99"], "expected to look for faces in every 1st to 30th frame, got --detect-every 99"),
        (["--explain", "--annotate", "drawn"], "expected photographs alone for --explain, got 1 clips, too"),
        (["--resume"], "expected --out FILE beside --resume"),
    ],
)
def test_wrong_use_is_one_line(run: Run, clips: Shelf, words: list[str], line: str) -> None:
    code, out, err = run(clips["nobody"].path, *words)
    assert (code, out) == (2, "")
    assert err.startswith("mien: ") and line in err and err.count("\n") == 1, err
