"""`mien report`."""

from pathlib import Path
from typing import Annotated

import typer

from mien.cli.console import Progress, examples, note, print_json
from mien.cli.options import Json

_EXAMPLES = examples(
    "mien report runs/a runs/b --out report.html",
    "mien report mien-s runs/cnn3 --data ferplus=data/fer2013 --head fer2013 --out report.html",
)


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("report", epilog=_EXAMPLES)(report)


def report(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN|EVALUATION|MODEL", help="What to show; NAME=RUN gives it a name.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE.html", help="The page.")],
    data: Annotated[
        str | None, typer.Option("--data", metavar="TABLE|NAME=ROOT", help="The faces: for hard ones and explanations.")
    ] = None,
    split: Annotated[str, typer.Option("--split", metavar="train|valid|test", help="Which predictions.")] = "valid",
    head: Annotated[str | None, typer.Option("--head", metavar="H", help="Which head the figures are of.")] = None,
    title: Annotated[str, typer.Option("--title", metavar="TEXT", help="Of the page.")] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier report.")] = False,
    json: Json = False,
) -> None:
    """Put runs on one HTML page: training, figures, classes, robustness, comparison, errors, explanations, cards."""
    import dataclasses

    from mien.verbs.report import report as run

    with Progress("figures") as progress:
        result = run(
            runs, out=out, data=data, split=split, head=head, title=title, overwrite=overwrite, tell=progress.at
        )
    if json:
        print_json(dataclasses.asdict(result))
        return
    for line in result.left_out:
        note(f"left out: {line}")
    note(f"wrote {result.page}, {len(result.files)} figures and tables in {result.page.stem}_files")
