"""Nets of clips and fusions, as a user trains them: what only time, or only two branches together, can tell."""

from pathlib import Path

import numpy as np
import pytest

import mien
from mien.core.labels import LabelSet
from mien.datasets import LabelColumn, Table, write_table

SIDE, FRAMES = 16, 3
DOWN, ACROSS = np.indices((SIDE, SIDE)) // 2 % 2
PATTERNS = (DOWN, ACROSS, (DOWN + ACROSS) % 2)  # stripes, stripes, squares

SETTINGS = [
    *(f"augment.{name}=0" for name in ("flip", "rotation", "zoom", "shift", "brightness", "contrast", "erase")),
    *("input.size=16", "start_size=16", "precision=float32", "threads=1", "optimizer=adamw", "warmup=0.1"),
    *("batch=24", "ema=0.9", "dropout=0", "label_smoothing=0"),
]
SMALL = "{widths=[8,16],blocks=[1,1],stem_stride=2}"
MOTION = [f"input.frames={FRAMES}", "net_options.hidden=16", f"net_options.options={SMALL}"]
BRANCHES = (
    f"net_options.branches={{peak={{net='resnet',options={SMALL}}},"
    f"motion={{net='cnn-gru',input='clip',options={{hidden=16,options={SMALL}}}}}}}"
)


def turning(n: int, *, both: bool = False, valid: int = 100) -> Table:
    """Clips of three patterns in one cyclic order or the other, from any of them on: no single frame tells which.

    With `both`, a dark or bright peak beside each, and as the label whether exactly one of order and peak is so.
    """
    chance = np.random.default_rng(0)
    images, rows = [], []
    for clip in range(n):
        forward, bright = chance.integers(0, 2, 2)
        start = chance.integers(0, 3)
        label = forward ^ bright if both else forward
        for frame in range(FRAMES):
            pattern = PATTERNS[(start + (frame if forward else -frame)) % 3]
            images.append(120 * pattern + chance.integers(0, 80, (SIDE, SIDE)))
            rows.append((f"clip-{clip:03}", frame, label, False))
        if both:
            images.append(120 * bright + chance.integers(0, 80, (SIDE, SIDE)))
            rows.append((f"clip-{clip:03}", FRAMES, label, True))
    clip_ids, frames, labels, key = (np.array(each) for each in zip(*rows, strict=True))
    column = LabelColumn(LabelSet("made", ("forward", "backward")), labels)
    extra = {"clip_id": clip_ids, "frame": frames, "key": key}
    split = np.where(clip_ids < f"clip-{n - valid:03}", "train", "valid")
    ids = np.array([f"{clip}-{frame}" for clip, frame in zip(clip_ids, frames, strict=True)])
    return Table(ids, np.array(images, np.uint8), split, {"made": column}, extra)


@pytest.fixture
def write(tmp_path: Path):
    pytest.importorskip("lightning")
    pytest.importorskip("pyarrow")

    def put(table: Table) -> str:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.parquet"
        write_table(table, path)
        return str(path)

    return put


def accuracy(run) -> float:
    """Of the exported float net on the validation split."""
    (found,) = (each for each in run.figures if each["metric"] == "accuracy" and each["file"] == "float16")
    return found["value"]


def test_an_order_in_time_is_learnt_by_a_net_of_clips_alone(write, tmp_path: Path) -> None:
    table = turning(400)
    data = write(table)
    settings = [*SETTINGS, "learning_rate=0.01"]
    run = mien.train(data, net="cnn-gru", changes=[*settings, *MOTION, "epochs=5"], out=tmp_path / "clips")
    assert accuracy(run) > 0.9
    single = mien.train(
        data, net="resnet", changes=[*settings, f"net_options={SMALL}", "epochs=3"], out=tmp_path / "single"
    )
    assert accuracy(single) < 0.65  # 57 of the 100 clips have one label

    result = mien.evaluate(run.run, data=data, errors=True, out=tmp_path / "wrong")
    (evaluation,), (errors,) = result.evaluations, result.errors.values()
    assert evaluation.n == len(errors) == 100  # shown by their peaks
    assert evaluation.predictions.ids.tolist() == [f"clip-{clip}" for clip in range(300, 400)]
    classifier = mien.load_classifier(run.run)
    valid = table.of_split("valid").images.reshape(100, FRAMES, SIDE, SIDE)
    np.testing.assert_allclose(classifier.predict_clips(valid), evaluation.predictions.probabilities, atol=1e-5)
    backwards = classifier.predict_clips(np.ascontiguousarray(valid[:, ::-1]))
    assert (backwards.argmax(1) != evaluation.predictions.probabilities.argmax(1)).mean() > 0.8


def test_a_label_that_needs_both_branches_is_learnt_by_fusion_alone(write, tmp_path: Path) -> None:
    table = turning(480, both=True)
    data, peaks = write(table), write(table.select(table.extra["key"]))
    settings = [*SETTINGS, "learning_rate=0.03", "epochs=5"]
    fusion = mien.train(
        data,
        net="fusion",
        changes=[*settings, f"input.frames={FRAMES}", "net_options.width=64", BRANCHES],
        out=tmp_path / "fusion",
    )
    motion = mien.train(data, net="cnn-gru", changes=[*settings, *MOTION], out=tmp_path / "motion")
    peak = mien.train(peaks, net="resnet", changes=[*settings, f"net_options={SMALL}"], out=tmp_path / "peak")
    assert accuracy(fusion) > max(accuracy(motion), accuracy(peak)) + 0.2
