"""`mien bench`: how fast mien is on this machine."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mien.core.errors import MienError, MissingExtraError, UsageError
from mien.core.images import read_image
from mien.core.optional import require
from mien.core.registry import unknown
from mien.core.types import Image
from mien.faces import DETECTORS
from mien.pipeline.recognizer import Recognizer
from mien.runtime.classifier import Classifier
from mien.runtime.preprocess import fit_crops
from mien.verbs.demo import sample
from mien.zoo.store import load_card, load_classifier

KINDS = ("inference", "cold", "training")
BATCH = 64
WIDTH, HEIGHT = 640, 480


@dataclass(frozen=True)
class Measurement:
    """One figure.

    Attributes:
        what: what was measured. value: the median of the runs. unit: such as ``"ms"``. note: on how, if that matters.
    """

    what: str
    value: float
    unit: str
    note: str = ""


@dataclass(frozen=True)
class BenchResult:
    """The figures of a bench, and the machine's processors."""

    kind: str
    measurements: tuple[Measurement, ...]
    processors: int


def bench(
    kind: str = "inference",
    *,
    model: str | os.PathLike[str] = "mien-s",
    repeats: int = 15,
    preset: str | None = None,
    net: str | None = None,
    changes: Sequence[str] = (),
) -> BenchResult:
    """Measure mien on this machine, with medians of several runs.

    Args:
        kind: ``"inference"`` (faces/s of the classifier, time of a photograph in a warm process), ``"cold"`` (from the
            start of a process) or ``"training"`` (a full step of training, on faces that are made up, beside a step on
            a batch that is there already).
        model: which model; not for training.
        repeats: runs of each measurement; fewer where one run takes long.
        preset: recipe of the training; ``"mien-s"`` where neither preset nor net is given.
        net: architecture of the training.
        changes: settings of the training, as of `mien.train`.

    Raises:
        UsageError: the kind is not known, or settings of a training are given for another one.
        MissingExtraError: training needs the extra `train`.

    Example:
        >>> bench("cold").measurements[0].unit  # doctest: +SKIP
        's'
    """
    if kind not in KINDS:
        raise UsageError(unknown("bench", kind, KINDS))
    if kind == "training":
        measured = _training(preset, net, changes, repeats)
    elif preset or net or changes:
        raise UsageError(f"expected settings of a training for `bench training` alone, got them for {kind!r}")
    else:
        measured = _inference(model, repeats) if kind == "inference" else _cold(model, repeats)
    return BenchResult(kind, tuple(measured), os.cpu_count() or 1)


def faces_per_second(classifier: Classifier, *, batch: int = BATCH, repeats: int = 15) -> float:
    """How many face crops a classifier takes in a second, `batch` at a time: the median of `repeats` runs."""
    crops = np.random.default_rng(0).integers(0, 256, (batch, 48, 48), np.uint8)
    crops = fit_crops(crops, classifier.card.input)
    return batch / median_seconds(lambda: classifier.predict(crops, batch=batch), repeats=repeats)


def median_seconds(run: Callable[[], Any], *, repeats: int = 15, warm_up: int = 3) -> float:
    """Median time of a call."""
    for _ in range(warm_up):
        run()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def photograph() -> Image:
    """A 640 x 480 photograph with one face: a bundled sample on a grey ground, at its own size."""
    portrait = read_image(sample("astronaut"))[:HEIGHT]
    canvas = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    left = (WIDTH - portrait.shape[1]) // 2
    canvas[: portrait.shape[0], left : left + portrait.shape[1]] = portrait
    return canvas


def _inference(model: str | os.PathLike[str], repeats: int) -> list[Measurement]:
    card = load_card(model)
    measured = []
    for variant in card.files:
        for threads, note in ((1, "1 thread"), (None, "all threads")):
            rate = faces_per_second(load_classifier(model, threads=threads, variant=variant), repeats=repeats)
            measured.append(Measurement(f"classify, {variant}, batch {BATCH}", rate, "faces/s", note))
    image = photograph()
    for name in DETECTORS:
        try:
            recognizer = Recognizer(model, detector=name)
        except MissingExtraError as error:
            measured.append(Measurement(f"detect, {name}", float("nan"), "ms", str(error)))
            continue
        found = f"{len(recognizer.predict(image))} face(s)"
        detect = 1000 * median_seconds(lambda r=recognizer: r.locate(image), repeats=repeats)  # type: ignore[misc]
        whole = 1000 * median_seconds(lambda r=recognizer: r.predict(image), repeats=repeats)  # type: ignore[misc]
        measured.append(Measurement(f"detect and crop, {name}", detect, "ms", f"{WIDTH}x{HEIGHT}, {found}"))
        measured.append(Measurement(f"predict, {name}", whole, "ms", f"{WIDTH}x{HEIGHT}, {found}, warm"))
    return measured


def _cold(model: str | os.PathLike[str], repeats: int) -> list[Measurement]:
    repeats = min(repeats, 7)
    bare = _process_seconds([sys.executable, "-c", "pass"], repeats)
    importing = _process_seconds([sys.executable, "-c", "import mien"], repeats)
    command = [sys.executable, "-m", "mien.cli", "predict", str(sample("grace_hopper")), "--model", os.fspath(model)]
    predicting = _process_seconds(command, repeats)
    return [
        Measurement("import mien", importing - bare, "s", "over a bare interpreter"),
        Measurement("mien predict photo.jpg", predicting, "s", "from a cold start, mtcnn"),
        Measurement("a bare interpreter", bare, "s"),
    ]


def _training(preset: str | None, net: str | None, changes: Sequence[str], repeats: int) -> list[Measurement]:
    require("lightning", extra="train")
    from mien.training.config import load_config
    from mien.training.speed import measure_steps

    named = [f"net='{net}'"] if net else []
    preset = preset or (None if net else "mien-s")
    config = load_config(preset=preset, changes=[*named, *changes])
    times = measure_steps(config, steps=repeats)
    how = f"{times.device}, {times.precision}" + (f", {times.threads} thread(s)" if times.device == "cpu" else "")
    size = f"batch {times.batch}, {config.input.size} pixels"
    return [
        Measurement(f"step of {preset or net}", 1000 * times.full, "ms", f"{size}, {how}"),
        Measurement("step on a resident batch", 1000 * times.resident, "ms", "in turns with the others"),
        Measurement("making a batch", 1000 * times.data, "ms", "augmented and normalised"),
        Measurement("making a batch / step on a resident batch", 100 * times.data / times.resident, "%"),
        Measurement("full step over step on a resident batch", 100 * times.overhead, "%", "more"),
        Measurement("training", times.batch / times.full, "faces/s"),
    ]


def _process_seconds(command: Sequence[str], repeats: int) -> float:
    def run() -> None:
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise MienError(
                f"expected `{' '.join(command)}` to run, got exit code {done.returncode}: {done.stderr.strip()}"
            )

    return median_seconds(run, repeats=repeats, warm_up=1)
