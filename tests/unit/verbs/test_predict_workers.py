"""Photographs and clips in worker processes: the same rows and copies, and an error for what no worker survives."""

import subprocess
from pathlib import Path
from typing import Any

import clips as made
import fragile
import pytest
from clips import Shelf
from fragile import DEADLY, ONCE, SLOW, FragileConfig, FragileDrawing

from mien.core.errors import ModelError, UsageError
from mien.pipeline.sources import Contents
from mien.verbs import predict_workers
from mien.verbs.predict import predict
from mien.verbs.predict_config import PredictConfig, Step
from mien.verbs.predict_workers import worker_count


@pytest.mark.parametrize(
    ("contents", "workers", "count"),
    [
        (Contents(1, 0), None, 0),
        (Contents(99, 3), None, 0),
        (Contents(100, 0), None, 6),
        (Contents(0, 4), None, 4),
        (Contents(100_000, 0), None, 6),
        (Contents(100_000, 0), 0, 0),
        (Contents(1, 0), 1, 1),
        (Contents(3, 2), 8, 5),
        (Contents(1000, 0), 40, 40),
    ],
)
def test_few_are_done_here_and_many_by_a_process_a_processor(
    contents: Contents, workers: int | None, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predict_workers, "available_processors", lambda: 6)
    config = PredictConfig(workers=workers)
    assert worker_count(config, contents) == count
    monkeypatch.setattr(predict_workers, "available_processors", lambda: 64)
    assert worker_count(config, contents) == (count if workers else min(contents.photographs // 8 + contents.clips, 32)
                                              if count else 0)  # fmt: skip


def test_a_graphics_card_is_left_to_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict_workers, "on_graphics_card", lambda device: device != "cpu")
    assert worker_count(PredictConfig(), Contents(1000, 0)) == 0
    assert worker_count(PredictConfig(device="cpu"), Contents(1000, 0)) > 0


def test_rows_and_copies_are_the_same(samples: Path, clips: Shelf, tiny_model: Path, tmp_path: Path) -> None:
    """Of photographs, one of them broken and one of an odd name, and of two clips, one of which is none."""
    pictures = [fragile.picture(tmp_path / f"{'x' * k}.png", (k, 9, 9)) for k in range(1, 30)]
    broken = made.text(tmp_path / "broken.jpg")
    sources = [*pictures[:9], clips["cut"].path, broken, *pictures, made.text(tmp_path / "none.mp4"), *pictures[:2]]
    options: dict[str, Any] = {"model": tiny_model, "detector": "none", "every": 5}
    steps: list[Step] = []
    here = predict(sources, out=tmp_path / "here.csv", annotate=tmp_path / "one", **options)
    there = predict(
        sources, out=tmp_path / "there.csv", annotate=tmp_path / "two", workers=2, tell=steps.append, **options
    )
    assert (tmp_path / "here.csv").read_bytes() == (tmp_path / "there.csv").read_bytes()
    assert (here.pictures, here.clips, here.frames, here.faces) == (41, 2, 15, 55)
    assert (there.pictures, there.frames, there.failed) == (41, 15, here.failed) and len(there.failed) == 2
    assert sum(step.done for step in steps) == steps[0].total
    drawn = {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir() if path.suffix == ".jpg"}
    assert drawn == {path.name: path.read_bytes() for path in (tmp_path / "two").iterdir() if path.suffix == ".jpg"}
    assert len(drawn) == 40 and [path.name for path in here.annotated] == [path.name for path in there.annotated]


def test_heat_maps_are_the_same(samples: Path, tiny_model: Path, tmp_path: Path) -> None:
    pictures = [samples / "astronaut.jpg", samples / "grace_hopper.jpg"]
    for folder, workers in (("one", None), ("two", 2)):
        options: dict[str, Any] = {"model": tiny_model, "detector": "haar", "explain": True, "workers": workers}
        assert len(predict(pictures, annotate=tmp_path / folder, **options).annotated) == 2
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_what_a_worker_does_not_survive_is_an_error_row(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One picture brings its process down, one holds it up, and one does so only once, as if somebody had killed it."""
    monkeypatch.setenv(fragile.MARK, str(tmp_path / "mark"))
    colors = {5: DEADLY, 13: ONCE, 21: SLOW}
    pictures = [fragile.picture(tmp_path / f"{k:02}.png", colors.get(k, (k, 9, 9))) for k in range(30)]
    config = FragileConfig(model=tiny_model, workers=2, time_limit=3)
    found = predict(pictures, config)
    assert [row["source"] for row in found.rows] == [str(path) for path in pictures]  # each once, in order
    assert found.failed == {
        str(pictures[5]): f"expected a worker process to live through {pictures[5]}, got one that ended by SIGSEGV: "
        "leave it out, or convert it; if others fail, too, memory may be short",
        str(pictures[21]): f"expected at most 3 s for {pictures[21]}, got more: leave it out, or allow more time",
    }
    assert found.faces == 28 and (tmp_path / "mark").exists()


def of_color(path: Path, color: str) -> Path:
    """A clip of ten frames of one colour."""
    made = ["-f", "lavfi", "-i", f"color={color}:size=64x64:rate=5:duration=2", "-c:v", "png", str(path)]
    subprocess.run(["ffmpeg", "-v", "error", *made], check=True, stdin=subprocess.DEVNULL)
    return path


def test_a_clip_that_is_deadly_is_an_error_row_and_others_are_whole(
    clips: Shelf, tiny_model: Path, tmp_path: Path
) -> None:
    of_color(tmp_path / "red.mov", "red")
    found = predict([tmp_path / "red.mov", clips["nobody"].path], FragileConfig(model=tiny_model, workers=2))
    assert list(found.failed) == [str(tmp_path / "red.mov")]
    assert "expected a worker process to live through" in found.failed[str(tmp_path / "red.mov")]
    assert found.frames == 25


def test_a_clip_that_is_deadly_to_draw_on_is_an_error_row_beside_its_others(tiny_model: Path, tmp_path: Path) -> None:
    """Its frames were seen, so their rows are there; nothing is left of its copy, and other clips have theirs."""
    red, gray = (of_color(tmp_path / f"{color}.mov", color) for color in ("red", "gray"))
    out, drawn = tmp_path / "t.csv", tmp_path / "drawn"
    steps: list[Step] = []
    config = FragileDrawing(model=tiny_model, workers=1, annotate=drawn, out=out)
    found = predict([red, gray], config, tell=steps.append)
    assert found.failed == {
        str(red): f"expected a worker process to live through drawing on {red}, got one that ended by SIGSEGV: leave "
        "it out, or convert it; if others fail, too, memory may be short"
    }
    assert found.frames == 20 and found.clips == 2
    assert found.annotated == (drawn / "gray.annotated.mp4",) and [*drawn.iterdir()] == [*found.annotated]
    frames = [row.split(",")[1] for row in out.read_text("utf-8").splitlines()[1:]]
    assert frames == [*map(str, range(10)), "", *map(str, range(10))]
    assert sum(step.done for step in steps) == 20 + 10 + 3  # what was drawn on counts, too


def test_what_cannot_be_loaded_is_said_before_any_work(tiny_model: Path, samples: Path) -> None:
    with pytest.raises(UsageError, match="^expected a detector out of .*, got 'eyes'"):
        predict([samples], model=tiny_model, detector="eyes", workers=2)
    tiny_model.write_bytes(b"none")
    with pytest.raises(ModelError, match="expected sha256"):
        predict([samples], model=tiny_model, workers=2)
    with pytest.raises(UsageError, match="^expected a time limit above 0 s, got 0$"):
        PredictConfig(time_limit=0)
