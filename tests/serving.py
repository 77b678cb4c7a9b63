"""A server in a process of its own, for tests that need a port."""

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Server:
    """A running server: its address, with a slash at the end, and its process."""

    address: str
    process: subprocess.Popen[str]

    @property
    def port(self) -> int:
        """On which it listens."""
        return int(self.address.rstrip("/").rpartition(":")[2])


def command(*words: str) -> list[str]:
    """`mien serve` on any free port, as a command line."""
    return [sys.executable, "-m", "mien.cli", "serve", "--port", "0", *words]


def environment(**more: str) -> dict[str, str]:
    """One thread for each network, and this checkout's package."""
    own = {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    return os.environ | own | more


@contextlib.contextmanager
def serving(*words: str, **more: str) -> Iterator[Server]:
    """Runs `mien serve` with further words, until the block ends."""
    process = subprocess.Popen(
        command(*words), env=environment(**more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"https?://\S+", line)
        if not found:
            raise AssertionError(f"{line}{process.communicate()[1]}")
        yield Server(found[0], process)
    finally:
        process.terminate()
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
