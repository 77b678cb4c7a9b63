"""`mien models list`, `mien models show` and `mien models nets`."""

import dataclasses
from typing import Annotated

import typer

from mien.cli.console import examples, print_json, table
from mien.cli.options import Json


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    group = typer.Typer(help="The models at hand, and what their cards say.")
    group.command("list", epilog=examples("mien models list"))(list_models)
    group.command("show", epilog=examples("mien models show mien-s"))(show)
    group.command("nets", epilog=examples("mien models nets", "mien models nets resnet50 --size 224 --channels 3"))(
        nets
    )
    app.add_typer(group, name="models")


def list_models(json: Json = False) -> None:
    """List the bundled models."""
    from mien.verbs.models import models

    cards = models().cards
    if json:
        print_json([dataclasses.asdict(card) for card in cards.values()])
        return
    rows = [(name, f"{card.parameters / 1e6:.1f} M", ", ".join(card.heads), card.title) for name, card in cards.items()]
    print(table(("name", "parameters", "heads", "title"), rows, right=(1,)))


def show(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A bundled model, an ONNX file, or a run folder.")],
    json: Json = False,
) -> None:
    """Show a model's card: its data, licence, heads, files and measured figures."""
    from mien.verbs.models import models

    card = models(name).cards[name]
    if json:
        print_json(dataclasses.asdict(card))
        return
    print(table(None, card.describe()))


def nets(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NET...", help="Which: mien's own if none is named; timm's, too.")
    ] = None,
    size: Annotated[int, typer.Option("--size", metavar="PX", help="Side of the pictures.")] = 48,
    channels: Annotated[int, typer.Option("--channels", metavar="1|3", help="Grey or colour.")] = 1,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An option of the nets; may repeat.")
    ] = None,
    json: Json = False,
) -> None:
    """List the nets that `mien train --net` takes: parameters and multiply-accumulates (MACs), without heads."""
    from mien.core.toml import parse_setting
    from mien.verbs.models import nets as run

    found = run(names or (), size=size, channels=channels, options=dict(map(parse_setting, settings or ())))
    if json:
        print_json([dataclasses.asdict(each) for each in found])
        return
    rows = [
        (
            each.net,
            f"{each.parameters / 1e6:.2f} M",
            f"{each.macs / 1e6:,.0f} M",
            f"{each.frames} frames" if each.frames else "picture",
            f"{each.smallest} px or more" if each.any_size else f"{each.size} px",
            each.about,
        )
        for each in found
    ]
    print(table(("net", "parameters", "MACs", "of a", "takes", "about"), rows, right=(1, 2)))
