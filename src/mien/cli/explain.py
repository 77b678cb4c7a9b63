"""`mien explain`."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from mien.cli.console import Progress, examples, libraries_silenced, note, print_json, share, table
from mien.cli.options import Device, Head, Json, MinFace
from mien.cli.predict import Detector

_EXPLAIN = examples(
    "mien explain mien-s photo.jpg --out explained/",
    "mien explain runs/mine photo.jpg --method gradcam++ --label anger --faithfulness --out explained/",
    "mien explain mien-s --data ferplus=data/fer2013 --out explained/",
    "mien explain runs/clips clip.mp4 frames/ --out explained/",
)


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("explain", epilog=_EXPLAIN)(explain)


def explain(
    model: Annotated[str, typer.Argument(metavar="MODEL|RUN", help="A bundled model, an ONNX file, or a run folder.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where pictures and numbers go.")],
    images: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="IMAGE...", help="Photographs, and folders of them; for a model of clips videos, folders of frames."
        ),
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            "--method",
            metavar="gradcam|gradcam++|eigencam|occlusion|attention",
            help="gradcam++ and attention need a run folder.",
        ),
    ] = "gradcam",
    label: Annotated[
        str | None, typer.Option("--label", metavar="EMOTION", help="What the maps speak for. [the most probable]")
    ] = None,
    head: Head = None,
    detector: Detector = "mtcnn",
    min_face: MinFace = 40,
    faithfulness: Annotated[
        bool, typer.Option("--faithfulness", help="Measure the maps: deletion, insertion, randomised weights of a run.")
    ] = False,
    data: Annotated[
        str | None, typer.Option("--data", metavar="TABLE|NAME=ROOT", help="Also galleries and mean maps by class.")
    ] = None,
    split: Annotated[
        str, typer.Option("--split", metavar="train|valid|test", help="Which part of the data.")
    ] = "valid",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Show where in a face a model sees what it says of it: heat maps, in the picture and beside it."""
    from mien.verbs.explain import explain as run

    with libraries_silenced(), Progress("faces" if data else "pictures") as progress:
        result = run(
            model,
            images or [],
            method=method,
            label=label,
            head=head,
            detector=detector,
            min_face=min_face,
            faithfulness=faithfulness,
            data=data,
            split=split,
            overwrite=overwrite,
            device=device,
            out=out,
            tell=progress.at,
        )
    for error in result.failed.values():
        note(error)
    if json:
        print_json(dataclasses.asdict(result))
    else:
        _print(result.rows, measured=faithfulness)
        drawn = sum(each.suffix == ".png" for each in result.files)
        note(f"drew {drawn} picture{'' if drawn == 1 else 's'} in {result.out}, numbers in explanations.json")
    if result.failed:
        raise typer.Exit(1)


def _print(rows: tuple[dict[str, Any], ...], *, measured: bool) -> None:
    if not rows:
        return
    if "frame" in rows[0]:
        _print_clips(rows)
        return
    areas = ("deletion", "(random)", "insertion", "(random)") if measured else ()
    names = ("deletion", "deletion_random", "insertion", "insertion_random") if measured else ()
    lines = [
        (
            Path(row["source"]).name,
            row["face_id"],
            row["explained"] or row["label"],
            share(row["p"]),
            *(f"{row[name]:.3f}" for name in names),
        )
        for row in rows
    ]
    print(table(("picture", "face", "emotion", "", *areas), lines, right=range(4, 4 + len(areas))))


def _print_clips(rows: tuple[dict[str, Any], ...]) -> None:
    """A line a clip: what the model says of it, and in which frame it sees most of that."""
    hottest: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["heat"] > hottest.setdefault(row["source"], row)["heat"]:
            hottest[row["source"]] = row
    lines = [
        (Path(row["source"]).name, row["explained"] or row["label"], share(row["p"]), row["frame"], share(row["heat"]))
        for row in hottest.values()
    ]
    print(table(("clip", "emotion", "", "hottest frame", ""), lines, right=range(3, 5)))
