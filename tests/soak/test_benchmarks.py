"""The commands of docs/benchmarks.md, each on little: that they run and print a table, never how fast."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from kitchen import Kitchen
from pages import ROOT, blocks

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600), pytest.mark.skipif(os.name == "nt", reason="needs Linux")]

# What makes a script quick, beside what the page says; the later word wins.
LITTLE = {
    "audit.py": "--count 500",
    "browser.py": "--seconds 1",
    "detect.py": "--count 3",
    "live.py": "--seconds 2",
    "local_engine.py": "--count 200",
    "memory.py": "--count 1500",
    "predict.py": "--repeats 2",
    "prepare.py": "--count 4",
    "serve.py": "--seconds 1",
    "train.py": "--steps 1",
    "video.py": "--minutes 0.05 --faces 1",
}
PEERS = {"--peer", "--peer-python", "--peer-model"}  # programs of others, which are not here
HERE = {"../shared/data/wild/images": "photographs", "DIR": "data/fer2013"}
COMMANDS = [
    command
    for block in blocks(ROOT / "docs" / "benchmarks.md")
    if block.is_shell
    for command in block.commands()
    if not command.startswith("make")
]


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photographs, faces and tables."""
    return Kitchen(tmp_path_factory.mktemp("kitchen")).folder


@pytest.mark.parametrize("command", COMMANDS)
def test_it_measures(command: str, kitchen: Path) -> None:
    program, script, *words = shlex.split(command)
    if program == "mien":
        whole = [sys.executable, "-m", "mien", script, *words]
    else:
        own = [
            HERE.get(word, word) for place, word in enumerate(words) if not PEERS & {word, *words[place - 1 : place]}
        ]
        whole = [sys.executable, str(ROOT / script), *own, *LITTLE.get(Path(script).name, "").split()]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(whole, cwd=kitchen, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert any(character.isdigit() for character in done.stdout)
