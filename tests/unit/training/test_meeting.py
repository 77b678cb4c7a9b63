"""What processes tell each other; here threads, over a store on this machine as torchrun's is."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import torch
from torch.distributed import PrefixStore, TCPStore

from mien.core.errors import DataError, TrainingError
from mien.training import meeting as room
from mien.training.meeting import Meeting, is_lost_connection, met
from mien.training.processes import Processes


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    """Run a function in each of two processes' places; gives what each returns or raises."""

    def both(work: Callable[[Meeting], Any], *, timeout_s: float = 20.0) -> list[Any]:
        server = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False, timeout=timedelta(seconds=20))

        def connect(processes: Processes, limit: float) -> Any:
            client = TCPStore("127.0.0.1", server.port, is_master=False, timeout=timedelta(seconds=20))
            return PrefixStore("test", client)

        monkeypatch.setattr(room, "_connect", connect)

        def place(rank: int) -> Any:
            try:
                with met(Processes(rank, 2, 2), timeout_s=timeout_s) as meeting:
                    return work(meeting)
            except Exception as error:
                return error

        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(place, range(2)))

    return both


def test_one_alone_waits_for_nobody() -> None:
    with met(Processes(), timeout_s=1) as meeting:
        assert meeting.gather("a") == ["a"]
        assert meeting.of_first(lambda: 3) == 3
        assert meeting.hand_out({"x": 1}) == {"x": 1}


def test_all_say_and_the_first_decides(run: Callable[..., list[Any]]) -> None:
    answers = torch.arange(1_500_000)  # 12 MB, more than the store takes at once

    def work(meeting: Meeting) -> Any:
        rank = meeting.processes.rank
        said = meeting.gather({"rank": rank})
        first = meeting.of_first(lambda: ["made by", rank])
        given = meeting.hand_out({"answers": answers} if rank == 0 else None)
        return said, first, torch.equal(given["answers"], answers)

    assert run(work) == [([{"rank": 0}, {"rank": 1}], ["made by", 0], True)] * 2


def test_the_first_may_work_longer_than_the_limit(run: Callable[..., list[Any]]) -> None:
    def work(meeting: Meeting) -> Any:
        return meeting.of_first(lambda: time.sleep(2.5) or "done")

    assert run(work, timeout_s=1.0) == ["done", "done"]


def test_who_leaves_says_why(run: Callable[..., list[Any]]) -> None:
    def work(meeting: Meeting) -> Any:
        if meeting.processes.rank == 1:
            raise DataError("expected a table at\n x.parquet, got no such file")
        return meeting.gather(None)

    first, second = run(work)
    assert isinstance(second, DataError)
    assert isinstance(first, TrainingError)
    assert str(first).startswith("expected all 2 processes to go on, got from process 1 on ")
    assert str(first).endswith(": expected a table at x.parquet, got no such file")


def test_a_broken_connection_is_told_by_its_reason(run: Callable[..., list[Any]]) -> None:
    left = threading.Event()

    def work(meeting: Meeting) -> Any:
        if meeting.processes.rank == 1:
            left.set()
            raise DataError("expected more, got less")
        left.wait(10)
        time.sleep(0.3)
        raise RuntimeError("[gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:4242")

    assert str(run(work)[0]).endswith(": expected more, got less")

    def killed(meeting: Meeting) -> Any:
        raise RuntimeError("[gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:4242")

    said = str(run(killed)[0])
    assert (
        "got one that was ended, or did not answer within 20 s ([gloo/transport/tcp/pair.cc:534] Connection closed"
        in said
    )
    assert said.endswith("then start all of them again with --resume")


def test_no_sign_of_life_ends_the_wait(run: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    def work(meeting: Meeting) -> Any:
        return meeting.gather(None) if meeting.processes.rank == 0 else None  # the other one is gone without a word

    said = str(run(work, timeout_s=1.0)[0])
    assert said.startswith("expected all 2 processes to answer, got no sign of process 1 for 1 s: see whether its")


def test_other_settings_are_named(run: Callable[..., list[Any]]) -> None:
    def work(meeting: Meeting) -> Any:
        rank = meeting.processes.rank
        meeting.agree({"net": "resnet", "batch": 64})
        meeting.agree({"net": "resnet", "batch": 64 + rank, "data": "same"})

    first, second = run(work)
    assert "got another batch in process 1 on " in str(first)
    assert str(first) == str(second)


def test_what_is_wrong_elsewhere_is_no_lost_connection() -> None:
    assert is_lost_connection(RuntimeError("NCCL communicator was aborted"))
    assert not is_lost_connection(RuntimeError("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)"))


def test_who_cannot_be_reached_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "9", "RANK": "1", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    unreached = r"expected to reach the first process at 127.0.0.1:9 within 1 s, got: "
    with pytest.raises(TrainingError, match=unreached), met(Processes(1, 2, 1), timeout_s=1.0):
        pass
