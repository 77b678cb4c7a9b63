"""The script: START STOP REPORT ENTRY; with several entries REPORT is a folder, which gets a report of each."""

import contextlib
import os
import sys
import zlib
from pathlib import Path

import numpy as np

from fuzzing.cases import forget_peak, work
from fuzzing.entries import ENTRIES
from fuzzing.watch import Watch
from mien.core.errors import MienError

SEED = 20131201
CORPUS = Path(__file__).parent / "corpus"


def through(name: str, start: int, stop: int, report: Path) -> None:
    """Work through the inputs of one entry: what stands in the corpus, then damaged seeds."""
    folder = report.parent / f"{report.stem} files" / "given"
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    entry = ENTRIES[name](folder)
    for file, data in entry.seeds.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(data)
        with contextlib.suppress(*(MienError,) * (not entry.both)):
            entry.read(folder / file)  # a whole file is read, or nothing below means anything
    kept = sorted(each for each in CORPUS.glob(f"{name}/*/**/*") if each.is_file())
    files, watch = sorted(entry.seeds), Watch(folder)
    forget_peak()

    def case(number: int) -> str:
        if number < len(kept):
            _, *parts = kept[number].relative_to(CORPUS / name).parts  # the case, and the file in it
            file, data = "/".join(parts), kept[number].read_bytes()
        else:
            rng = np.random.default_rng((SEED, zlib.crc32(name.encode()), number))
            file = files[number % len(files)]
            data = entry.damaged(file, rng)
        (folder / file).write_bytes(data)
        watch.begin()
        try:
            entry.read(folder / file)
        except MienError as error:
            assert "expected" in str(error) and len(str(error).splitlines()) == 1, f"not one clear line: {error}"
            return "refused"
        finally:
            seen = watch.end()
            (folder / file).write_bytes(entry.seeds.get(file, b""))
            assert not seen, f"{file}: {seen[:3]}"
        return "read"

    work(case, start, stop, report)


def main(start: str, stop: str, report: str, *names: str) -> None:
    where = Path(report).resolve()
    for name in names:
        through(name, int(start), int(stop), where / f"{name}.json" if len(names) > 1 else where)


if __name__ == "__main__":
    main(*sys.argv[1:])
