"""Seconds and memory of `mien data prepare`: FER2013's csv in full, and photographs with MTCNN.

    python benchmarks/prepare.py --fer DIR --photographs DIR
    python benchmarks/prepare.py --count 10000

Without --fer a csv of as many faces as FER2013 has (35,887) is made of a bundled photograph; without --photographs the
bundled ones are taken. Photographs are linked into a temporary folder as often as --count says. Linux.
"""

import argparse
import csv
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from memory import link, watch

from mien.core.images import read_image, to_gray
from mien.pipeline.sources import expand
from mien.runtime.preprocess import resize
from mien.verbs.demo import sample, samples

FACES = 35_887


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fer", type=Path, help="a folder with fer2013.csv")
    parser.add_argument("--photographs", type=Path, help="a folder")
    parser.add_argument("--count", type=int, default=768)
    parser.add_argument("--detector", default="mtcnn")
    options = parser.parse_args()
    given = [options.photographs] if options.photographs else [sample(name) for name in samples()]
    pictures = [Path(found.source).resolve() for found in expand(given) if not found.error]
    print("| what | pictures | seconds | pictures/s | most memory | memory, first half | second half |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        fer = options.fer or write_fer(folder)
        measure("FER2013's csv", [f"fer2013={fer}"], folder, FACES if not options.fer else None)
        album = write_album(folder, pictures, options.count)
        words = [f"csv={album}", "--set", "faces=false", "--detector", options.detector]
        measure(f"photographs, {options.detector}", words, folder, options.count)


def measure(what: str, words: list[str], folder: Path, count: int | None) -> None:
    """Run the command in a process of its own and print a row."""
    out = folder / "table.parquet"
    command = [sys.executable, "-m", "mien.cli", "data", "prepare", *words, "--out", str(out), "--overwrite"]
    began = time.monotonic()
    held, code = watch(command, quiet=True)
    seconds = time.monotonic() - began
    if code not in (0, 1):
        sys.exit(f"prepare ended with {code}")
    import pyarrow.parquet as parquet

    count = count or parquet.read_metadata(out).num_rows
    half = len(held) // 2
    first, second = (np.median(part) if part else 0 for part in (held[half // 4 : half], held[half:]))
    print(
        f"| {what} | {count:,} | {seconds:.1f} | {count / seconds:,.0f} | {max(held):,.0f} MB | {first:,.0f} MB | "
        f"{second:,.0f} MB |"
    )


def write_fer(folder: Path) -> Path:
    """A fer2013.csv whose faces are one photograph in ever other light and place."""
    face = resize(to_gray(read_image(sample(samples()[0]))), (96, 96))
    generator = np.random.default_rng(0)
    with (folder / "fer2013.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["emotion", "pixels", "Usage"])
        for row in range(FACES):
            x, y, noise = *generator.integers(0, 48, 2), generator.integers(0, 12, (48, 48))
            pixels = np.clip(face[y : y + 48, x : x + 48] * generator.uniform(0.5, 1) + noise, 0, 255).astype(int)
            usage = "Training" if row < 28_709 else "PublicTest" if row < 28_709 + 3_589 else "PrivateTest"
            writer.writerow([row % 7, " ".join(map(str, pixels.ravel().tolist())), usage])
    return folder


def write_album(folder: Path, pictures: list[Path], count: int) -> Path:
    """A csv of `count` photographs, beside links to them."""
    rows = []
    for i in range(count):
        name = f"{i:06}{pictures[i % len(pictures)].suffix}"
        link(pictures[i % len(pictures)], folder / name)
        rows.append(f"{name},happiness")
    (folder / "photographs.csv").write_text("\n".join(["path,label", *rows]) + "\n", "utf-8")
    return folder / "photographs.csv"


if __name__ == "__main__":
    main()
