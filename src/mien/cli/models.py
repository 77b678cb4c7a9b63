"""`mien models list` and `mien models show`."""

from typing import Annotated, Any

import typer

from mien.cli.console import examples, interval, print_json, table

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


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
        print_json([_facts(card) for card in cards.values()])
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
        print_json(_facts(card))
        return
    print(f"{card.name} {card.version}: {card.title}\n")
    size = card.input.size
    facts = [
        ("licence", card.license),
        ("trained on", card.data),
        ("input", f"{size} x {size}, {card.input.color}"),
        ("size", f"{card.parameters / 1e6:.2f} M parameters, {card.macs / 1e6:.0f} M multiply-adds a face"),
    ]
    for head, each in card.heads.items():
        facts.append((f"head {head}{_default(head == card.default_head)}", ", ".join(each.label_set.labels)))
    for variant, file in card.files.items():
        about = f"{file.file}, {file.bytes / 1e6:.1f} MB, sha256 {file.sha256}"
        facts.append((f"file {variant}{_default(variant == card.default_file)}", about))
    print(table(None, facts))
    if card.figures:
        header = ("data", "split", "head", "n", "metric", "value (95 % interval)", "rule")
        print("\n" + table(header, map(_figure, card.figures), right=(3,)))


def _default(holds: bool) -> str:
    return " (default)" if holds else ""


def _figure(figure: Any) -> tuple[object, ...]:
    value = interval({"value": figure.value, "low": figure.low, "high": figure.high})
    return figure.data, figure.split, figure.head, figure.n, figure.metric, value, figure.rule


def _facts(card: Any) -> dict[str, Any]:
    """A card as plain values."""
    import dataclasses

    return dataclasses.asdict(card)
