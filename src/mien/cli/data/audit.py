"""`mien data audit`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from mien.cli.console import Progress, examples, note, print_json, table
from mien.cli.options import Json

_EXAMPLES = examples(
    "mien data audit ferplus.parquet --out audit.csv",
    "mien train --data ferplus.parquet --drop audit.csv --relabel audit.csv --preset mien-s --out runs/clean",
)


def register(group: typer.Typer) -> None:
    """Add the command to the group."""
    group.command("audit", epilog=_EXAMPLES)(audit)


def audit(
    data: Annotated[list[str], typer.Argument(metavar="TABLE|NAME=ROOT", help="Tables or data sets of face crops.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="LIST.csv", help="What to drop, to label anew, and to look at.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 where anything crosses splits or labels contradict.")
    ] = False,
    near: Annotated[
        int, typer.Option("--near", metavar="BITS", help="How far hashes of near copies may differ, 0 to 11 of 64.")
    ] = 11,
    faces: Annotated[bool, typer.Option("--faces", help="Look for a face in every image, too; slow.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a list that exists.")] = False,
    json: Json = False,
) -> None:
    """Find copies within and between splits, labels that contradict each other, blank images, subjects that leak."""
    from mien.verbs.audit import audit as run

    with Progress("images") as progress:
        result = run(data, out=out, near=near, faces=faces, overwrite=overwrite, tell=progress.at)
    if json:
        print_json(result.to_dict())
    else:
        figures = result.to_dict()
        print(_table(figures))
        for line in _sentences(figures):
            print(line)
    if out is not None:
        note(f"wrote {out}")
    if strict and not result.clean:
        note("expected no copies across splits and no labels that contradict each other, got those above")
        raise typer.Exit(1)


_COLUMNS = {
    "images": "copies",
    "groups": "groups",
    "label_conflicts": "label conflicts",
    "near_images": "near copies",
    "blank": "blank",
    "oversampled": "oversampled",
}


def _table(figures: Mapping[str, Any]) -> str:
    rows = [
        (words.format(*key.split("|")), *(_count(row.get(name)) for name in _COLUMNS))
        for kind, words in (
            ("cross_split", "{1} that stand in {0}"),
            ("within_split", "within {0}"),
            ("between_data", "{1} that stand in {0}"),
        )
        for key, row in figures[kind].items()
    ]
    return table(("images", *_COLUMNS.values()), rows, right=range(1, len(_COLUMNS) + 1))


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _sentences(figures: Mapping[str, Any]) -> Iterator[str]:
    """What the table has no room for."""
    yield ""
    for name, one, many in (("subjects", "subject stands", "subjects stand"), ("clips", "clip stands", "clips stand")):
        count = figures[f"{name}_crossing"]
        if count is not None:
            yield f"{count:,} {one if count == 1 else many} in several splits."
    if figures["no_face"] is not None:
        yield f"In {figures['no_face']:,} images most raters see no face."
    if figures["no_face_found"] is not None:
        yield f"In {figures['no_face_found']:,} images the detector finds no face."
    drop, relabel, review = (f"{figures['actions'][each]:,}" for each in ("drop", "relabel", "review"))
    rows = f"{figures['rows']:,}"
    yield f"Of {rows} images {drop} are to be dropped and {relabel} labelled anew; {review} rows are for review."
