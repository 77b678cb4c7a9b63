"""`mien compare`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mien.cli.console import examples, interval, note, print_json, table
from mien.cli.options import Json

_COMPARE = examples(
    "mien compare a=runs/a/predictions-test.parquet b=runs/b/predictions-test.parquet",
    "mien compare cnn=f1.parquet,f2.parquet vit=g1.parquet,g2.parquet --out compared/",
    "mien compare base=a.parquet deeper=b.parquet wider=c.parquet --against base",
)


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("compare", epilog=_COMPARE)(compare)


def compare(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME=PREDICTIONS[,PREDICTIONS...]", help="Two or more; several tables: folds or seeds."
        ),
    ],
    against: Annotated[
        str | None, typer.Option("--against", metavar="NAME", help="Compare each other model with this one alone.")
    ] = None,
    n_train: Annotated[
        int | None,
        typer.Option("--n-train", metavar="N", help="Images a fold or seed learned from. [folds: all other images]"),
    ] = None,
    posthoc: Annotated[
        str, typer.Option("--posthoc", metavar="nemenyi|holm", help="What follows Friedman's test.")
    ] = "nemenyi",
    seed: Annotated[int, typer.Option("--seed", metavar="K", help="Of the bootstrap and of permutations.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder for compare.json, csv tables and the diagram.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier comparison.")] = False,
    json: Json = False,
) -> None:
    """Compare models on the same images: paired tests, effect sizes, and how large the difference is."""
    from mien.verbs.compare import compare as run

    result = run(models, against=against, n_train=n_train, posthoc=posthoc, seed=seed, out=out, overwrite=overwrite)
    if json:
        print_json(result.to_dict())
        return
    _print_comparison(result.to_dict())
    for line in result.comparison.notes:
        note(line)
    if result.files:
        note("wrote " + ", ".join(map(str, result.files)))


def _print_comparison(found: dict[str, Any]) -> None:
    facts = [found.get("data"), found.get("split"), f"n = {found['n']:,}", found.get("rule")]
    print(", ".join(str(fact) for fact in facts if fact))
    rows = [[f"  {each['name']}", interval(each["accuracy"]), interval(each["macro_f1"])] for each in found["scores"]]
    print(table(("  model", "accuracy (95 % interval)", "macro F1 (95 % interval)"), rows))
    for each in found["overall"]:
        print(f"\n  all: {_test(each)}")
    for pair in found["pairs"]:
        print(f"\n{pair['sentence']}")
        differences = [[f"  {metric}", interval(value)] for metric, value in pair["differences"].items()]
        print(table((f"  {pair['first']} less {pair['second']}", "value (95 % interval)"), differences))
        tests = [_row(each) for each in pair["tests"]]
        print(table(("  test", "of", "over", "statistic", "p", "p (Holm)", "effect size"), tests))


def _row(each: dict[str, Any]) -> list[str]:
    effects = ", ".join(f"{name} {_number(value)}" for name, value in each["effects"].items())
    figures = [_number(each[name]) for name in ("statistic", "p", "p_holm")]
    return [f"  {each['test']}", each["metric"], each["over"], *figures, effects]


def _test(each: dict[str, Any]) -> str:
    words = _row(each)
    return f"{words[0].strip()} of {words[1]} over {words[2]}: {words[3]}, p {words[4]}" + (
        f", {words[6]}" if words[6] else ""
    )


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3g}"
