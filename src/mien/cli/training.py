"""What the commands that train have in common: their options, and what they say while they run."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from mien.cli.console import note
from mien.core.errors import UsageError

Data = Annotated[
    list[str], typer.Option("--data", metavar="TABLE|NAME=ROOT", help="A table or a data set; may repeat.")
]
Net = Annotated[str | None, typer.Option("--net", metavar="NAME", help="An architecture.")]
Preset = Annotated[str | None, typer.Option("--preset", metavar="NAME", help="A recipe, such as mien-s.")]
Config = Annotated[Path | None, typer.Option("--config", metavar="FILE.toml", help="Settings in a file.")]
Changes = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One setting; may repeat.")]
Drop = Annotated[list[Path] | None, typer.Option("--drop", metavar="LIST.csv", help="Images to leave out; may repeat.")]
Relabel = Annotated[
    list[Path] | None, typer.Option("--relabel", metavar="LIST.csv", help="Images to label anew; may repeat.")
]
Folds = Annotated[
    str | None, typer.Option("--folds", metavar="K|loso", help="A model a fold; loso: leave one subject out.")
]
Group = Annotated[str | None, typer.Option("--group", metavar="COLUMN", help="What stays in one fold. [subject]")]
Seeds = Annotated[int | None, typer.Option("--seeds", metavar="K", help="A model a seed.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on after the last finished epoch.")]
MaxMinutes = Annotated[
    float | None, typer.Option("--max-minutes", metavar="M", help="Stop between epochs before this; resume later.")
]


def check_minutes(minutes: float | None) -> None:
    """UsageError unless there is time, or no limit of it."""
    if minutes is not None and not minutes > 0:  # nan is not either
        raise UsageError(f"expected --max-minutes above 0, got {minutes:g}")


def telling(*, silent: bool) -> Callable[[dict[str, Any]], None]:
    """Prints the row of each epoch."""

    def tell(row: dict[str, Any]) -> None:
        if not silent:
            print("  ".join(f"{name} {number(value)}" for name, value in row.items()), flush=True)

    return tell


def saying(*, silent: bool) -> Callable[[str], None]:
    """Says each note once."""
    said: set[str] = set()

    def say(line: str) -> None:
        if not silent and line not in said:
            note(line)
        said.add(line)

    return say


@contextlib.contextmanager
def resumable(out: Path, *runs: str) -> Iterator[None]:
    """Ctrl-C says how to go on; `runs` are the patterns by which a run in `out` is found."""
    try:
        yield
    except KeyboardInterrupt:
        begun = any(next(out.glob(f"{each}versions.json"), None) for each in runs)
        raise KeyboardInterrupt(
            f"go on with --resume from the last finished epoch in {out}" if begun else "nothing was begun"
        ) from None


def number(value: Any) -> str:
    """Few digits: enough to follow a training by."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
