"""`mien train`, `mien join`, `mien evaluate` and `mien export`."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from mien.cli.console import Progress, examples, interval, note, print_json, table
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
    number,
    resumable,
    saying,
    telling,
)

_TRAIN = examples(
    "mien train --data ferplus=data/fer2013 --preset mien-s --out runs/mien-s",
    "mien train --data ckplus.parquet --net resnet --folds 10 --group subject --out runs/ckplus",
)
_JOIN = examples("mien join runs/a runs/b --data ferplus=data/fer2013 --name both --out runs/both")
_EVALUATE = examples(
    "mien evaluate mien-s --data ferplus=data/fer2013 --split valid",
    "mien evaluate runs/a runs/b --data table.parquet --head fer2013 --out runs/both",
    "mien evaluate runs/a/predictions-valid.parquet",
)
_EXPORT = examples(
    "mien export mien-s --format int8 --out exported/",
    "mien export mien-s --format web --out page/",
)

_GROUPS_SHOWN = 20  # there may be as many as people


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command("train", epilog=_TRAIN)(train)
    app.command("join", epilog=_JOIN)(join)
    app.command("evaluate", epilog=_EVALUATE)(evaluate)
    app.command("export", epilog=_EXPORT)(export)


def train(
    data: Data,
    out: Annotated[Path, typer.Option("--out", metavar="RUN", help="The run folder.")],
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
    """Train a model, select its best epoch on the valid split, and export it with its card."""
    check_minutes(max_minutes)
    from mien.verbs.train import train as run

    say = saying(silent=json)
    with resumable(out, "", "*/"):
        result = run(
            data,
            out=out,
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
            note=say,
        )
    if os.environ.get("RANK", "0") != "0":  # of several processes the first one speaks
        return
    if json:
        print_json(dataclasses.asdict(result))
        return
    _print_figures(result.figures)
    for head in result.summary.get("heads", {}):
        _print_spread(result.summary, head)
    for line in [*result.notes, *result.diagnosis]:
        say(line)
    more = "" if result.finished else ", not finished: go on with --resume"
    runs = f" of {len(result.runs)} runs" if result.runs else ""
    note(f"trained {result.epochs} epochs{runs} in {result.run}{more}")


def _print_figures(figures: Sequence[Mapping[str, Any]]) -> None:
    if figures:
        header = list(figures[0])
        print(table(header, [[number(row.get(name)) for name in header] for row in figures]))


def join(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Finished runs with equal inputs and labels.")],
    data: Annotated[
        str, typer.Option("--data", metavar="TABLE|NAME=ROOT", help="Faces to calibrate and measure it on.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="RUN", help="The run folder.")],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What the model is called.")] = "joined",
    title: Annotated[str, typer.Option("--title", metavar="TEXT", help="Of its card.")] = "",
    json: Json = False,
) -> None:
    """Make one model of several: its answer is the mean of theirs, in one file."""
    from mien.verbs.join import join as run

    result = run(runs, data=data, out=out, name=name, title=title)
    if json:
        print_json(dataclasses.asdict(result))
        return
    _print_figures(result.figures)
    note(f"joined {len(runs)} runs in {result.run}")


def _print_spread(summary: Mapping[str, Any], head: str) -> None:
    runs, pooled = summary["runs"], summary.get("pooled", {}).get(head, {})
    print(f"{head}: {summary['split']}, {len(runs)} of {summary['asked']} runs")
    header = ["  figure", "mean", "std", "min", "max", *(["all folds (95 % interval)"] if pooled else [])]
    rows = [
        [f"  {name}", *(number(each[what]) for what in header[1:5]), *([_pooled(pooled.get(name))] if pooled else [])]
        for name, each in summary["heads"][head].items()
    ]
    print(table(header, rows))


def _pooled(figure: Any) -> str:
    return interval(figure) if isinstance(figure, dict) else number(figure)


def evaluate(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL|RUN|PREDICTIONS", help="What to judge; of several also the mean.")
    ],
    data: Annotated[
        str | None, typer.Option("--data", metavar="TABLE|NAME=ROOT", help="Labelled faces; predictions bring theirs.")
    ] = None,
    split: Annotated[str, typer.Option("--split", metavar="train|valid|test", help="Which part of them.")] = "valid",
    head: Annotated[str | None, typer.Option("--head", metavar="H", help="Which label set of the model.")] = None,
    tta: Annotated[bool, typer.Option("--tta", help="Also the mean with mirror images, a row of its own.")] = False,
    robustness: Annotated[
        bool, typer.Option("--robustness", help="Also on faces that were changed, in kinds and strengths.")
    ] = False,
    errors: Annotated[
        bool, typer.Option("--errors", help="Also hard faces, confused classes and suspect labels, into --out.")
    ] = False,
    drop: Drop = None,
    relabel: Relabel = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="RUN", help="Folder for predictions and metrics.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier evaluation.")] = False,
    variant: Annotated[str | None, typer.Option("--variant", metavar="NAME", help="Which weight file.")] = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Measure models on labelled faces: figures with 95 % intervals, of all, of each class, and of groups of people."""
    from mien.verbs.evaluate import evaluate as run

    with Progress("faces") as progress:
        result = run(
            models,
            data=data,
            split=split,
            head=head,
            out=out,
            tta=tta,
            robustness=robustness,
            errors=errors,
            drop=drop,
            relabel=relabel,
            device=device,
            variant=variant,
            overwrite=overwrite,
            tell=progress.at,
        )
    if json:
        print_json(result.to_dict())
        return
    for each in result.evaluations:
        _print_evaluation(each)
        for line in each.notes:
            shared = all(line in other.notes for other in result.evaluations)
            if not shared or each is result.evaluations[0]:
                note(line if shared else f"{each.name}: {line}")
    for name, changed in result.robustness.items():
        _print_robustness(name, changed)
    for name, found in result.errors.items():
        _print_errors(name, found)
    if result.files:
        note("wrote " + ", ".join(map(str, result.files)))


def _print_robustness(name: str, changed: Any) -> None:
    print(f"{name}, head {changed.head}: accuracy on {changed.n:,} faces that were changed, and its share of the")
    print(f"{changed.clean:.1%} on the faces as they are; * strengths beyond the moderate")
    rows = []
    for each in changed.to_dict()["cells"]:
        strength = f"{each['strength']:g}{'' if each['moderate'] else '*'}"
        rows.append((f"  {each['corruption']}", strength, f"{each['accuracy']:.1%}", f"{each['relative']:.1%}"))
    print(table(("  changed by", "strength", "accuracy", "of clean"), rows, right=(1, 2, 3)))
    lowest = f"{changed.worst.corruption} {changed.worst.strength:g}, {changed.worst.relative:.1%}"
    print(f"  mean {changed.mean:.1%}; lowest of moderate strength: {lowest}\n")


def _print_evaluation(each: Any) -> None:
    about = each.predictions.meta
    labels = f"labels {about.get('label_source') or each.label_set.name}"
    facts = [about.get("data"), about.get("split"), labels, f"n = {each.n:,}", about.get("rule")]
    print(f"{each.name}: {', '.join(str(fact) for fact in facts if fact)}")
    if each.passes > 1:
        print(f"  {each.passes} passes through a network a face")
    figures = [(f"  {name}", interval(figure.to_dict()), _of(figure)) for name, figure in each.overall.items()]
    print(table(("  figure", "value (95 % interval)", ""), figures))
    print("\n  classes, one against the rest")
    names = ("recall", "precision", "f1", "roc_auc", "average_precision")
    rows = [
        (f"  {row.label}", f"{row.n:,}", *(interval(getattr(row, name).to_dict()) for name in names))
        for row in each.classes
    ]
    print(table(("  label", "n", *names), rows, right=(1,)))
    for groups in each.groups.values():
        _print_groups(groups)
    print("\n  rows: labels; columns: what was predicted")
    header = ("", *(label[:6] for label in each.label_set))
    counts = [(f"  {label}", *row) for label, row in zip(each.label_set, each.confusion.tolist(), strict=True)]
    print(table(header, counts, right=range(1, len(header))) + "\n")


def _print_errors(name: str, found: Any) -> None:
    sure = found.to_dict()["confidently_wrong"]
    print(f"{name}: {found.wrong:,} of {len(found):,} faces wrong, {sure['count']:,} with p of {sure['from']} or more")
    for each in found.confused[:3]:
        print(f"  {len(each.rows):,} times {each.label} as {each.predicted}: {each.share.value:.1%} of {each.label}")
    if found.second is not None:
        print(f"  {len(found.suspects):,} of the {found.judged:,} wrong ones are right by another label: suspects.csv")
    if found.bins:
        print("  accuracy from the faces with the lowest values to those with the highest")
    for condition, bins in found.bins.items():
        print(f"  {condition:<14}" + "  ".join(f"{each.accuracy.value:.1%}" for each in bins))
    for line in found.notes:
        note(f"{name}: {line}")
    print()


def _of(figure: Any) -> str:
    """How many faces, where a figure rests on fewer than the others."""
    return "" if figure.n is None else f"n = {figure.n:,}"


def _print_groups(groups: Any) -> None:
    unknown = f", {groups.unknown:,} faces of none" if groups.unknown else ""
    print(f"\n  groups by {groups.column}{unknown}")
    largest = sorted(groups.rows, key=lambda row: -row.n)[:_GROUPS_SHOWN]
    rows = []
    for row in (each for each in groups.rows if each in largest):
        people = "" if row.people is None else f"{row.people:,}"
        small = ("too small", "") if row.too_small else None
        figures = small or (interval(row.accuracy.to_dict()), interval(row.macro_f1.to_dict()))
        rows.append((f"  {row.name}", f"{row.n:,}", people, *figures))
    print(table(("  group", "n", "people", "accuracy", "macro_f1"), rows, right=(1, 2)))
    if len(groups.rows) > len(rows):
        print(f"  ... and {len(groups.rows) - len(rows):,} smaller groups: --out writes all of them")
    for name, gap in (("accuracy", groups.accuracy_gap), ("macro_f1", groups.macro_f1_gap)):
        if gap is not None:
            print(f"  gap in {name}: {interval(gap.to_dict())}, {gap.best} above {gap.worst}")


def export(
    model: Annotated[str, typer.Argument(metavar="MODEL|RUN", help="A bundled model, an ONNX file, or a run folder.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the files go.")],
    form: Annotated[str, typer.Option("--format", metavar="onnx|int8|web", help="Which weights, or a page.")] = "onnx",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    json: Json = False,
) -> None:
    """Write a model as an ONNX file with its card beside it, or as a page that runs it in the visitor's browser."""
    from mien.verbs.export import export as run

    result = run(model, format=form, out=out, overwrite=overwrite)
    if json:
        print_json(dataclasses.asdict(result))
        return
    if result.serve:
        size = sum(path.stat().st_size for path in result.files) / 1e6
        note(f"wrote {len(result.files)} files, {size:.1f} MB, into {out}; to see the page at http://localhost:8000:")
        print(result.serve)
        return
    note("wrote " + ", ".join(map(str, result.files)))
