"""A study that workers share: which trial is whose, what came of it, and what happens when a worker dies.

A *trial* has a number and its settings. Optuna's records are *attempts* at trials: where a worker dies, its attempt has
failed, and another attempt at the same trial, with the same settings, takes its place. A trial therefore counts once,
however often it was begun.
"""

import contextlib
import logging
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RetryHeartbeatStaleTrialCallback, fail_stale_trials
from optuna.trial import FrozenTrial, TrialState, create_trial

from mien.core.errors import UsageError
from mien.experiments import grid, pruners, samplers
from mien.experiments.pruners import NUMBER
from mien.experiments.space import Scalar, Space
from mien.experiments.storage import GRACE_S, HEARTBEAT_S, WAITS_S, Note, Storage, UnreachableError
from mien.training.config import TrainConfig

RETRIES = 3  # a trial that brings down its worker so many times more is given up
WORKER, ERROR, IDENTITY = "worker", "error", "identity"
STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}
T = TypeVar("T")


class PrunedError(Exception):
    """A trial ends here, for others did better with as many epochs."""


class LostError(Exception):
    """A trial belongs to another worker now, for this one was silent for so long that it counted as dead."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a study is; workers share it only where theirs are the same.

    Attributes:
        name: of the study in its storage.
        space: what is tried. base: all other settings of a training.
        sampler, pruner: names out of `SAMPLERS` and `PRUNERS`. seed: of the sampler.
        trials: how many; it may grow later. For a grid at most its points.
        about: what else must be the same, such as the data; name -> text.
    """

    space: Space
    base: TrainConfig = field(default_factory=TrainConfig)
    name: str = "search"
    sampler: str = "tpe"
    pruner: str = "none"
    seed: int = 0
    trials: int = 30
    about: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        samplers.expect_sampler(self.sampler)
        pruners.expect_pruner(self.pruner)
        if self.trials < 1:
            raise UsageError(f"expected --trials of 1 or more, got {self.trials}")
        if not 0 <= self.seed < 1 << 32:
            raise UsageError(f"expected --seed in 0..{(1 << 32) - 1}, got {self.seed}")

    @property
    def identity(self) -> dict[str, Any]:
        """What two workers must have in common; plain values."""
        own = {"space": self.space.to_dict(), "sampler": self.sampler, "pruner": self.pruner, "seed": self.seed}
        return own | dict(self.about)


@dataclass(frozen=True)
class Trial:
    """A trial as it stands.

    Attributes:
        number: of the trial, from 0.
        state: complete, pruned, failed, running or waiting.
        value: the figure that is to be large: the best of its epochs; of a pruned one the last; None without any.
        curve: the figure after each epoch.
        stored: the values tried, as they are stored. settings: as a training takes them; dotted name -> value.
        error: why it failed. attempts: how often it was begun.
    """

    number: int
    state: str
    value: float | None
    curve: tuple[float, ...]
    stored: Mapping[str, Scalar]
    settings: Mapping[str, Any]
    error: str = ""
    attempts: int = 1

    @property
    def large(self) -> float:
        """The figure to sort by: below all others where there is none."""
        return -math.inf if self.value is None else self.value


@dataclass(frozen=True)
class Claim:
    """Whose a task is.

    Attributes:
        worker: its name. at: when it last said so, by the storage's clock. done: whether it is through.
    """

    worker: str
    at: float
    done: bool = False


class SharedStudy:
    """One worker's hold on a study."""

    def __init__(self, plan: Plan, storage: Storage, worker: str, left: Path | None = None) -> None:
        self.plan = plan
        self.storage = storage
        self.worker = worker
        self._left = left
        self._reborn = True  # until its former life is over
        self._points = grid.Points(plan.space, plan.base, seed=plan.seed) if plan.sampler == samplers.GRID else None
        self.wanted = plan.trials if self._points is None else min(plan.trials, len(self._points))
        self._suggest = samplers.choose(plan.sampler, plan.space, seed=plan.seed) if self._points is None else None
        self._study = storage.locked(self._open)

    def _open(self) -> optuna.Study:
        pruner = pruners.choose(self.plan.pruner, epochs=self.plan.base.epochs)
        study = optuna.create_study(
            study_name=self.plan.name,
            storage=self.storage.database,
            direction="maximize",
            pruner=pruner,
            load_if_exists=True,
        )
        there = study.user_attrs.get(IDENTITY)
        if there is None:
            study.set_user_attr(IDENTITY, self.plan.identity)
        else:
            self._expect_same(there)
        return study

    def _expect_same(self, there: Mapping[str, Any]) -> None:
        own = self.plan.identity
        other = [name for name in {**there, **own} if there.get(name) != own.get(name)]
        if not other:
            return
        what = ", ".join(other)
        if "space" in other:
            spaces = there.get("space", {}), own["space"]
            keys = [key for key in spaces[0] | spaces[1] if spaces[0].get(key) != spaces[1].get(key)]
            what = what.replace("space", f"space ({', '.join(keys)})", 1)
        raise UsageError(
            f"expected the study {self.plan.name!r} in {self.storage.shown} to be this search, got one with another "
            f"{what}: give the same as there, or this one another name with --study"
        )

    def take(self) -> "Attempt | None":
        """A trial to be run now; None where all are begun or through."""
        return self.storage.locked(self._take)

    def _take(self) -> "Attempt | None":
        if self.storage.tells_death:
            fail_stale_trials(self._study)
        self._bury()
        waiting = self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        if not waiting:
            if not self._add():
                return None
            waiting = self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        # What says whose it is, and that it is alive, stands there before it runs: a kill at any point leaves a trial
        # that somebody recognises as dead.
        first = waiting[0]
        self.storage.database.set_trial_user_attr(first._trial_id, WORKER, self.worker)
        self.storage.database.record_heartbeat(first._trial_id)
        asked = self._study.ask()
        assert asked.number == first.number
        return Attempt(self, asked, first)

    def _bury(self) -> None:
        """Make the attempts of the dead ones that have failed, and begin their trials anew.

        This worker asks for a trial, so it runs none: an attempt under its name is that of its former life, or one that
        it left, or never got to know of, because the storage did not answer. The latter is no death.
        """
        trials = self._study.get_trials(deepcopy=False)
        retried = {number for each in trials for number in RetryHeartbeatStaleTrialCallback.retry_history(each)}
        left = self._left.read_text("utf-8") if self._left and self._left.exists() else ""
        for each in trials:
            if each.state == TrialState.RUNNING and each.user_attrs.get(WORKER) == self.worker:
                if not self._reborn or str(each._trial_id) == left:
                    self.storage.database.set_trial_state_values(each._trial_id, TrialState.WAITING)
                    continue
                self._study.tell(each.number, state=TrialState.FAIL)
            elif each.state != TrialState.FAIL or ERROR in each.user_attrs or each.number in retried:
                continue
            retry(self._study, each)
        self._reborn = False
        if self._left:
            self._left.unlink(missing_ok=True)

    def leave(self, attempt: "Attempt") -> None:
        """Remember that an attempt ends because the storage does not answer, where that cannot be told to it."""
        if self._left:
            with contextlib.suppress(OSError):  # a full disk, too; then it counts as dead
                self._left.write_text(str(attempt.trial_id), "utf-8")

    def _add(self) -> bool:
        """Put the next trial into the queue; False where there are as many as are wanted."""
        before = _latest(self._study.get_trials(deepcopy=False))
        number = len(before)
        if number >= self.wanted:
            return False
        if self._points is not None:
            params = self._points[number]
        else:
            assert self._suggest is not None
            params = self._suggest([_alone(each) for each in before])
        distributions = self.plan.space.distributions
        waiting = create_trial(
            state=TrialState.WAITING, params=params, distributions=distributions, user_attrs={NUMBER: number}
        )
        self._study.add_trial(waiting)
        return True

    def trials(self) -> tuple[Trial, ...]:
        """All trials so far, in the order of their numbers."""
        found = self.storage.patiently(lambda: self._study.get_trials(deepcopy=False))
        counts = [0] * (1 + max((each.user_attrs[NUMBER] for each in found), default=-1))
        for each in found:
            counts[each.user_attrs[NUMBER]] += 1
        return tuple(self._view(each, counts[each.user_attrs[NUMBER]]) for each in _latest(found))

    def _view(self, trial: FrozenTrial, attempts: int) -> Trial:
        state, error = STATES[trial.state], ""
        if trial.state == TrialState.FAIL:
            error = trial.user_attrs.get(ERROR, "")
            if not error and attempts <= RETRIES:
                state = "waiting"  # for another attempt, which somebody is about to queue
            elif not error:
                error = f"its worker died {attempts} times"
        value = None if trial.value is None or state == "failed" else float(trial.value)
        curve = tuple(trial.intermediate_values[step] for step in sorted(trial.intermediate_values))
        stored = {key: trial.params[key] for key in self.plan.space.keys}
        settings = self.plan.space.settings(stored)
        return Trial(trial.user_attrs[NUMBER], state, value, curve, stored, settings, error, attempts)

    def alone(self) -> optuna.Study:
        """A study in memory of the trials that are through, one attempt each: for what counts trials."""
        study = optuna.create_study(direction="maximize")
        done = (TrialState.COMPLETE, TrialState.PRUNED)
        found = self.storage.patiently(lambda: self._study.get_trials(deepcopy=False))
        study.add_trials([each for each in _latest(found) if each.state in done])
        return study

    def claim(self, what: str) -> Claim:
        """Whose task it is: the first worker's to claim it, who claims it again to say that it is alive.

        Of one that has been silent for too long it goes to the next.
        """

        def first() -> Claim:
            now = self.storage.now()
            there = self._claimed(what)
            if there is not None and there.worker != self.worker:
                is_dead = now - there.at > self.storage.grace_s and self.storage.tells_death
                if there.done or not is_dead:
                    return there
            return self._say(what, Claim(self.worker, now))

        return self.storage.locked(first)

    def settle(self, what: str) -> None:
        """The task is through."""
        self.storage.locked(lambda: self._say(what, Claim(self.worker, self.storage.now(), done=True)))

    def _claimed(self, what: str) -> Claim | None:
        said = self._study.user_attrs.get(what)
        return None if said is None else Claim(**said)

    def _say(self, what: str, claim: Claim) -> Claim:
        self._study.set_user_attr(what, asdict(claim))
        return claim


class Attempt:
    """A trial in this worker's hands.

    Attributes:
        number: of the trial. settings: dotted name -> value. known: epochs that an earlier attempt has reported.
    """

    def __init__(self, study: SharedStudy, asked: optuna.Trial, trial: FrozenTrial) -> None:
        self._shared = study
        self._asked = asked
        self.trial_id: int = trial._trial_id
        self.number: int = trial.user_attrs[NUMBER]
        self.settings = study.plan.space.settings({key: trial.params[key] for key in study.plan.space.keys})
        self.known = set(trial.intermediate_values)

    def report(self, epoch: int, value: float) -> None:
        """Say what the figure is after so many epochs.

        Raises:
            PrunedError: it is not worth going on. LostError: the trial is another worker's by now.
        """

        def tell() -> bool:
            if epoch not in self.known:
                self._asked.report(value, epoch)
            return self._asked.should_prune()

        pruned = self._ours(tell)
        self.known.add(epoch)
        if pruned:
            raise PrunedError

    def complete(self, value: float) -> None:
        """The trial is through, and this is its figure."""
        self._finish(TrialState.COMPLETE, value)

    def prune(self) -> None:
        """The trial has ended early."""
        self._finish(TrialState.PRUNED)

    def fail(self, reason: str) -> None:
        """The trial cannot be run, whoever tries."""
        self._ours(lambda: self._asked.set_user_attr(ERROR, reason))
        self._finish(TrialState.FAIL)

    def release(self) -> None:
        """The trial is to be gone on with later, by whoever asks first."""
        database = self._shared.storage.database
        self._ours(lambda: database.set_trial_state_values(self.trial_id, TrialState.WAITING))

    def beat(self) -> None:
        """Say that this worker is alive."""
        self._shared.storage.database.record_heartbeat(self.trial_id)

    def _finish(self, state: TrialState, value: float | None = None) -> None:
        study = self._shared._study
        told = self._ours(lambda: study.tell(self._asked, value, state=state, skip_if_finished=True))
        if told.state != state:
            raise LostError

    def _ours(self, call: Callable[[], T]) -> T:
        try:
            return self._shared.storage.patiently(call)
        except UpdateFinishedTrialError as error:
            raise LostError from error
        except UnreachableError:
            self._shared.leave(self)
            raise


def retry(study: optuna.Study, trial: FrozenTrial) -> None:
    """Queue another attempt at a trial whose worker died, with what it has reported; after several deaths none."""
    RetryHeartbeatStaleTrialCallback(max_retry=RETRIES, inherit_intermediate_values=True)(study, trial)


def _latest(attempts: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The last attempt at each trial, in the order of the trials."""
    by_number = {each.user_attrs[NUMBER]: each for each in attempts}
    return [by_number[number] for number in sorted(by_number)]


def _alone(trial: FrozenTrial) -> FrozenTrial:
    """A trial for a study in memory, where none waits: one that does will be run by somebody."""
    if trial.state != TrialState.WAITING:
        return trial
    return create_trial(
        state=TrialState.RUNNING,
        params=trial.params,
        distributions=trial.distributions,
        intermediate_values=trial.intermediate_values,
    )


@contextlib.contextmanager
def open_study(
    plan: Plan,
    url: str,
    *,
    worker: str,
    left: Path | None = None,
    heartbeat_s: int = HEARTBEAT_S,
    grace_s: int = GRACE_S,
    waits_s: Sequence[float] = WAITS_S,
    note: Note = lambda line: None,
) -> Iterator[SharedStudy]:
    """Open a study, or begin it where it is not there yet.

    Args:
        plan: what it is.
        url: of its storage.
        worker: a name that no other worker has at the same time; who comes back under it takes up its own trials.
        left: a file of this worker's own, to remember a trial by that it left because the storage did not answer. Else
            it counts as dead.
        heartbeat_s: seconds from one sign of life to the next.
        grace_s: silence after which a worker counts as dead.
        waits_s: pauses between tries to reach a storage that does not answer.
        note: told of such pauses.

    Raises:
        UsageError: another study has this name. UnreachableError: the storage does not answer.
    """
    with quiet():
        storage = Storage(url, stale=retry, heartbeat_s=heartbeat_s, grace_s=grace_s, waits_s=waits_s, note=note)
        try:
            yield SharedStudy(plan, storage, worker, left)
        finally:
            storage.close()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Optuna's notes on its own progress stay out of the way, as do warnings of what it calls experimental."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="optuna")
            warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
            warnings.filterwarnings("ignore", "Heartbeat of storage")
            yield
    finally:
        optuna.logging.set_verbosity(level)
