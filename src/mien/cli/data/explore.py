"""`mien data explore`."""

from pathlib import Path
from typing import Annotated

import typer

from mien.cli.console import Progress, examples, note, print_json
from mien.cli.options import Json

_EXAMPLES = examples(
    "mien data explore ferplus.parquet --out explored/",
    "mien data explore ferplus=data/fer2013 --source fer2013 --out explored/",
)


def register(group: typer.Typer) -> None:
    """Add the command to the group."""
    group.command("explore", epilog=_EXAMPLES)(explore)


def explore(
    data: Annotated[str, typer.Argument(metavar="TABLE|NAME=ROOT", help="A table, or a data set of face crops.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the page, figures and numbers.")],
    source: Annotated[
        str | None, typer.Option("--source", metavar="NAME", help="The labels to go by, where there are several.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write into a folder that holds files.")] = False,
    json: Json = False,
) -> None:
    """Draw a data set: classes, samples, mean faces, grey levels, noise, copies and agreement on one HTML page."""
    import dataclasses

    from mien.verbs.explore import explore as run

    with Progress("figures") as progress:
        result = run(data, out=out, source=source, overwrite=overwrite, tell=progress.at)
    if json:
        print_json(dataclasses.asdict(result))
        return
    for each in result.findings.values():
        print(each)
    for title, why in result.left_out.items():
        note(f"left out: {title}: {why}")
    note(f"wrote {result.page}, {len(result.figures)} figure files, {len(result.tables)} tables")
