"""A newcomer: has the built site and nothing else, copies what a page shows into a shell, and looks at the clock."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from pages import ROOT

_AS_SHOWN = "file:///path/to/"  # docs/javascripts/wheel.js puts the folder of the wheel there


def build_site(folder: Path, *, wheel: bool) -> None:
    """Build the site strictly, as `make site` does; with `wheel`, mien as a file beside its pages."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "NO_MKDOCS_2_WARNING": "1"}
    commands = [["mkdocs", "build", "--quiet", "--site-dir", str(folder)]]
    if wheel:
        commands.append(["uv", "build", "--quiet", "--wheel", "--out-dir", str(folder / "download"), str(ROOT)])
    for command in commands:
        whole = [sys.executable, "-m", *command]
        done = subprocess.run(whole, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]


@dataclass(frozen=True)
class Step:
    """A block that a page shows: below which heading, in which language, to be saved under which name if any."""

    heading: str
    language: str
    file: str
    text: str


class _Blocks(HTMLParser):
    """Collects the blocks of a page of the site with the headings above them."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Step] = []
        self._heading = self._language = self._file = ""
        self._within = ""  # h2, filename or code
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        classes = (dict(attrs).get("class") or "").split()
        if tag == "div" and "highlight" in classes:
            [self._language] = [name.removeprefix("language-") for name in classes if name.startswith("language-")]
            self._file = ""
        elif tag == "h2":
            self._within, self._text = "h2", ""
        elif tag == "span" and "filename" in classes:
            self._within, self._text = "filename", ""
        elif tag == "code" and self._language:
            self._within, self._text = "code", ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "h2" and self._within == "h2":
            self._heading = self._text.strip("¶\n ")
        elif tag == "span" and self._within == "filename":
            self._file = self._text
        elif tag == "code" and self._within == "code":
            self.steps.append(Step(self._heading, self._language, self._file, self._text))
            self._language = ""
        else:
            return
        self._within = ""

    def handle_data(self, data: str) -> None:
        self._text += data


def read(page: Path) -> list[Step]:
    """What a page of the built site shows to copy, in order."""
    blocks = _Blocks()
    blocks.feed(page.read_text("utf-8"))
    download = (page.parent / "download").as_uri() + "/"
    return [
        Step(step.heading, step.language, step.file, step.text.replace(_AS_SHOWN, download)) for step in blocks.steps
    ]


def walk(steps: Sequence[Step], folder: Path, instead: Mapping[str, str]) -> dict[str, float]:
    """Do all steps in one shell, as they are shown.

    Args:
        steps: of a page. folder: where to.
        instead: beginnings of commands, and what is said in their place on this machine.

    Returns:
        For each heading, the seconds from the first command of all to the last one below it.
    """
    lines = ["set -e", 'clock() { echo "$(date +%s.%N) $1" >> clock; }', "clock begin"]
    for number, step in enumerate(steps):
        if step.file:
            (folder / step.file).write_text(step.text, "utf-8")
        elif step.language == "python":
            (folder / f"typed-{number}.py").write_text(step.text, "utf-8")
            lines.append(f"python typed-{number}.py")
        elif step.language == "sh":
            text = step.text
            for beginning, other in instead.items():
                text = re.sub(rf"^{re.escape(beginning)}", lambda _, other=other: other, text, flags=re.MULTILINE)
            lines.append(text)
        lines.append(f"clock {shlex.quote(step.heading)}")
    # Nothing of the environment that the tests run in, and no way back to the repository.
    strange = ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE", "OMP_NUM_THREADS", "OMP_WAIT_POLICY")
    environment = {name: value for name, value in os.environ.items() if name not in strange}
    done = subprocess.run(
        ["bash", "-c", "\n".join(lines)], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-2000:]
    seen = [line.split(" ", 1) for line in (folder / "clock").read_text("utf-8").splitlines()]
    return {heading: float(second) - float(seen[0][0]) for second, heading in seen[1:]}
