"""What the pages install, as they say it: `make run` in a clone, and each extra by its name, from the wheel."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pages import PAGES, ROOT, blocks

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600), pytest.mark.skipif(os.name == "nt", reason="needs make")]

# Each way in which a page names extras, and a module that the last of them brings.
BRINGS = {
    "distributed": "ray",
    "live": "pygame",
    "train": "lightning",
    "train,report": "seaborn",
    "video": "av",
    "video,data,report": "matplotlib",
    "video,report": "matplotlib",
    "web": "fastapi",
}
NAMED = sorted(
    {
        extras
        for page in PAGES
        for block in blocks(page)
        if block.is_shell
        for extras in re.findall(r"^pip install .*?\[([\w,]+)\]", block.text, re.MULTILINE)
    }
)
OWN = ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE", "MAKEFLAGS", "MAKELEVEL")


def run(*words: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in OWN}
    done = subprocess.run(list(map(str, words)), cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "uv", "build", "--quiet", "--wheel", "--out-dir", folder, ROOT, cwd=folder)
    return next(folder.glob("*.whl"))


@pytest.mark.parametrize("extras", NAMED)
def test_an_extra_is_added_by_its_name(extras: str, wheel: Path, tmp_path: Path) -> None:
    """By uv, which has the packages already; that pip does so is seen in test_newcomer.py."""
    uv = Path(sys.executable).with_name("uv")
    run(uv, "venv", "--quiet", "--python", sys.executable, "env", cwd=tmp_path)
    there = tmp_path / "env" / "bin" / "python"
    pins = ROOT / "constraints.txt"
    whole = f"mien[{extras}] @ {wheel.as_uri()}"
    run(uv, "pip", "install", "--quiet", "--python", there, "-c", pins, whole, cwd=tmp_path)
    assert "grace_hopper" in run(there, "-m", "mien", "demo", cwd=tmp_path)
    run(there, "-c", f"import {BRINGS[extras]}", cwd=tmp_path)
    shutil.rmtree(tmp_path / "env")  # gigabytes, with torch


def test_make_run_in_a_clone(tmp_path: Path) -> None:
    """With make and a Python: the core is installed, and the demonstration runs."""
    clone = tmp_path / "clone"
    run("git", "clone", "--quiet", "--no-hardlinks", ROOT, clone, cwd=tmp_path)
    said = run("make", "run", f"PYTHON={sys.executable}", cwd=clone)
    assert "grace_hopper" in said
    assert (clone / "demo").is_dir()
    shutil.rmtree(clone)
