"""`mien report`: runs, evaluations and models in, one HTML file with everything that can be said of them out."""

import json
import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.core.epochs import read_epochs
from mien.core.errors import DataError, MienError, ModelError, UsageError
from mien.core.files import expect_free, file_name, make_folder, replacing, write_csv
from mien.core.optional import require
from mien.core.toml import parse_toml
from mien.datasets import Table
from mien.evaluation import Evaluation, judge, read_predictions
from mien.pipeline.picture_workers import open_data
from mien.runtime.card import Card, RobustnessCell
from mien.training.diagnosis import diagnose
from mien.verbs.evaluate import evaluate
from mien.zoo.store import RUN_CARD, load_card

if TYPE_CHECKING:
    from mien.reporting.evaluation_page import ReportPage
    from mien.reporting.parts import Reported

Spec = str | os.PathLike[str]


@dataclass(frozen=True)
class ReportResult:
    """What was written.

    Attributes:
        page: the HTML file.
        files: figures (PNG and SVG) and tables (csv) in the folder beside it.
        left_out: what could not be shown, and why.
    """

    page: Path
    files: tuple[Path, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class _Source:
    """Where what is known of one model lies.

    Attributes:
        name: of the model in the report.
        predictions: head -> prediction table; {} for a model that is still to be evaluated.
        folder: of the run or evaluation, if it is one. model: what `load_card` takes, if there is a model.
    """

    name: str
    predictions: Mapping[str, Path]
    folder: Path | None
    model: Spec | None


def report(
    runs: Spec | Sequence[Spec],
    *,
    out: Spec,
    data: Spec | Table | None = None,
    split: str = "valid",
    head: str | None = None,
    title: str = "",
    overwrite: bool = False,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> ReportResult:
    """Put all that is known of trained models on one page: training, figures, classes, errors, explanations, cards.

    Args:
        runs: run folders, folders of `mien evaluate --out`, prediction tables, or models (their names or files, which
            are evaluated now and so need `data`); ``NAME=...`` gives one another name.
        out: the HTML file; figures and tables go into the folder ``<its name>_files`` beside it.
        data: the faces that the predictions are of; with them the page shows hard faces and explanations, too.
        split: which predictions.
        head: the head that the figures are of; None: the default head of the first model, or the only one.
        title: of the page.
        overwrite: replace an earlier report.
        tell: called with the number of figures drawn and their total.

    Raises:
        MissingExtraError: matplotlib or jinja2 is not installed.
        UsageError, DataError, ModelError: a run without predictions, or what is no run at all.
        OutputError: a file is there already, or cannot be written.

    Example:
        >>> mien.report(["runs/a", "runs/b"], out="report.html").page  # doctest: +SKIP
        PosixPath('report.html')
    """
    for package in ("matplotlib", "jinja2"):
        require(package, extra="report")
    from mien.reporting.evaluation_page import report_page
    from mien.verbs.report_parts import extra_sections

    out = Path(out)
    if out.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"expected a file that ends in .html as --out, got {out.name or str(out)!r}")
    expect_free(out, overwrite=overwrite)
    specs = [runs] if isinstance(runs, str | os.PathLike) else list(runs)
    if not specs:
        raise UsageError("expected a run, an evaluation or a model to report on, got none")
    sources = [_source(spec, split) for spec in specs]
    _expect_distinct([each.name for each in sources])
    faces = None if data is None else data if isinstance(data, Table) else open_data(str(data))
    models: list[Reported] = []
    for each in sources:
        models.append(_reported(each, faces, split, head))
        head = head or models[0].evaluation.predictions.meta.get("head")
    extras, left_out = extra_sections(models, {each.name: each.model for each in sources}, faces)
    page = report_page(
        models,
        title=title or _title([each.name for each in models]),
        extras=extras,
        left_out=left_out,
        tell=tell,
    )
    return ReportResult(out, _write(page, out), page.left_out)


def _title(names: Sequence[str]) -> str:
    """What the page is called if nobody says."""
    return " against ".join(names) if len(names) < 3 else f"{', '.join(names[:-1])} and {names[-1]}"


def _source(spec: Spec, split: str) -> _Source:
    name, path = _named(spec)
    if path.suffix in (".parquet", ".csv"):
        return _Source(name or path.stem.removeprefix(f"predictions-{split}-"), {"": path}, None, None)
    if path.is_dir():
        found = {each.parent.name: each for each in sorted(path.glob(f"*/predictions-{split}.parquet"))}
        whole = path / f"predictions-{split}.parquet"
        if whole.exists():
            found = {"": whole}
        model = path if (path / RUN_CARD).exists() else None
        if found or model is not None:
            return _Source(name or path.resolve().name, found, path, model)
        others = sorted({each.stem.split("-")[1] for each in path.glob("**/predictions-*.parquet")})
        several = sorted(path.glob(f"predictions-{split}-*.parquet"))
        if several:
            raise UsageError(f"expected predictions of one model in {path}, got several: give {several[0]} and so on")
        there = f"predictions of {', '.join(others)} only" if others else "none"
        raise DataError(f"expected predictions of the split {split} in {path}, got {there}: run mien evaluate first")
    spec = path if path.exists() else str(path)
    card = load_card(spec)  # says what is wrong with a model that is none
    return _Source(name or card.name, {}, None, spec)


def _named(spec: Spec) -> tuple[str, Path]:
    """The name that was given, "" if none, and the path or name of a model."""
    text = os.fspath(spec)
    name, equals, rest = text.partition("=")
    if equals and rest and not Path(text).exists() and not set(name) & set("/\\"):
        return name, Path(rest)
    return "", Path(text)


def _expect_distinct(names: Sequence[str]) -> None:
    twice = sorted({each for each in names if names.count(each) > 1})
    if twice:
        raise UsageError(f"expected models of different names, got {twice[0]} twice: name them, as in a={twice[0]}")


def _reported(source: _Source, faces: Table | None, split: str, head: str | None) -> "Reported":
    from mien.reporting.parts import Reported

    card = None if source.model is None else load_card(source.model)
    tables = {name: read_predictions(path) for name, path in source.predictions.items()}
    if not tables:
        if faces is None:
            raise DataError(
                f"expected predictions of {source.name}, got none: give --data to make them, or run mien evaluate first"
            )
        assert source.model is not None
        found = evaluate(source.model, data=faces, split=split, head=head).evaluations
        evaluations = [replace(found[0], name=source.name)]
    else:
        evaluations = [replace(judge(table), name=source.name) for table in tables.values()]
    first = _of_head(evaluations, head, card, source.name)
    if not len(first.predictions.labelled()):
        raise DataError(f"expected labelled faces in the predictions of {source.name}, got none")
    card = card or _known(first.predictions.meta.get("model", ""))
    log = read_epochs(source.folder / "metrics.csv") if source.folder else []
    return Reported(
        source.name,
        first,
        tuple(each for each in evaluations if each is not first),
        card,
        _toml(source.folder, "config.toml"),
        _json(source.folder, "versions.json"),
        log,
        diagnose(log) if log else (),
        _robustness(source.folder, card, split),
    )


def _of_head(evaluations: Sequence[Evaluation], head: str | None, card: Card | None, name: str) -> Evaluation:
    heads = {each.predictions.meta.get("head", ""): each for each in evaluations}
    if head is None:
        return heads.get(card.default_head if card else "", evaluations[0])
    if head not in heads and "" not in heads:
        raise DataError(f"expected predictions of head {head!r} of {name}, got those of {', '.join(heads)}")
    return heads.get(head, evaluations[0])


def _known(model: str) -> Card | None:
    """The card of a model at hand that predictions name, if there is one."""
    try:
        return load_card(model) if model and not set(model) & set("/\\") else None
    except MienError:
        return None


def _toml(folder: Path | None, name: str) -> Mapping[str, Any]:
    path = folder and folder / name
    if path is None or not path.exists():
        return {}
    try:
        return parse_toml(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"expected TOML in {path}, got: {error}") from error


def _json(folder: Path | None, name: str) -> Mapping[str, Any]:
    path = folder and folder / name
    if path is None or not path.exists():
        return {}
    try:
        found = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"expected JSON in {path}, got: {error}") from error
    if not isinstance(found, dict):
        raise DataError(f"expected names and values in {path}, got {type(found).__name__}")
    return found


def _robustness(folder: Path | None, card: Card | None, split: str) -> Sequence[RobustnessCell]:
    """Measured beside the predictions, or else by those who made the model."""
    cells: list[RobustnessCell] = []
    for path in sorted(folder.glob(f"**/robustness-{split}.json")) if folder else ():
        found = _json(path.parent, path.name)
        try:
            cells += [
                RobustnessCell(c["corruption"], c["strength"], c["accuracy"], c["relative"], found["head"])
                for c in found["cells"]
            ]
        except (KeyError, TypeError, ModelError) as error:
            raise DataError(f"expected the cells of a robustness table in {path}, got: {error}") from error
    return cells or (card.robustness if card else ())


def _write(page: "ReportPage", out: Path) -> tuple[Path, ...]:
    folder = out.with_name(f"{out.stem}_files")
    make_folder(out.parent)
    make_folder(folder)
    files: list[Path] = []
    for drawing in page.drawings:
        stem = file_name(drawing.name)
        files += [_written(folder / f"{stem}.png", drawing.png), _written(folder / f"{stem}.svg", drawing.svg.encode())]
    for name, table in page.tables.items():
        path = folder / file_name(name)
        write_csv(path, [table.header, *table.rows])
        files.append(path)
    _written(out, page.html.encode())  # last: where there is a page, all it speaks of is there
    return tuple(files)


def _written(path: Path, content: bytes) -> Path:
    with replacing(path) as partial:
        partial.write_bytes(content)
    return path
