"""`mien data prepare`."""

from pathlib import Path
from typing import Annotated

import typer

from mien.cli.console import examples, note, print_json, table
from mien.cli.options import Json


def register(group: typer.Typer) -> None:
    """Add the command to the group."""
    group.command("prepare", epilog=examples("mien data prepare ferplus=data/fer2013 --out ferplus.parquet"))(prepare)


def prepare(
    data: Annotated[str, typer.Argument(metavar="NAME=ROOT", help="A data set and its folder: ferplus=data/fer2013.")],
    out: Annotated[Path, typer.Option("--out", metavar="TABLE.parquet", help="The table to write.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a table that exists.")] = False,
    json: Json = False,
) -> None:
    """Read a data set as it is distributed and write it as one table, which opens faster."""
    import dataclasses

    from mien.verbs.prepare import prepare as run

    result = run(data, out=out, overwrite=overwrite)
    if json:
        print_json(dataclasses.asdict(result))
        return
    header = ("", *result.faces)
    rows: list[tuple[object, ...]] = [("images", *result.faces.values())]
    rows += [(f"labelled by {name}", *counts.values()) for name, counts in result.labelled.items()]
    print(table(header, rows, right=range(1, len(header))))
    for name, rule in result.rules.items():
        print(f"{name}: {rule}")
    note(f"wrote {result.out} (sha256 {result.digest[:12]})")
