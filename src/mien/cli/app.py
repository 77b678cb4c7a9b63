"""The command `mien`: parses, calls verbs, prints. Verbs are imported inside the commands, so that it starts fast.

Exit codes: 0 done; 1 finished, but some inputs failed; 2 wrong use, nothing could be read or written, or stopped with
Ctrl-C, said in one line; 141 the reader of a pipe went away.
"""

import errno
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from mien import __version__
from mien.cli import (
    ablate,
    bench,
    compare,
    data,
    explain,
    learn,
    live,
    models,
    predict,
    report,
    search,
    serve,
    summarise,
)
from mien.core.errors import MienError

app = typer.Typer(
    name="mien",
    help="Recognise facial expressions: from photographs to emotions, and from a data set to a model one can trust.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
for each in (predict, live, serve, summarise, models, data, learn, search, ablate, compare, explain, report, bench):
    each.register(app)

# What the parser raises on wrong use: the base of typer's own BadParameter, whichever parser it brings.
_WRONG_USE: Any = typer.BadParameter.__base__


@app.callback(invoke_without_command=True)
def _mien(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    if version:
        print(f"mien {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    before = words[: words.index("--")] if "--" in words else words
    debug = "--debug" in before
    _print_anything()
    try:
        code = _invoke([word for i, word in enumerate(words) if word != "--debug" or i >= len(before)])
        sys.stdout.flush()
        return code
    except KeyboardInterrupt as stop:
        return _fail(f"interrupted{f': {stop}' if str(stop) else ''}")
    except BrokenPipeError:
        return _pipe_closed()
    except MienError as error:
        if debug:
            raise
        return _fail(str(error))
    except MemoryError as error:
        if debug:
            raise
        return _fail(f"expected more memory than there is, got: {str(error) or 'none left'}")
    except OSError as error:
        if debug:
            raise
        if error.errno == errno.EINVAL and os.name == "nt":  # what a closed pipe is there
            return _pipe_closed()
        where = f" at {error.filename}" if error.filename else ""
        return _fail(f"expected to read and write{where}, got: {error.strerror or error}")


def _invoke(words: list[str]) -> int:
    command = typer.main.get_command(app)
    try:
        with command.make_context("mien", words) as context:
            command.invoke(context)
    except typer.Exit as done:
        return int(done.exit_code)
    except typer.Abort:
        return 2
    except _WRONG_USE as error:
        where = error.ctx.command_path if error.ctx is not None else "mien"
        return _fail(f"{_one_line(error.format_message()).rstrip('.')}. Try `{where} --help`.")
    return 0


def _fail(message: str, code: int = 2) -> int:
    print(f"mien: {_one_line(message)}", file=sys.stderr)
    return code


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _print_anything() -> None:
    """Make stdout and stderr take whatever comes.

    A terminal or pipe that cannot show a character shows a substitute: a file's name must not stop a run. Where a
    stream is closed, or there is none, what is printed goes nowhere.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - open until the process ends
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _pipe_closed() -> int:
    """The reader (`| head`) has enough: stop in silence, and let Python's last flush go nowhere."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
    except (OSError, ValueError):
        pass  # stdout is no file (a test's capture): nothing to silence
    return 141
