"""Seconds and memory of `mien data audit`: a table of one's own, or one of as many made-up faces as are asked for.

    python benchmarks/audit.py --data ferplus.parquet
    python benchmarks/audit.py --data ferplus.parquet --count 290000

With --count the images of --data are blended two by two, so that there are as many other ones with the same statistics;
this is timed without the time to read a table.
"""

import argparse
import resource
import time

import numpy as np
import numpy.typing as npt

from mien.datasets import open_data
from mien.datasets.table import Table
from mien.verbs.audit import audit

_AT_ONCE = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="a table, or NAME=ROOT")
    parser.add_argument("--count", type=int, help="blends instead")
    parser.add_argument("--near", type=int, default=11)
    options = parser.parse_args()
    made = options.count or not options.data
    table = blends(options.data, options.count or 30_000) if made else options.data
    began, before = time.perf_counter(), _most_memory()
    found = audit(table, near=options.near).audit
    seconds = time.perf_counter() - began
    print("| what | images | hashes within | seconds | most memory | before |")
    print("|---|---|---|---|---|---|")
    what = "blends in memory" if made else "from the table on disk"
    print(f"| {what} | {found.rows:,} | {options.near} bits | {seconds:.1f} | {_most_memory()} MB | {before} MB |")


def blends(data: str | None, count: int) -> Table:
    """Mixtures of two faces each, or of two patterns where there are no data."""
    rng = np.random.default_rng(0)
    faces = open_data(data).images if data else rng.integers(0, 256, (1000, 48, 48), dtype=np.uint8)
    images = np.empty((count, *faces.shape[1:]), np.uint8)
    for at in range(0, count, _AT_ONCE):
        part = images[at : at + _AT_ONCE]
        one, other = rng.integers(0, len(faces), (2, len(part)))
        share = rng.uniform(0.25, 0.75, (len(part), *[1] * (faces.ndim - 1))).astype(np.float32)
        part[:] = _mix(faces[one], faces[other], share)
    ids = [f"blend-{row}" for row in range(count)]
    return Table(np.array(ids), images, rng.choice(["train", "valid"], count))


def _mix(
    one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8], share: npt.NDArray[np.float32]
) -> npt.NDArray[np.uint8]:
    mixed: npt.NDArray[np.uint8] = (one * share + other * (1 - share)).astype(np.uint8)
    return mixed


def _most_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


if __name__ == "__main__":
    main()
