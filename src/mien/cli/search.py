"""`mien search`."""

import dataclasses
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
    MaxMinutes,
    Net,
    Preset,
    Relabel,
    Resume,
    check_minutes,
    number,
    saying,
)

_SEARCH = examples(
    "mien search --data ferplus=data/fer2013 --net cnn3 --trials 40 --set epochs=15 --out runs/search",
    "mien search --data table.parquet --preset cbam5-plateau --space space.toml --sampler grid --out runs/grid",
    "mien search --data table.parquet --net cnn3 --trials 200 --storage postgresql://me@host/studies --out runs/here",
)


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("search", epilog=_SEARCH)(search)


def search(
    data: Data,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder; each worker has its own.")],
    net: Net = None,
    preset: Preset = None,
    config: Config = None,
    changes: Changes = None,
    drop: Drop = None,
    relabel: Relabel = None,
    head: Annotated[
        str | None, typer.Option("--head", metavar="H", help="The label source to learn and compare by. [all]")
    ] = None,
    group: Annotated[
        str | None, typer.Option("--group", metavar="COLUMN", help="What no part of train shares. [subject]")
    ] = None,
    space: Annotated[
        Path | None, typer.Option("--space", metavar="FILE.toml", help="Settings to try. [the usual ones]")
    ] = None,
    sampler: Annotated[
        str, typer.Option("--sampler", metavar="grid|random|tpe|gp|hyperopt", help="How trials are chosen.")
    ] = "tpe",
    trials: Annotated[
        int | None, typer.Option("--trials", metavar="N", help="How many. [30; of a grid all points]")
    ] = None,
    pruner: Annotated[
        str, typer.Option("--pruner", metavar="none|median|hyperband", help="Which trials end early.")
    ] = "none",
    seed: Annotated[int, typer.Option("--seed", metavar="K", help="Of the sampler.")] = 0,
    storage: Annotated[
        str | None,
        typer.Option("--storage", metavar="URL", help="sqlite:///FILE or postgresql://..., to share the work."),
    ] = None,
    study: Annotated[str, typer.Option("--study", metavar="NAME", help="Its name in the storage.")] = "search",
    seeds: Annotated[
        int, typer.Option("--seeds", metavar="K", help="Train the best anew with so many other seeds; 0: do not.")
    ] = 3,
    split: Annotated[
        str | None, typer.Option("--split", metavar="valid|test", help="Where those are measured. [valid]")
    ] = None,
    resume: Resume = False,
    yes: Annotated[bool, typer.Option("--yes", help="Try a grid of more than a thousand points.")] = False,
    max_minutes: MaxMinutes = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Find the settings with which a training goes best, and measure them on faces that the search did not see."""
    check_minutes(max_minutes)
    from mien.verbs.search import search as run

    def told(trial: Any) -> None:
        if not json:
            print(_line(trial), flush=True)

    try:
        result = run(
            data,
            out=out,
            net=net,
            preset=preset,
            config=config,
            changes=changes or [],
            drop=drop,
            relabel=relabel,
            head=head,
            group=group,
            space=space,
            sampler=sampler,
            trials=trials,
            pruner=pruner,
            seed=seed,
            storage=storage,
            study=study,
            seeds=seeds,
            split=split,
            device=device,
            resume=resume,
            yes=yes,
            max_minutes=max_minutes,
            told=told,
            note=saying(silent=json),
        )
    except KeyboardInterrupt:
        begun = (out / "space.toml").exists()
        raise KeyboardInterrupt(f"go on with --resume in {out}" if begun else "nothing was begun") from None
    if json:
        print_json(dataclasses.asdict(result))
        return
    _print(result)


def _line(trial: Any) -> str:
    """A trial that has ended: what came of it, and with which settings."""
    value = "" if trial.value is None else f" {trial.value:.4f}"
    settings = "  ".join(f"{key} {number(each)}" for key, each in trial.settings.items())
    return f"trial {trial.number:>3} {trial.state}{value}  {settings}"


def _print(result: Any) -> None:
    best = result.best
    if best is not None:
        print(f"\nbest: trial {best.number} of {len(result.trials)}, {result.figure} {best.value:.4f}")
        rows = [
            (f"  {key}", number(each), f"{result.importance[key]:.0%}" if key in result.importance else "")
            for key, each in best.settings.items()
        ]
        print(table(("  setting", "value", "importance"), rows))
    for head, score in result.retrained.items():
        runs = len(score.runs["accuracy"]) or 1
        print(f"\ntrained anew with {runs} other seeds, measured on {result.split}, which no trial saw: {head}")
        figures = (("accuracy", score.accuracy), ("macro_f1", score.macro_f1))
        rows = [
            (f"  {name}", interval(figure.to_dict()), " ".join(f"{each:.3f}" for each in score.runs[name]))
            for name, figure in figures
        ]
        print(table(("  figure", "mean (95 % interval)", "seeds"), rows))
    more = "" if result.finished else ", not finished: go on with --resume"
    note(f"wrote {', '.join(str(each) for each in result.files)}{more}")
