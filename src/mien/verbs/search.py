"""`mien search`: data and a space of settings in, the best of them out, with what it is worth on faces not seen."""

import shutil
import socket
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.core.epochs import read_epochs
from mien.core.errors import OutputError, TrainingError, UsageError
from mien.core.files import make_folder, replacing
from mien.core.optional import require
from mien.datasets.lists import apply_lists, as_paths
from mien.evaluation import PredictionTable, read_predictions
from mien.evaluation.comparison import score_seeds
from mien.evaluation.metrics import UndefinedMetricWarning
from mien.verbs.evaluate import evaluate
from mien.verbs.summary import heads_measured
from mien.verbs.train import Data, Note, Tell, open_all, settings_of, train

if TYPE_CHECKING:
    from mien.evaluation.compared import Score
    from mien.experiments.faces import Faces
    from mien.experiments.space import Space
    from mien.experiments.study import Attempt, Claim, SharedStudy, Trial
    from mien.training.config import TrainConfig

TRIALS = 30
SEEDS = 3
SPACE, DATABASE, WINNER, LEFT = "space.toml", "study.db", "best.toml", ".left"


@dataclass(frozen=True)
class SearchResult:
    """What a search has found so far.

    Attributes:
        out: its folder. finished: whether all trials are through, and the best setting was trained anew.
        figure: what was to be large, such as ``"accuracy"``.
        trials: all of them, by number. best: the best one; None if none went through.
        importance: setting -> its share of the differences between trials; empty where unknown.
        settings: the file for `mien train --config` with the best settings; None if there are none.
        retrained: label source -> figures of the best settings with other seeds on faces that no trial saw.
        split: where those faces stand in the data. files: what was written.
        notes: what a user has to know.
    """

    out: Path
    finished: bool
    figure: str
    trials: tuple["Trial", ...] = ()
    best: "Trial | None" = None
    importance: Mapping[str, float] = field(default_factory=dict)
    settings: Path | None = None
    retrained: Mapping[str, "Score"] = field(default_factory=dict)
    split: str = ""
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


def search(
    data: Data | Sequence[Data],
    *,
    out: str | Path,
    net: str | None = None,
    preset: str | None = None,
    config: "str | Path | TrainConfig | None" = None,
    changes: Sequence[str] = (),
    drop: str | Path | Sequence[str | Path] | None = None,
    relabel: str | Path | Sequence[str | Path] | None = None,
    head: str | None = None,
    group: str | None = None,
    space: str | Path | None = None,
    sampler: str = "tpe",
    trials: int | None = None,
    pruner: str = "none",
    seed: int = 0,
    storage: str | None = None,
    study: str = "search",
    seeds: int = SEEDS,
    split: str | None = None,
    device: str = "auto",
    resume: bool = False,
    yes: bool = False,
    max_minutes: float | None = None,
    told: Callable[["Trial"], None] = lambda trial: None,
    tell: Tell = lambda row: None,
    note: Note = lambda line: None,
) -> SearchResult:
    """Search for the settings with which a training goes best, and say what they are worth on faces not seen.

    Trials learn from a part of the `train` split and are compared on the rest of it. The best setting is then trained
    anew with other seeds and measured on `valid` (or `test`), which the search did not see.

    Args:
        data: a prepared table (its path, or one in memory), or ``"ferplus=DIR"``; several are joined.
        out: the folder; two workers at the same time have one each.
        net: name of an architecture.
        preset: name of a recipe, the first layer of the settings that all trials share.
        config: a TOML file of settings that win over the preset's; or all settings.
        changes: single settings, ``"key=value"``, that win over all.
        drop: csv lists of images to leave out.
        relabel: csv lists of images to give another label.
        head: the label source to learn and to compare by; None: all that the data have.
        group: column whose values stay on one side of the split; `subject` where the data know it.
        space: a TOML file of settings to try; None: the usual ones.
        sampler: grid, random, tpe, gp (both Optuna's) or hyperopt.
        trials: how many; None: 30, or all points of a grid. More may be asked for later, with `resume`.
        pruner: none, median or hyperband: which trials end early.
        seed: of the sampler.
        storage: where the study is kept, as a URL; None: in `out`. Workers with the same storage share the work.
        study: its name there.
        seeds: with how many other seeds the best setting is trained anew; 0: it is not.
        split: where that is measured: valid or test; None: valid where there is one.
        device: auto, cpu or cuda.
        resume: go on with the search in `out`.
        yes: try a grid of more than a thousand points.
        max_minutes: stop before this time, between two epochs.
        told: called with each trial that has ended.
        tell: called with a dict of figures after each epoch.
        note: called with what a user wants to know, as soon as it is known.

    Raises:
        UsageError: a space that no training takes, a large grid, a study of this name that is another one.
        TrainingError: the storage does not answer, or no trial went through.
        DataError, OutputError: see the messages. MissingExtraError: the extra `search` is not installed.

    Example:
        >>> mien.search("ferplus=data/", net="cnn3", trials=20, out="runs/search").best.settings  # doctest: +SKIP
        {'learning_rate': 0.021, 'batch': 64, ...}
    """
    for package, extra in (
        ("optuna", "search"),
        ("lightning", "train"),
        ("matplotlib", "report"),
        ("jinja2", "report"),
    ):
        require(package, extra=extra)
    from mien.experiments.faces import part_faces
    from mien.experiments.samplers import GRID
    from mien.experiments.settings import check_space
    from mien.experiments.space import default_space, read_space
    from mien.experiments.study import Plan

    _check(seeds, split)
    chosen = [*changes, *([f"heads=['{head}']"] if head else [])]
    base = settings_of(net=net, preset=preset, config=config, changes=chosen, device=device)
    tried = default_space(base) if space is None else read_space(Path(space))
    check_space(tried, base)
    plan = Plan(
        space=tried, base=base, name=study, sampler=sampler, pruner=pruner, seed=seed,
        trials=_how_many(sampler == GRID, tried, trials, yes=yes),
    )  # fmt: skip
    applied = apply_lists(open_all(data), drop=as_paths(drop), relabel=as_paths(relabel))
    for line in applied.notes:
        note(line)
    faces = part_faces(applied.table, base, applied.lists, group=group, split=split, reported=seeds > 0)
    plan = replace(plan, about=_about(base, faces))
    hunt = _Search(plan, faces, Path(out), storage, seeds, max_minutes, told, tell, note)
    result = hunt.run(resume=resume)
    return replace(result, notes=(*applied.notes, *result.notes))


def _check(seeds: int, split: str | None) -> None:
    from mien.training.processes import started

    if seeds < 0:
        raise UsageError(f"expected --seeds of 0 or more, got {seeds}")
    if split not in (None, "valid", "test"):
        raise UsageError(f"expected --split valid or test, got {split!r}: a search learns from train")
    if started().world > 1:
        raise UsageError(
            f"expected one process, got {started().world}: start each worker by itself, with one --storage and its own "
            "--out"
        )


def _how_many(is_grid: bool, space: "Space", trials: int | None, *, yes: bool) -> int:
    from mien.experiments import grid

    if not is_grid:
        return TRIALS if trials is None else trials
    grid.check_count(space, trials=trials, confirmed=yes)
    return grid.count(space) if trials is None else trials


def _about(base: "TrainConfig", faces: "Faces") -> dict[str, str]:
    """What workers of one study must have in common beside the space."""
    from mien.core.toml import to_toml
    from mien.training.config import as_settings
    from mien.training.provenance import decisive

    return {"settings": to_toml(decisive(to_toml(as_settings(base)))), "data": faces.searched.digest()}


@dataclass(frozen=True, eq=False)
class _Search:
    """One worker's search in its folder."""

    plan: Any
    faces: "Faces"
    out: Path
    storage: str | None
    seeds: int
    max_minutes: float | None
    told: Callable[["Trial"], None]
    tell: Tell
    note: Note

    def run(self, *, resume: bool) -> SearchResult:
        from filelock import FileLock, Timeout

        from mien.experiments.outcome import best, importance
        from mien.experiments.study import open_study
        from mien.experiments.work import work

        self._check_out(resume=resume)
        make_folder(self.out)
        try:
            lock = FileLock(self.out / ".lock", timeout=0).acquire()
        except Timeout:
            raise OutputError(
                f"expected nobody at work in {self.out}, got another search: each worker has its own --out"
            ) from None
        ends = time.monotonic() + 60 * self.max_minutes if self.max_minutes is not None else float("inf")
        left = self.out / LEFT
        with lock, open_study(self.plan, self._url(), worker=self._worker(), left=left, note=self.note) as study:
            self._begin()
            if study.wanted < self.plan.trials:
                self.note(f"the grid has {study.wanted:,} points that differ")
            worked = work(study, _Trained(self, ends), ends=ends, told=self._after, note=self.note)
            trials = study.trials()
            found = SearchResult(
                self.out, False, self.figure, trials, best(trials), importance(study), split=self.faces.split
            )
            there = [each for each in self._retrained(found) if self._is_measured(each)]
            if there:  # what an earlier call has found out is not written over with nothing
                found = self._measured(found, there)
            found = self._write(replace(found, finished=worked.finished and len(there) == self.seeds))
            if worked.finished and found.best is None:
                raise TrainingError(_all_failed(trials))
            return self._retrain(study, found, ends) if worked.finished and self.seeds else found

    @property
    def figure(self) -> str:
        """What is to be large, in words."""
        select = "minus the loss" if self.plan.base.select == "loss" else self.plan.base.select.replace("_", " ")
        heads = list(self.plan.base.heads or self.faces.whole.sources)
        return f"{select} of {' and '.join(heads)}" if len(heads) > 1 or self.plan.base.heads else select

    def _url(self) -> str:
        return self.storage or f"sqlite:///{self.out / DATABASE}"

    def _worker(self) -> str:
        return f"{socket.gethostname()}:{self.out.resolve()}"

    def _check_out(self, *, resume: bool) -> None:
        begun = (self.out / SPACE).exists()
        if begun and not resume:
            raise OutputError(
                f"expected a new folder, got {self.out} that holds a search: use --resume or another --out"
            )
        if resume and not begun:
            raise TrainingError(
                f"expected a search to resume in {self.out}, got none: check --out, or leave out --resume"
            )
        if not begun and (self.out / "trials").exists():
            raise OutputError(f"expected a new folder, got {self.out} that holds trials: choose another --out")

    def _begin(self) -> None:
        """Say what is searched; last, so that a space or storage that is refused leaves no search behind."""
        with replacing(self.out / SPACE) as partial:
            partial.write_text(self.plan.space.to_toml(), "utf-8", newline="\n")

    def _after(self, trial: "Trial") -> None:
        """The weights of a trial are of no use once it has ended: the best setting is trained anew."""
        if trial.state in ("complete", "pruned", "failed"):
            shutil.rmtree(self.folder(trial.number) / "checkpoints", ignore_errors=True)
        self.told(trial)

    def folder(self, number: int) -> Path:
        """The run of a trial."""
        return self.out / "trials" / f"{number:04d}"

    def _write(self, found: SearchResult) -> SearchResult:
        from mien.verbs.search_report import write

        return write(found, self.plan, self.faces)

    def _retrain(self, study: "SharedStudy", found: SearchResult, ends: float) -> SearchResult:
        """Train the best setting with seeds that no trial had, and measure it on faces that no trial saw."""
        from mien.experiments.work import alive, claim

        assert found.best is not None
        task = f"trains trial {found.best.number} anew with {self.seeds} seeds for {self.faces.split}"
        if not found.finished:
            whose = claim(study, task, ends=ends, note=self.note)
            if whose.worker != study.worker:
                return self._leave_to(whose, found)
            with alive(study.storage, lambda: study.claim(task)):
                if not self._train_anew(found.best, ends):
                    return found
                found = self._write(replace(self._measured(found, self._retrained(found)), finished=True))
        study.settle(task)
        return found

    def _leave_to(self, whose: "Claim", found: SearchResult) -> SearchResult:
        """The result where another worker has trained the best setting anew, or is at it still when the time is up."""
        if not whose.done:
            return found
        line = f"the best setting was trained anew by the worker {whose.worker}, which came first"
        self.note(line)
        return self._write(replace(found, finished=True, notes=(*found.notes, line)))

    def _train_anew(self, best: "Trial", ends: float) -> bool:
        """Whether all seeds are through."""
        from mien.experiments.settings import configured

        config = configured(self.plan.base, best.settings)
        out = self._anew(best)
        left = None if self.max_minutes is None else max((ends - time.monotonic()) / 60, 1e-6)
        return train(
            self.faces.searched,
            config=replace(config, seed=config.seed + 1),
            seeds=self.seeds,
            out=out,
            resume=any(out.glob("seed-*/versions.json")),
            max_minutes=left,
            tell=self.tell,
            note=self.note,
        ).finished

    def _anew(self, best: "Trial") -> Path:
        return self.out / "retrained" / f"{best.number:04d}"

    def _retrained(self, found: SearchResult) -> list[Path]:
        """The runs of the best setting with other seeds, there already or not."""
        if found.best is None:
            return []
        return [self._anew(found.best) / f"seed-{self.plan.base.seed + 1 + k}" for k in range(self.seeds)]

    def _is_measured(self, run: Path) -> bool:
        """Whether it is known what a run says of the faces that are reported on."""
        heads = heads_measured(run, "valid")
        return bool(heads) and all(self._reported(run, head).exists() for head in heads)

    def _reported(self, run: Path, head: str) -> Path:
        return run / "reported" / head / f"metrics-{self.faces.split}.json"

    def _measured(self, found: SearchResult, runs: Sequence[Path]) -> SearchResult:
        """The result with what the runs are worth on the faces that are reported on, by label source."""
        split = self.faces.split
        tables: dict[str, list[PredictionTable]] = {}
        for run, head in product(runs, heads_measured(runs[0], "valid")):
            metrics = self._reported(run, head)
            if not metrics.exists():
                evaluate(run, data=self.faces.whole, split=split, head=head, out=metrics.parent, overwrite=True)
            tables.setdefault(head, []).append(read_predictions(metrics.with_name(f"predictions-{split}.parquet")))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UndefinedMetricWarning)
            scores = {head: score_seeds(each) for head, each in tables.items()}
        undefined = tuple(dict.fromkeys(str(each.message) for each in caught))  # an interval that cannot be told
        for line in undefined:
            self.note(line)
        return replace(found, retrained=scores, notes=tuple(dict.fromkeys((*found.notes, *undefined))))


def _all_failed(trials: Sequence["Trial"]) -> str:
    first = next(each for each in trials if each.error)
    return (
        f"expected a trial that goes through, got {len(trials):,} that failed, trial {first.number} because of: "
        f"{first.error}"
    )


@dataclass(frozen=True, eq=False)
class _Trained:
    """The figure of a trial: a training's best epoch."""

    search: _Search
    ends: float

    def __call__(self, attempt: "Attempt") -> float | None:
        from mien.experiments.settings import configured
        from mien.training.fit import fit

        hunt = self.search
        folder = hunt.folder(attempt.number)
        begun = (folder / "versions.json").exists()
        for row in read_epochs(folder / "metrics.csv") if begun else ():  # a kill may have come between log and storage
            attempt.report(int(row["epoch"]) + 1, float(row["selection"]))

        def tell(row: dict[str, Any]) -> None:
            hunt.tell({"trial": attempt.number, **row})
            attempt.report(int(row["epoch"]) + 1, float(row["selection"]))

        left = None if hunt.max_minutes is None else max((self.ends - time.monotonic()) / 60, 1e-6)
        run = fit(
            configured(hunt.plan.base, attempt.settings),
            hunt.faces.searched,
            out=folder,
            lists=hunt.faces.lists,
            resume=begun,
            max_minutes=left,
            tell=tell,
            note=hunt.note,
        )
        if not run.finished:
            return None
        return max(float(row["selection"]) for row in read_epochs(folder / "metrics.csv"))
