"""Work for worker processes, which import it by this name."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mien.pipeline.processes import tell

Chore = tuple[str, Any]  # what to do, and with what


def start(folder: Path | None = None) -> Callable[[Chore], Any]:
    """The work; with a folder, a file in it for each time that it was started."""
    if folder:
        (folder / f"started-{os.getpid()}").touch()
    return do


def fail() -> Callable[[Chore], Any]:
    """A start that does not come far."""
    raise FileNotFoundError("expected a model, got none")


def leave() -> Callable[[Chore], Any]:
    """A start that ends its process."""
    os._exit(3)


def do(chore: Chore) -> Any:
    """One of a few things."""
    what, value = chore
    if what == "pid":
        time.sleep(value)
        return os.getpid()
    if what == "raise":
        raise value
    if what == "kill":
        os.kill(os.getpid(), value)
    if what == "leave once":
        if value.exists():
            return "the second time"
        value.touch()
        os._exit(7)
    if what == "tell":
        for number in range(value):
            time.sleep(0.2)
            tell(number)
    if what == "sleep":
        time.sleep(value)
    if what == "closure":
        return lambda: value
    return value
