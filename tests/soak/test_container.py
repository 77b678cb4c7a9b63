"""The Dockerfile's steps in a bare Debian root, as a user without rights."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from containers import TARGET, copy_files, recipe, user_of, wait_until_well

PORT = 8139
NOBODY = 65534
CERTIFICATES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A Debian with Python and certificates, and nothing else."""
    if os.getuid() != 0 or shutil.which("debootstrap") is None:
        pytest.skip("needs root and debootstrap")
    root = tmp_path / "root"
    more = "--include=python3,python3-venv,ca-certificates"
    subprocess.run(["debootstrap", "--variant=minbase", more, "bookworm", root], check=True, capture_output=True)
    settings = ("/etc/resolv.conf", "/etc/pip.conf", *(os.environ.get(name, "") for name in CERTIFICATES))
    for path in map(Path, filter(None, settings)):  # so that pip finds its index there as it does here
        if path.is_file():
            (root / path.relative_to("/")).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, root / path.relative_to("/"))
    yield root
    shutil.rmtree(root, ignore_errors=True)


def test_in_a_bare_debian(root: Path, samples: Path) -> None:
    found = recipe()
    copy_files(found, root / "source")
    target = root / TARGET.lstrip("/")
    target.mkdir(parents=True)
    for path in [target, root / "source", *(root / "source").rglob("*")]:
        os.chown(path, NOBODY, NOBODY)
    environment = {"PATH": f"{TARGET}/bin:/usr/bin:/bin", "HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {name: value for name, value in os.environ.items() if name in (*CERTIFICATES, "PIP_INDEX_URL")}
    chroot = shutil.which("chroot", path="/usr/sbin:/usr/bin:/sbin") or "chroot"

    def inside(*words: str) -> list[str]:
        return [chroot, f"--userspec={NOBODY}:{NOBODY}", str(root), *words]

    [run] = found.runs
    done = subprocess.run(inside("sh", "-c", f"cd /source && {run}"), env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    words = [*found.entrypoint, "--port", str(PORT)]
    words[words.index("0.0.0.0")] = "127.0.0.1"
    server = subprocess.Popen(inside(*words), env=environment, stdout=subprocess.PIPE, text=True)
    try:
        check = [word.replace("8000", str(PORT)) for word in found.health]
        wait_until_well(inside(*check), env=environment)
        assert user_of(server) == NOBODY
        files = {"images": (samples / "astronaut.jpg").read_bytes()}
        answer = httpx.post(f"http://localhost:{PORT}/predict", files=files, timeout=60).json()
        assert answer["rows"][0]["label"] == "happiness"
        server.terminate()
        assert server.wait(30) == 0
    finally:
        server.kill()
        server.communicate()
