"""The Dockerfile carried out without a container engine: its files copied, its script run, its server started."""

import json
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = "/opt/mien"  # where the Dockerfile installs


@dataclass(frozen=True)
class Recipe:
    """What a Dockerfile says.

    Attributes:
        copied: (files, into which folder) of its first stage.
        runs: the commands of its first stage.
        user: under whom the server runs. entrypoint, health: the commands that start it, and see that it is well.
    """

    copied: tuple[tuple[tuple[str, ...], str], ...]
    runs: tuple[str, ...]
    user: str
    entrypoint: tuple[str, ...]
    health: tuple[str, ...]


def recipe() -> Recipe:
    """The Dockerfile of the repository."""
    text = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    lines = [line.split(None, 1) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    stages = [i for i, (word, _) in enumerate(lines) if word == "FROM"]
    first = lines[: stages[1]]
    copied = [shlex.split(rest) for word, rest in first if word == "COPY"]
    [user] = [rest for word, rest in lines if word == "USER"]
    [entrypoint] = [rest for word, rest in lines if word == "ENTRYPOINT"]
    [health] = [rest for word, rest in lines if word == "HEALTHCHECK"]
    return Recipe(
        tuple((tuple(words[:-1]), words[-1]) for words in copied),
        tuple(rest for word, rest in first if word == "RUN"),
        user,
        tuple(json.loads(entrypoint)),
        tuple(json.loads(re.search(r"\[.*\]", health)[0])),  # type: ignore[index]
    )


def copy_files(found: Recipe, folder: Path) -> None:
    """Copy what the Dockerfile copies."""
    for files, into in found.copied:
        target = folder / into
        for name in files:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                (target if into.endswith("/") else target.parent).mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, target)


def wait_until_well(check: Sequence[str], *, seconds: float = 120, **options: object) -> None:
    """Ask the health check until it is content."""
    until = time.monotonic() + seconds
    while (done := subprocess.run(check, capture_output=True, text=True, **options)).returncode:  # type: ignore[call-overload]
        assert time.monotonic() < until, f"the health check was never content: {done.stderr}"
        time.sleep(0.2)


def user_of(process: subprocess.Popen[str]) -> int:
    """Number of the user under whom a process runs."""
    return os.stat(f"/proc/{process.pid}").st_uid
