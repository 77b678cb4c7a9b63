"""`mien data explore`: a table in, a page of figures with the numbers behind them out."""

import itertools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.core.errors import OutputError
from mien.core.files import make_folder, replacing, unwritable, write_csv
from mien.core.optional import require
from mien.datasets import Table
from mien.datasets.explore import explore_table
from mien.pipeline.picture_workers import open_data

if TYPE_CHECKING:
    from mien.reporting.exploration import ExplorationPage
    from mien.reporting.numbers import Rows

PAGE, NUMBERS, FIGURES = "index.html", "numbers.json", "figures"
TABLES = ("classes.csv", "images.csv", "intensities.csv", "groups.csv", "duplicates.csv", "agreement.csv")


@dataclass(frozen=True)
class ExploreResult:
    """What was found, and the files written.

    Attributes:
        out: the folder. page: the HTML page in it.
        figures: the drawn ones, PNG and SVG. tables: csv files.
        numbers: what numbers.json holds: counts, mean and standard deviation, medians and so on.
        findings: figure -> a sentence on what it shows.
        left_out: title of a figure -> why these data do not allow it.
    """

    out: Path
    page: Path
    figures: tuple[Path, ...]
    tables: tuple[Path, ...]
    numbers: dict[str, Any]
    findings: dict[str, str]
    left_out: dict[str, str]


def explore(
    data: str | os.PathLike[str] | Table,
    *,
    out: str | os.PathLike[str],
    source: str | None = None,
    overwrite: bool = False,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> ExploreResult:
    """Draw what a data set looks like: classes, samples, mean faces, grey levels, noise, copies, agreement and more.

    Args:
        data: a prepared table (its path, or one in memory) or ``"NAME=ROOT"`` of face crops.
        out: the folder for index.html, numbers.json, csv tables and ``figures/``; it is made if need be.
        source: the label source that says which class an image belongs to; None: that of the table's own name, or
            its first.
        overwrite: write into a folder that holds files, over those of an earlier exploration.
        tell: called with the number of figures drawn and their total.

    Raises:
        MissingExtraError: matplotlib or jinja2 is not installed.
        UsageError, DataError: the data are not known, have no images, or lack the label source.
        OutputError: the folder holds files already, or cannot be written.

    Example:
        >>> mien.explore("ferplus.parquet", out="explored").numbers["mean"]  # doctest: +SKIP
        [0.507...]
    """
    for package in ("matplotlib", "jinja2"):
        require(package, extra="report")
    from mien.reporting.exploration import exploration_page
    from mien.reporting.numbers import to_numbers, to_tables
    from mien.reporting.plates import PLATES

    out = Path(out)
    _expect_empty(out, overwrite=overwrite)
    found = explore_table(data if isinstance(data, Table) else open_data(data), source=source)
    numbers, tables = to_numbers(found), to_tables(found)
    page = exploration_page(found, files=_beside(tables), tell=tell)
    make_folder(out / FIGURES)
    _clear(out, [plate.name for plates in PLATES.values() for plate in plates])
    figures = _write_figures(page, out / FIGURES)
    written = tuple(_write_table(rows, out / name) for name, rows in tables.items())
    _write_text(json.dumps(numbers, indent=2, ensure_ascii=False) + "\n", out / NUMBERS)
    _write_text(page.html, out / PAGE)  # last: where there is a page, all it speaks of is there
    return ExploreResult(out, out / PAGE, figures, written, numbers, page.findings, page.left_out)


def _expect_empty(out: Path, *, overwrite: bool) -> None:
    if overwrite or not out.exists():
        return
    if not out.is_dir():
        raise OutputError(f"expected a folder or nothing at {out}, got a file: choose another name")
    if any(out.iterdir()):
        raise OutputError(f"expected an empty folder at {out}, got files: choose another, or give --overwrite")


def _clear(out: Path, figures: Sequence[str]) -> None:
    """Remove what an earlier exploration left: these data may not allow all of it. Other files stay."""
    drawn = [f"{FIGURES}/{name}.{suffix}" for name in figures for suffix in ("png", "svg")]
    for name in (PAGE, NUMBERS, *TABLES, *drawn):
        try:
            (out / name).unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(out / name, error) from error


def _beside(tables: Mapping[str, "Rows"]) -> str:
    """In words, what lies beside the page."""
    return f"Beside this page: {NUMBERS}, {', '.join(tables)}, and the figures as PNG and SVG in {FIGURES}/."


def _write_figures(page: "ExplorationPage", folder: Path) -> tuple[Path, ...]:
    files: list[Path] = []
    for drawing in page.drawings:
        with replacing(folder / f"{drawing.name}.png") as partial:
            partial.write_bytes(drawing.png)
        _write_text(drawing.svg, folder / f"{drawing.name}.svg")
        files += (folder / f"{drawing.name}.png", folder / f"{drawing.name}.svg")
    return tuple(files)


def _write_table(table: "Rows", path: Path) -> Path:
    write_csv(path, itertools.chain([table.header], table.rows))
    return path


def _write_text(text: str, path: Path) -> None:
    with replacing(path) as partial:
        partial.write_text(text, "utf-8", newline="\n")
