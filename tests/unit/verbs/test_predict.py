import math
from pathlib import Path

import pytest

import mien
from mien.core.errors import InputError, UsageError
from mien.verbs.bench import bench
from mien.verbs.demo import sample, samples
from mien.verbs.predict import PredictConfig, Step, predict


def test_the_result_holds_the_rows_if_nobody_else_gets_them(samples: Path, tiny_model: Path, tmp_path: Path) -> None:
    found = predict(samples, model=tiny_model, detector="none")
    assert [Path(row["source"]).stem for row in found.rows] == ["astronaut", "grace_hopper"]
    assert (found.pictures, found.faces, found.failed) == (2, 2, {})
    assert found.skipped == "skipped 1 file that is neither photograph nor clip: 1 .md"
    assert found.label_set.name == "ferplus"
    written = predict(samples, model=tiny_model, detector="none", out=tmp_path / "t.csv")
    assert (written.rows, written.faces, written.out) == ((), 2, tmp_path / "t.csv")


def test_each_picture_is_told_with_the_number_of_all(samples: Path, tiny_model: Path) -> None:
    steps: list[Step] = []
    found = predict([samples, "gone.jpg"], model=tiny_model, detector="none", tell=steps.append)
    assert [(len(step.rows), step.total) for step in steps] == [(1, 3)] * 3
    assert found.rows == ()
    assert list(found.failed) == ["gone.jpg"]


def test_a_config_and_changes_to_it(samples: Path, tiny_model: Path) -> None:
    config = PredictConfig(model=tiny_model, detector="none")
    found = predict(samples / "astronaut.jpg", config, head="fer2013")
    assert found.label_set.name == "fer2013"
    with pytest.raises(TypeError, match="colour"):
        predict(samples, config, colour=True)
    with pytest.raises(UsageError, match="expected 1 thread or more, got 0"):
        PredictConfig(threads=0)


def test_the_only_picture_raises(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(InputError, match="not one"):
        predict(tmp_path / "a.jpg", model=tiny_model, out=tmp_path / "t.csv")
    assert not (tmp_path / "t.csv").exists()


def test_samples_are_public_and_named() -> None:
    assert samples() == ["astronaut", "grace_hopper"]
    assert mien.sample("astronaut").is_file()
    with pytest.raises(UsageError, match="expected a sample out of astronaut, grace_hopper, got 'lena'"):
        sample("lena")


def test_bench_measures_every_weight_file_and_detector(tiny_model: Path) -> None:
    result = bench("inference", model=tiny_model, repeats=1)
    what = [each.what for each in result.measurements]
    assert what[:2] == ["classify, float32, batch 64"] * 2
    assert [f"predict, {name}" in what for name in ("mtcnn", "haar")] == [True, True]
    assert all(each.value > 0 or math.isnan(each.value) for each in result.measurements)
    mtcnn = result.measurements[what.index("predict, mtcnn")]
    assert "1 face(s)" in mtcnn.note
