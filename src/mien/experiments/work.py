"""A worker: takes trials of a study and runs them until there are none."""

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mien.core.errors import MienError, MissingExtraError, OutputError
from mien.experiments.storage import Note, Storage, UnreachableError
from mien.experiments.study import Attempt, Claim, LostError, PrunedError, SharedStudy, Trial

POLL_S = 5.0  # between looks at what other workers do
LONGEST = 300  # characters of an error
# What a setting may be to blame for. All else would fail each trial alike: the search stops, and the trial stays open.
_OF_THE_SETTINGS = (MienError, RuntimeError, ValueError, ArithmeticError, MemoryError)
_OF_THE_PLACE = (OutputError, MissingExtraError)

Objective = Callable[[Attempt], float | None]


@dataclass(frozen=True)
class Worked:
    """What one worker did.

    Attributes:
        finished: whether all trials of the study are through. ran: trials that it ended itself.
    """

    finished: bool
    ran: int


def work(
    study: SharedStudy,
    objective: Objective,
    *,
    ends: float = math.inf,
    poll_s: float = POLL_S,
    told: Callable[[Trial], None] = lambda trial: None,
    note: Note = lambda line: None,
) -> Worked:
    """Run trials until all of the study are through, by this worker or by others, whose trials it waits for.

    Args:
        study: where they are.
        objective: runs a trial and returns the figure that is to be large, or None where the time is up before it is
            through. It calls `Attempt.report` after each epoch and lets pass what that raises.
        ends: when to begin nothing more, on the clock of `time.monotonic`.
        poll_s: seconds from one look at other workers' trials to the next.
        told: called with each trial that this worker has ended.
        note: told what a user wants to know.

    Raises:
        UnreachableError: the storage does not answer.
        OutputError, MissingExtraError: no trial can be run here; the one in hand is left for later. So it is after any
            error that no setting is to blame for.
    """
    ran, waited = 0, False
    while time.monotonic() < ends:
        attempt = study.take()
        if attempt is not None:
            if not _run(study, attempt, objective, note):
                return Worked(False, ran)
            ran += 1
            told(study.trials()[attempt.number])
            continue
        running = [each for each in study.trials() if each.state in ("running", "waiting")]
        if not running:
            return Worked(True, ran)
        if not waited:
            note(f"waiting for other workers to end {_trials(len(running))}")
            waited = True
        time.sleep(poll_s)
    return Worked(False, ran)


def _run(study: SharedStudy, attempt: Attempt, objective: Objective, note: Note) -> bool:
    """Run a trial to its end; False where it is left for later because the time is up."""
    with alive(study.storage, attempt.beat):
        try:
            return _ended(attempt, objective)
        except LostError:
            note(f"trial {attempt.number} was taken over by another worker: this one had been silent for too long")
        except UnreachableError:
            raise
        except BaseException as error:
            if isinstance(error, _OF_THE_PLACE) or not isinstance(error, _OF_THE_SETTINGS):
                with contextlib.suppress(LostError, UnreachableError):
                    attempt.release()
                raise
            reason = " ".join(str(error).split())[:LONGEST] or type(error).__name__
            with contextlib.suppress(LostError):
                attempt.fail(reason)
            note(f"trial {attempt.number} failed: {reason}")
    return True


def _ended(attempt: Attempt, objective: Objective) -> bool:
    """Whether the trial came to an end of its own, which is told to the study."""
    try:
        value = objective(attempt)
    except PrunedError:
        attempt.prune()
        return True
    if value is None:
        attempt.release()
        return False
    if not math.isfinite(value):
        raise ValueError(f"expected a finite figure of the trial, got {value}")
    attempt.complete(value)
    return True


def claim(
    study: SharedStudy,
    what: str,
    *,
    ends: float = math.inf,
    poll_s: float = POLL_S,
    note: Note = lambda line: None,
) -> Claim:
    """Claim a task for one worker. Where another has it, wait until it is through, or take it over once that is dead.

    Args:
        study: where it is claimed.
        what: the task.
        ends: when to wait no longer, on the clock of `time.monotonic`.
        poll_s: seconds from one look at the other worker to the next.
        note: told what a user wants to know.

    Raises:
        UnreachableError: the storage does not answer.
    """
    found, waited = study.claim(what), False
    while found.worker != study.worker and not found.done and time.monotonic() < ends:
        if not waited:
            note(f"waiting for the worker {found.worker}, which {what}")
            waited = True
        time.sleep(poll_s)
        found = study.claim(what)
    return found


@contextlib.contextmanager
def alive(storage: Storage, beat: Callable[[], object]) -> Iterator[None]:
    """Say from time to time that this worker is alive, by a call to the storage, while the block runs."""
    ended = threading.Event()

    def beats() -> None:
        while not ended.wait(storage.heartbeat_s):
            try:
                beat()
            except Exception:  # the next beat may get through
                storage.fell_silent()
        storage.database.remove_session()  # this thread's connection

    thread = threading.Thread(target=beats, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _trials(n: int) -> str:
    return "1 trial" if n == 1 else f"{n:,} trials"
