"""From a cold start: `import mien` over a bare interpreter, and `mien predict photo.jpg` as a new process.

    python benchmarks/cold.py

The same figures as `mien bench cold`, and the slowest imports behind the second one.
"""

import argparse
import re
import subprocess
import sys

from mien.verbs.bench import bench
from mien.verbs.demo import sample


def slowest_imports(count: int) -> list[tuple[float, str]]:
    """Milliseconds that modules themselves took to import during `mien predict`, without those they import."""
    command = [sys.executable, "-X", "importtime", "-m", "mien.cli", "predict", str(sample("grace_hopper"))]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    found = re.findall(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)", said)
    return sorted(((int(time) / 1000, name) for time, name in found), reverse=True)[:count]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mien-s")
    options = parser.parse_args()
    result = bench("cold", model=options.model)
    print(f"{result.processors} processors\n")
    print("| what | median | |")
    print("|---|---|---|")
    for each in result.measurements:
        print(f"| {each.what} | {each.value:.3f} {each.unit} | {each.note} |")
    print("\nslowest imports of `mien predict`, ms: ", end="")
    print(", ".join(f"{name} {time:.0f}" for time, name in slowest_imports(8)))


if __name__ == "__main__":
    main()
