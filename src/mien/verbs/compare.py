"""`mien compare`: prediction tables of several models in, whether they differ and by how much out."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mien.core.errors import OutputError, UsageError
from mien.core.files import make_folder, replacing, write_csv
from mien.core.optional import require
from mien.evaluation import PredictionTable, read_predictions
from mien.evaluation.bootstrap import RESAMPLES
from mien.evaluation.compared import Comparison
from mien.evaluation.comparison import POSTHOCS, compare_predictions

JSON = "compare.json"

Spec = str | os.PathLike[str] | PredictionTable
Models = Mapping[str, Spec | Sequence[Spec]] | Sequence[str] | str


@dataclass(frozen=True, kw_only=True)
class CompareConfig:
    """What decides a comparison.

    Attributes:
        against: one of the names, with which alone each other model is compared; None: every model with every other.
        n_train: images that the model of one fold or seed learned from, for the corrected t test; None: of folds all
            images of the other folds, of seeds no correction.
        posthoc: what follows Friedman's test: nemenyi or holm.
        resamples: draws of the bootstrap, and of permutation tests that are not exact.
        seed: of both.
        out: a folder for compare.json, csv tables and the diagram. overwrite: replace an earlier comparison.
    """

    against: str | None = None
    n_train: int | None = None
    posthoc: str = "nemenyi"
    resamples: int = RESAMPLES
    seed: int = 0
    out: str | os.PathLike[str] | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.posthoc not in POSTHOCS:
            raise UsageError(f"expected a post-hoc test out of {', '.join(POSTHOCS)}, got {self.posthoc!r}")
        if self.n_train is not None and self.n_train < 1:
            raise UsageError(f"expected --n-train of 1 or more, got {self.n_train}")
        if self.resamples < 100:
            raise UsageError(f"expected 100 resamples or more, got {self.resamples}")


@dataclass(frozen=True)
class CompareResult:
    """What was found, and the files written."""

    comparison: Comparison
    files: tuple[Path, ...] = ()

    @property
    def sentences(self) -> tuple[str, ...]:
        """What follows, in words: a sentence for each pair of models."""
        return self.comparison.sentences

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**self.comparison.to_dict(), "files": [str(each) for each in self.files]}


def compare(models: Models, config: CompareConfig | None = None, **changes: Any) -> CompareResult:
    """Compare models on the same images: paired tests, effect sizes, intervals of differences, and a sentence a pair.

    Args:
        models: name -> its prediction table (a path, or one in memory) or several, its folds or seeds; or the same as
            ``"NAME=PATH"`` and ``"NAME=PATH,PATH"``.
        config: the settings; the defaults if None.
        **changes: fields of `CompareConfig` by name.

    Raises:
        UsageError: a name is missing or given twice, or there are fewer than two.
        DataError: a file cannot be read, or the predictions are not of the same images, labels, splits and rules.
        MissingExtraError: `out` needs the extra `report`, for the diagram.
        OutputError: results are there already, or cannot be written.

    Example:
        >>> mien.compare({"a": "a.parquet", "b": "b.parquet"}).sentences  # doctest: +SKIP
        ('a is 1.8 points better than b on the same 3,589 images, 95 % interval 0.6 to 3.0, p = 0.004.',)
    """
    config = replace(config or CompareConfig(), **changes)
    named = _named(models)
    if len(named) < 2:
        raise UsageError(f"expected two NAMEs or more to compare, got {', '.join(named) or 'none'}")
    if config.out is not None:
        require("matplotlib", extra="report")
        _check_out(Path(config.out), overwrite=config.overwrite)
    tables = {
        name: [each if isinstance(each, PredictionTable) else read_predictions(each) for each in specs]
        for name, specs in named.items()
    }
    found = compare_predictions(
        tables,
        against=config.against,
        n_train=config.n_train,
        posthoc=config.posthoc,
        resamples=config.resamples,
        seed=config.seed,
    )
    return CompareResult(found, _write(found, Path(config.out)) if config.out is not None else ())


def _named(models: Models) -> dict[str, list[Spec]]:
    """Name -> its tables, however they were given."""
    if isinstance(models, Mapping):
        return {
            name: [specs] if isinstance(specs, str | os.PathLike | PredictionTable) else list(specs)
            for name, specs in models.items()
        }
    named: dict[str, list[Spec]] = {}
    for word in [models] if isinstance(models, str) else models:
        name, equals, paths = word.partition("=")
        if not (name and equals and all(paths.split(","))):
            raise UsageError(f"expected NAME=PREDICTIONS[,PREDICTIONS...], got {word!r}")
        if name in named:
            raise UsageError(f"expected each NAME once, got {name!r} twice: join its tables with commas")
        named[name] = [*paths.split(",")]
    return named


def _check_out(out: Path, *, overwrite: bool) -> None:
    if out.exists() and not out.is_dir():
        raise OutputError(f"expected a folder for the results, got the file {out}: choose another name")
    if (out / JSON).exists() and not overwrite:
        raise OutputError(f"expected no comparison in {out}, got {JSON}: choose another, or give --overwrite")


def _write(found: Comparison, out: Path) -> tuple[Path, ...]:
    from mien.reporting.differences import draw_differences
    from mien.reporting.ranks import draw_diagram

    drawing = draw_differences({"all": found}) if found.diagram is None else draw_diagram(found.diagram)
    make_folder(out)
    files = []
    for name, rows in found.tables().items():
        write_csv(out / name, rows)
        files.append(out / name)
    text = json.dumps(found.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    contents = {f"{drawing.name}.png": drawing.png, f"{drawing.name}.svg": drawing.svg.encode(), JSON: text.encode()}
    for name, content in contents.items():  # compare.json last: where it is, all else is
        with replacing(out / name) as partial:
            partial.write_bytes(content)
        files.append(out / name)
    return tuple(files)
