"""A PostgreSQL server of one's own, for tests in which several workers share a search."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

PASSWORD = "a{b}c"  # as it may be: Optuna fills braces


def programs() -> Path | None:
    """Where the server's programs are: Debian keeps them off the path."""
    found = shutil.which("initdb")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return Path(found).parent if found else debian[-1].parent if debian else None


class Server:
    """A PostgreSQL server of one's own on a free port of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.programs = folder, programs()
        # It refuses to run as root.
        self.user = "postgres" if os.getuid() == 0 else None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        if self.user:
            shutil.chown(folder, self.user)
        secret = folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        # ASCII, in the C locale: a bare container has no other.
        options = ["-A", "scram-sha-256", "-U", "mien", f"--pwfile={secret}", "--locale=C", "-E", "UTF8", "--no-sync"]
        self._run("initdb", "-D", folder / "data", *options)
        self.start()

    @property
    def url(self) -> str:
        return f"postgresql://mien:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        settings = (
            f"-p {self.port} -h 127.0.0.1 -k {self.folder} -F"  # -F: a test's database need not outlive the power
        )
        self._run("pg_ctl", "-D", self.folder / "data", "-w", "-l", self.folder / "log", "-o", settings, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", self.folder / "data", "-w", "-m", "immediate", "stop")

    def _run(self, program: str, *words: object) -> None:
        command = [str(self.programs / program), *map(str, words)]
        subprocess.run(command, check=True, user=self.user, cwd=self.folder, stdout=subprocess.DEVNULL, timeout=120)


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """A server until the block ends; a test that needs it skips where its programs are not."""
    if programs() is None:
        pytest.skip("needs PostgreSQL's server (make system)")
    # Not pytest's own folder: that is closed to other users.
    with tempfile.TemporaryDirectory(prefix="mien-postgresql-") as folder:
        server = Server(Path(folder))
        yield server
        server.stop()
