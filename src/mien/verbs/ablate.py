"""`mien ablate`: a training and the same without one part of it at a time, compared on the same images."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.core.errors import OutputError, TrainingError, UsageError
from mien.core.files import replacing, write_csv
from mien.core.optional import require
from mien.datasets.lists import apply_lists, as_paths
from mien.datasets.table import Table
from mien.evaluation import PredictionTable, read_predictions
from mien.evaluation.compared import Comparison
from mien.evaluation.comparison import compare_predictions
from mien.verbs.evaluate import evaluate
from mien.verbs.train import Data, Note, Part, Tell, open_all, settings_of, train, trainings_of

if TYPE_CHECKING:
    from mien.experiments.ablated import Row
    from mien.training.config import TrainConfig

NAME = "ablation"
# The weights as they were learnt: the rounding of int8 files would be compared, too, where one variant has such a file
# as its default and another has not.
WEIGHTS = "float16"


@dataclass(frozen=True)
class AblateResult:
    """What an ablation found.

    Attributes:
        out: its folder.
        finished: whether all trainings went through; until then there is no table.
        variants: in words, the whole training first. through: those of them that are trained.
        rows: the table. comparisons: label source -> all tests.
        files: those written.
    """

    out: Path
    finished: bool
    variants: tuple[str, ...]
    through: tuple[str, ...]
    rows: tuple["Row", ...] = ()
    comparisons: Mapping[str, Comparison] = field(default_factory=dict)
    files: tuple[Path, ...] = ()

    @property
    def sentences(self) -> tuple[str, ...]:
        """What follows, in words: a sentence a label source and variant."""
        return tuple(sentence for found in self.comparisons.values() for sentence in found.sentences)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "finished": self.finished,
            "variants": list(self.variants),
            "through": list(self.through),
            "table": [row.to_dict() for row in self.rows],
            "heads": {head: found.to_dict() for head, found in self.comparisons.items()},
        }


def ablate(
    data: Data | Sequence[Data],
    *,
    out: str | Path,
    without: Sequence[str] = (),
    seeds: int | None = None,
    folds: int | str | None = None,
    group: str | None = None,
    net: str | None = None,
    preset: str | None = None,
    config: "str | Path | TrainConfig | None" = None,
    changes: Sequence[str] = (),
    drop: str | Path | Sequence[str | Path] | None = None,
    relabel: str | Path | Sequence[str | Path] | None = None,
    device: str = "auto",
    resume: bool = False,
    max_minutes: float | None = None,
    tell: Tell = lambda row: None,
    note: Note = lambda line: None,
) -> AblateResult:
    """Train a model, and again without one of its parts at a time; say by how much each part helps.

    Each variant is trained with the same seeds, or on the same folds, and compared with the whole training on the same
    images: with seeds on `valid`, with folds each on what it did not see.

    Args:
        data: as `train` takes it, and so `net`, `preset`, `config`, `changes`, `drop`, `relabel`, `group`, `device`.
        out: a folder: `out/full/seed-0` and so on are runs, `ablation.csv`, `.json`, `.png` and `.svg` the result.
        without: names out of `mien.experiments.ablation.PARTS`; all that this training has if empty.
        seeds: how many.
        folds: how many, or ``"loso"``, instead of seeds.
        group: see `train`.
        net: see `train`.
        preset: see `train`.
        config: see `train`.
        changes: see `train`.
        drop: see `train`.
        relabel: see `train`.
        device: see `train`.
        resume: go on with the ablation in `out`; what is trained is kept.
        max_minutes: stop at an epoch boundary before this time, over all trainings.
        tell: called with a dict of figures after each epoch; its `run` names variant and seed or fold.
        note: called with each note as soon as it is known.

    Raises:
        UsageError: a part that cannot be taken away (with what can be), or neither seeds nor folds.
        DataError, OutputError, TrainingError: as `train` raises them.
        MissingExtraError: the extra `train` or `report` is not installed.

    Example:
        >>> mien.ablate("ferplus=data/", net="resnet-cbam", seeds=3, out="runs/cbam").sentences  # doctest: +SKIP
        ('full is 1.2 points better than without attention on the same 3,199 images (mean of 3 seeds), ...', ...)
    """
    require("lightning", extra="train")
    require("matplotlib", extra="report")
    from mien.experiments.ablation import choose_parts, variants
    from mien.training.data import choose_heads
    from mien.training.processes import started

    if started().world > 1:
        raise UsageError(f"expected one process, got {started().world}: start an ablation without torchrun")
    if seeds is None and folds is None:
        raise UsageError("expected --seeds K or --folds K, got neither: --seeds 3 is a beginning")
    out = Path(out)
    _check_out(out, resume=resume)
    settings = settings_of(net=net, preset=preset, config=config, changes=changes, device=device)
    table = open_all(data)
    seen = apply_lists(table, drop=as_paths(drop), relabel=as_paths(relabel)).table
    heads = choose_heads(seen, settings.heads)
    parts = choose_parts(settings, without, votes=_has_votes(seen, heads))
    chosen = variants(settings, parts)
    how: dict[str, Any] = {"seeds": seeds, "folds": folds, "group": group}
    clock = _Clock(max_minutes)
    predicted: dict[str, dict[str, list[PredictionTable]]] = {}  # by variant and head
    for variant in chosen:
        if clock.is_up:
            break
        folder = out / variant.name
        result = train(
            table,
            config=variant.config,
            out=folder,
            drop=drop,
            relabel=relabel,
            resume=_is_begun(folder),
            max_minutes=clock.left,
            tell=clock.telling(tell, variant.name),
            note=note,
            **how,
        )
        if not result.finished:
            break
        trainings = trainings_of(seen, variant.config, **how)
        of_runs = [_predict(folder / part.name, part, heads, trainings.split) for part in trainings.each]
        predicted[variant.title] = {head: [each[head] for each in of_runs] for head in heads}
    names = tuple(each.title for each in chosen)
    if len(predicted) < len(chosen):
        return AblateResult(out, False, names, tuple(predicted))
    return _compare(out, predicted, valid_share=settings.valid_share)


class _Clock:
    """How much time is left; always enough for an epoch, so that each call brings an ablation further."""

    def __init__(self, minutes: float | None) -> None:
        self._ends = None if minutes is None else time.monotonic() + 60 * minutes
        self._trained = False

    @property
    def left(self) -> float | None:
        """Minutes, of which there are always some; None: as many as it takes."""
        return None if self._ends is None else max((self._ends - time.monotonic()) / 60, 1e-6)

    @property
    def is_up(self) -> bool:
        """Whether nothing more is to be begun."""
        return self._trained and self._ends is not None and time.monotonic() >= self._ends

    def telling(self, tell: Tell, variant: str) -> Tell:
        """`tell`, with the variant before the name of the run; an epoch was trained when it is called."""

        def told(row: dict[str, Any]) -> None:
            self._trained = True
            tell({**row, "run": f"{variant}/{row['run']}"})

        return told


def _check_out(out: Path, *, resume: bool) -> None:
    if out.exists() and not out.is_dir():
        raise OutputError(f"expected a folder for an ablation, got the file {out}: choose another --out")
    begun = sorted(each.name for each in out.iterdir() if _is_begun(each)) if out.exists() else []
    if begun and not resume:
        raise OutputError(f"expected a new folder, got {out} that holds {begun[0]}: use --resume or another --out")
    if resume and not begun:
        raise TrainingError(f"expected an ablation to resume in {out}, got none: check --out, or leave out --resume")


def _is_begun(folder: Path) -> bool:
    """Whether a variant's folder holds runs."""
    return any(folder.glob("*/versions.json"))


def _has_votes(table: Table, heads: Sequence[str]) -> bool:
    """Whether there are label distributions to learn."""
    soft = [table.sources[head].soft for head in heads]
    return any(each is not None and bool(np.isfinite(each[table.split != "test"]).all(1).any()) for each in soft)


def _predict(run: Path, part: Part, heads: Sequence[str], split: str) -> dict[str, PredictionTable]:
    """What each head of a run says of the images of a split; kept in its folder."""
    tables = {}
    for head in heads:
        kept = run / head / WEIGHTS
        if not (kept / f"metrics-{split}.json").exists():  # which is written after the predictions
            evaluate(run, data=part.table, split=split, head=head, variant=WEIGHTS, out=kept, overwrite=True)
        tables[head] = read_predictions(kept / f"predictions-{split}.parquet")
    return tables


def _compare(
    out: Path, predicted: Mapping[str, Mapping[str, Sequence[PredictionTable]]], *, valid_share: float
) -> AblateResult:
    """All variants with the whole training, head by head; writes what was found."""
    from mien.experiments.ablated import csv_rows, rows_of
    from mien.reporting.differences import draw_differences

    full, *_ = predicted
    comparisons = {}
    for head in predicted[full]:
        tables = {name: by_head[head] for name, by_head in predicted.items()}
        comparisons[head] = compare_predictions(tables, against=full, n_train=_n_train(tables[full], valid_share))
    drawing = draw_differences(comparisons, name=NAME)
    rows, names = rows_of(comparisons, full=full), tuple(predicted)
    files = tuple(out / f"{NAME}.{suffix}" for suffix in ("csv", "png", "svg", "json"))
    result = AblateResult(out, True, names, names, rows, comparisons, files)
    text = json.dumps(result.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_csv(files[0], csv_rows(rows))
    for path, content in zip(files[1:], (drawing.png, drawing.svg.encode(), text.encode()), strict=True):
        with replacing(path) as partial:
            partial.write_bytes(content)
    return result


def _n_train(tables: Sequence[PredictionTable], valid_share: float) -> int | None:
    """Images that a fold learned from, on average: all of the others but those that select its epoch; None for seeds.

    Seeds hold the same images; what is said of them is said of these images.
    """
    total = len({name for each in tables for name in each.ids.tolist()})
    alike = total == len(tables[0])
    return None if alike else max(1, round((total - total / len(tables)) * (1 - valid_share)))
