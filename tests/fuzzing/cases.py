"""Numbered cases in a process of its own, for code that may die of one.

A script works through them and reports; the test starts it, sees it die, counts that, and starts it again behind the
case that killed it.
"""

import faulthandler
import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

HANG_S = 60  # a case that takes longer is killed


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


def forget_peak() -> None:
    """Let `peak_mb` begin anew, where the kernel can."""
    if Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5", "ascii")


def peak_mb(*, of_children: bool = False) -> float:
    """The most memory that this process, or the largest of those it started, has held, in MB.

    On Linux the resource usage of a new process begins with what its parent held when it forked; the high-water mark of
    its own address space does not.
    """
    if not of_children and Path("/proc/self/status").exists():
        return high_water_mb("self")
    who = resource.RUSAGE_CHILDREN if of_children else resource.RUSAGE_SELF
    return resource.getrusage(who).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def high_water_mb(process: int | str) -> float:
    """The most that a process has held in its own address space, in MB; by its number, or "self". Linux."""
    return int(Path(f"/proc/{process}/status").read_text("ascii").partition("VmHWM:")[2].split()[0]) / 1024


def command(program: Path | str, *words: str) -> tuple[list[str], dict[str, str]]:
    """The words and the environment that start a script, or a module by its name, with `tests` and `src` at hand."""
    root = Path(__file__).resolve().parents[2]
    paths = (str(root / "tests"), str(root / "src"), os.environ.get("PYTHONPATH", ""))
    start = ["-m", program] if isinstance(program, str) else [str(program)]
    return [sys.executable, *start, *words], os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def run(program: Path | str, count: int, report: Path, *words: str) -> Outcome:
    """In the test: run `program START STOP REPORT *words` until all cases are through, however often it dies."""
    outcome, start = Outcome(), 0
    while start < count:
        report.unlink(missing_ok=True)
        line, environment = command(program, str(start), str(count), str(report), *words)
        done = subprocess.run(line, env=environment, capture_output=True, text=True, errors="replace", check=False)
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
