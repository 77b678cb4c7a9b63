"""`mien data prepare`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mien.cli.console import Progress, examples, libraries_silenced, note, print_json, table
from mien.cli.options import Device, Engine, Json, MinFace, TimeLimit, Workers
from mien.core.toml import parse_setting

_EXAMPLES = examples(
    "mien data prepare ferplus=data/fer2013 --out ferplus.parquet",
    "mien data prepare jaffe=data/jaffe --detector mtcnn --size 48 --gray --out jaffe.parquet",
)
_NAMED = 20  # failures that are named on stderr


def register(group: typer.Typer) -> None:
    """Add the command to the group."""
    group.command("prepare", epilog=_EXAMPLES)(prepare)


def prepare(
    data: Annotated[
        list[str], typer.Argument(metavar="NAME=ROOT", help="A data set and its folder; several go into one table.")
    ],
    out: Annotated[
        str,
        typer.Option("--out", metavar="TABLE.parquet", help="The table; on a cluster also a folder of parts."),
    ],
    detector: Annotated[
        str, typer.Option("--detector", metavar="mtcnn|haar|dlib|none", help="For photographs. none: faces already.")
    ] = "mtcnn",
    size: Annotated[
        int | None, typer.Option("--size", metavar="PX", help="Side of a face; 112 out of photographs.")
    ] = None,
    gray: Annotated[bool | None, typer.Option("--gray/--rgb", help="Colour, else as the data are.")] = None,
    scale: Annotated[
        float | None, typer.Option("--scale", metavar="S", help="Side of the cut in units of the box's longer side.")
    ] = None,
    align: Annotated[
        bool | None, typer.Option("--align/--no-align", help="Turn faces until the eyes lie level.")
    ] = None,
    min_face: MinFace = 40,
    device: Device = "auto",
    splits: Annotated[
        str | None, typer.Option("--splits", metavar="A,B", help="These alone: train,valid,test.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="OPTION=VALUE", help="An option of the reader; may repeat.")
    ] = None,
    label_map: Annotated[
        Path | None, typer.Option("--label-map", metavar="FILE.toml", help="Common names for labels.")
    ] = None,
    engine: Engine = "local",
    workers: Workers = None,
    time_limit: TimeLimit = 120.0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what was broken off.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a table that exists, or begin anew.")] = False,
    json: Json = False,
) -> None:
    """Read data sets as distributed, find and cut out the faces, and write them as one table."""
    import dataclasses

    from mien.verbs.prepare import PrepareConfig
    from mien.verbs.prepare import prepare as run

    config = PrepareConfig(
        size=size,
        color=None if gray is None else "gray" if gray else "rgb",
        detector=detector,
        min_face=min_face,
        device=device,
        scale=scale,
        align=align,
        splits=[each.strip() for each in splits.split(",")] if splits is not None else None,
        options=dict(map(parse_setting, settings or [])),
        label_map=label_map,
        engine=engine,
        workers=workers,
        time_limit=time_limit,
        resume=resume,
        overwrite=overwrite,
    )
    with libraries_silenced(), Progress("faces") as progress:
        try:
            result = run(data, out=out, config=config, tell=progress.at)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"{out} is not written; what is done is kept: go on with --resume") from None
    _note_failures(result.failed)
    if json:
        print_json(dataclasses.asdict(result))
    else:
        _print(result)
    if result.failed:
        raise typer.Exit(1)


def _print(result: Any) -> None:
    header = ("", *result.faces)
    rows: list[tuple[object, ...]] = [("images", *result.faces.values())]
    rows += [(f"labelled by {name}", *counts.values()) for name, counts in result.labelled.items()]
    print(table(header, rows, right=range(1, len(header))))
    for name, rule in result.rules.items():
        print(f"{name}: {rule}")
    for each in result.notes:
        note(each)
    note(f"wrote {result.out} (sha256 {result.digest[:12]})")


def _note_failures(failed: dict[str, str]) -> None:
    for name, error in list(failed.items())[:_NAMED]:
        note(f"{name}: {error}")
    if len(failed) > _NAMED:
        note(f"and {len(failed) - _NAMED:,} more: the column error of the table names them all")
    if failed:
        note(f"{len(failed):,} of the pictures gave no face; their rows have no image")
