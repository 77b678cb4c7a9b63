"""The pool of watched processes: results, deaths, time limits, and nobody left behind."""

import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import chores
import pytest

from mien.core.errors import InputError, TimeLimitError, WorkerError
from mien.pipeline.processes import Workers

WAYS = [pytest.param(True, id="forked"), pytest.param(False, id="spawned")]


@pytest.fixture(scope="module", params=WAYS)
def pool(request: pytest.FixtureRequest) -> Iterator[Workers]:
    with Workers(chores.start, 2, limit_s=2, name=lambda chore: f"the chore {chore[0]}", share=request.param) as pool:
        yield pool


def alive(pid: int) -> bool:
    """Whether a process or a thread of it is there, which holds its pipes; one not reaped yet does not count."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z" or len(list(Path(f"/proc/{pid}/task").iterdir())) > 1
    except OSError:
        return False


def gone(pids: list[int], within_s: float = 10) -> bool:
    until = time.monotonic() + within_s
    while any(map(alive, pids)) and time.monotonic() < until:
        time.sleep(0.02)
    return not any(map(alive, pids))


def test_items_are_answered_by_as_many_processes_as_asked_for(pool: Workers) -> None:
    futures = [pool.submit(("pid", 0.1)) for _ in range(6)]
    pids = {future.result() for future in futures}
    assert len(pids) == 2 and os.getpid() not in pids
    assert [future.result() for future in [pool.submit(("echo", k)) for k in range(50)]] == list(range(50))
    big = bytes(5_000_000)
    assert pool.submit(("echo", big)).result() == big


def test_what_the_work_raises_is_raised_here_and_harms_nobody(pool: Workers) -> None:
    before = pool.submit(("pid", 0)).result()
    with pytest.raises(InputError) as raised:
        pool.submit(("raise", InputError("expected this, got that"))).result()
    assert str(raised.value) == "expected this, got that"
    assert "chores.py" in raised.value.__notes__[0]  # where it came from
    with pytest.raises(ZeroDivisionError):
        pool.submit(("raise", ZeroDivisionError())).result()
    with pytest.raises((AttributeError, TypeError), match="lambda|pickle"):
        pool.submit(("closure", 1)).result()  # cannot be sent back
    with pytest.raises((AttributeError, TypeError), match="lambda|pickle"):
        pool.submit(("echo", lambda: None)).result()  # cannot be sent there
    assert before in {future.result() for future in [pool.submit(("pid", 0.1)) for _ in range(4)]}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_a_death_is_the_error_of_one_item(pool: Workers, number: signal.Signals) -> None:
    futures = [pool.submit(("kill", number) if k == 3 else ("echo", k)) for k in range(8)]
    with pytest.raises(WorkerError) as raised:
        futures[3].result()
    assert str(raised.value) == (
        "expected a worker process to live through the chore kill, got one that ended by "
        f"{number.name}: leave it out, or convert it; if others fail, too, memory may be short"
    )
    assert [future.result() for k, future in enumerate(futures) if k != 3] == [0, 1, 2, 4, 5, 6, 7]


def test_what_takes_too_long_is_ended(pool: Workers) -> None:
    slow, quick = pool.submit(("sleep", 60)), pool.submit(("echo", 1))
    with pytest.raises(TimeLimitError, match="^expected at most 2 s for the chore sleep, got more: leave it out"):
        slow.result()
    assert quick.result() == 1


def test_a_worker_that_was_killed_while_it_waited_costs_nothing(pool: Workers) -> None:
    pids = {future.result() for future in [pool.submit(("pid", 0.1)) for _ in range(4)]}
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    assert gone([*pids])
    assert [pool.submit(("echo", k)).result() for k in range(4)] == [0, 1, 2, 3]


def test_signs_of_life_arrive_and_move_the_limit() -> None:
    told: list[int] = []
    with Workers(chores.start, 1, limit_s=1, told=told.append) as pool:
        assert pool.submit(("tell", 7)).result() == 7  # in 1.4 s
    assert told == list(range(7))


def test_an_item_may_be_tried_again(tmp_path: Path) -> None:
    with Workers(chores.start, 1, tries=2) as pool:
        assert pool.submit(("leave once", tmp_path / "tried")).result() == "the second time"
        with pytest.raises(WorkerError, match="ended by SIGKILL"):
            pool.submit(("kill", signal.SIGKILL)).result()


@pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux alone")
def test_forked_workers_start_once_and_a_lost_original_is_replaced(tmp_path: Path) -> None:
    with Workers(functools.partial(chores.start, tmp_path), 2) as pool:
        pids = {pool.submit(("pid", 0.1)).result() for _ in range(4)}
        [original] = [int(path.name.partition("-")[2]) for path in tmp_path.iterdir()]
        assert original not in pids
        os.kill(original, signal.SIGKILL)
        assert gone([*pids])
        assert pool.submit(("echo", 1)).result() == 1
        assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("share", WAYS)
def test_a_start_that_fails_is_said_at_once(share: bool) -> None:
    with pytest.raises(FileNotFoundError, match="^expected a model, got none"):
        Workers(chores.fail, 2, share=share)
    with pytest.raises(WorkerError, match="^expected a worker process to start, got one that ended with exit code 3: "):
        Workers(chores.leave, 2, share=share)


@pytest.mark.parametrize("share", WAYS)
def test_closing_ends_work_and_processes(share: bool) -> None:
    with Workers(chores.start, 2, share=share) as pool:
        pids = list({future.result() for future in [pool.submit(("pid", 0.1)) for _ in range(4)]})
        futures = [pool.submit(("sleep", 60)) for _ in range(4)]
        time.sleep(0.1)
        began = time.monotonic()
    assert time.monotonic() - began < 5
    assert gone(pids)
    assert [future.cancelled() for future in futures] == [False, False, True, True]
    with pytest.raises(WorkerError, match="live through"):
        futures[0].result()


PARENT = """
import sys
import chores
from mien.pipeline.processes import Workers

if __name__ == "__main__":
    with Workers(chores.start, 2, share=sys.argv[1] == "True") as pool:
        print(*(f.result() for f in [pool.submit(("pid", 0.3)) for _ in range(2)]), flush=True)
        pool.submit(("sleep", 600))
        pool.submit(("sleep", 600)).result()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("share", WAYS)
def test_nobody_stays_behind_when_the_parent_is_killed(share: bool, tmp_path: Path) -> None:
    (tmp_path / "parent.py").write_text(PARENT)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(tmp_path / "parent.py"), str(share)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout
        pids = [int(word) for word in process.stdout.readline().split()]
        assert len(pids) == 2 and all(map(alive, pids))
        process.kill()
    assert gone(pids)
