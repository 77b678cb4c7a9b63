"""Clips and photographs in one table; broken runs that go on; several processes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import clips as made
import pytest
from clips import Shelf

from mien.core.errors import InputError, MissingExtraError, OutputError, UsageError
from mien.pipeline import journal
from mien.verbs import predict as predict_module
from mien.verbs.predict import predict
from mien.verbs.predict_config import PredictConfig, Step

SMALL = {"every": 3, "min_face": 60}


@pytest.fixture
def options(tiny_model: Path) -> dict[str, Any]:
    return {"model": tiny_model, **SMALL}


@pytest.fixture
def album(clips: Shelf, samples: Path, tmp_path: Path) -> list[Path]:
    """A clip, two photographs, a clip that is none, another clip, and a photograph."""
    first, second = samples / "astronaut.jpg", samples / "grace_hopper.jpg"
    return [clips["cut"].path, first, second, made.text(tmp_path / "letter.mp4"), clips["scale"].path, first]


def test_photographs_and_clips_in_one_table(album: list[Path], options: dict[str, Any]) -> None:
    found = predict(album, **options)
    assert (found.pictures, found.clips, found.frames) == (3, 3, 50)
    assert found.faces == sum(row["face_id"] is not None for row in found.rows) > 45
    assert list(found.failed) == [str(album[3])]
    sources = list(dict.fromkeys(Path(row["source"]).name for row in found.rows))
    assert sources == ["cut.mp4", "astronaut.jpg", "grace_hopper.jpg", "letter.mp4", "scale.mp4"]
    labels = found.label_set.labels
    known = ["source", "frame", "time_s", "face_id", "x1", "y1", "x2", "y2", "score"]
    known += [f"p_{label}" for label in labels] + ["label", "error"]
    known += [f"raw_p_{label}" for label in labels] + ["blur", "brightness", "yaw"]
    assert all(list(row) == known for row in found.rows)
    clip = [row for row in found.rows if row["source"].endswith("cut.mp4")]
    assert [row["frame"] for row in clip] == list(range(0, 75, 3))
    assert [row["time_s"] for row in clip] == [pytest.approx(i / 25, abs=1e-5) for i in range(0, 75, 3)]
    assert [row["face_id"] for row in clip] == [0] * 13 + [1] * 12
    assert all(row[f"p_{label}"] == row[f"raw_p_{label}"] for row in clip for label in labels)
    assert all(row["blur"] > 50 and 100 < row["brightness"] < 200 and abs(row["yaw"]) < 20 for row in clip)
    picture = next(row for row in found.rows if row["source"].endswith("astronaut.jpg"))
    assert (picture["frame"], picture["face_id"], picture["blur"], picture["raw_p_fear"]) == (None, 0, None, None)


def test_frames_without_a_face_have_a_row_each(clips: Shelf, options: dict[str, Any]) -> None:
    found = predict(clips["nobody"].path, **options)
    assert [(row["frame"], row["face_id"], row["label"]) for row in found.rows] == [
        (i, None, None) for i in range(0, 25, 3)
    ]
    assert (found.frames, found.faces, found.failed) == (9, 0, {})


def test_abstain_and_steady_values(clips: Shelf, options: dict[str, Any]) -> None:
    found = predict(clips["scale"].path, smooth="exponential", abstain=0.9999, **options)
    assert any(row["p_fear"] != row["raw_p_fear"] for row in found.rows)
    assert {row["label"] for row in found.rows} == {None}


class Stop(Exception):
    """Ends a run, as Ctrl-C does."""


def stopping(after: int) -> Callable[[Step], None]:
    done = 0

    def tell(step: Step) -> None:
        nonlocal done
        done += step.done
        if done >= after:
            raise Stop

    return tell


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.pipeline.video._BLOCK", 5)
    monkeypatch.setattr(journal, "TOGETHER", 2)
    monkeypatch.setattr(predict_module, "TOGETHER", 2)


@pytest.mark.parametrize("stops", [(1,), (12,), (26,), (8, 20, 40), (50,)])
def test_a_broken_run_goes_on_to_the_same_table(
    album: list[Path], options: dict[str, Any], tmp_path: Path, small_parts: None, stops: tuple[int, ...]
) -> None:
    predict(album, out=tmp_path / "whole.csv", **options)
    for stop in stops:
        with pytest.raises(Stop):
            predict(album, out=tmp_path / "t.csv", resume=True, tell=stopping(stop), **options)
        assert not (tmp_path / "t.csv").exists()
    found = predict(album, out=tmp_path / "t.csv", resume=True, **options)
    assert (tmp_path / "t.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert (found.pictures, found.clips, found.frames, len(found.failed)) == (3, 3, 50, 1)
    assert not list(tmp_path.glob(".*"))


def test_many_photographs_go_on_too(samples: Path, tiny_model: Path, tmp_path: Path, small_parts: None) -> None:
    pictures = [samples / f"{name}.jpg" for name in ("astronaut", "grace_hopper")] * 3
    options: dict[str, Any] = {"model": tiny_model, "detector": "none", "annotate": tmp_path / "drawn"}
    with pytest.raises(Stop):
        predict(pictures, out=tmp_path / "t.csv", tell=stopping(5), **options)
    looked: list[Step] = []
    found = predict(pictures, out=tmp_path / "t.csv", resume=True, tell=looked.append, **options)
    assert (found.pictures, len(looked), len(found.annotated)) == (6, 6, 6)
    whole = predict(pictures, **options | {"annotate": None})
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 1 + len(whole.rows)


def test_unfinished_work_is_not_thrown_away_unasked(
    album: list[Path], options: dict[str, Any], tmp_path: Path, small_parts: None
) -> None:
    with pytest.raises(Stop):
        predict(album, out=tmp_path / "t.csv", tell=stopping(20), **options)
    with pytest.raises(OutputError, match=r"expected no unfinished work on .*t.csv, got \d parts of it in .t"):
        predict(album, out=tmp_path / "t.csv", **options)
    with pytest.raises(UsageError, match="expected the same every as in the unfinished work on .*t.csv .3., got 2"):
        predict(album, out=tmp_path / "t.csv", resume=True, **options | {"every": 2})
    found = predict(album, out=tmp_path / "t.csv", overwrite=True, **options | {"every": 25})
    assert found.frames == 6 and not list(tmp_path.glob(".*"))


def test_options_of_the_second_pass_may_change_before_a_run_goes_on(
    clips: Shelf, options: dict[str, Any], tmp_path: Path, small_parts: None
) -> None:
    with pytest.raises(Stop):
        predict(clips["scale"].path, out=tmp_path / "t.csv", tell=stopping(20), **options)
    predict(clips["scale"].path, out=tmp_path / "t.csv", smooth="bayesian", resume=True, **options)
    predict(clips["scale"].path, out=tmp_path / "whole.csv", smooth="bayesian", **options)
    assert (tmp_path / "t.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_several_processes_give_the_same_table(album: list[Path], options: dict[str, Any], tmp_path: Path) -> None:
    steps: list[Step] = []
    predict(album, out=tmp_path / "one.csv", **options)
    found = predict(album, out=tmp_path / "two.csv", workers=2, tell=steps.append, **options)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
    assert sum(step.done for step in steps) == 53 and {step.total for step in steps} == {53}
    assert (found.pictures, found.frames) == (3, 50)


def test_the_only_clip_raises_and_leaves_nothing(tmp_path: Path, options: dict[str, Any]) -> None:
    path = made.without_index(tmp_path / "broken.mp4")
    with pytest.raises(InputError, match=r"expected a video in .*broken.mp4, got one without its index \(moov\)"):
        predict(path, out=tmp_path / "t.csv", **options)
    assert [each.name for each in tmp_path.iterdir() if each.name != "tiny model"] == ["broken.mp4"]


def test_a_clip_that_ends_early_is_rows_and_then_an_error(clips: Shelf, options: dict[str, Any]) -> None:
    found = predict(clips["ending_early"].path, **options)
    *rows, last = found.rows
    assert len(rows) == found.frames == 10 and not any(row["error"] for row in rows)
    assert last["error"] == f"expected a whole clip in {last['source']}, got one that is cut off: copy it again"
    assert found.failed == {last["source"]: last["error"]}


def test_without_scipy_the_extra_is_named_before_any_work(
    clips: Shelf, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(module: str, *, extra: str) -> Iterator[None]:
        raise MissingExtraError(f"expected the package {module!r}, got none installed: [{extra}]")

    monkeypatch.setattr("mien.verbs.predict_outputs.require", missing)
    with pytest.raises(MissingExtraError, match="'scipy.optimize', got none installed: .video."):
        predict(clips["nobody"].path, **options)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"workers": -1}, "expected 0 to 256 workers, got -1"),
        ({"resume": True}, "expected --out FILE beside --resume, for the table that is to be finished, got none"),
        ({"every": 2, "fps": 3}, "expected --every or --fps, got both (2 and 3): leave one out"),
        ({"baseline": (3.0, 1.0)}, "expected a baseline from an earlier to a later second, such as 0-5, got 3-1"),
    ],
)
def test_options_that_cannot_be(changes: dict[str, Any], line: str) -> None:
    with pytest.raises(UsageError) as error:
        PredictConfig(**changes)
    assert str(error.value) == line
