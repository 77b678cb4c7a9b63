"""`mien ablate`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mien.cli.console import examples, interval, note, print_json, table
from mien.cli.options import Device, Json
from mien.cli.training import (
    Changes,
    Config,
    Data,
    Drop,
    Folds,
    Group,
    MaxMinutes,
    Net,
    Preset,
    Relabel,
    Resume,
    Seeds,
    check_minutes,
    resumable,
    saying,
    telling,
)

_ABLATE = examples(
    "mien ablate --data ferplus=data/fer2013 --net resnet-cbam --without attention,ema --seeds 3 --out runs/cbam",
    "mien ablate --data ckplus.parquet --net cnn-gru --set input.frames=8 --without temporal --folds 10 --out runs/t",
)


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("ablate", epilog=_ABLATE)(ablate)


def ablate(
    data: Data,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A folder for the runs and the table.")],
    without: Annotated[
        str,
        typer.Option(
            "--without",
            metavar="PART,PART...",
            help="augmentation, dropout, batchnorm, attention, pretraining, soft-labels, ema, temporal. [all]",
        ),
    ] = "",
    net: Net = None,
    preset: Preset = None,
    config: Config = None,
    changes: Changes = None,
    drop: Drop = None,
    relabel: Relabel = None,
    folds: Folds = None,
    group: Group = None,
    seeds: Seeds = None,
    resume: Resume = False,
    max_minutes: MaxMinutes = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Train a model, and again without one of its parts at a time: by how much does each help?"""
    check_minutes(max_minutes)
    from mien.verbs.ablate import ablate as run

    with resumable(out, "*/*/"):
        result = run(
            data,
            out=out,
            without=[part for part in without.replace(" ", "").split(",") if part],
            net=net,
            preset=preset,
            config=config,
            changes=changes or [],
            drop=drop,
            relabel=relabel,
            folds=folds,
            group=group,
            seeds=seeds,
            device=device,
            resume=resume,
            max_minutes=max_minutes,
            tell=telling(silent=json),
            note=saying(silent=json),
        )
    found = result.to_dict()
    if json:
        print_json(found | {"files": result.files})
        return
    _print(found)
    if result.finished:
        note("wrote " + ", ".join(map(str, result.files)))
    else:
        done = f"{len(result.through)} of {len(result.variants)} variants"
        note(f"trained {done} in {out}, not finished: go on with --resume")


def _print(found: dict[str, Any]) -> None:
    """The table of each head, the sentences, and what a reader has to know."""
    for head, about in found["heads"].items():
        print(f"\n{head}: {_basis(about)}")
        rows = [_row(row) for row in found["table"] if row["head"] == head]
        header = (
            "  variant",
            "accuracy (95 % interval)",
            "macro F1 (95 % interval)",
            "less full, points",
            "p (Holm; * below 0.05)",
        )
        print(table((*header, "effect size"), rows) + "\n")
        for sentence in about["sentences"]:
            print(sentence)
    for line in dict.fromkeys(line for about in found["heads"].values() for line in about["notes"]):
        note(line)


def _basis(about: dict[str, Any]) -> str:
    several = [f"{about[kind]} {name}" for kind, name in (("folds", "folds"), ("repeats", "seeds")) if about[kind] > 1]
    facts = [about.get("data"), about.get("split"), f"n = {about['n']:,}", *several, about.get("rule")]
    return ", ".join(str(fact) for fact in facts if fact)


def _row(row: dict[str, Any]) -> list[str]:
    cells = [f"  {row['variant']}", interval(row["accuracy"]), interval(row["macro_f1"])]
    if row["difference"] is None:
        return [*cells, "", "", ""]
    p, size = (_number(row[name]) for name in ("p_holm", "effect_size"))
    star = " *" if row["differ"] else ""
    return [*cells, interval(row["difference"], scale=100, digits=1), p + star, f"{row['effect']} {size}"]


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3g}"
