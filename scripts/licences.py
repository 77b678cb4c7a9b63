# ruff: noqa: E501 - tables of Markdown are wide
"""Write THIRD_PARTY.md: name, version and licence of every package that mien's core and its extras bring.

    python scripts/licences.py          # of the environment that it runs in, which has to hold all extras
    python scripts/licences.py --check  # 1 if the page says something else than the environment

What a package needs is read from its own metadata, licences are found by pip-licenses.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "THIRD_PARTY.md"

# Licences that let anybody use, change and pass on, also in closed programs, for naming their authors.
PERMISSIVE = ("0BSD", "Apache", "BSD", "CC0", "HPND", "ISC", "MIT", "PSF", "PSFL", "Python", "Unlicense", "Zlib")

# What metadata say in other words than licence names, or not at all: read in the packages' own files.
STATED = {
    "cuda-toolkit": "LicenseRef-NVIDIA-Proprietary",
}

NOTES = """
## What wheels carry beside the package

Licences above are the packages' own. Some wheels hold libraries under licences of their own, which count where you pass an
installation on:

| wheel | holds | of the extra |
|---|---|---|
| `opencv-python-headless` | FFmpeg's libraries, LGPL-2.1, as files that can be replaced | core |
| `numpy`, `scipy` | OpenBLAS (BSD-3-Clause) and the runtime of GCC's Fortran (GPL-3.0 with the exception for runtime libraries) | core, `data` |
| `av` | FFmpeg with x264, GPL | `video` |
| `pygame-ce` | SDL (Zlib); pygame-ce itself is under the LGPL-2.1 | `live` |
| `torch` | on Linux the packages `nvidia-*` come with it, whose licence is NVIDIA's: proprietary, free of charge | `train` |

What mien's own wheel holds of others (MTCNN's weights, ONNX Runtime Web) stands in NOTICE. Packages for developing (`make test`) are no part of
an installation and are not listed.
"""


def needed(requirements: Iterable[Requirement]) -> set[str]:
    """Names of the packages that these requirements bring here, with all that those need in turn."""
    found: set[tuple[str, str]] = set()
    waiting = [(each, extra) for each in requirements for extra in ("", *each.extras)]
    while waiting:
        requirement, extra = waiting.pop()
        key = (canonicalize_name(requirement.name), extra)
        if key in found:
            continue
        found.add(key)
        waiting += [
            (each, inner)
            for each in _requirements_of(key[0])
            if each.marker is None or each.marker.evaluate({"extra": extra})
            for inner in ("", *each.extras)
        ]
    return {name for name, _ in found} - {"mien"}


@cache
def _requirements_of(name: str) -> tuple[Requirement, ...]:
    try:
        return tuple(map(Requirement, distribution(name).requires or ()))
    except PackageNotFoundError:
        return ()  # for another platform or Python, or optional: not part of this environment


def by_extra() -> dict[str, set[str]]:
    """Extra -> names of the packages that it adds to the core's, which stand under ``""``."""
    core = needed([Requirement("mien")])
    extras = sorted(distribution("mien").metadata.get_all("Provides-Extra") or ())
    return {"": core} | {each: needed([Requirement(f"mien[{each}]")]) - core for each in extras if each != "all"}


@cache
def installed() -> dict[str, tuple[str, str]]:
    """Canonical name -> version and licence of each package of this environment."""
    command = [sys.executable, "-m", "piplicenses", "--format=json", "--from=mixed"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = {canonicalize_name(row["Name"]): row for row in json.loads(done.stdout)}
    return {name: (row["Version"], STATED.get(name) or _short(row["License"])) for name, row in rows.items()}


def _short(licence: str) -> str:
    """A licence in few words; some packages give its whole text."""
    first = licence.strip().splitlines()[0] if licence.strip() else "UNKNOWN"
    return re.sub(r"\s+", " ", first)[:80].replace("|", "/")


def permissive(licence: str) -> bool:
    """Whether each part of a licence that has to be kept is permissive; of alternatives (OR) one is enough."""
    parts = re.split(r"\s*(?:;|,|\bAND\b)\s*", licence)
    return all(any(_is_permissive(each) for each in re.split(r"\s*\bOR\b\s*", part)) for part in parts)


def _is_permissive(licence: str) -> bool:
    words = set(re.findall(r"[A-Za-z0-9]+", licence))
    return not words & {"GPL", "LGPL", "AGPL", "GPLv2", "GPLv3", "NVIDIA"} and bool(words & set(PERMISSIVE))


def page() -> str:
    """The whole page."""
    known = installed()
    groups = by_extra()
    lines = [
        "# Third-party packages",
        "",
        "What an installation of mien brings, with the versions that its tests run with. Written by `python scripts/licences.py`;",
        "a test holds it to the environment. **All of the core is permissive**, which the same test checks.",
    ]
    head = ["| package | version | licence |", "|---|---|---|"]
    core = groups.pop("")
    lines += [
        "",
        "## Core",
        "",
        *head,
        *(f"| {name} | {' | '.join(known[name])} |" for name in sorted(core) if name in known),
    ]
    lines += ["", "## Extras", "", "What each extra brings beside the core.", ""]
    lines += ["| package | version | licence | of the extras |", "|---|---|---|---|"]
    for name in sorted(set().union(*groups.values()) & set(known)):
        extras = ", ".join(f"`{extra}`" for extra, names in groups.items() if name in names)
        lines.append(f"| {name} | {' | '.join(known[name])} | {extras} |")
    return "\n".join(lines) + "\n" + NOTES


def main() -> int:
    """Write the page, or compare it."""
    if sys.argv[1:] == ["--check"]:
        same = PAGE.read_text("utf-8") == page()
        print("THIRD_PARTY.md is " + ("up to date" if same else "not up to date: run python scripts/licences.py"))
        return int(not same)
    PAGE.write_text(page(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
