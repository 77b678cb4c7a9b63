"""What the commands print with: plain tables, figures, and a progress bar that shows only when it is worth it."""

import contextlib
import json
import math
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self


def examples(*lines: str) -> str:
    """What `--help` ends with: command lines as they are typed."""
    title = "Example:" if len(lines) == 1 else "Examples:"
    return "\n".join(("\b", title, *(f"  {line}" for line in lines)))  # \b: the parser keeps the line breaks


def note(text: str) -> None:
    """One line beside the result: to stderr."""
    print(f"mien: {text}", file=sys.stderr)


def print_json(value: Any) -> None:
    """A value for machines: to stdout."""
    print(json.dumps(_plain(value), indent=2, ensure_ascii=False))


def _plain(value: Any) -> Any:
    """What JSON can hold: a number that is not finite becomes null, a path its text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, int | str) else str(value)


def table(header: Sequence[str] | None, rows: Iterable[Sequence[object]], *, right: Sequence[int] = ()) -> str:
    """Lines of aligned columns; the columns numbered in `right` are aligned right."""
    lines = [[str(cell) for cell in row] for row in (*([header] if header else []), *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


@contextlib.contextmanager
def libraries_silenced() -> Iterator[None]:
    """Keep off stderr what C libraries print there of a damaged picture: mien says it itself.

    libjpeg, libtiff and OpenCV write to file descriptor 2. What Python writes to sys.stderr goes through a copy of it
    meanwhile.
    """
    python = sys.stderr
    try:
        terminal = os.dup(2)
    except OSError:  # there is none
        yield
        return
    with contextlib.ExitStack() as undo:
        undo.callback(os.close, terminal)
        if _descriptor(python) == 2:
            sys.stderr = open(  # noqa: SIM115 - closed by the stack
                terminal, "w", buffering=1, encoding=python.encoding, errors=python.errors, closefd=False
            )
            undo.callback(setattr, sys, "stderr", python)
            undo.callback(sys.stderr.close)
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        undo.callback(os.dup2, terminal, 2)
        yield


def _descriptor(stream: Any) -> int | None:
    try:
        return int(stream.fileno())
    except (OSError, ValueError, AttributeError):  # no file, such as what a test reads
        return None


class Progress:
    """A bar with rate and remaining time on stderr, once a run takes over two seconds; silent if that is no terminal.

    The bar's library is only imported then.
    """

    PATIENCE_S = 2.0

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._began = time.monotonic()
        self._done = 0
        self._bar: Any = None
        self._task: Any = None
        self._quiet = not sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def step(self, total: int | None, count: int = 1) -> None:
        """So many more are done, out of `total`."""
        self.at(self._done + count, total)

    def at(self, done: int, total: int | None) -> None:
        """So many are done now, out of `total`."""
        self._done = done
        if self._quiet or time.monotonic() - self._began < self.PATIENCE_S:
            return
        if self._bar is None:
            self._start(total)
        elapsed = max(time.monotonic() - self._began, 1e-6)
        rate = f"{self._done / elapsed:.1f} {self._unit}/s"
        self._bar.update(self._task, completed=self._done, total=total, rate=rate)

    def _start(self, total: int | None) -> None:
        from rich import progress
        from rich.console import Console

        self._bar = progress.Progress(
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TextColumn("{task.fields[rate]}"),
            progress.TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=sys.stdout.isatty(),  # rows printed meanwhile go above the bar; a pipe is left alone
        )
        self._task = self._bar.add_task("", total=total, rate="")
        self._bar.start()


def share(value: float, *, digits: int = 0) -> str:
    """A probability as per cent; "undefined" where it is missing."""
    return "undefined" if value != value else f"{value:.{digits}%}"


def interval(figure: Mapping[str, Any], *, scale: float = 1, digits: int = 3) -> str:
    """A figure with its 95 % interval: ``0.874 (0.862 to 0.885)``; "undefined" where it is missing."""
    value = figure.get("value")
    if value is None or value != value:
        return "undefined"
    low, high = figure.get("low"), figure.get("high")
    text = f"{value * scale:.{digits}f}"
    if low is None or high is None or low != low or high != high:
        return text
    return f"{text} ({low * scale:.{digits}f} to {high * scale:.{digits}f})"
