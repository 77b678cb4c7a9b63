"""`mien models list` and `mien models show`."""

from typing import Annotated, Any

import typer

from mien.cli.console import examples, interval, print_json, table

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    group = typer.Typer(help="The models at hand, and what their cards say.")
    group.command("list", epilog=examples("mien models list", """"", "from mien.verbs.models import models", "", "cards = models().cards", "if json:", "print_json([{"name": name, **_facts(card)} for name, card in cards.items()])", "return", "header = ("name", "parameters", "heads", "title")", "lines = [", "(name, f"{card.parameters / 1e6:.1f} M", ", ".join(card.heads), card.title) for name, card in cards.items()", "]", "print(table(header, lines, right=(1,)))", "", "", "def show(", "name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A bundled model, an ONNX file, a run folder.")],", "json: Json = False,", ") -> None:", "r"""Show a model's card: its data, licence, heads, files and measured figures.", "", "\b", "Example:", "mien models show mien-s", """"", "from mien.verbs.models import models", "", "card = models(name).cards[name]", "if json:", "print_json(_facts(card) | {"name": card.name})", "return", "print(f"{card.name} {card.version}: {card.title}\n")", "size = card.input.size", "facts = [", "("licence", card.license),", "("trained on", card.data),", "("input", f"{size} x {size}, {card.input.color}"),", "("size", f"{card.parameters / 1e6:.2f} M parameters, {card.macs / 1e6:.0f} M multiply-adds a face"),", "]", "for head, each in card.heads.items():", "note = " (default)" if head == card.default_head else """, "facts.append((f"head {head}{note}", ", ".join(each.label_set.labels)))", "for file, each in card.files.items():", "note = " (default)" if file == card.default_file else """, "facts.append((f"file {file}{note}", f"{each.file}, {each.bytes / 1e6:.1f} MB, sha256 {each.sha256}"))", "print(table(("", ""), facts).lstrip("\n"))", "if card.figures:", "print()", "print(", "table(("data", "split", "head", "n", "metric", "value (95 % interval)", "rule"), map(_figure, card.figures))", ")", "", "", "def _figure(figure: Any) -> tuple[object, ...]:", "value = interval({"value": figure.value, "low": figure.low, "high": figure.high}, scale=1)", "return figure.data, figure.split, figure.head, figure.n, figure.metric, value, figure.rule", "", "", "def _facts(card: Any) -> dict[str, Any]:"))(list_models)
    group.command("show")(show)
    app.add_typer(group, name="models")


def list_models(json: Json = False) -> None:
    """List the bundled models."""A card as plain values."""
    import dataclasses

    plain = dataclasses.asdict(card)
    for head, each in plain["heads"].items():
        each["label_set"] = {"name": card.heads[head].label_set.name, "labels": list(card.heads[head].label_set.labels)}
    return plain
