"""The blocks of the documentation: what stands between fences, and what in it is a command."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").rglob("*.md")),
)
_FENCE = re.compile(r"^```(\w*)(?: title=\"([^\"]*)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARKER = re.compile(r"<!-- not run: (.*?) -->\s*\Z")
_PAGE_MARKER = re.compile(r"^<!-- nothing here is run: (.*?) -->$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page, line: where its fence opens. language: as the fence says, ``""`` for none. title: the file that it is.
        not_run: why the tests do not run it; ``""`` where they do.
    """

    page: Path
    line: int
    language: str
    title: str
    text: str
    not_run: str

    @property
    def where(self) -> str:
        """``docs/video.md:5``."""
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"

    @property
    def is_shell(self) -> bool:
        """Whether it holds commands; of blocks without a language all do."""
        return self.language in ("", "sh")

    def commands(self) -> list[str]:
        """Its commands, one a string: continued lines joined, comments and what commands print left out."""
        lines = re.sub(r" *\\\n\s*", " ", self.text).splitlines()
        if any(line.startswith("$ ") for line in lines):
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        words = (shlex.split(line, comments=True) for line in lines)
        return [" ".join(word if word == ">" else shlex.quote(word) for word in each) for each in words if each]


def blocks(page: Path) -> list[Block]:
    """All blocks of a page, in order."""
    text = page.read_text("utf-8")
    whole = _PAGE_MARKER.search(text)
    found = []
    for match in _FENCE.finditer(text):
        marker = _MARKER.search(text[: match.start()])
        reason = marker[1] if marker else whole[1] if whole else ""
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(page, line, match[1], match[2] or "", match[3], reason))
    return found
