"""`mien data merge`."""

from pathlib import Path
from typing import Annotated

import typer

from mien.cli.console import Progress, examples, note, print_json
from mien.cli.data.counts import counts_table
from mien.cli.options import Json

_EXAMPLES = examples(
    "mien data merge fer2013.parquet ck48=data/ck48 --size 48 --gray --out both.parquet",
    "mien data merge ferplus.parquet rafdb.parquet --label-map seven.toml --source ferplus --out seven.parquet",
)


def register(group: typer.Typer) -> None:
    """Add the command to the group."""
    group.command("merge", epilog=_EXAMPLES)(merge)


def merge(
    data: Annotated[list[str], typer.Argument(metavar="TABLE|NAME=ROOT", help="Tables, or data sets of face crops.")],
    out: Annotated[Path, typer.Option("--out", metavar="TABLE.parquet", help="The table to write.")],
    label_map: Annotated[
        Path | None, typer.Option("--label-map", metavar="FILE.toml", help="Common names: one label source for all.")
    ] = None,
    sources: Annotated[
        list[str] | None,
        typer.Option("--source", metavar="NAME", help="The labels to map where a table has several; may repeat."),
    ] = None,
    size: Annotated[int | None, typer.Option("--size", metavar="PX", help="Bring images to this size.")] = None,
    gray: Annotated[bool, typer.Option("--gray", help="Bring images to grey.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a table that exists.")] = False,
    json: Json = False,
) -> None:
    """Make one table out of several; the column dataset says where an image comes from."""
    import dataclasses

    from mien.verbs.merge import merge as run

    with Progress("tables") as progress:
        result = run(
            data,
            out=out,
            label_map=label_map,
            sources=sources or [],
            size=size,
            gray=gray,
            overwrite=overwrite,
            tell=progress.at,
        )
    if json:
        print_json(dataclasses.asdict(result))
        return
    print(counts_table("data set", result.images))
    for name, labels in result.labels.items():
        print()
        print(counts_table(f"labels {name}", labels))
    for each in result.notes:
        note(each)
    note(f"wrote {result.out} (sha256 {result.digest[:12]})")
