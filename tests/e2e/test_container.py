"""The Dockerfile's steps, in an empty environment and as a user without rights."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from containers import TARGET, copy_files, recipe, user_of, wait_until_well

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")]

PORT = 8137
NOBODY = 65534


def test_the_dockerfile_is_slim_and_without_root() -> None:
    found = recipe()
    assert found.runs == (f"scripts/install_server.sh {TARGET}",)
    assert found.user != "root"
    assert found.entrypoint[:2] == ("mien", "serve")
    ignored = (Path(__file__).parents[2] / ".dockerignore").read_text("utf-8").split()
    assert ignored[0] == "*"
    for files, _ in found.copied:
        for name in files:
            assert f"!{name}" in ignored


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that any user can reach; pytest's own are for their owner only."""
    folder = Path(tempfile.mkdtemp(prefix="mien-container-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.soak
def test_its_script_installs_and_its_server_serves(samples: Path, folder: Path) -> None:
    found = recipe()
    copy_files(found, folder / "source")
    target = folder / "mien"
    own = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
    if own:
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, NOBODY, NOBODY)
    environment = {"PATH": f"{target}/bin:/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "MIEN_API_KEY": "key"}
    environment |= {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_", "SSL_"))}
    [run] = found.runs
    where = {"cwd": folder / "source", "env": environment, **own}
    script = run.replace(TARGET, str(target)).split()
    done = subprocess.run(script, capture_output=True, text=True, **where)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    words = [*found.entrypoint, "--port", str(PORT)]
    words[words.index("0.0.0.0")] = "127.0.0.1"  # nobody else shall see a test's server
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, **where)  # type: ignore[call-overload]
    try:
        check = [word.replace("8000", str(PORT)) for word in found.health]
        wait_until_well(check, **where)
        assert user_of(server) != 0
        files = {"images": (samples / "astronaut.jpg").read_bytes()}
        answer = httpx.post(
            f"http://localhost:{PORT}/predict", files=files, headers={"X-API-Key": "key"}, timeout=60
        ).json()
        assert answer["rows"][0]["label"] == "happiness"
        server.terminate()
        assert server.wait(30) == 0
    finally:
        server.kill()
        server.communicate()
