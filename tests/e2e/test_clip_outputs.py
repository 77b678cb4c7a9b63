"""`mien predict` of clips: what stands beside the table."""

import csv
from pathlib import Path

import pytest
from clips import Shelf, animated

import mien
from mien.cli.app import main
from mien.core.errors import OutputError, UsageError
from mien.core.video import frames


@pytest.fixture(scope="module")
def made(clips: Shelf, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips, looked at once for all tests; the second has no face."""
    folder = tmp_path_factory.mktemp("made")
    words = ["predict", str(clips["crossing"].path), str(clips["nobody"].path), "--out", str(folder / "t.csv")]
    words += ["--every", "5", "--smooth", "--baseline", "2.5-3", "--abstain", "0.5"]
    words += ["--annotate", str(folder / "drawn"), "--report", str(folder / "pages")]
    assert main(words) == 0
    return folder


def test_files(made: Path, clips: Shelf):
    assert sorted(path.name for path in made.iterdir()) == [
        "drawn",
        "pages",
        "t.csv",
        "t.summary.csv",
        "t.transitions.csv",
    ]
    assert sorted(path.name for path in (made / "pages").iterdir()) == [
        "crossing.html",
        "crossing.timeline.png",
        "nobody.html",
        "nobody.timeline.png",
    ]
    for name in ("crossing", "nobody"):
        assert len(list(frames(made / "drawn" / f"{name}.annotated.mp4"))) == len(clips[name])


def test_the_summary_is_that_of_the_table(made: Path, tmp_path: Path):
    again = mien.summarise(made / "t.csv", out=tmp_path / "t.summary.csv")
    for name in ("t.summary.csv", "t.transitions.csv"):
        assert (tmp_path / name).read_text() == (made / name).read_text()
    assert [len(clip.faces) for clip in again.clips] == [2, 0]
    with open(made / "t.summary.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["face_id"] for row in rows] == ["0", "1"]
    assert float(rows[0]["seconds"]) == pytest.approx(2.2, abs=0.4)


def test_raw_values_stand_beside_the_final_ones(made: Path):
    with open(made / "t.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["face_id"]]
    labels = [name.removeprefix("raw_p_") for name in rows[0] if name.startswith("raw_p_")]
    for row in rows:
        for what in ("p_", "raw_p_"):
            assert sum(float(row[what + label]) for label in labels) == pytest.approx(1, abs=1e-4)
    assert any(abs(float(row["p_neutral"]) - float(row["raw_p_neutral"])) > 0.05 for row in rows)


def test_nothing_is_replaced_unasked(made: Path, clips: Shelf):
    clip = str(clips["crossing"].path)
    with pytest.raises(OutputError, match=r"expected no file at .*crossing.annotated.mp4, got one"):
        mien.predict(clip, annotate=made / "drawn")
    with pytest.raises(OutputError, match=r"expected no file at .*crossing.html, got one"):
        mien.predict(clip, report=made / "pages")
    with pytest.raises(OutputError, match=r"expected no file at .*t.summary.csv, got one"):
        mien.predict(clip, out=made / "t.jsonl")


def test_a_face_that_was_not_in_the_stretch_is_named(clips: Shelf):
    result = mien.predict(clips["cut"].path, baseline=(0, 1), every=5)
    assert [line.split(": ")[1] for line in result.notes] == [
        "face 1 not seen from 0 s to 1 s, values kept without a baseline"
    ]


def test_a_clip_that_breaks_off_is_drawn_until_there(clips: Shelf, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    clip = clips["ending_early"].path
    assert main(["predict", str(clip), "--annotate", str(tmp_path), "--report", str(tmp_path), "--every", "5"]) == 1
    assert "is cut off" in capsys.readouterr().err
    drawn = len(list(frames(tmp_path / "ending_early.annotated.mp4")))
    assert 20 < drawn == len(list(frames(clip))) < len(clips["motion"])
    assert (tmp_path / "ending_early.html").exists()


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_animations_are_clips_without_sound(suffix: str, tmp_path: Path):
    clip = animated(tmp_path / f"a{suffix}", seconds=0.5)
    mien.predict(clip.path, annotate=tmp_path / "drawn")
    assert len(list(frames(tmp_path / "drawn" / "a.annotated.mp4"))) == len(clip)


def test_wrong_use(samples: Path, clips: Shelf, tmp_path: Path):
    photograph = samples / "astronaut.jpg"
    with pytest.raises(UsageError, match="expected a clip for --report, got photographs alone"):
        mien.predict(photograph, report=tmp_path / "pages")
    with pytest.raises(UsageError, match="expected photographs alone for --explain, got 1 clips, too"):
        mien.predict(clips["motion"].path, annotate=tmp_path, explain=True)
