"""`mien bench`."""

from typing import Annotated

import typer

from mien.cli.console import examples, print_json, table
from mien.cli.options import Json, Model


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(
        "bench",
        epilog=examples("mien bench inference", "mien bench cold --json", "mien bench training --preset mien-s"),
    )(bench)


def bench(
    kind: Annotated[str, typer.Argument(metavar="inference|cold|training", help="What to measure.")],
    model: Model = "mien-s",
    preset: Annotated[str | None, typer.Option("--preset", metavar="NAME", help="Training: which recipe.")] = None,
    net: Annotated[str | None, typer.Option("--net", metavar="NAME", help="Training: which architecture.")] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Training: one setting; may repeat.")
    ] = None,
    json: Json = False,
) -> None:
    """Measure the speed of mien on this machine."""
    import dataclasses

    from mien.verbs.bench import bench as run

    result = run(kind, model=model, preset=preset, net=net, changes=changes or ())
    if json:
        print_json(dataclasses.asdict(result))
        return
    rows = [(each.what, _number(each.value, each.unit), each.unit, each.note) for each in result.measurements]
    print(table(("what", "median", "", f"{result.processors} processors"), rows, right=(1,)))


def _number(value: float, unit: str) -> str:
    if value != value:
        return "-"
    return f"{value:,.3f}" if unit == "s" else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"
