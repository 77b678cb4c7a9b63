"""Damage to files, and a process of its own for code that may die of it.

A script beside the tests works through numbered cases and reports; the test starts it, sees it die, counts that, and
starts it again behind the case that killed it.
"""

import faulthandler
import json
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

HANG_S = 60  # a case that takes longer is killed


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """One of: bits flipped, bytes replaced, a piece cut out, repeated, or moved; the end cut off."""
    raw = np.frombuffer(data, np.uint8).copy()
    kind = rng.integers(6)
    # Half of the damage goes to the header, where most of the decisions are made.
    reach = min(len(raw), 64) if rng.random() < 0.5 else len(raw)
    places = rng.integers(0, reach, rng.integers(1, 9))
    start, length = int(rng.integers(0, reach)), int(rng.integers(1, 65))
    piece = raw[start : start + length]
    if kind == 0:
        raw[places] ^= np.uint8(1) << rng.integers(0, 8, len(places), np.uint8)
    elif kind == 1:
        raw[places] = rng.integers(0, 256, len(places), np.uint8)
    elif kind == 2:
        raw = np.delete(raw, slice(start, start + length))
    elif kind == 3:
        raw = np.insert(raw, start, piece)
    elif kind == 4:
        rest = np.delete(raw, slice(start, start + length))
        raw = np.insert(rest, int(rng.integers(0, len(rest) + 1)), piece)
    else:
        raw = raw[: rng.integers(0, len(raw))]
    return raw.tobytes()


@dataclass
class Outcome:
    """What became of many cases: counts by kind, the slowest case in seconds, the most memory in MB, the deaths."""

    counts: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    peak_mb: float = 0.0
    wrong: list[str] = field(default_factory=list)
    died: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        counts = ", ".join(f"{count:,} {kind}" for kind, count in sorted(self.counts.items()))
        return f"{counts}; slowest {self.slowest:.2f} s, peak {self.peak_mb:.0f} MB, died {len(self.died)}"


def work(case: Callable[[int], str], start: int, stop: int, report: Path) -> None:
    """In the script: run the cases in order; every hundred, and at the end, the report is written anew.

    `case` returns what it counts as; an exception is a failure of the test. The case at work stands in `<report>.at`.
    """
    counts: Counter[str] = Counter()
    slowest, wrong = 0.0, []
    with report.with_suffix(".at").open("wb", buffering=0) as at:
        for number in range(start, stop):
            at.seek(0)
            at.write(b"%12d" % number)
            faulthandler.dump_traceback_later(HANG_S, exit=True)
            began = time.perf_counter()
            try:
                counts[case(number)] += 1
            except Exception as error:
                counts["wrong"] += 1
                wrong.append(f"case {number}: {type(error).__name__}: {str(error)[:300]}")
            slowest = max(slowest, time.perf_counter() - began)
            faulthandler.cancel_dump_traceback_later()
            if number % 100 == 0 or number == stop - 1:
                peak = peak_mb()
                state = {"counts": counts, "slowest": slowest, "peak_mb": peak, "wrong": wrong[:20], "next": number + 1}
                part = report.with_suffix(".part")
                part.write_text(json.dumps(state), "utf-8")
                part.replace(report)


def peak_mb(*, of_children: bool = False) -> float:
    """The most memory that this process, or the largest of those it started, has held, in MB.

    On Linux the resource usage of a new process begins with what its parent held when it forked; the high-water mark of
    its own address space does not.
    """
    status = Path("/proc/self/status")
    if not of_children and status.exists():
        return int(status.read_text("ascii").partition("VmHWM:")[2].split()[0]) / 1024
    who = resource.RUSAGE_CHILDREN if of_children else resource.RUSAGE_SELF
    return resource.getrusage(who).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def run(script: Path, count: int, report: Path, *words: str) -> Outcome:
    """In the test: run `script START STOP REPORT *words` until all cases are through, however often it dies."""
    outcome, start = Outcome(), 0
    while start < count:
        report.unlink(missing_ok=True)
        command = [sys.executable, str(script), str(start), str(count), str(report), *words]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        state = json.loads(report.read_text("utf-8")) if report.exists() else None
        if state:
            outcome.counts.update(state["counts"])
            outcome.slowest = max(outcome.slowest, state["slowest"])
            outcome.peak_mb = max(outcome.peak_mb, state["peak_mb"])
            outcome.wrong += state["wrong"]
        at = report.with_suffix(".at")
        assert at.exists(), f"the script did not start: {done.stderr[-2000:]}"
        last = int(at.read_text("utf-8"))
        if done.returncode == 0:
            assert last == count - 1
            break
        outcome.died.append(f"case {last}, exit code {done.returncode}: {done.stderr[-300:]}")
        assert len(outcome.died) <= 200, outcome.died[:5]
        start = last + 1  # up to 99 cases before it may be missing from the counts
    return outcome
