"""`mien data subset`: some classes, so many images of each, folds, a validation split; and who is in it, kept."""

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mien.core.errors import DataError, UsageError
from mien.core.files import expect_free, make_folder
from mien.core.registry import unknown
from mien.datasets import LabelColumn, Table, read_table, write_table
from mien.datasets.lists import ids_to_drop
from mien.datasets.members import members_path, take_members, write_members
from mien.datasets.parquet import check_table_path
from mien.datasets.subsets import PRESET_SOURCE, PRESETS, Part, Recipe, carve_valid, fold, leave_out, take, without
from mien.datasets.table import SPLITS, expect_splits
from mien.pipeline.picture_workers import open_data
from mien.verbs.made_table import Counts, count_labels, count_splits, described

Spec = str | os.PathLike[str]
LOSO = "loso"  # leave one subject out
_STEPS = 3  # read, choose, write


@dataclass(frozen=True, kw_only=True)
class SubsetConfig:
    """What decides a subset.

    Attributes:
        preset: a set under a name out of `PRESETS`; it decides labels, per_class, split and as_split.
        labels: these classes alone, in this order; images of others are left out. None: all.
        per_class: so many images of each class, of each split taken; None: all.
        split: this one alone; None: all. as_split: what it is called in the result.
        drop_duplicates: of images that are equal in every pixel take one, the one in train before the one in valid
            and test; none where their labels differ.
        source: the label source that all this goes by; needed where the table has several.
        drop: lists of images to leave out, see `mien.datasets.lists`.
        exclude: tables whose images are left out, and those equal to them in every pixel; or lists of ids.
        carve: share of each class of train that becomes valid.
        folds: how many, or ``"loso"`` for one a group, kept in the column `fold`.
        group: column whose values are not torn apart by carve and folds; for ``"loso"`` subject, unless named.
        members: a list that an earlier run wrote; the same images are taken again, and nothing else is to be said.
        seed: of all chance.
    """

    preset: str | None = None
    labels: Sequence[str] | None = None
    per_class: int | None = None
    split: str | None = None
    as_split: str | None = None
    drop_duplicates: bool = False
    source: str | None = None
    drop: Sequence[Spec] = ()
    exclude: Sequence[Spec] = ()
    carve: float | None = None
    folds: int | str | None = None
    group: str | None = None
    members: Spec | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("drop", "exclude"):
            value = getattr(self, name)
            object.__setattr__(self, name, (value,) if isinstance(value, str | os.PathLike) else tuple(value))
        if self.preset is not None and self.preset not in PRESETS:
            raise UsageError(unknown("preset", self.preset, list(PRESETS)))
        self._expect_alone("preset", ("labels", "per_class", "split", "as_split"))
        others = [each for each in self.__dataclass_fields__ if each not in ("members", "seed")]
        self._expect_alone("members", others)
        for split in filter(None, (self.split, self.as_split)):
            expect_splits([split], there=SPLITS)
        if self.per_class is not None and self.per_class < 1:
            raise UsageError(f"expected 1 image a class or more, got {self.per_class}")
        if isinstance(self.folds, str) and self.folds != LOSO:
            raise UsageError(f"expected a number of folds, or {LOSO}, got {self.folds!r}")
        if self.group is not None and self.folds is None and self.carve is None:
            raise UsageError(f"expected --folds or --carve beside --group {self.group}, got neither")

    def _expect_alone(self, name: str, others: Sequence[str]) -> None:
        given = [each for each in others if _given(getattr(self, each))]
        if getattr(self, name) is not None and given:
            raise UsageError(
                f"expected {name} alone, for it decides {', '.join(given)} too, got both: give one of them"
            )

    def recipe(self, splits: Sequence[str]) -> Recipe:
        """What is to be taken out of a table that has these splits."""
        if self.preset is not None:
            preset = PRESETS[self.preset]
            return replace(preset, distinct=preset.distinct or self.drop_duplicates)
        labels = None if self.labels is None else tuple(self.labels)
        taken = splits if self.split is None else (self.split,)
        parts = tuple(Part(each, self.as_split or each, self.per_class) for each in taken)
        return Recipe(labels, parts, distinct=self.drop_duplicates)

    @property
    def needs_labels(self) -> bool:
        """Whether it matters what an image shows."""
        chosen = self.preset, self.labels, self.per_class, self.carve, self.drop_duplicates or None
        return any(each is not None for each in (*chosen, self.folds if self.folds != LOSO else None))


@dataclass(frozen=True)
class SubsetResult:
    """What was written.

    Attributes:
        out: the table. members: who is in it, as csv. digest: the table's sha256. source_digest: that of the whole.
        images: split -> images. labels: label -> split -> images. folds: fold -> images; empty if there are none.
        source: the label source meant; None where it is not said.
    """

    out: Path
    members: Path
    digest: str
    source_digest: str
    images: Counts
    labels: dict[str, Counts]
    folds: dict[int, int]
    source: str | None


def subset(
    table: Spec,
    config: SubsetConfig | None = None,
    *,
    out: Spec,
    overwrite: bool = False,
    tell: Callable[[int, int], None] = lambda done, total: None,
    **changes: Any,
) -> SubsetResult:
    """Take a part of a table, so that it can be taken again: of the same ids and seed the same images.

    Beside `out` a csv with the suffix .members.csv says who is in it. What is left out is left out before images are
    drawn, duplicates first, so that a draw is always full.

    Args:
        table: a prepared table, or ``"NAME=ROOT"`` for a data set of face crops.
        config: the settings; the defaults if None.
        out: a file name that ends in .parquet.
        overwrite: replace the two files if they are there.
        tell: called with the number of steps done and their total.
        **changes: fields of `SubsetConfig` by name.

    Raises:
        UsageError: settings that do not go together, or a name that is not known.
        DataError: the data are not as they should be, or there are too few images of a class.
        OutputError: the table cannot be written.

    Example:
        >>> mien.subset("fer.parquet", preset="four-400", out="four-400.parquet").images  # doctest: +SKIP
        {'train': 1600, 'valid': 400}
    """
    config = replace(config or SubsetConfig(), **changes)
    out = Path(out)
    check_table_path(out, overwrite=overwrite)
    expect_free(members_path(out), overwrite=overwrite)
    whole = open_data(table)
    digest = whole.digest()
    tell(1, _STEPS)
    if config.members is not None:
        chosen, source = take_members(whole, config.members)
    else:
        source = _source(whole, config)
        chosen = _choose(whole, source, config)
    if source is not None:
        chosen = _with_rule(chosen, source, config)
    chosen = described(chosen, subset_of=digest, subset=_told(config, source))
    tell(2, _STEPS)
    make_folder(out.parent)
    write_table(chosen, out, overwrite=overwrite)
    write_members(chosen, source, members_path(out))
    tell(_STEPS, _STEPS)
    return _result(chosen, source, out, digest)


def _given(value: Any) -> bool:
    """Whether a setting says anything."""
    return not (value is None or value is False or value in ((), []))


def _source(table: Table, config: SubsetConfig) -> str | None:
    """The label source meant."""
    if config.source is not None:
        table.source(config.source)
        return config.source
    if config.preset is not None and PRESET_SOURCE in table.sources:
        return PRESET_SOURCE
    if len(table.sources) == 1:
        return next(iter(table.sources))
    if table.sources and config.needs_labels:
        raise UsageError(f"expected one label source, got {', '.join(table.sources)}: name one with --source")
    if config.preset or config.labels or config.per_class:
        raise DataError("expected labels in the data to choose by, got none")
    return None


def _choose(table: Table, source: str | None, config: SubsetConfig) -> Table:
    table = table.drop(*config.drop)
    for each in config.exclude:
        table = _without(table, Path(each))
    table = take(table, source, config.recipe(table.splits), seed=config.seed)
    if config.carve is not None:
        table = carve_valid(table, source, config.carve, seed=config.seed, group=config.group)
    if config.folds == LOSO:
        return leave_out(table, config.group or "subject")
    if config.folds is not None:
        return fold(table, source, int(config.folds), seed=config.seed, group=config.group)
    return table


def _with_rule(table: Table, source: str, config: SubsetConfig) -> Table:
    """The table whose label source says what was chosen by it, for that stands beside every figure."""
    column = table.source(source)
    said = {
        f"the images of {Path(config.members or '').name}": config.members,
        f"preset {config.preset}": config.preset,
        f"{', '.join(column.label_set)} alone": config.labels,
        f"{config.per_class} a class": config.per_class,
        "of equal images one": config.drop_duplicates,
        "without those listed": config.drop or config.exclude,
        f"seed {config.seed}": config.preset or config.per_class or config.carve,
    }
    rule = ", ".join(words for words, given in said.items() if given)
    column = replace(column, rule="; ".join(filter(None, (column.rule, rule))))
    return replace(table, sources={**table.sources, source: column})


def _without(table: Table, unwanted: Path) -> Table:
    if unwanted.suffix != ".parquet":
        return without(table, ids=list(ids_to_drop(unwanted)))
    other = read_table(unwanted)
    return without(table, ids=other.ids.tolist(), keys=other.pixel_keys())


def _told(config: SubsetConfig, source: str | None) -> dict[str, Any]:
    """The settings that are not left as they are, for the metadata; of a file its name."""
    told = {name: value for name, value in asdict(config).items() if _given(value)}
    for name in ("drop", "exclude"):
        if name in told:
            told[name] = [Path(each).name for each in told[name]]
    if "members" in told:
        told["members"] = Path(told["members"]).name
    return told | ({} if source is None else {"source": source})


def _result(table: Table, source: str | None, out: Path, digest: str) -> SubsetResult:
    column: LabelColumn | None = None if source is None else table.source(source)
    numbers, counts = np.unique(table.extra.get("fold", np.empty(0, np.int32)), return_counts=True)
    return SubsetResult(
        out=out,
        members=members_path(out),
        digest=table.digest(),
        source_digest=digest,
        images=count_splits(table),
        labels={} if column is None else count_labels(table, column),
        folds=dict(zip(numbers.tolist(), counts.tolist(), strict=True)),
        source=source,
    )
