"""`--engine ray` of both commands on one core and on two, and what follows for a hundred machines, on paper.

    python benchmarks/scale.py --photographs DIR
    python benchmarks/scale.py --photographs DIR --count 256 --cores 1

First the CPU time of a photograph, stage by stage, in this process on one thread; then how many photographs a second a
cluster of this machine's first cores does, once its actors have loaded (`--cores 1,2`; Linux), for each command; then
how many tasks a second the first process hands out. The last table is computed from these and what `Paper` assumes.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mien import Recognizer, sample
from mien.core.images import decode
from mien.pipeline.distributed.division import MOST_PARTS, PART
from mien.pipeline.sources import expand
from mien.verbs.demo import samples

TASKS = 400


@dataclass
class Stages:
    """CPU seconds of a photograph in each stage, and its bytes; means."""

    decode: float = 0.0
    detect: float = 0.0
    crop: float = 0.0
    classify: float = 0.0
    bytes: float = 0.0

    @property
    def total(self) -> float:
        """All together."""
        return self.decode + self.detect + self.crop + self.classify


@dataclass(frozen=True)
class Paper:
    """What is assumed of a cluster.

    Attributes:
        machines, cores: of each machine. network: bytes a second of a machine.
        requests: that an object store answers a second, for one prefix; AWS states 5,500.
        listed: names that a store lists a second: 1,000 a request, ten requests a second, one after the other.
        efficiency: of a core among many, against one alone. tasks: that the first process hands out a second.
        pictures: how many there are to do.
    """

    machines: int = 100
    cores: int = 16
    network: float = 10e9 / 8
    requests: float = 5500
    listed: float = 10_000
    efficiency: float = 1.0
    tasks: float = 100.0
    pictures: int = 200_000_000
    prefixes: tuple[int, ...] = field(default=(1, 100))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=Path, help="a folder; the two bundled ones without it")
    parser.add_argument("--count", type=int, default=4096, help="for the cluster; 256 make a task")
    parser.add_argument("--cores", default="1,2")
    parser.add_argument("--machines", type=int, default=100)
    options = parser.parse_args()
    given = [options.photographs] if options.photographs else [sample(name) for name in samples()]
    pictures = [Path(found.source).resolve() for found in expand(given) if not found.error]
    stages = measure(pictures[:256])
    print_stages(stages)
    rates: dict[int, float] = {}
    for verb in _RUNS:
        found = {int(cores): rate(verb, pictures, options.count, int(cores)) for cores in options.cores.split(",")}
        rates = rates or found
        alone = found[min(found)] / min(found)
        for cores, pictures_s in found.items():
            print(f"| {verb} | {cores} | {pictures_s:.1f} | {pictures_s / cores / alone:.2f} |")
    alone = rates[min(rates)] / min(rates)
    tasks = handed_out()
    print(f"\n{tasks:.0f} empty tasks a second\n")
    print_paper(stages, alone, Paper(machines=options.machines, efficiency=efficiency(rates), tasks=tasks))


def measure(pictures: list[Path]) -> Stages:
    """CPU time on one thread."""
    recognizer = Recognizer(threads=1)
    recognizer.predict(sample("astronaut"))
    mean = Stages()
    for path in pictures:
        data = path.read_bytes()
        mean.bytes += len(data) / len(pictures)

        def timed(stage: str, work: Callable[[], object]) -> object:
            began = time.process_time()
            found = work()
            spent = (time.process_time() - began) / len(pictures)
            setattr(mean, stage, getattr(mean, stage) + spent)
            return found

        image = timed("decode", lambda data=data: decode(data))
        faces = timed("detect", lambda image=image: recognizer.find(image))
        crops = timed("crop", lambda image=image, faces=faces: recognizer.crops(image, faces))
        timed("classify", lambda faces=faces, crops=crops: recognizer.classify([(faces, crops)] * 16))
    mean.classify /= 16  # as they are classified: together
    return mean


def print_stages(stages: Stages) -> None:
    print("| stage | CPU time a photograph | a core does a second |\n|---|---|---|")
    for name in ("decode", "detect", "crop", "classify", "total"):
        spent = getattr(stages, name)
        print(f"| {name} | {spent * 1000:.2f} ms | {1 / spent:,.0f} |")
    print(f"\n{stages.bytes / 1000:.0f} kB a photograph\n")
    print("| command | cores | photographs/s | a core, against one alone |\n|---|---|---|---|")


# Told of each part; what comes before the first one is starting.
_RUNS = {
    "predict": """
import sys, time
import mien
seen = []
mien.predict(sys.argv[1], engine="ray", out=sys.argv[2], tell=lambda step: seen.append((time.monotonic(), step.done)))
print(sum(done for _, done in seen[1:]) / (seen[-1][0] - seen[0][0]))
""",
    "data prepare": """
import sys, time
import mien
seen = []
mien.prepare(
    f"folder={sys.argv[1]}", engine="ray", out=sys.argv[2], options={"faces": False},
    tell=lambda done, total: seen.append((time.monotonic(), done)),
)
print((seen[-1][1] - seen[0][1]) / (seen[-1][0] - seen[0][0]))
""",
}


def rate(verb: str, pictures: list[Path], count: int, cores: int) -> float:
    """Photographs a second of a cluster of so many cores of this machine, after its first task."""
    with tempfile.TemporaryDirectory() as temporary:
        album = Path(temporary, "people", "neutral")  # any class
        album.mkdir(parents=True)
        for i in range(count):
            os.symlink(pictures[i % len(pictures)], album / f"{i:06}{pictures[i % len(pictures)].suffix}")
        mine = sorted(os.sched_getaffinity(0))[:cores]
        command = [
            "taskset",
            "-c",
            ",".join(map(str, mine)),
            sys.executable,
            "-c",
            _RUNS[verb],
            str(album.parent),
            f"{temporary}/out",
        ]
        clean = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
        return float(subprocess.run(command, check=True, capture_output=True, text=True, env=clean).stdout)


def handed_out() -> float:
    """Empty tasks a second, of one actor."""
    from mien.pipeline.distributed.cluster import joined

    os.environ.pop("RAY_ADDRESS", None)
    with joined() as cluster:
        times = []
        for _ in cluster.run([{"number": i} for i in range(TASKS)], Nothing):
            times.append(time.monotonic())
    return (len(times) - 1) / (times[-1] - times[0])


class Nothing:
    """Work that is none."""

    def __call__(self, task: dict[str, int]) -> dict[str, int]:
        """The task itself."""
        return task


def efficiency(rates: dict[int, float]) -> float:
    """Of a core among the most that were measured, against one alone."""
    fewest, most = min(rates), max(rates)
    return rates[most] / most / (rates[fewest] / fewest)


def print_paper(stages: Stages, alone: float, paper: Paper) -> None:
    """Where the limit is."""
    cores = paper.machines * paper.cores
    part = max(PART, paper.pictures // MOST_PARTS)
    limits = {
        f"{name}, if it were all": cores * paper.efficiency / getattr(stages, name)
        for name in ("decode", "detect", "crop", "classify")
    }
    limits["all stages and what is around them, as measured"] = cores * paper.efficiency * alone
    limits["network of the machines"] = paper.machines * paper.network / stages.bytes
    limits |= {f"object store, {n} prefix(es)": n * paper.requests for n in paper.prefixes}
    limits[f"first process, parts of {part:,}"] = paper.tasks * part
    limits["listing of the store, before"] = paper.listed
    assumed = f"{paper.machines} machines of {paper.cores} cores, {paper.network * 8 / 1e9:.0f} Gbit/s each"
    print(
        f"{assumed}; {paper.pictures:,} photographs\n\n| what | photographs/s at most | hours for all |\n|---|---|---|"
    )
    for name, most in sorted(limits.items(), key=lambda item: item[1]):
        print(f"| {name} | {most:,.0f} | {paper.pictures / most / 3600:.2f} |")
    print(f"\na million photographs: {1e6 / (alone * paper.efficiency) / 3600:.2f} core hours")


if __name__ == "__main__":
    main()
