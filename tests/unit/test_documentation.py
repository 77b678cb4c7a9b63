"""Every block of the documentation as far as it can be read: languages, commands, options, Python, TOML, JSON."""

import ast
import json
import re
import shlex
import tomllib
from typing import Any

import pytest
from pages import PAGES, ROOT, Block, blocks

import mien

ALL = [block for page in PAGES for block in blocks(page)]
SHELL = [block for block in ALL if block.is_shell]
# What beside `mien` a reader is told to run, each of which is on their machine or comes with it.
PROGRAMS = {"mien", "export", "make", "pip", "python", "python3", "docker", "curl", "openssl", "torchrun", ".", "py"}
LANGUAGES = {"", "sh", "text", "console", "python", "toml", "json", "js", "mermaid", "nginx"}


def test_there_are_blocks_and_each_fence_is_closed_and_of_a_known_language() -> None:
    assert len(ALL) > 100
    for page in PAGES:
        fences = re.findall(r"^```.*$", page.read_text("utf-8"), re.MULTILINE)
        assert len(fences) == 2 * len(blocks(page)), page
    assert [block.where for block in ALL if block.language not in LANGUAGES] == []


def test_a_reason_is_given_in_words() -> None:
    assert [block.where for block in ALL if block.not_run and len(block.not_run.split()) < 3] == []


def test_every_program_is_one_that_readers_have() -> None:
    strange = {each.split()[0] for block in SHELL for each in block.commands()} - PROGRAMS
    assert {
        name for name in strange if not (name.startswith(".venv") or (ROOT / name).is_file() or "mien-env" in name)
    } == set()


def test_every_command_of_mien_has_the_options_that_it_names() -> None:
    wrong = []
    for block in SHELL:
        for command in block.commands():
            words = shlex.split(command)
            if words[0] == "torchrun":  # torchrun ... -m mien train ...
                words = ["mien", *words[words.index("-m") + 2 :]]
            if words[0].rpartition("/")[2] == "mien" and not _known(words[1:]):
                wrong.append(f"{block.where}: {command}")
    assert wrong == []


def test_so_have_the_commands_within_a_line() -> None:
    """Of `mien verb --option` in a sentence or a table."""
    wrong = []
    for page in PAGES:
        prose = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        for command in re.findall(r"`mien ([a-z][^`]*)`", prose):
            words = shlex.split(command)
            if not _known(words):
                wrong.append(f"{page.relative_to(ROOT)}: mien {command}")
    assert wrong == []


def _known(words: list[str]) -> bool:
    from typer.main import get_command

    from mien.cli.app import app

    command: Any = get_command(app)
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        command = command.commands.get(words.pop(0))
    if command is None:
        return False
    known = {"--help", *(option for each in command.params for option in each.opts)}
    return {word.partition("=")[0] for word in words if word.startswith("--")} <= known


def test_every_option_of_a_script_is_in_the_script() -> None:
    saved = {block.title for block in ALL}  # by the reader, from the page
    wrong = []
    for block in SHELL:
        for command in block.commands():
            words = shlex.split(command)
            script = ROOT / words[1] if words[0].startswith("python") and len(words) > 1 else None
            if script is None or script.suffix != ".py" or words[1] in saved:
                continue
            source = script.read_text("utf-8") if script.is_file() else ""
            options = [word for word in words if word.startswith("--")]
            if not source or any(f'"{option}"' not in source for option in options):
                wrong.append(f"{block.where}: {command}")
    assert wrong == []


def test_every_extra_that_is_installed_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = {
        extra
        for block in SHELL
        for command in block.commands()
        if "pip install" in command
        for group in re.findall(r"\[([\w,]+)\]", command)
        for extra in group.split(",")
    }
    assert {"train", "video", "web"} <= named <= set(project["optional-dependencies"])


@pytest.mark.parametrize("language", ["python", "toml", "json"])
def test_every_block_of_a_language_is_in_that_language(language: str) -> None:
    def read(block: Block) -> None:
        if language == "python":
            ast.parse(block.text)
        elif language == "toml":
            tomllib.loads(block.text)
        else:
            json.loads(block.text)

    for block in ALL:
        if block.language == language:
            try:
                read(block)
            except (SyntaxError, ValueError) as error:
                pytest.fail(f"{block.where}: {error}")


def test_the_wheel_that_readers_install_is_of_this_version() -> None:
    named = set(re.findall(r"mien-(\d[\w.]*)-py3-none-any\.whl", (ROOT / "docs" / "start.md").read_text("utf-8")))
    assert named == {mien.__version__}
