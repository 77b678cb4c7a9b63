"""`mien train`: data and settings in, run folders with measured, calibrated, exported models out."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.core.errors import OutputError, TrainingError, UsageError
from mien.core.optional import require
from mien.datasets.lists import apply_lists, as_paths, digests
from mien.datasets.table import Table
from mien.pipeline.picture_workers import open_data
from mien.verbs.evaluate import evaluate
from mien.verbs.finish import draw, finish
from mien.verbs.summary import heads_measured, summarise

if TYPE_CHECKING:
    from mien.training.config import TrainConfig
    from mien.training.meeting import Meeting

Tell = Callable[[dict[str, Any]], None]
Note = Callable[[str], None]
Data = str | os.PathLike[str] | Table


@dataclass(frozen=True)
class TrainResult:
    """What a training left.

    Attributes:
        run: its folder. epochs: trained so far. finished: whether it went through.
        figures: of the exported model on the `valid` split, a row a head, variant and metric; empty while unfinished.
        notes: what lists left out or labelled anew, and what of pretrained weights was. diagnosis: what the curves
            say, in words.
        runs: of folds or seeds, each; `run` is the folder around them then, and `epochs` their sum.
        summary: of folds or seeds, what `summary.json` holds.
    """

    run: Path
    epochs: int
    finished: bool
    figures: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    diagnosis: tuple[str, ...] = ()
    runs: tuple["TrainResult", ...] = ()
    summary: Mapping[str, Any] = field(default_factory=dict)


def train(
    data: Data | Sequence[Data],
    *,
    out: str | Path,
    net: str | None = None,
    preset: str | None = None,
    config: "str | Path | TrainConfig | None" = None,
    changes: Sequence[str] = (),
    drop: str | Path | Sequence[str | Path] | None = None,
    relabel: str | Path | Sequence[str | Path] | None = None,
    folds: int | str | None = None,
    group: str | None = None,
    seeds: int | None = None,
    device: str = "auto",
    resume: bool = False,
    max_minutes: float | None = None,
    tell: Tell = lambda row: None,
    note: Note = lambda line: None,
) -> TrainResult:
    """Train a model, select its best epoch on the `valid` split, export it and measure the exported files there.

    With `folds`, a model a fold, each measured on the fold that it did not see; with `seeds`, a model a seed. Each is a
    run of its own in `out/fold-0`, `out/seed-1` and so on, and `out/summary.json` has mean, deviation and range.

    Args:
        data: a prepared table (its path, or one in memory), or ``"ferplus=DIR"``; several are joined.
        out: the run folder.
        preset: name of a recipe, whose settings are the first layer.
        config: a TOML file of settings that win over the preset's; or all settings, with no preset, net or changes.
        net: name of an architecture; wins over both.
        changes: single settings, ``"key=value"``, that win over all.
        drop: csv lists with a column `id` of images to leave out; one or several.
        relabel: csv lists with the columns `id`, `source` and `suggestion` of images to give another label.
        folds: how many, or ``"loso"``: leave one group out; the table's column `fold` is used where it has one.
        group: column whose values stay in one fold; `subject` where the data know it.
        seeds: how many, from that of the settings on.
        device: auto, cpu or cuda.
        resume: go on with the run in `out` after its last finished epoch; finished folds and seeds are kept.
        max_minutes: stop at an epoch boundary before this time, over all folds or seeds.
        tell: called with a dict of figures after each epoch.
        note: called with each of the notes as soon as it is known, most of them before the first epoch.

    Raises:
        UsageError, DataError, OutputError, TrainingError: see the messages.
        MissingExtraError: the extra `train` is not installed.

    Example:
        >>> mien.train("ferplus=data/", preset="mien-s", out="runs/mien-s")  # doctest: +SKIP
    """
    require("lightning", extra="train")
    from mien.training.meeting import met
    from mien.training.processes import expect, started
    from mien.training.streamed import placed

    _check_several(folds, seeds, group)
    settings = settings_of(net=net, preset=preset, config=config, changes=changes, device=device)
    parts = ["--data DATA", *([f"--preset {preset}"] if preset else []), *([f"--net {net}"] if net else [])]
    parts += [f"--config {_name_of(config)}"] if config else []
    parts += [f"--set {change}" for change in changes]
    parts += digests(drop=as_paths(drop), relabel=as_paths(relabel))  # by option and name
    parts += [f"--folds {folds}"] if folds is not None else [f"--seeds {seeds}"] if seeds is not None else []
    parts += [f"--group {group}"] if group else []
    command = " ".join(["mien train", *parts, "--out RUN"])
    expect(settings, started())
    with met(started(), timeout_s=settings.timeout_s) as meeting:
        applied = apply_lists(open_all(data, resident=False), drop=as_paths(drop), relabel=as_paths(relabel))
        table = placed(applied.table, settings)
        if meeting.processes.world > 1:
            note = note if meeting.processes.first else lambda line: None
        for line in applied.notes:
            note(line)
        one = _One(applied.lists, command, tell, note, meeting)
        if folds is None and seeds is None:
            result = one(Part("", table, settings), Path(out), resume=resume, max_minutes=max_minutes)
        else:
            parted = trainings_of(table, settings, folds=folds, group=group, seeds=seeds)
            result = _several(parted, one, Path(out), resume=resume, max_minutes=max_minutes)
    return replace(result, notes=(*applied.notes, *result.notes))


def settings_of(
    *,
    net: str | None,
    preset: str | None,
    config: "str | Path | TrainConfig | None",
    changes: Sequence[str],
    device: str,
) -> "TrainConfig":
    """The settings of a training, out of all that may name some; see `train`."""
    from mien.training.config import TrainConfig, load_config

    if isinstance(config, TrainConfig):
        if net or preset or changes:
            raise UsageError("expected a TrainConfig without net, preset or changes, got both: put them into it")
        return config if device == "auto" else replace(config, device=device)
    named = [f"net='{net}'"] if net else []
    named += [f"device='{device}'"] if device != "auto" else []
    return load_config(preset=preset, file=Path(config) if config else None, changes=[*named, *changes])


def open_all(data: Data | Sequence[Data], *, resident: bool = True) -> Table:
    """All faces to train on, as one table; see `train`. `resident`: with the pictures of tables in memory."""
    specs = [data] if isinstance(data, str | os.PathLike | Table) else list(data)
    if not specs:
        raise UsageError("expected --data TABLE or NAME=ROOT, got none")
    opened = [each if isinstance(each, Table) else open_data(each, resident=resident) for each in specs]
    return Table.concatenate(opened)


def _name_of(config: "str | Path | TrainConfig") -> str:
    """The file to repeat a training with: the one given, or the one that is in every run folder."""
    return Path(config).name if isinstance(config, str | Path) else "config.toml"


def _check_several(folds: int | str | None, seeds: int | None, group: str | None) -> None:
    if folds is not None and seeds is not None:
        raise UsageError("expected --folds or --seeds, got both: repeat the folds with --set seed=1 in another --out")
    if seeds is not None and seeds < 1:
        raise UsageError(f"expected --seeds of 1 or more, got {seeds}")
    if group is not None and folds is None:
        raise UsageError("expected --folds with --group, got none: say how many")


@dataclass(frozen=True, eq=False)
class Part:
    """One of several trainings: its name, what it trains on, and with what settings."""

    name: str
    table: Table
    config: "TrainConfig"


@dataclass(frozen=True, eq=False)
class Parts:
    """All trainings of a kind, made when their turn comes, once; they are compared on `split`."""

    names: tuple[str, ...]
    split: str
    each: Iterator[Part]
    data_sha256: Callable[[], str]
    notes: tuple[str, ...] = ()


def trainings_of(
    table: Table, config: "TrainConfig", *, folds: int | str | None, group: str | None, seeds: int | None
) -> Parts:
    """The trainings of `folds`, or else of `seeds`."""
    return _folds(table, config, folds, group) if folds is not None else _seeds(table, config, seeds or 0)


def _folds(table: Table, config: "TrainConfig", folds: int | str, group: str | None) -> Parts:
    from mien.training import folds as room
    from mien.training.data import choose_heads

    how = room.Deal(
        room.read_folds(folds),
        room.group_of(table, group),
        next(iter(choose_heads(table, config.heads)), None),
        config.seed,
        config.valid_share,
    )
    dealt = room.deal(table, how)
    numbers = room.fold_numbers(dealt)
    names = tuple(room.names("fold", numbers))
    parts = (Part(name, room.of_fold(dealt, k, how), config) for name, k in zip(names, numbers, strict=True))
    kept = len(table) - len(dealt)
    notes = (f"{kept:,} images take no part in the folds (a test split, or fold -1)",) if kept else ()
    return Parts(names, "test", parts, dealt.digest, notes)


def _seeds(table: Table, config: "TrainConfig", count: int) -> Parts:
    from mien.training import folds as room

    configs = [room.of_seed(config, k) for k in range(count)]
    names = tuple(room.names("seed", [each.seed for each in configs]))
    parts = (Part(name, table, each) for name, each in zip(names, configs, strict=True))
    return Parts(names, "valid", parts, table.digest)


@dataclass(frozen=True, eq=False)
class _One:
    """Trains, exports and measures one run; of several processes the first one alone does the latter two."""

    lists: Mapping[str, str]
    command: str
    tell: Tell
    note: Note
    meeting: "Meeting"

    def __call__(self, part: Part, out: Path, *, resume: bool, max_minutes: float | None) -> TrainResult:
        from mien.training.fit import fit
        from mien.training.processes import restarted

        def tell(row: dict[str, Any]) -> None:
            self.tell({"run": part.name, **row} if part.name else row)

        run = fit(
            part.config,
            part.table,
            out=out,
            lists=self.lists,
            resume=resume or (restarted() and self.meeting.of_first((out / "versions.json").exists)),
            max_minutes=max_minutes,
            tell=tell,
            note=self.note,
            meeting=self.meeting,
        )
        result = TrainResult(run.folder, run.epochs, run.finished, notes=run.notes, diagnosis=run.diagnosis)
        if not run.finished:
            return result
        if self.meeting.processes.first:
            result = self._finished(result, part.table)
        self.meeting.gather(None)  # the others wait: what comes next may need what is written here
        return result

    def _finished(self, result: TrainResult, table: Table) -> TrainResult:
        figures = finish(result.run, table, command=self.command)
        note = draw(result.run)
        return replace(result, figures=figures, notes=(*result.notes, note) if note else result.notes)


def _several(parts: Parts, one: _One, out: Path, *, resume: bool, max_minutes: float | None) -> TrainResult:
    """Train one after the other; those that are through already are not trained again."""
    from mien.training.processes import restarted

    meeting, ends = one.meeting, None if max_minutes is None else time.monotonic() + 60 * max_minutes
    meeting.of_first(lambda: _check_out(out, parts.names, resume=resume, restarted=restarted()))
    for line in parts.notes:
        one.note(line)
    results: list[TrainResult] = []
    trained = False
    for part in parts.each:
        folder = out / part.name
        if meeting.of_first(lambda folder=folder: bool(heads_measured(folder, parts.split))):  # type: ignore[misc]
            results.append(_kept(part, folder, one))
            continue
        left = meeting.of_first(lambda: None if ends is None else (ends - time.monotonic()) / 60)
        if left is not None and left <= 0 and trained:
            break
        begun = meeting.of_first((folder / "versions.json").exists)
        result = one(part, folder, resume=begun, max_minutes=None if left is None else max(left, 1e-6))
        trained = True
        results.append(result)
        if not result.finished:
            break
        if parts.split == "test" and meeting.processes.first:
            for head in sorted({figure["head"] for figure in result.figures}):
                evaluate(folder, data=part.table, split="test", head=head, out=folder / head, overwrite=True)
    finished = len(results) == len(parts.names) and all(each.finished for each in results)
    through = [each.run for each in results if each.finished]
    sha256 = meeting.of_first(parts.data_sha256)
    summary = meeting.of_first(
        lambda: summarise(out, through, asked=len(parts.names), split=parts.split, data_sha256=sha256)
    )
    notes = tuple(dict.fromkeys([*parts.notes, *(note for each in results for note in each.notes)]))
    epochs = sum(each.epochs for each in results)
    return TrainResult(
        out, epochs, finished, notes=notes, diagnosis=_counted(results), runs=tuple(results), summary=summary
    )


def _counted(results: Sequence[TrainResult]) -> tuple[str, ...]:
    """In how many runs each thing was diagnosed; what exactly stands in the runs' own files."""
    said = [dict.fromkeys(each.split(":")[0] for each in result.diagnosis) for result in results]
    return tuple(
        f"{what}: in {sum(what in each for each in said)} of {len(results)} runs"
        for what in dict.fromkeys(what for each in said for what in each)
    )


def _kept(part: Part, folder: Path, one: _One) -> TrainResult:
    """A run that is through and measured: checked to be the one asked for, not trained again."""
    from mien.training.fit import fit

    run = fit(part.config, part.table, out=folder, lists=one.lists, resume=True, meeting=one.meeting)
    return TrainResult(folder, run.epochs, True, diagnosis=run.diagnosis)


def _check_out(out: Path, names: Sequence[str], *, resume: bool, restarted: bool) -> None:
    if (out / "versions.json").exists():
        raise OutputError(f"expected a folder for several runs, got {out} that holds one: choose another --out")
    begun = [name for name in names if (out / name / "versions.json").exists()]
    if begun and not (resume or restarted):
        raise OutputError(f"expected a new folder, got {out} that holds {begun[0]}: use --resume or another --out")
    if resume and not begun:
        raise TrainingError(f"expected runs to resume in {out}, got none: check --out, or leave out --resume")
