"""Memory of `mien predict` on a folder of 10,000 photographs, all its processes together: it should stay flat.

    python benchmarks/memory.py --photographs DIR
    python benchmarks/memory.py --count 500 --detector haar

The photographs of DIR (the two bundled ones without it) are linked into a temporary folder as often as needed. Linux.
"""

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from mien.pipeline.sources import expand
from mien.verbs.demo import sample, samples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=Path, help="a folder")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--detector", default="mtcnn")
    parser.add_argument("--annotate", action="store_true", help="draw every photograph too")
    options = parser.parse_args()
    given = [options.photographs] if options.photographs else [sample(name) for name in samples()]
    pictures = [Path(found.source).resolve() for found in expand(given) if not found.error]
    with tempfile.TemporaryDirectory() as temporary:
        album = Path(temporary, "album")
        album.mkdir()
        for i in range(options.count):
            link(pictures[i % len(pictures)], album / f"{i:06}{pictures[i % len(pictures)].suffix}")
        out = Path(temporary, "faces.csv")
        command = [sys.executable, "-m", "mien.cli", "predict", str(album), "--out", str(out)]
        command += ["--detector", options.detector]
        if options.annotate:
            command += ["--annotate", str(Path(temporary, "drawn"))]
        began = time.monotonic()
        held, code = watch(command)
        seconds = time.monotonic() - began
    report(held, options.count, seconds, code)


def link(source: Path, target: Path) -> None:
    """A second name for a file where the file system has that, else a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def watch(command: list[str], *, quiet: bool = False, every_s: float = 0.25) -> tuple[list[float], int]:
    """Run a command; its memory in MB, with that of all processes it starts, every so often, and its exit code."""
    held = []
    output = subprocess.DEVNULL if quiet else None
    with subprocess.Popen(command, stdout=output, stderr=output) as process:
        while process.poll() is None:
            time.sleep(every_s)
            with contextlib.suppress(psutil.NoSuchProcess):
                first = psutil.Process(process.pid)
                held.append(sum(map(memory_mb, [first, *first.children(recursive=True)])))
    return [each for each in held if each > 0], process.returncode


def memory_mb(process: psutil.Process) -> float:
    """Memory of a running process in MB, its share of what it has in common with others (PSS); 0 once it is gone."""
    try:
        return float(process.memory_full_info().pss) / 1e6
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0.0


def part_mb(held: list[float], tenth: int) -> float:
    """The median memory in one tenth of a run, of those numbered from 0."""
    part = sorted(held[len(held) * tenth // 10 : max(len(held) * (tenth + 1) // 10, len(held) * tenth // 10 + 1)])
    return part[len(part) // 2] if part else 0.0


def report(held: list[float], count: int, seconds: float, code: int) -> None:
    """Print the memory at the start (after a tenth), in the middle and at the end."""
    tenth = max(1, len(held) // 10)
    print(f"{count:,} photographs in {seconds:,.0f} s ({count / seconds:.1f} a second), exit code {code}\n")
    print("| when | memory, median | highest |")
    print("|---|---|---|")
    centres = {"second tenth": tenth * 3 // 2, "middle": len(held) // 2, "last tenth": len(held) - tenth // 2}
    for name, middle in centres.items():
        part = sorted(held[max(0, middle - tenth // 2) : middle + tenth // 2 + 1])
        print(f"| {name} | {part[len(part) // 2]:,.0f} MB | {part[-1]:,.0f} MB |")


if __name__ == "__main__":
    main()
