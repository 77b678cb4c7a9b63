"""Two workers share a search on a real PostgreSQL server; one is killed, and the server itself goes away and back."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("optuna")
pytest.importorskip("pg8000")

import optuna
from postgresql import PASSWORD, Server, running

from mien.core.errors import TrainingError
from mien.experiments.space import parse_space
from mien.experiments.study import Plan, open_study
from mien.experiments.work import claim, work
from mien.training.config import TrainConfig

SPACE = parse_space({"dropout": {"type": "float", "low": 0.0, "high": 0.9}})
TRIALS = 14
ALIVE = {"heartbeat_s": 1, "grace_s": 3}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as found:
        yield found


def plan(**changes: object) -> Plan:
    asked = {"space": SPACE, "base": TrainConfig(epochs=2), "sampler": "tpe", "trials": TRIALS, **changes}
    return Plan(**asked)  # type: ignore[arg-type]


def worker(url: str, name: str, log: Path) -> None:
    """A process that works at the study, and writes down what it begins and ends."""

    def objective(attempt):
        with log.open("a") as file:
            file.write(f"begin {attempt.number}\n")
        for epoch in (1, 2):
            time.sleep(0.15)
            attempt.report(epoch, attempt.settings["dropout"] * epoch / 2)
        with log.open("a") as file:
            file.write(f"end {attempt.number}\n")
        return attempt.settings["dropout"]

    with open_study(plan(), url, worker=name, **ALIVE) as study:
        work(study, objective, poll_s=0.3)


def lines(log: Path, what: str) -> list[int]:
    said = log.read_text().splitlines() if log.exists() else []
    return [int(line.split()[1]) for line in said if line.startswith(what)]


def kill_in_a_trial(process: multiprocessing.process.BaseProcess, log: Path) -> None:
    """SIGKILL after two trials, between what the log says of the beginning and of the end of another."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.is_alive() and process.pid:
        os.kill(process.pid, signal.SIGSTOP)  # so that it does not come to the end while we look
        time.sleep(0.05)
        if 2 <= len(lines(log, "end")) < len(lines(log, "begin")):
            os.kill(process.pid, signal.SIGKILL)
            process.join(30)
            return
        os.kill(process.pid, signal.SIGCONT)
        time.sleep(0.05)
    pytest.fail("expected a trial to kill the worker in")


def test_two_workers_one_of_which_is_killed(server: Server, tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")  # torch is imported already, and not used
    logs = {name: tmp_path / name for name in ("one", "two")}
    processes = {name: fork.Process(target=worker, args=(server.url, name, log)) for name, log in logs.items()}
    for each in processes.values():
        each.start()
    try:
        kill_in_a_trial(processes["one"], logs["one"])
        processes["two"].join(180)
    finally:
        for each in processes.values():
            each.kill()
    assert processes["two"].exitcode == 0 and processes["one"].exitcode == -signal.SIGKILL

    begun, ended = (lines(logs["one"], what) for what in ("begin", "end"))
    (dead,) = set(begun) - set(ended)
    with open_study(plan(), server.url, worker="reader", **ALIVE) as study:
        trials = study.trials()
        attempts = optuna.load_study(study_name="search", storage=study.storage.database).get_trials()
    assert [each.number for each in trials] == list(range(TRIALS))
    assert [each.state for each in trials] == ["complete"] * TRIALS
    assert [each.number for each in trials if each.attempts == 2] == [dead]
    states = [each.state.name for each in attempts]
    assert states.count("COMPLETE") == TRIALS and states.count("FAIL") == 1 and len(states) == TRIALS + 1
    # Both worked, and no trial was run twice but that of the dead one.
    both = ended + lines(logs["two"], "end")
    assert sorted(both) == list(range(TRIALS)) and len(ended) >= 2 and len(lines(logs["two"], "end")) >= 2


def test_what_a_dead_worker_had_claimed_is_another_ones(server: Server) -> None:
    with open_study(plan(name="claimed"), server.url, worker="one", **ALIVE) as study:
        assert study.claim("trains 3").worker == "one"
    with open_study(plan(name="claimed"), server.url, worker="two", **ALIVE) as study:
        assert study.claim("trains 3").worker == "one"
        assert claim(study, "trains 3", poll_s=0.3).worker == "two"
        study.settle("trains 3")
    with open_study(plan(name="claimed"), server.url, worker="one", **ALIVE) as study:
        assert claim(study, "trains 3").done


def test_a_server_that_goes_away_for_a_moment(server: Server) -> None:
    said: list[str] = []
    back = threading.Timer(1.0, server.start)

    def objective(attempt):
        if attempt.number == 1:
            server.stop()
            back.start()
        attempt.report(1, 0.5)
        return attempt.settings["dropout"]

    with open_study(
        plan(name="away", trials=3), server.url, worker="one", waits_s=(0.5,) * 60, note=said.append, **ALIVE
    ) as study:
        assert work(study, objective, poll_s=0.3, note=said.append).finished
        assert [each.state for each in study.trials()] == ["complete"] * 3
        assert [each.attempts for each in study.trials()] == [1, 1, 1]
    back.join()
    assert any(line.startswith("no answer of the storage ") and PASSWORD not in line for line in said)


def test_a_server_that_lets_nobody_in(server: Server) -> None:
    for url, reason in (
        (server.url.replace(PASSWORD, "wrong"), 'password authentication failed for user "mien"'),
        (server.url.replace("/postgres", "/studies"), 'database "studies" does not exist'),
    ):
        with pytest.raises(TrainingError) as caught, open_study(plan(), url, worker="one", **ALIVE):
            pass
        assert f"got in 1 try: {reason}; see that it runs and lets you in" in str(caught.value)
        assert PASSWORD not in str(caught.value)
