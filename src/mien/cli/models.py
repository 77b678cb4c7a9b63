"""`mien models list` and `mien models show`."""

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
