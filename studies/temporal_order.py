"""Can a net of clips learn an order in time that no single frame tells?

Drawn faces of made-up people smile: in half of the clips the smile comes (labelled happiness), in the other half the
same smile goes (labelled sadness). Played backwards, a clip of one class is a clip of the other: a frame by itself, and
any set of frames without their order, is as likely in either. The clips are written as CK+ is distributed, prepared,
and learnt by `cnn-gru` and by what it is without time (`mien ablate --without temporal`), in folds by person.

    python studies/temporal_order.py --out runs/studies/temporal
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

import mien
from mien.core.files import write_csv
from mien.core.images import write_image
from mien.datasets.clips import clips_of
from mien.datasets.parquet import read_table
from mien.evaluation import read_predictions
from mien.evaluation.compared import Comparison
from mien.evaluation.metrics import Estimate, wilson

SIDE, FRAMES = 32, 8
CODES = {"happiness": 5, "sadness": 6}  # as CK+ numbers them
SETTINGS = (
    *(f"input.size={SIDE}", f"start_size={SIDE}", f"input.frames={FRAMES}", "precision='float32'", "threads=1"),
    *("net_options.pooling='last'", "net_options.hidden=32"),
    "net_options.options={widths=[8,16,32],blocks=[1,1,1],stem_stride=2}",
    *("optimizer='adamw'", "learning_rate=0.01", "warmup=0.1", "batch=8", "ema=0.95", "dropout=0", "select='loss'"),
    *("augment.rotation=5", "augment.zoom=0.05", "augment.shift=0.03", "augment.erase=0", "label_smoothing=0"),
)

Frame = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Row:
    """One line of the result: what was asked, of how many clips how many were right, and the accuracy."""

    model: str
    clips: int
    right: int
    accuracy: Estimate


# The clips -----------------------------------------------------------------------------------------------------------


def draw_face(person: int, smile: float, chance: np.random.Generator, place: npt.NDArray[np.float64]) -> Frame:
    """A face of (SIDE, SIDE): the same person with the corners of the mouth raised by `smile` in 0..1, and noise."""
    look = np.random.default_rng(person)
    back, skin, dark = look.integers(20, 90), look.integers(150, 220), look.integers(0, 60)
    width, brow = look.uniform(0.14, 0.2), look.uniform(0.28, 0.34)
    big = 8 * SIDE
    image = np.full((big, big), back, np.uint8)

    def at(x: float, y: float) -> tuple[int, int]:
        return int((x + place[0]) * big), int((y + place[1]) * big)

    cv2.ellipse(image, at(0.5, 0.5), (int(0.36 * big), int(0.46 * big)), 0, 0, 360, int(skin), -1)
    for side in (-1, 1):
        cv2.circle(image, at(0.5 + side * 0.16, 0.42), big // 22, int(dark), -1)
        cv2.line(image, at(0.5 + side * 0.25, brow), at(0.5 + side * 0.08, brow), int(dark), big // 40)
    curve = [at(0.5 + t * width, 0.74 - 0.12 * smile * t * t) for t in np.linspace(-1, 1, 15)]
    cv2.polylines(image, [np.array(curve, np.int32)], False, int(dark), big // 30)
    small = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.clip(small + chance.normal(0, 6, small.shape), 0, 255).astype(np.uint8)


def draw_clips(people: int, clips: int, *, seed: int = 0) -> Iterator[tuple[str, str, list[Frame]]]:
    """Name, label and frames of each clip: as many smiles of each person that come as that go."""
    chance = np.random.default_rng(seed)
    for person in range(people):
        for number in range(clips):
            label = list(CODES)[number % 2]
            smiles = np.linspace(0, 1, FRAMES) if label == "happiness" else np.linspace(1, 0, FRAMES)
            place = chance.uniform(-0.04, 0.04, 2)
            frames = [draw_face(person, smile, chance, place) for smile in smiles.tolist()]
            yield f"S{person:03d}_{number:03d}", label, frames


def write_ckplus(root: Path, people: int, clips: int) -> None:
    """The clips as CK+ is distributed: a folder of pictures a sequence, and a file with its label."""
    for name, label, frames in draw_clips(people, clips):
        subject, sequence = name.split("_")
        pictures, labels = (root / top / subject / sequence for top in ("cohn-kanade-images", "Emotion"))
        pictures.mkdir(parents=True, exist_ok=True)
        labels.mkdir(parents=True, exist_ok=True)
        for number, frame in enumerate(frames, start=1):
            write_image(pictures / f"{name}_{number:08d}.png", frame)
        (labels / f"{name}_{FRAMES:08d}_emotion.txt").write_text(f"   {CODES[label]}.0000000e+00\n", "utf-8")


# What is learnt ------------------------------------------------------------------------------------------------------


def run(out: Path, *, people: int, clips: int, folds: int, epochs: int) -> tuple[Comparison, list[Row]]:
    """The whole study; what is done in `out` already is kept.

    Returns:
        The comparison of `cnn-gru` with what it is without time, and the rows of the result.
    """
    table, ablation = out / "clips.parquet", out / "ablation"
    if not table.exists():
        write_ckplus(out / "ckplus", people, clips)
        mien.prepare(f"ckplus={out / 'ckplus'}", out=table, options={"clips": True}, detector="none", size=SIDE)
    found = mien.ablate(
        str(table),
        net="cnn-gru",
        without=["temporal"],
        folds=folds,
        changes=[*SETTINGS, f"epochs={epochs}"],
        out=ablation,
        resume=any(ablation.glob("*/*/versions.json")),
        tell=lambda row: print(f"{row['run']}, epoch {row['epoch']}: loss {row['valid_loss']:.3f}", flush=True),
    )
    comparison = found.comparisons["ckplus"]
    forwards, unordered = comparison.paired.correct[:, 0]
    backwards = play_backwards(table, [ablation / "full" / f"fold-{fold}" for fold in range(folds)])
    models = {"cnn-gru": forwards, "cnn-mean (the same frames, no order)": unordered, "cnn-gru, backwards": backwards}
    rows = [
        Row(model, len(right), int(right.sum()), wilson(int(right.sum()), len(right)))
        for model, right in models.items()
    ]
    write_csv(out / "temporal_order.csv", _cells(rows))
    return comparison, rows


def play_backwards(table: Path, runs: Sequence[Path]) -> npt.NDArray[np.bool_]:
    """Whether each clip, played backwards to the net that did not learn from it, is given the label that it has."""
    clips = clips_of(read_table(table), FRAMES)
    right = []
    for each in runs:
        of_fold = read_predictions(each / "ckplus" / "float16" / "predictions-test.parquet")
        part = clips.select(np.isin(clips.table.ids, of_fold.ids))
        pictures = np.ascontiguousarray(part.pictures[part.frames[:, ::-1]])
        said = mien.load_classifier(each, variant="float16").predict_clips(pictures).argmax(1)
        right.append(said == part.table.sources["ckplus"].ids)
    return np.concatenate(right)


def _cells(rows: Sequence[Row]) -> Iterator[Sequence[object]]:
    yield ("model", "clips", "right", "accuracy", "low", "high")
    for row in rows:
        figures = (row.accuracy.value, row.accuracy.low, row.accuracy.high)
        yield (row.model, row.clips, row.right, *(f"{each:.4f}" for each in figures))


def main(arguments: Sequence[str] | None = None) -> tuple[Comparison, list[Row]]:
    """Run the study and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="a folder, which is gone on with where it is there")
    for name, default in (("people", 50), ("clips", 8), ("folds", 5), ("epochs", 10)):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"[{default}]")
    options = vars(parser.parse_args(arguments))
    comparison, rows = run(options.pop("out"), **options)
    for row in rows:
        low, high = row.accuracy.low, row.accuracy.high
        print(
            f"{row.model}: {row.right} of {row.clips} clips right, {row.accuracy.value:.1%} ({low:.1%} to {high:.1%})"
        )
    (pair,) = comparison.pairs
    print(pair.sentence)
    mcnemar = next(each.finding for each in pair.tests if each.finding.test == "mcnemar")
    print(f"McNemar's exact test, clip by clip: p = {mcnemar.p:.2g}")
    return comparison, rows


if __name__ == "__main__":
    main()
