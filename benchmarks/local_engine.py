"""`mien predict` of many photographs: two worker processes against one of them, and against one process of two threads.

    python benchmarks/local_engine.py --photographs DIR
    python benchmarks/local_engine.py --photographs DIR --count 200 --rounds 1
    python benchmarks/local_engine.py --photographs DIR --memory-only

The photographs of DIR (the two bundled ones without it) are linked into a temporary folder as often as needed. Memory
is that of all processes, what they share counted once (PSS). Linux; an idle machine, please.
"""

import argparse
import functools
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil
from memory import link, part_mb, watch

from mien.core.images import read_image
from mien.pipeline.processes import Workers
from mien.pipeline.recognizer import Recognizer
from mien.pipeline.sources import expand
from mien.verbs.demo import sample, samples

WAYS = {"one worker": 1, "two workers": 2, "no worker, two threads": 0}


@dataclass
class Measured:
    """Of one way: a value a round."""

    seconds: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    held: list[list[float]] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=Path, help="a folder")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--detector", default="mtcnn")
    parser.add_argument("--memory-only", action="store_true", help="only what workers share")
    options = parser.parse_args()
    given = [options.photographs] if options.photographs else [sample(name) for name in samples()]
    pictures = [Path(found.source).resolve() for found in expand(given) if not found.error]
    if not options.memory_only:
        with tempfile.TemporaryDirectory() as temporary:
            speed(Path(temporary), pictures, options.count, options.rounds, options.detector)
    print("\nWhat a worker has to itself once it has looked at 50 photographs:\n")
    print("| model | started | its own | all it sees (RSS) | the original's own |")
    print("|---|---|---|---|---|")
    for model in ("mien-s", "mien-m"):
        for share in (True, False):
            sharing(model, options.detector, pictures[:50], share=share)


def speed(folder: Path, pictures: list[Path], count: int, rounds: int, detector: str) -> None:
    """Run each way in turn, several times, and print a table and the ratios."""
    album = folder / "album"
    album.mkdir()
    for i in range(count):
        link(pictures[i % len(pictures)], album / f"{i:06}{pictures[i % len(pictures)].suffix}")
    measured = {way: Measured() for way in WAYS}
    tables = set()
    for _ in range(rounds):
        for way, workers in WAYS.items():
            out = folder / "faces.csv"
            command = [sys.executable, "-m", "mien.cli", "predict", str(album), "--out", str(out), "--overwrite"]
            command += ["--detector", detector, "--workers", str(workers)]
            before, began = cpu_seconds(), time.monotonic()
            held, code = watch(command, quiet=True, every_s=2)
            if code not in (0, 1):
                sys.exit(f"{way} ended with {code}")
            measured[way].seconds.append(time.monotonic() - began)
            measured[way].cpu_s.append(cpu_seconds() - before)
            measured[way].held.append(held)
            tables.add(out.read_bytes())
    report(measured, count)
    print(f"\nThe tables are {'the same' if len(tables) == 1 else 'NOT the same'}, byte for byte.")


def report(measured: dict[str, Measured], count: int) -> None:
    """Print medians over the rounds."""
    rounds = len(next(iter(measured.values())).seconds)
    print(f"{count:,} photographs, median of {rounds} rounds\n")
    print("| | seconds | photographs/s | CPU time each | memory, second tenth | last tenth | highest |")
    print("|---|---|---|---|---|---|---|")
    for way, each in measured.items():
        seconds, cpu_ms = median(each.seconds), 1000 * median(each.cpu_s) / count
        start, end = (median(part_mb(held, tenth) for held in each.held) for tenth in (1, 9))
        highest = max(max(held) for held in each.held)
        print(
            f"| {way} | {seconds:.1f} | {count / seconds:.1f} | {cpu_ms:.1f} ms "
            f"| {start:,.0f} MB | {end:,.0f} MB | {highest:,.0f} MB |"
        )
    one, two, threads = (median(each.seconds) for each in measured.values())
    print(f"\ntwo workers against one: {one / two:.2f} times; against two threads: {threads / two:.2f} times")


def cpu_seconds() -> float:
    """Of the commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def start(model: str, detector: str) -> Callable[[str], int]:
    """What a worker of `sharing` does."""
    recognizer = Recognizer(model, detector=detector, threads=1)
    return lambda path: len(recognizer.predict(read_image(path)))


def sharing(model: str, detector: str, pictures: list[Path], *, share: bool) -> None:
    """Print what a forked worker, or one that started by itself, has to itself."""
    import local_engine  # as a module, which another process can import

    with Workers(functools.partial(local_engine.start, model, detector), 1, share=share) as workers:
        for path in pictures:
            workers.submit(str(path)).result()
        held = [each.memory_full_info() for each in psutil.Process().children(recursive=True) if _works(each)]
    way = "forked" if share else "by itself"
    original = f"{held[0].uss / 1e6:.0f} MB" if share else "-"  # uss: what a process shares with nobody
    print(f"| {model} | {way} | {held[-1].uss / 1e6:.0f} MB | {held[-1].rss / 1e6:.0f} MB | {original} |")


def _works(process: psutil.Process) -> bool:
    return "resource_tracker" not in " ".join(process.cmdline())


if __name__ == "__main__":
    main()
