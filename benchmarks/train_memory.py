"""Memory of the faces of a training: in memory against read from their table while it trains.

    python benchmarks/train_memory.py --rows 60000 --size 112
    python benchmarks/train_memory.py --rows 60000 --size 112 --processes 2

Writes a table of generated colour faces into a temporary folder, then opens it as `mien train` does, once with
resident=true and once with resident=false, and draws batches of the first epoch, without a net. Peaks are of each
process: VmHWM and, without what the system may take back at any time, RssAnon. Linux.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from mien.core.labels import LABEL_SETS
from mien.datasets import LabelColumn, Table
from mien.datasets.parquet import ROWS_IN_GROUP, encode_small, table_writer

DISTINCT = 256  # pictures that are repeated: encoding takes most of the time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--batches", type=int, default=200, help="how many are drawn")
    parser.add_argument("--processes", type=int, default=1, help="whose share of each batch is drawn, by the first one")
    parser.add_argument("--draw", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.draw:
        draw(Path(options.draw[0]), options.draw[1], options)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "faces.parquet")
        write(path, options.rows, options.size)
        pixels = options.rows * options.size**2 * 3
        print(f"{options.rows:,} faces of {options.size} pixels: {pixels / 1e9:.2f} GB of pixels, a file of", end=" ")
        print(f"{path.stat().st_size / 1e9:.2f} GB")
        print("| resident | opened, MB | peak, MB | peak without files, MB | opened in, s | faces/s |")
        print("|---|---|---|---|---|---|")
        for resident in ("true", "false"):
            print(f"| {resident} | {' | '.join(in_process(path, resident, options))} |", flush=True)


def write(path: Path, rows: int, size: int) -> None:
    """Uneven light and some grain, which PNG makes as small as it makes photographs of faces."""
    chance = np.random.default_rng(0)
    coarse = chance.integers(0, 256, (DISTINCT, 7, 7, 3), np.uint8)
    pictures = [cv2.resize(each, (size, size), interpolation=cv2.INTER_CUBIC) for each in coarse]
    grain = chance.integers(0, 5, (DISTINCT, size, size, 3), np.uint8)
    encoded = [encode_small(np.clip(each, 0, 250) + noise) for each, noise in zip(pictures, grain, strict=True)]
    with table_writer(path, rows_of(np.arange(1), rows), shape=(size, size, 3)) as put:
        for begin in range(0, rows, ROWS_IN_GROUP):
            numbers = np.arange(begin, min(rows, begin + ROWS_IN_GROUP))
            put(rows_of(numbers, rows), [encoded[k % DISTINCT] for k in numbers.tolist()], None)


def rows_of(numbers: np.ndarray, rows: int) -> Table:
    """The rows of these numbers; 2 % validate."""
    ids = np.char.add("face-", numbers.astype(str))
    split = np.where(numbers < rows * 0.98, "train", "valid")
    labels = {"ferplus": LabelColumn(LABEL_SETS["ferplus"], (numbers % 8).astype(np.int16))}
    return Table(ids, np.zeros((len(numbers), 1, 1, 3), np.uint8), split, labels)


def in_process(path: Path, resident: str, options: argparse.Namespace) -> list[str]:
    words = [sys.executable, __file__, "--draw", str(path), resident, "--size", str(options.size)]
    words += ["--batches", str(options.batches), "--processes", str(options.processes)]
    found = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    return [f"{found[name]:,.0f}" for name in ("opened", "peak", "anonymous", "seconds", "rate")]


def draw(path: Path, resident: str, options: argparse.Namespace) -> None:
    """What `mien train` does with the table before and in the first epoch."""
    from mien.datasets import read_table
    from mien.training.config import load_config
    from mien.training.data import TrainingBatches, faces_of
    from mien.training.streamed import placed

    mean, std = "input.mean=[0.5,0.5,0.5]", "input.std=[0.5,0.5,0.5]"
    size = [f"input.size={options.size}", f"start_size={options.size}"]
    config = load_config(changes=["input.color='rgb'", mean, std, *size, f"resident={resident}"])
    begun = held("RssAnon")  # the libraries alone
    start = time.monotonic()
    table = placed(read_table(path, resident=False), config)
    faces = faces_of(table.of_split("train"), config, ["ferplus"])
    seconds, opened, anonymous = time.monotonic() - start, held("RssAnon"), 0.0
    batches = TrainingBatches(faces, config, 0, rank=0, world=options.processes)
    start, seen = time.monotonic(), 0
    for number, batch in enumerate(batches, 1):
        seen += len(batch)
        anonymous = max(anonymous, held("RssAnon"))
        if number == options.batches:
            break
    rate = seen / (time.monotonic() - start)
    found = {"opened": opened - begun, "peak": held("VmHWM"), "anonymous": anonymous, "seconds": seconds, "rate": rate}
    print(json.dumps(found))


def held(name: str) -> float:
    """Memory of this process in MB."""
    return int(Path("/proc/self/status").read_text("ascii").partition(f"{name}:")[2].split()[0]) / 1024


if __name__ == "__main__":
    main()
