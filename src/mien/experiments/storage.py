"""Where a study is kept: a database file, or a PostgreSQL server that several machines reach."""

import contextlib
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import optuna
import sqlalchemy
from filelock import FileLock
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from mien.core.errors import TrainingError, UsageError
from mien.core.files import make_folder
from mien.core.optional import require

Note = Callable[[str], None]
T = TypeVar("T")

HEARTBEAT_S = 30
GRACE_S = 120  # silence after which a worker counts as dead
WAITS_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)  # between tries to reach a server that was there before
OPENING_WAITS_S = (1.0, 2.0, 4.0)

_TIMEOUT_S = 60
_REFUSED = ("28P01", "28000", "3D000")  # PostgreSQL's codes: password, user, no such database
_EXPECTED = "expected sqlite:///FILE or postgresql://USER@HOST/DATABASE as --storage"


class UnreachableError(TrainingError):
    """The storage did not answer; what was trained is kept."""


def resolve(url: str) -> URL:
    """A storage URL with the driver that mien brings.

    >>> resolve("postgresql://me@host/studies").drivername
    'postgresql+pg8000'

    Raises:
        UsageError: no URL, or one of a database that is neither.
    """
    try:
        found = make_url(url)
    except ArgumentError as error:
        raise UsageError(f"{_EXPECTED}, got {url.rpartition('@')[2]!r}") from error
    if found.drivername in ("postgresql", "postgres"):
        found = found.set(drivername="postgresql+pg8000")
    if found.drivername not in ("sqlite", "postgresql+pg8000") or found.database in (None, "", ":memory:"):
        raise UsageError(f"{_EXPECTED}, got {found.render_as_string(hide_password=True)!r}")
    return found


class Storage:
    """An open storage.

    Attributes:
        url: where it is. shown: the same without its password. is_file: whether it is a database file.
        database: Optuna's view of it. heartbeat_s: seconds from one sign of life of a worker to the next.
        grace_s: silence after which a worker counts as dead.
    """

    def __init__(
        self,
        url: str,
        *,
        stale: Callable[[optuna.Study, optuna.trial.FrozenTrial], None],
        heartbeat_s: int = HEARTBEAT_S,
        grace_s: int = GRACE_S,
        waits_s: Sequence[float] = WAITS_S,
        note: Note = lambda line: None,
    ) -> None:
        self.url = resolve(url)
        self.shown = self.url.render_as_string(hide_password=True)
        self.heartbeat_s = heartbeat_s
        self.grace_s = grace_s
        self._answers_since = time.monotonic()
        self._waits_s = waits_s
        self._note = note
        self.is_file = self.url.drivername == "sqlite"
        if not self.is_file:
            require("pg8000", extra="search")
        else:
            make_folder(Path(str(self.url.database)).parent)
        # A connection of its own: the lock lasts while others of the pool come and go.
        self._locks = sqlalchemy.create_engine(self.url, poolclass=NullPool, connect_args={"timeout": _TIMEOUT_S})
        text = self.url.render_as_string(hide_password=False)

        def open_database() -> RDBStorage:
            with self._locked(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the heartbeat is called experimental
                return RDBStorage(
                    text.replace("{", "{{").replace("}", "}}"),  # Optuna fills templates
                    engine_kwargs={"pool_pre_ping": True, "connect_args": {"timeout": _TIMEOUT_S}},
                    heartbeat_interval=heartbeat_s,
                    grace_period=grace_s,
                    heartbeat_stale_trial_callback=stale,
                )

        # Shorter than later on: what does not answer at first may be a name that was mistyped.
        self.database = self.patiently(open_database, waits_s=min(OPENING_WAITS_S, tuple(waits_s), key=sum))

    def patiently(self, call: Callable[[], T], *, waits_s: Sequence[float] | None = None) -> T:
        """What a call to the database gives; where that does not answer, the call is made again after some time.

        Raises:
            UnreachableError: it did not answer in the end, or refuses.
        """
        waits = self._waits_s if waits_s is None else waits_s
        for tries, wait in enumerate((*waits, None), 1):
            try:
                return call()
            except (SQLAlchemyError, StorageInternalError, OSError) as error:
                reason, code = _reason(error)
                if wait is None or code in _REFUSED:
                    times = "1 try" if tries == 1 else f"{tries} tries"
                    raise UnreachableError(
                        f"expected to reach the storage {self.shown}, got in {times}: {reason}; see that it runs and "
                        "lets you in, then give the command again (with --resume if it had begun); what was trained "
                        "is kept"
                    ) from error
                self._note(f"no answer of the storage {self.shown} ({reason}): another try in {wait:g} s")
                time.sleep(wait)
                self.fell_silent()
        raise AssertionError("the last try returns or raises")

    def fell_silent(self) -> None:
        """It did not answer until now: that workers have said nothing is not their fault."""
        self._answers_since = time.monotonic()

    @property
    def tells_death(self) -> bool:
        """Whether it has answered for so long that a worker of whom it has heard nothing is dead."""
        return time.monotonic() - self._answers_since > self.grace_s

    def now(self) -> float:
        """The time in seconds by the clock of the storage, which all workers share."""
        with self._locks.connect() as connection:
            found: datetime = connection.execute(sqlalchemy.select(sqlalchemy.func.now())).scalar_one()
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()  # SQLite has it without a zone

    def locked(self, call: Callable[[], T]) -> T:
        """The same as `patiently`, while no other worker makes such a call."""

        def alone() -> T:
            with self._locked():
                return call()

        return self.patiently(alone)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        if self.is_file:
            with FileLock(f"{self.url.database}.lock"):
                yield
            return
        with self._locks.begin() as connection:  # the server takes the lock back when the connection ends
            connection.execute(sqlalchemy.text("SELECT pg_advisory_xact_lock(hashtext('mien search'))"))
            yield

    def close(self) -> None:
        """Give all connections back."""
        self.database.remove_session()
        self.database.engine.dispose()
        self._locks.dispose()


def _reason(error: BaseException) -> tuple[str, str]:
    """The words of the driver in one line, and PostgreSQL's code, if it is one of its errors."""
    while not isinstance(error, DBAPIError) and error.__cause__ is not None:
        error = error.__cause__
    said: Any = error.orig if isinstance(error, DBAPIError) else error
    fields = said.args[0] if said is not None and said.args and isinstance(said.args[0], dict) else {}
    return " ".join(str(fields.get("M", said)).split())[:160], str(fields.get("C", ""))
