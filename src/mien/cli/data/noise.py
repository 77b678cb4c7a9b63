"""`mien data noise`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from mien.cli.console import examples, interval, note, print_json, share, table
from mien.cli.options import Json

_EXAMPLES = examples(
    "mien data noise ferplus.parquet --out noise",
    "mien data noise rafdb.parquet --predictions runs/folds/predictions-valid.parquet --out noise",
)


def register(group: typer.Typer) -> None:
    """Add the command to the group."""
    group.command("noise", epilog=_EXAMPLES)(noise)


def noise(
    data: Annotated[str, typer.Argument(metavar="TABLE", help="A table, or NAME=ROOT of face crops.")],
    source: Annotated[
        str | None, typer.Option("--source", metavar="NAME", help="The labels that are doubted; fer2013 if there.")
    ] = None,
    against: Annotated[
        str | None, typer.Option("--against", metavar="NAME", help="Labels or votes to compare with; ferplus if there.")
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            "--predictions",
            metavar="P",
            help="Judge by these predictions instead of votes; of a model that did not learn from these labels.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="For suspects.csv, gallery.png and the tables.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace these files if they exist.")] = False,
    json: Json = False,
) -> None:
    """Compare two label sources, measure how undecided raters are, and list labels that are probably wrong."""
    import warnings

    from mien.verbs.noise import noise as run

    result = run(data, source=source, against=against, predictions=predictions, out=out, overwrite=overwrite)
    with warnings.catch_warnings(record=True) as undefined:
        warnings.simplefilter("always")
        figures = result.to_dict()
    if json:
        print_json(figures)
    else:
        _print(figures)
    for line in (*result.notes, *dict.fromkeys(str(each.message) for each in undefined)):
        note(line)
    if result.files:
        note("wrote " + ", ".join(map(str, result.files)))


def _print(figures: Mapping[str, Any]) -> None:
    if figures["agreement"] is not None:
        labels = figures["agreement"]["labels"]
        print(
            f"{figures['source']} and {figures['against']} on images that both label with one of {len(labels)} labels"
        )
        rows = [("all", figures["agreement"]), *figures["by_split"].items()]
        cells = [
            (name, f"{each['n']:,}", interval(each["agreement"]), interval({"value": each["kappa"]}))
            for name, each in rows
        ]
        print(table(("  split", "images", "agreement (95 % interval)", "kappa"), _indented(cells), right=(1, 3)))
        print(f"\n  rows: {figures['source']}; columns: {figures['against']}")
        counts = zip(labels, figures["agreement"]["confusion"], figures["agreement"]["by_label"].values(), strict=True)
        header = ("", *(label[:6] for label in labels), "agree")
        body = [(label, *row, share(agree)) for label, row, agree in counts]
        print(table(header, _indented(body), right=range(1, len(header))) + "\n")
    for line in _sentences(figures):
        print(line)


def _indented(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [(f"  {name}", *rest) for name, *rest in rows]


def _sentences(figures: Mapping[str, Any]) -> Iterator[str]:
    entropy, suspects = figures["entropy"], figures["suspects"]
    if entropy["n"]:
        yield (
            f"Raters disagree on {entropy['disagree']:.1%} of {entropy['n']:,} images: vote entropy "
            f"{entropy['mean']:.2f} bits on average, median {entropy['q50']:.2f}, one in twenty above "
            f"{entropy['q95']:.2f}."
        )
        chosen = share(figures["vote_share"], digits=1)
        yield f"The label of {figures['source']} has {chosen} of the raters' votes on average."
    yield (
        f"Suspect labels of {figures['source']}, judged by {suspects['judged_by']}: {suspects['count']:,} of "
        f"{suspects['n']:,}; estimated share of wrong labels: {share(suspects['noise'], digits=1)}."
    )
    if suspects["left_out"]:
        yield f"Not judged, for want of votes or predictions: {suspects['left_out']:,} labelled images."
