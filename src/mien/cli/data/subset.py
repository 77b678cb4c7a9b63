"""`mien data subset`."""

from pathlib import Path
from typing import Annotated

import typer

from mien.cli.console import Progress, examples, note, print_json, table
from mien.cli.data.counts import counts_table
from mien.cli.options import Json

_EXAMPLES = examples(
    "mien data subset fer.parquet --preset four-1000 --out four-1000.parquet",
    "mien data subset fer.parquet --labels anger,sadness --per-class 400 --split train --out two.parquet",
    "mien data subset ckplus.parquet --folds 10 --group subject --out ckplus-folds.parquet",
)


def register(group: typer.Typer) -> None:
    """Add the command to the group."""
    group.command("subset", epilog=_EXAMPLES)(subset)


def subset(
    data: Annotated[str, typer.Argument(metavar="TABLE|NAME=ROOT", help="A table, or a data set of face crops.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="TABLE.parquet", help="The table to write, with TABLE.members.csv beside.")
    ],
    preset: Annotated[
        str | None, typer.Option("--preset", metavar="NAME", help="four-400, four-1000, five or seven.")
    ] = None,
    labels: Annotated[
        str | None, typer.Option("--labels", metavar="A,B,C", help="These classes alone, in this order.")
    ] = None,
    per_class: Annotated[
        int | None, typer.Option("--per-class", metavar="N", help="So many images of each class of a split.")
    ] = None,
    split: Annotated[str | None, typer.Option("--split", metavar="S", help="Out of this split alone.")] = None,
    as_split: Annotated[str | None, typer.Option("--as", metavar="S", help="What the split is called then.")] = None,
    source: Annotated[
        str | None, typer.Option("--source", metavar="NAME", help="The label source, where there are several.")
    ] = None,
    drop_duplicates: Annotated[
        bool, typer.Option("--drop-duplicates", help="Of equal images one; none where their labels differ.")
    ] = False,
    drop: Annotated[
        list[Path] | None, typer.Option("--drop", metavar="LIST.csv", help="Images to leave out; may repeat.")
    ] = None,
    exclude: Annotated[
        list[Path] | None,
        typer.Option("--exclude", metavar="TABLE|LIST.csv", help="Leave out what is in there; may repeat."),
    ] = None,
    carve: Annotated[
        float | None, typer.Option("--carve", metavar="SHARE", help="Make this share of train the valid split.")
    ] = None,
    folds: Annotated[str | None, typer.Option("--folds", metavar="K|loso", help="Number folds, stratified.")] = None,
    group: Annotated[
        str | None, typer.Option("--group", metavar="COLUMN", help="What stays together, such as subject.")
    ] = None,
    members: Annotated[
        Path | None, typer.Option("--members", metavar="LIST.csv", help="Take the images of this list again.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="K", help="Of all chance.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    json: Json = False,
) -> None:
    """Take some classes, so many images of each, or folds; the same again for the same seed."""
    import dataclasses

    from mien.verbs.subset import subset as run

    with Progress("steps") as progress:
        result = run(
            data,
            out=out,
            overwrite=overwrite,
            preset=preset,
            labels=None if labels is None else [each.strip() for each in labels.split(",")],
            per_class=per_class,
            split=split,
            as_split=as_split,
            source=source,
            drop_duplicates=drop_duplicates,
            drop=drop or (),
            exclude=exclude or (),
            carve=carve,
            folds=int(folds) if folds is not None and folds.isdecimal() else folds,
            group=group,
            members=members,
            seed=seed,
            tell=progress.at,
        )
    if json:
        print_json(dataclasses.asdict(result))
        return
    images = {"images": result.images}
    print(counts_table(f"labels {result.source}", result.labels) if result.labels else counts_table("", images))
    if result.folds:
        print("\n" + table(("fold", "images"), [(name, f"{n:,}") for name, n in result.folds.items()], right=(1,)))
    note(f"wrote {result.out} (sha256 {result.digest[:12]}) and {result.members}")
