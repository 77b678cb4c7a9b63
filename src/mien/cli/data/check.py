"""`mien data check`."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from mien.cli.console import Progress, examples, libraries_silenced, note, print_json, table
from mien.cli.options import Json

_SHOWN = 20  # of a list; all of it stands in the JSON


def register(group: typer.Typer) -> None:
    """Add the command to the group."""
    commands = examples(
        "mien data check rafdb=data/rafdb", "mien data check ckplus=data/ck+ --set peak=3 --quick --json"
    )
    group.command("check", epilog=commands)(check)


def check(
    data: Annotated[str, typer.Argument(metavar="NAME=ROOT", help="A data set and its folder: rafdb=data/rafdb.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="OPTION=VALUE", help="An option of the reader; may repeat.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Do not open the pictures.")] = False,
    json: Json = False,
) -> None:
    """See whether a data set is complete and as its authors hand it out: counts against the published ones."""
    from mien.core.toml import parse_setting
    from mien.verbs.check import check as run

    options = dict(parse_setting(each) for each in settings or ())
    with Progress("pictures") as progress, libraries_silenced():
        report = run(data, options=options, decode=not quick, tell=progress.at)
    if json:
        print_json(report.to_dict())
    else:
        print("\n".join(_lines(report)))
    if not report.ok:
        note(report.verdict)
        raise typer.Exit(1)


def _lines(report: Any) -> Iterator[str]:
    """What was found, for people."""
    yield f"{report.name}: {report.form}, in {report.root}"
    yield ""
    yield _counts(report)
    for title, some in (("missing", report.missing), ("not readable", report.unreadable)):
        yield from _listed(title, [f"{each.where}: {each.error}" for each in some])
    yield from _listed("of another size", [f"{each.where}: {each.error}" for each in report.odd_sizes])
    yield from _listed("files with one name", [", ".join(each.places) for each in report.shared_names])
    yield from _listed("copies, by their names", report.copies)
    yield ""
    for sentence in (*report.lacking, *report.altered):
        yield f"- {sentence}"
    for sentence in report.notes:
        if sentence not in report.altered:
            yield f"note: {sentence}"
    if report.ok:
        yield report.verdict


def _counts(report: Any) -> str:
    certainty = "published" if report.certain else "published (unconfirmed)"
    header = ["split", report.source or "", "found", certainty, "difference"]
    rows = [(split.split, *row) for split in report.counts for row in _rows(split)]
    if not report.compared:
        return table(header[:3], [row[:3] for row in rows], right=(2,))
    return table(header, rows, right=(2, 3, 4))


def _rows(split: Any) -> Iterator[tuple[str, str, str, str]]:
    """Label, found, published and difference: class by class, and in all."""
    for each in split.classes:
        yield (each.label or "(no label)", *_figures(each))
    yield ("(all)", *_figures(split))


def _figures(count: Any) -> tuple[str, str, str]:
    if count.published is None:
        return f"{count.found:,}", "-", "-"
    return f"{count.found:,}", f"{count.published:,}", f"{count.difference:+,}" if count.difference else "0"


def _listed(title: str, entries: Sequence[str]) -> Iterator[str]:
    """The first of many, and how many more there are."""
    if entries:
        yield f"\n{title} ({len(entries):,}):"
        yield from (f"  {entry}" for entry in entries[:_SHOWN])
        if len(entries) > _SHOWN:
            yield f"  … and {len(entries) - _SHOWN:,} more (all of them with --json)"
